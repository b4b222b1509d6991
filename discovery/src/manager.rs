//! Providers to jobs: starts and stops mechanisms as configured, shares those that several jobs configure alike, and
//! publishes the groups of all jobs together. How often targets are taken over is for the reader to decide.

use crate::config::{DiscoveryConfigs, FileSdConfig, MechanismConfig, StaticGroup};
use crate::file::FileProvider;
use crate::provider::{Clock, Context, Environment, Groups, Provider, Publisher};
use crate::{Error, TargetGroup, TargetGroups, kinds, refresh};
use metrics::{Counter, Gauge, GaugeVec, Registry};
use model::Labels;
use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// After an update the next one waits at least this long, and longer while they keep coming.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// What a manager needs.
#[derive(Clone)]
pub struct ManagerOptions {
    /// Where its metrics and those of its mechanisms go.
    pub registry: Registry,
    /// Tells managers apart in metrics (`scrape`, `notify`).
    pub name: Box<str>,
    /// The `User-Agent` of mechanisms that ask over HTTP.
    pub user_agent: Box<str>,
    /// Milliseconds since 1970, for signatures of requests and the time of the last update.
    pub clock: Clock,
    /// What mechanisms look up: credentials of clouds, and where their metadata servers are.
    pub environment: Environment,
}

impl fmt::Debug for ManagerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerOptions").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The identity of a provider: its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Static(Vec<StaticGroup>),
    File(FileSdConfig),
    Mechanism(MechanismConfig),
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
    options: ManagerOptions,
    active: Mutex<Vec<Active>>,
    jobs: Mutex<Vec<String>>,
    publish: watch::Sender<Arc<TargetGroups>>,
    discovered: GaugeVec,
    updated_seconds: GaugeVec,
    failed: Gauge,
    received: Counter,
    delayed: Counter,
    sent: Counter,
    updates: Arc<Updates>,
    sender: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.get_mut() {
            sender.abort();
        }
    }
}

/// What providers tell the task that publishes.
#[derive(Debug, Default)]
struct Updates {
    changed: Notify,
    is_pending: AtomicBool,
    is_pausing: AtomicBool,
}

/// Runs the discovery of all jobs of one kind. Cloning shares it.
#[derive(Clone)]
pub struct Manager(Arc<Inner>);

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("name", &self.0.options.name).finish_non_exhaustive()
    }
}

impl Manager {
    /// A manager without jobs, and where it publishes.
    #[must_use]
    pub fn new(options: ManagerOptions) -> (Self, watch::Receiver<Arc<TargetGroups>>) {
        let (publish, receive) = watch::channel(Arc::default());
        let (registry, name) = (&options.registry, &*options.name);
        kinds::register(registry);
        let counter =
            |metric: &str, help: &str| registry.counter_vec(metric, help, &["name"]).with(&[name]);
        let inner = Inner {
            active: Mutex::default(),
            jobs: Mutex::default(),
            publish,
            discovered: registry.gauge_vec(
                "prometheus_sd_discovered_targets",
                "Current number of discovered targets.",
                &["name", "config"],
            ),
            updated_seconds: registry.gauge_vec(
                "prometheus_sd_last_update_timestamp_seconds",
                "Timestamp of the last update sent to the SD consumers.",
                &["name", "config"],
            ),
            failed: registry
                .gauge_vec(
                    "prometheus_sd_failed_configs",
                    "Current number of service discovery configurations that failed to load.",
                    &["name"],
                )
                .with(&[name]),
            received: counter(
                "prometheus_sd_received_updates_total",
                "Total number of update events received from the SD providers.",
            ),
            delayed: counter(
                "prometheus_sd_updates_delayed_total",
                "Total number of update events that couldn't be sent immediately.",
            ),
            sent: counter(
                "prometheus_sd_updates_total",
                "Total number of update events sent to the SD consumers.",
            ),
            updates: Arc::default(),
            sender: Mutex::default(),
            options,
        };
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
            let mechanisms = configs.mechanisms.iter().cloned().map(Key::Mechanism);
            for key in files.chain(mechanisms).chain(statics.cloned().map(Key::Static)) {
                match wanted.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, users)) => users.push(job.clone()),
                    None => wanted.push((key, vec![job.clone()])),
                }
            }
        }
        let mut failed = 0;
        let mut active = inner.active.lock();
        let mut before = std::mem::take(&mut *active);
        for (key, jobs) in wanted {
            match before.iter().position(|provider| provider.key == key) {
                Some(index) => {
                    let mut provider = before.swap_remove(index);
                    provider.jobs = jobs;
                    active.push(provider);
                }
                None => match self.start(key, jobs) {
                    Ok(provider) => active.push(provider),
                    Err(error) => {
                        failed += 1;
                        tracing::error!(err = %error, "Cannot create service discovery");
                    }
                },
            }
        }
        for provider in before {
            self.forget(&provider);
        }
        drop(active);
        inner.failed.set(f64::from(failed));
        let names: Vec<String> = jobs.iter().map(|(name, _)| name.clone()).collect();
        let gone = std::mem::replace(&mut *inner.jobs.lock(), names);
        for job in gone.iter().filter(|job| jobs.iter().all(|(name, _)| name != *job)) {
            inner.discovered.remove(&[&inner.options.name, job]);
            inner.updated_seconds.remove(&[&inner.options.name, job]);
        }
        inner.send();
    }

    fn start(&self, key: Key, jobs: Vec<String>) -> Result<Active, Error> {
        let groups = Groups::default();
        let provider: Option<Box<dyn Provider>> = match &key {
            Key::Static(statics) => {
                let targets = statics.iter().enumerate().map(static_group);
                groups.lock().extend(targets.map(|group| (group.source.clone(), group)));
                None
            }
            Key::File(config) => {
                Some(Box::new(FileProvider::new(config.clone(), &self.0.options.registry)))
            }
            Key::Mechanism(config) => {
                let options = &self.0.options;
                let context = Context {
                    registry: &options.registry,
                    user_agent: &options.user_agent,
                    mechanism: kinds::name_of(&config.0),
                    job: jobs.first().map_or("", String::as_str),
                    clock: &options.clock,
                    environment: &options.environment,
                };
                Some(kinds::build(&context, &config.0)?)
            }
        };
        let task = provider.map(|provider| {
            self.send_updates();
            tokio::spawn(provider.run(self.publisher(&groups)))
        });
        Ok(Active { key, jobs, groups, task })
    }

    /// What a provider publishes through.
    fn publisher(&self, groups: &Groups) -> Publisher {
        let updates = Arc::clone(&self.0.updates);
        let (received, delayed) = (self.0.received.clone(), self.0.delayed.clone());
        let changed = move || {
            received.inc();
            if updates.is_pausing.load(Ordering::Relaxed) {
                delayed.inc();
            }
            updates.is_pending.store(true, Ordering::Relaxed);
            updates.changed.notify_one();
        };
        Publisher::new(Arc::clone(groups), Arc::new(changed))
    }

    /// Starts the task that publishes, if it does not run.
    fn send_updates(&self) {
        let mut sender = self.0.sender.lock();
        if sender.as_ref().is_none_or(JoinHandle::is_finished) {
            let inner = Arc::downgrade(&self.0);
            let updates = Arc::clone(&self.0.updates);
            *sender = Some(tokio::spawn(send_updates(inner, updates)));
        }
    }

    /// Takes the metrics of a provider that ended away.
    fn forget(&self, provider: &Active) {
        if let (Key::Mechanism(config), Some(job)) = (&provider.key, provider.jobs.first()) {
            refresh::forget(&self.0.options.registry, kinds::name_of(&config.0), job);
        }
    }

    /// Stops all providers. What was published stays.
    pub fn stop(&self) {
        self.0.active.lock().clear();
    }
}

impl Inner {
    /// Publishes the groups of all jobs.
    fn send(&self) {
        let name = &*self.options.name;
        let now_seconds = (self.options.clock)() as f64 / 1000.0;
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
                self.discovered.with(&[name, job]).set(number as f64);
                self.updated_seconds.with(&[name, job]).set(now_seconds);
            }
            // Sent under the lock: a later state is never overtaken by an earlier one.
            self.publish.send_replace(Arc::new(all));
        }
        self.sent.inc();
    }
}

/// Publishes when something changed; changes in quick succession go out together, after longer and longer pauses.
async fn send_updates(inner: Weak<Inner>, updates: Arc<Updates>) {
    let mut pause = MIN_PAUSE;
    loop {
        updates.changed.notified().await;
        updates.is_pending.store(false, Ordering::Relaxed);
        updates.is_pausing.store(true, Ordering::Relaxed);
        match inner.upgrade() {
            Some(inner) => inner.send(),
            None => return,
        }
        tokio::time::sleep(pause).await;
        updates.is_pausing.store(false, Ordering::Relaxed);
        let goes_on = updates.is_pending.load(Ordering::Relaxed);
        pause = if goes_on { (pause * 2).min(MAX_PAUSE) } else { MIN_PAUSE };
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
