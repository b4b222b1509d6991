//! The targets of one job: which are scraped, which loops start and stop when targets or configuration change.

use crate::config::{LimitMode, ScrapeConfig};
use crate::failure_log::FailureLog;
use crate::fetch::Fetch;
use crate::histograms::HistogramLimits;
use crate::ingest::{Features, SampleRules};
use crate::manager::Shared;
use crate::metrics::interval_text;
use crate::sample_labels::LabelRules;
use crate::scrape_loop::{Handover, LoopContext, Order, ScrapeLoop, fallback};
use crate::spare::Spare;
use crate::status::{DroppedTarget, PoolStatus, TargetMetadata};
use crate::target::{Discovered, Target, TargetState, build};
use crate::{Error, Result};
use discovery::TargetGroup;
use expfmt::ParseOptions;
use metrics::Stopwatch;
use model::hash::HashMap;
use model::relabel::Scratch;
use model::{Labels, LabelsBuilder};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// A target with its loop.
struct Running {
    target: Arc<Target>,
    state: Arc<TargetState>,
    orders: watch::Sender<Order>,
    stopped: oneshot::Receiver<Handover>,
}

/// The targets of one job.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    config: Arc<ScrapeConfig>,
    context: Arc<LoopContext>,
    name: Arc<str>,
    running: HashMap<u64, Running>,
    /// Loops that were told to leave markers and may still wait with them.
    retiring: Vec<(watch::Sender<Order>, JoinHandle<()>)>,
    tasks: HashMap<u64, JoinHandle<()>>,
    dropped: Vec<Labels>,
    num_dropped: usize,
}

impl Pool {
    pub(crate) fn new(shared: &Arc<Shared>, config: &Arc<ScrapeConfig>) -> Result<Self> {
        shared.metrics.pools.inc();
        let context = context(shared, config, Arc::default())
            .inspect_err(|_| shared.metrics.pools_failed.inc())?;
        Ok(Self {
            shared: Arc::clone(shared),
            config: Arc::clone(config),
            context,
            name: config.job_name.as_str().into(),
            running: HashMap::default(),
            retiring: Vec::new(),
            tasks: HashMap::default(),
            dropped: Vec::new(),
            num_dropped: 0,
        })
    }

    pub(crate) fn config(&self) -> &Arc<ScrapeConfig> {
        &self.config
    }

    /// Goes over to another configuration of the same job: all loops restart, with their caches if these stay valid.
    pub(crate) fn reload(
        &mut self,
        config: &Arc<ScrapeConfig>,
        groups: &[TargetGroup],
    ) -> Result<()> {
        self.shared.metrics.pool_reloads.inc();
        let stopwatch = Stopwatch::start();
        let num_targets = Arc::clone(&self.context.num_targets);
        self.context = context(&self.shared, config, num_targets)
            .inspect_err(|_| self.shared.metrics.pool_reloads_failed.inc())?;
        let keep_caches = caches_stay_valid(&self.config, config);
        self.config = Arc::clone(config);
        let order = if keep_caches { Order::HandOver } else { Order::Retire };
        let before: HashMap<u64, Running> = std::mem::take(&mut self.running);
        let mut waiting = HashMap::default();
        for (hash, running) in before {
            running.orders.send_replace(order);
            self.set_aside(hash, running.orders);
            waiting.insert(hash, (running.stopped, running.state));
        }
        self.sync_after(groups, waiting);
        let interval = interval_text(config.scrape_interval);
        let seconds = stopwatch.elapsed_seconds();
        self.shared.metrics.reload_seconds.with(&[&interval]).observe(seconds);
        Ok(())
    }

    /// Brings the loops in line with the discovered targets.
    pub(crate) fn sync(&mut self, groups: &[TargetGroup]) {
        self.sync_after(groups, HashMap::default());
    }

    fn sync_after(
        &mut self,
        groups: &[TargetGroup],
        mut waiting: HashMap<u64, (oneshot::Receiver<Handover>, Arc<TargetState>)>,
    ) {
        let stopwatch = Stopwatch::start();
        let mut targets = self.build_targets(groups);
        let keeps_existing = self.config.limits.mode == LimitMode::KeepExisting;
        if keeps_existing && self.is_over_limit(targets.len()) {
            self.shared.metrics.exceeded_target_limit.inc();
            self.leave_out_new(&mut targets, &waiting);
        }
        let gone: Vec<u64> =
            self.running.keys().copied().filter(|hash| !targets.contains_key(hash)).collect();
        for hash in gone {
            if let Some(running) = self.running.remove(&hash) {
                running.orders.send_replace(Order::Retire);
                self.set_aside(hash, running.orders);
            }
        }
        let num_targets = targets.len();
        self.context.num_targets.store(num_targets, Ordering::Relaxed);
        let limit = self.config.limits.target_limit;
        if self.is_over_limit(num_targets) && !keeps_existing {
            self.shared.metrics.exceeded_target_limit.inc();
        }
        for (hash, target) in targets {
            match self.running.get_mut(&hash) {
                Some(running) => running.target = Arc::new(target),
                None => self.start(target, waiting.remove(&hash)),
            }
        }
        self.retiring.retain(|(_, task)| !task.is_finished());
        let job = [&*self.name];
        let metrics = &self.shared.metrics;
        metrics.pool_targets.with(&job).set(num_targets as f64);
        metrics.pool_target_limit.with(&job).set(limit as f64);
        metrics.syncs.with(&job).inc();
        metrics.sync_seconds.with(&job).observe(stopwatch.elapsed_seconds());
    }

    fn is_over_limit(&self, num_targets: usize) -> bool {
        let limit = self.config.limits.target_limit;
        limit > 0 && num_targets as u64 > limit
    }

    /// Leaves out targets that are too many, those that are not scraped yet, by their hashes: as good as chance, but the
    /// same each time.
    fn leave_out_new(
        &self,
        targets: &mut HashMap<u64, Target>,
        waiting: &HashMap<u64, (oneshot::Receiver<Handover>, Arc<TargetState>)>,
    ) {
        let is_known = |hash: &u64| self.running.contains_key(hash) || waiting.contains_key(hash);
        let mut new: Vec<u64> = targets.keys().copied().filter(|hash| !is_known(hash)).collect();
        new.sort_unstable();
        while self.is_over_limit(targets.len())
            && let Some(hash) = new.pop()
        {
            targets.remove(&hash);
        }
    }

    /// The targets of all groups, each once.
    fn build_targets(&mut self, groups: &[TargetGroup]) -> HashMap<u64, Target> {
        let failed = self.shared.metrics.sync_failed.with(&[&self.name]);
        let (mut builder, mut scratch) = (LabelsBuilder::new(), Scratch::default());
        let mut targets = HashMap::default();
        self.dropped.clear();
        self.num_dropped = 0;
        let keep = usize::try_from(self.config.limits.keep_dropped_targets).unwrap_or(usize::MAX);
        for group in groups {
            for (index, labels) in group.targets.iter().enumerate() {
                match build(&self.config, labels, &group.labels, &mut builder, &mut scratch) {
                    Ok(Discovered::Target(target)) => {
                        targets.insert(target.hash, *target);
                    }
                    Ok(Discovered::Dropped(labels)) => {
                        self.num_dropped += 1;
                        if keep == 0 || self.dropped.len() < keep {
                            self.dropped.push(labels);
                        }
                    }
                    Err(error) => {
                        failed.inc();
                        let source = &group.source;
                        tracing::error!(scrape_pool = %self.name, %source, index, %error, "Creating target failed");
                    }
                }
            }
        }
        targets
    }

    fn start(
        &mut self,
        target: Target,
        before: Option<(oneshot::Receiver<Handover>, Arc<TargetState>)>,
    ) {
        let (orders, listen) = watch::channel(Order::Run);
        let (tell, stopped) = oneshot::channel();
        let (before, state) = match before {
            Some((before, state)) => (Some(before), state),
            None => (None, Arc::default()),
        };
        let hash = target.hash;
        let target = Arc::new(target);
        let rules = Arc::new(sample_rules(&self.config, &target, self.shared.features));
        let scrape_loop = ScrapeLoop::new(
            Arc::clone(&self.context),
            Arc::clone(&target),
            Arc::clone(&state),
            rules,
            listen,
        );
        let task = tokio::spawn(scrape_loop.run(before, tell));
        self.tasks.insert(hash, task);
        self.running.insert(hash, Running { target, state, orders, stopped });
    }

    /// Remembers a loop that was told to end, so that it can still be aborted.
    fn set_aside(&mut self, hash: u64, orders: watch::Sender<Order>) {
        if let Some(task) = self.tasks.remove(&hash) {
            self.retiring.push((orders, task));
        }
    }

    /// Ends all loops: scrapes at hand are finished, markers are not written any more. Returns the tasks to wait for.
    pub(crate) fn stop(mut self) -> Vec<JoinHandle<()>> {
        for (_, running) in self.running.drain() {
            running.orders.send_replace(Order::Finish);
        }
        for (orders, _) in &self.retiring {
            orders.send_replace(Order::Abort);
        }
        let job = [&*self.name];
        let metrics = &self.shared.metrics;
        metrics.syncs.remove(&job);
        metrics.sync_failed.remove(&job);
        metrics.sync_seconds.remove(&job);
        metrics.pool_targets.remove(&job);
        metrics.pool_target_limit.remove(&job);
        metrics.metadata_entries.remove(&job);
        metrics.metadata_bytes.remove(&job);
        let retiring = self.retiring.drain(..).map(|(_, task)| task);
        self.tasks.drain().map(|(_, task)| task).chain(retiring).collect()
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let mut active: Vec<_> =
            self.running.values().map(|r| r.state.show(&r.target, &self.name)).collect();
        active.sort_by(|a, b| a.discovered_labels.cmp(&b.discovered_labels));
        let dropped = self.dropped.iter().map(|labels| DroppedTarget {
            discovered_labels: labels.clone(),
            scrape_pool: Arc::clone(&self.name),
        });
        PoolStatus {
            scrape_pool: Arc::clone(&self.name),
            active,
            dropped: dropped.collect(),
            num_dropped: self.num_dropped,
        }
    }

    pub(crate) fn metadata(&self, out: &mut Vec<TargetMetadata>) {
        out.extend(self.running.values().map(|running| TargetMetadata {
            labels: running.target.labels.clone(),
            scrape_pool: Arc::clone(&self.name),
            entries: running.state.families().to_vec(),
        }));
    }
}

/// What the loops of a job share under this configuration.
fn context(
    shared: &Arc<Shared>,
    config: &Arc<ScrapeConfig>,
    num_targets: Arc<AtomicUsize>,
) -> Result<Arc<LoopContext>> {
    let fetch: Arc<dyn Fetch> = (shared.fetch)(config)
        .map_err(|source| Error::Client { job: config.job_name.as_str().into(), source })?;
    Ok(Arc::new(LoopContext {
        pool: config.job_name.as_str().into(),
        clock: Arc::clone(&shared.clock),
        appendable: Arc::clone(&shared.appendable),
        fetch,
        bodies: Spare::default(),
        ingests: Spare::default(),
        metrics: shared.metrics.clone(),
        offset_seed: shared.offset_seed.load(Ordering::Relaxed),
        timestamp_tolerance: shared.timestamp_tolerance,
        fallback: fallback(config),
        extra_metrics: config.extra_scrape_metrics,
        target_limit: match config.limits.mode {
            LimitMode::Reject => config.limits.target_limit,
            LimitMode::KeepExisting => 0,
        },
        num_targets,
        failure_log: FailureLog::new(&config.scrape_failure_log_file, &config.job_name),
        metadata_entries: shared.metrics.metadata_entries.with(&[&config.job_name]),
        metadata_bytes: shared.metrics.metadata_bytes.with(&[&config.job_name]),
    }))
}

fn sample_rules(config: &ScrapeConfig, target: &Target, features: Features) -> SampleRules {
    SampleRules {
        labels: LabelRules {
            target_labels: target.labels.clone(),
            honor_labels: config.honor_labels,
            metric_relabel: Arc::clone(&config.metric_relabel_configs),
            validation_scheme: config.metric_name_validation_scheme,
            limits: config.limits,
        },
        honor_timestamps: config.honor_timestamps,
        track_timestamps_staleness: config.track_timestamps_staleness,
        sample_limit: config.limits.sample_limit,
        interval_ms: i64::try_from(target.interval.as_millis()).unwrap_or(i64::MAX),
        parse: ParseOptions {
            start_timestamps: features.zero_samples || features.start_timestamps,
            convert_classic: target.histograms.convert,
            keep_classic: target.histograms.classic,
            ignore_native: !target.histograms.native,
        },
        histograms: HistogramLimits::new(config),
        features,
    }
}

/// Whether cached lines mean the same under both configurations: they differ in how and when targets are reached only.
fn caches_stay_valid(before: &ScrapeConfig, after: &ScrapeConfig) -> bool {
    let mut same = before.clone();
    same.scrape_interval = after.scrape_interval;
    same.scrape_timeout = after.scrape_timeout;
    same.limits.sample_limit = after.limits.sample_limit;
    same.http_client = after.http_client.clone();
    same == *after
}
