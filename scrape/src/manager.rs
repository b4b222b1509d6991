//! Jobs to pools: applies configurations, passes on discovered targets, answers what is being scraped.

use crate::Error;
use crate::config::{GlobalConfig, ScrapeConfig};
use crate::fetch::{Fetch, HttpFetch};
use crate::ingest::Features;
use crate::metrics::ScrapeMetrics;
use crate::pool::Pool;
use crate::schedule::offset_seed;
use crate::status::{PoolStatus, TargetMetadata};
use discovery::TargetGroups;
use net::client::{ClientOptions, MemoryLeft};
use net::dialer::Dialers;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use storage::Appendable;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// The wall clock, in ms since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Makes the fetcher of a job.
pub type FetchFactory =
    Arc<dyn Fn(&Arc<ScrapeConfig>) -> Result<Arc<dyn Fetch>, net::Error> + Send + Sync>;

/// What a manager needs.
#[derive(Clone)]
pub struct ManagerOptions {
    /// The wall clock.
    pub clock: Clock,
    /// Where samples go.
    pub appendable: Arc<dyn Appendable>,
    /// Where metrics are declared.
    pub registry: metrics::Registry,
    /// The name of this machine, part of what spreads servers that scrape the same targets.
    pub hostname: Box<str>,
    /// Makes fetchers: see [`http_fetch_factory`].
    pub fetch: FetchFactory,
    /// Discovered targets are taken over at most this often, so that a flapping source does not restart loops all the
    /// time; Prometheus waits 5 s.
    pub discovery_reload_interval: Duration,
    /// How far the timestamps of scrapes are moved to keep to their interval; Prometheus moves them by up to 2 ms.
    pub timestamp_tolerance: Duration,
    /// What flags change about samples.
    pub features: Features,
}

impl fmt::Debug for ManagerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerOptions").field("hostname", &self.hostname).finish_non_exhaustive()
    }
}

/// Fetching over HTTP, with `user_agent` such as `Prometheus/3.14.0`; `registry` gets the counters of connections. Bodies
/// that do not fit into `memory_left` are refused.
#[must_use]
pub fn http_fetch_factory(
    user_agent: &str,
    registry: &metrics::Registry,
    memory_left: Option<MemoryLeft>,
) -> FetchFactory {
    let user_agent: Box<str> = user_agent.into();
    let dialers = Dialers::new(registry);
    Arc::new(move |config| {
        let options = ClientOptions {
            user_agent: user_agent.clone(),
            dialer: Some(dialers.with(&config.job_name)),
            memory_left: memory_left.clone(),
            ..ClientOptions::default()
        };
        Ok(Arc::new(HttpFetch::new(config, options)?))
    })
}

/// What the manager and its pools share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) appendable: Arc<dyn Appendable>,
    pub(crate) metrics: ScrapeMetrics,
    pub(crate) fetch: FetchFactory,
    pub(crate) features: Features,
    pub(crate) timestamp_tolerance: Duration,
    pub(crate) offset_seed: AtomicU64,
}

/// Runs all scraping of a server. Cloning shares it.
#[derive(Clone)]
pub struct Manager(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    hostname: Box<str>,
    groups: watch::Receiver<Arc<TargetGroups>>,
    /// `None` once stopped.
    pools: Mutex<Option<BTreeMap<String, Pool>>>,
    updater: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").finish_non_exhaustive()
    }
}

impl Manager {
    /// Starts without jobs. `groups` is what discovery publishes. To be called within a runtime, which runs the loops.
    #[must_use]
    pub fn new(options: ManagerOptions, groups: watch::Receiver<Arc<TargetGroups>>) -> Self {
        let shared = Arc::new(Shared {
            clock: options.clock,
            appendable: options.appendable,
            metrics: ScrapeMetrics::new(&options.registry),
            fetch: options.fetch,
            features: options.features,
            timestamp_tolerance: options.timestamp_tolerance,
            offset_seed: AtomicU64::new(offset_seed(&options.hostname, "{}")),
        });
        let inner = Arc::new(Inner {
            shared,
            hostname: options.hostname,
            groups: groups.clone(),
            pools: Mutex::new(Some(BTreeMap::new())),
            updater: Mutex::default(),
        });
        let updater =
            tokio::spawn(update(Arc::downgrade(&inner), groups, options.discovery_reload_interval));
        *inner.updater.lock() = Some(updater);
        Self(inner)
    }

    /// Goes over to these jobs. Jobs that did not change go on undisturbed; one that cannot be changed is left as it
    /// was, and the error of the first such job is returned after all others have been set up. A new one that cannot be
    /// set up is logged and counted.
    pub fn apply_config(
        &self,
        global: &GlobalConfig,
        jobs: &[Arc<ScrapeConfig>],
    ) -> Result<(), Error> {
        let inner = &self.0;
        let external_labels = global.external_labels.to_string();
        let seed = offset_seed(&inner.hostname, &external_labels);
        inner.shared.offset_seed.store(seed, Ordering::Relaxed);
        let mut pools = inner.pools.lock();
        let Some(pools) = pools.as_mut() else { return Ok(()) };
        let gone: Vec<String> = pools
            .keys()
            .filter(|name| jobs.iter().all(|job| job.job_name != **name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(pool) = pools.remove(&name) {
                drop(pool.stop());
            }
        }
        let groups = Arc::clone(&inner.groups.borrow());
        let groups_of =
            |job: &ScrapeConfig| groups.get(&job.job_name).map_or(&[][..], Vec::as_slice);
        let mut first_error = None;
        for job in jobs {
            let applied = match pools.get_mut(&job.job_name) {
                Some(pool) if **pool.config() == **job => Ok(()),
                Some(pool) => pool.reload(job, groups_of(job)),
                None => {
                    match Pool::new(&inner.shared, job) {
                        Ok(mut pool) => {
                            pool.sync(groups_of(job));
                            pools.insert(job.job_name.clone(), pool);
                        }
                        Err(error) => {
                            tracing::error!(scrape_pool = %job.job_name, %error, "error creating new scrape pool");
                        }
                    }
                    continue;
                }
            };
            if let Err(error) = applied {
                tracing::error!(scrape_pool = %job.job_name, %error, "error reloading scrape pool");
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// All jobs and their targets, in the order of job names.
    #[must_use]
    pub fn targets(&self) -> Vec<PoolStatus> {
        let pools = self.0.pools.lock();
        pools.iter().flat_map(BTreeMap::values).map(Pool::status).collect()
    }

    /// The metadata that targets expose.
    #[must_use]
    pub fn metadata(&self) -> Vec<TargetMetadata> {
        let pools = self.0.pools.lock();
        let mut all = Vec::new();
        for pool in pools.iter().flat_map(BTreeMap::values) {
            pool.metadata(&mut all);
        }
        all
    }

    /// Stops all loops once the scrapes at hand are finished; no markers are written, so that a restart leaves no gap.
    /// Ends when the last loop has.
    pub async fn stop(&self) {
        if let Some(updater) = self.0.updater.lock().take() {
            updater.abort();
        }
        let pools = self.0.pools.lock().take().unwrap_or_default();
        let tasks: Vec<_> = pools.into_values().flat_map(Pool::stop).collect();
        for task in tasks {
            drop(task.await);
        }
    }
}

/// Passes discovered targets on: at once after a quiet time, else when `pause` is over.
async fn update(
    inner: std::sync::Weak<Inner>,
    mut groups: watch::Receiver<Arc<TargetGroups>>,
    pause: Duration,
) {
    let mut not_before = Instant::now();
    while groups.changed().await.is_ok() {
        sleep_until(not_before).await;
        not_before = Instant::now() + pause;
        let latest = Arc::clone(&groups.borrow_and_update());
        let Some(inner) = inner.upgrade() else { return };
        let mut pools = inner.pools.lock();
        for (name, pool) in pools.iter_mut().flat_map(BTreeMap::iter_mut) {
            if let Some(groups) = latest.get(name) {
                pool.sync(groups);
            }
        }
    }
}
