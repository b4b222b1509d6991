//! Providers to jobs: starts and stops mechanisms as configured, shares those that several jobs configure alike, and
//! publishes the groups of all jobs together. How often targets are taken over is for the reader to decide.

use crate::config::{DiscoveryConfigs, FileSdConfig, StaticGroup};
use crate::file::FileProvider;
use crate::provider::{Groups, Provider, Publisher};
use crate::{TargetGroup, TargetGroups};
use metrics::{Counter, GaugeVec, Registry};
use model::Labels;
use parking_lot::Mutex;
use std::fmt;
use std::sync::{Arc, Weak};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The identity of a provider: its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Static(Vec<StaticGroup>),
    File(FileSdConfig),
}

/// A provider with the jobs that use it.
struct Active {
    key: Key,
    jobs: Vec<String>,
    groups: Groups,
    /// `None` if there is nothing to run.
    task: Option<JoinHandle<()>>,
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Inner {
    name: Box<str>,
    registry: Registry,
    active: Mutex<Vec<Active>>,
    jobs: Mutex<Vec<String>>,
    publish: watch::Sender<Arc<TargetGroups>>,
    discovered: GaugeVec,
    received: Counter,
    sent: Counter,
}

/// Runs the discovery of all jobs of one kind. Cloning shares it.
#[derive(Clone)]
pub struct Manager(Arc<Inner>);

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl Manager {
    /// A manager without jobs, and where it publishes. `name` tells managers apart in metrics (`scrape`, `notify`).
    #[must_use]
    pub fn new(registry: &Registry, name: &str) -> (Self, watch::Receiver<Arc<TargetGroups>>) {
        let (publish, receive) = watch::channel(Arc::default());
        let counter =
            |metric: &str, help: &str| registry.counter_vec(metric, help, &["name"]).with(&[name]);
        let inner = Inner {
            name: name.into(),
            registry: registry.clone(),
            active: Mutex::default(),
            jobs: Mutex::default(),
            publish,
            discovered: registry.gauge_vec(
                "prometheus_sd_discovered_targets",
                "Current number of discovered targets.",
                &["name", "config"],
            ),
            received: counter(
                "prometheus_sd_received_updates_total",
                "Total number of update events received from the SD providers.",
            ),
            sent: counter(
                "prometheus_sd_updates_total",
                "Total number of update events sent to the SD consumers.",
            ),
        };
        // Nothing fails to be built yet; dashboards want the series nevertheless.
        let failed = "prometheus_sd_failed_configs";
        registry
            .gauge_vec(
                failed,
                "Current number of service discovery configurations that failed to load.",
                &["name"],
            )
            .with(&[name])
            .set(0.0);
        (Self(Arc::new(inner)), receive)
    }

    /// Goes over to these jobs. Providers whose configuration did not change go on, with the targets they have; static
    /// targets are published before this returns. To be called within a runtime.
    pub fn apply_config(&self, jobs: &[(String, DiscoveryConfigs)]) {
        let inner = &self.0;
        let mut wanted: Vec<(Key, Vec<String>)> = Vec::new();
        for (job, configs) in jobs {
            let files = configs.file_sd_configs.iter().cloned().map(Key::File);
            let statics = Some(&configs.static_configs).filter(|groups| !groups.is_empty());
            for key in files.chain(statics.cloned().map(Key::Static)) {
                match wanted.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, users)) => users.push(job.clone()),
                    None => wanted.push((key, vec![job.clone()])),
                }
            }
        }
        let mut active = inner.active.lock();
        let mut before = std::mem::take(&mut *active);
        for (key, jobs) in wanted {
            match before.iter().position(|provider| provider.key == key) {
                Some(index) => {
                    let mut provider = before.swap_remove(index);
                    provider.jobs = jobs;
                    active.push(provider);
                }
                None => active.push(self.start(key, jobs)),
            }
        }
        drop(active);
        let names: Vec<String> = jobs.iter().map(|(name, _)| name.clone()).collect();
        let gone = std::mem::replace(&mut *inner.jobs.lock(), names);
        for job in gone.iter().filter(|job| jobs.iter().all(|(name, _)| name != *job)) {
            inner.discovered.remove(&[&inner.name, job]);
        }
        inner.send();
    }

    fn start(&self, key: Key, jobs: Vec<String>) -> Active {
        let groups = Groups::default();
        let inner: Weak<Inner> = Arc::downgrade(&self.0);
        let changed = move || {
            if let Some(inner) = inner.upgrade() {
                inner.received.inc();
                inner.send();
            }
        };
        let task = match &key {
            Key::Static(statics) => {
                let targets = statics.iter().enumerate().map(static_group);
                groups.lock().extend(targets.map(|group| (group.source.clone(), group)));
                None
            }
            Key::File(config) => {
                let publisher = Publisher::new(Arc::clone(&groups), Arc::new(changed));
                let provider = Box::new(FileProvider::new(config.clone(), &self.0.registry));
                Some(tokio::spawn(provider.run(publisher)))
            }
        };
        Active { key, jobs, groups, task }
    }

    /// Stops all providers. What was published stays.
    pub fn stop(&self) {
        self.0.active.lock().clear();
    }
}

impl Inner {
    /// Publishes the groups of all jobs.
    fn send(&self) {
        let mut all: TargetGroups =
            self.jobs.lock().iter().map(|job| (job.clone(), Vec::new())).collect();
        {
            let active = self.active.lock();
            for provider in active.iter() {
                let groups = provider.groups.lock();
                for job in &provider.jobs {
                    all.entry(job.clone()).or_default().extend(groups.values().cloned());
                }
            }
            for (job, groups) in &all {
                let number: usize = groups.iter().map(|group| group.targets.len()).sum();
                self.discovered.with(&[&self.name, job]).set(number as f64);
            }
            // Sent under the lock: a later state is never overtaken by an earlier one.
            self.publish.send_replace(Arc::new(all));
        }
        self.sent.inc();
    }
}

/// The group of an entry of `static_configs`.
fn static_group((index, group): (usize, &StaticGroup)) -> TargetGroup {
    TargetGroup {
        source: index.to_string().into(),
        labels: group.labels.clone(),
        targets: group.targets.iter().map(|address| address_label(address)).collect(),
    }
}

/// The labels of a target of which only the address is known.
pub(crate) fn address_label(address: &str) -> Labels {
    Labels::from_pairs([("__address__", address)])
}

#[cfg(test)]
mod tests;
