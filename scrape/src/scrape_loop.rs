//! The life of one target: wait for its place in the interval, scrape, report, and at the end leave markers. One task
//! each; what it decides about samples is in `ingest`, when it acts is in `schedule`.

use crate::config::LimitMode;
use crate::failure_log::FailureLog;
use crate::fetch::{Fetch, FetchRequest, format_of};
use crate::ingest::{Counts, Ingest, Memory, SampleRules};
use crate::manager::Clock;
use crate::metadata::MetadataGauges;
use crate::metrics::{ScrapeMetrics, Times, interval_text};
use crate::report::{Report, ReportSeries};
use crate::schedule::{Grid, first_delay, offset};
use crate::spare::Spare;
use crate::status::Health;
use crate::target::{LastScrape, Target, TargetState};
use crate::{Error, FetchError, Result};
use expfmt::{Format, negotiate};
use metrics::{Gauge, Stopwatch};
use net::client::Repeated;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use storage::{Appendable, Appender};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, sleep_until};

/// Bodies from this size on are read on a thread for blocking work.
const LARGE_BODY_BYTES: usize = 256 * 1024;

/// What a loop is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Run,
    /// A loop with the same cache follows: hand it over.
    HandOver,
    /// The target is gone: leave markers once it is sure that nobody else scrapes it.
    Retire,
    /// Finish the scrape at hand, if any, and leave no markers: the server stops, or the whole job is gone.
    Finish,
    /// As `Finish`, for a loop that only has markers to leave.
    Abort,
}

/// What follows from one loop to the next; `None` if there is nothing to hand over.
pub(crate) type Handover = Option<Box<Memory>>;

/// What all loops of a job share.
pub(crate) struct LoopContext {
    /// The name of the job.
    pub(crate) pool: Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) appendable: Arc<dyn Appendable>,
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) bodies: Spare<Vec<u8>>,
    pub(crate) ingests: Spare<Box<Ingest>>,
    pub(crate) metrics: ScrapeMetrics,
    pub(crate) offset_seed: u64,
    pub(crate) timestamp_tolerance: Duration,
    pub(crate) fallback: Option<Format>,
    pub(crate) extra_metrics: bool,
    pub(crate) target_limit: u64,
    /// Number of targets of the job, for its limit.
    pub(crate) num_targets: Arc<AtomicUsize>,
    pub(crate) failure_log: Option<FailureLog>,
    pub(crate) metadata_entries: Gauge,
    pub(crate) metadata_bytes: Gauge,
}

/// The loop of one target.
pub(crate) struct ScrapeLoop {
    context: Arc<LoopContext>,
    target: Arc<Target>,
    state: Arc<TargetState>,
    rules: Arc<SampleRules>,
    memory: Box<Memory>,
    report: ReportSeries,
    metadata_gauges: MetadataGauges,
    interval_seconds: Times,
    repeated: Repeated,
    orders: watch::Receiver<Order>,
}

impl ScrapeLoop {
    pub(crate) fn new(
        context: Arc<LoopContext>,
        target: Arc<Target>,
        state: Arc<TargetState>,
        rules: Arc<SampleRules>,
        orders: watch::Receiver<Order>,
    ) -> Self {
        let left_out = rules.labels.limits.mode == LimitMode::KeepExisting;
        let report = ReportSeries::new(
            &target.labels,
            context.extra_metrics,
            left_out,
            rules.features.metadata,
        );
        let metadata_gauges =
            MetadataGauges::new(context.metadata_entries.clone(), context.metadata_bytes.clone());
        let interval = interval_text(target.interval);
        Self {
            interval_seconds: context.metrics.interval_seconds.with(&[&interval]),
            memory: Box::default(),
            repeated: Repeated::default(),
            context,
            target,
            state,
            rules,
            report,
            metadata_gauges,
            orders,
        }
    }

    /// Runs until ordered otherwise. Waits for the loop `before` to stop, if there was one, and takes over its cache.
    /// `stopped` learns when the last scrape is over.
    pub(crate) async fn run(
        mut self,
        before: Option<oneshot::Receiver<Handover>>,
        stopped: oneshot::Sender<Handover>,
    ) {
        if let Some(before) = before
            && let Ok(Some(memory)) = before.await
        {
            self.memory = memory;
        }
        *self.state.metadata.lock() = Some(self.memory.metadata.shared());
        let Some(mut ticks) = self.wait_for_offset().await else {
            let kept = self.orders.borrow().eq(&Order::HandOver).then_some(self.memory);
            drop(stopped.send(kept));
            return;
        };
        let scraped = self.scrape_on_ticks(&mut ticks).await;
        let order = *self.orders.borrow();
        if order == Order::HandOver {
            drop(stopped.send(Some(self.memory)));
            return;
        }
        drop(stopped.send(None));
        if order == Order::Retire && scraped {
            self.retire(&mut ticks).await;
        }
    }

    /// Waits for the first scrape; `None` if ordered to stop before.
    async fn wait_for_offset(&mut self) -> Option<Interval> {
        let interval = self.target.interval;
        let place = offset(self.target.hash, self.context.offset_seed, interval);
        let begin = Instant::now() + first_delay((self.context.clock)(), place, interval);
        tokio::select! {
            biased;
            () = ordered(&mut self.orders) => return None,
            () = sleep_until(begin) => {}
        }
        let mut ticks = interval_at(begin, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Some(ticks)
    }

    /// Scrapes on each tick until ordered to stop. Returns whether it scraped at all.
    async fn scrape_on_ticks(&mut self, ticks: &mut Interval) -> bool {
        let tolerance = self.context.timestamp_tolerance;
        let mut grid = Grid::new((self.context.clock)(), self.target.interval, tolerance);
        let mut last: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = ordered(&mut self.orders) => return last.is_some(),
                _ = ticks.tick() => {}
            }
            // Not by the clock, which may be set.
            let now = Instant::now();
            if let Some(last) = last.replace(now) {
                self.interval_seconds.observe((now - last).as_secs_f64());
            }
            let timestamp_ms = grid.align((self.context.clock)());
            let mut orders = self.orders.clone();
            tokio::select! {
                biased;
                () = aborted(&mut orders) => return true,
                () = self.scrape(timestamp_ms) => {}
            }
        }
    }

    async fn scrape(&mut self, timestamp_ms: i64) {
        let stopwatch = Stopwatch::start();
        let mut body = self.context.bodies.take();
        let fetched = self.fetch(&mut body).await;
        let body_size_bytes = match &fetched {
            Ok(_) => body.len() as i64,
            Err(Error::Fetch(FetchError::BodySizeLimit)) => {
                self.context.metrics.exceeded_body_size_limit.inc();
                -1
            }
            Err(_) => 0,
        };
        if let Err(error) = &fetched {
            body.clear();
            if let (Error::Fetch(error), Some(log)) = (error, &self.context.failure_log) {
                log.write(timestamp_ms, &self.target.url, &error.to_string()).await;
            }
        }
        let (format, mut failure) = match fetched {
            Ok(format) => (format, None),
            Err(error) => (Format::Text, Some(error)),
        };
        let mut ingest = self.context.ingests.take();
        ingest.exchange(&mut self.memory);
        let mut job = IngestJob {
            format,
            ingest,
            body,
            rules: Arc::clone(&self.rules),
            context: Arc::clone(&self.context),
            timestamp_ms,
        };
        let large = job.body.len() >= LARGE_BODY_BYTES;
        let (counts, mut appender) = if large {
            let run = tokio::task::spawn_blocking(move || {
                let result = job.run(&mut failure);
                (job, failure, result)
            });
            let (done, after, result) = run.await.expect("reading a body does not panic");
            (job, failure) = (done, after);
            result
        } else {
            job.run(&mut failure)
        };
        job.ingest.exchange(&mut self.memory);
        self.context.ingests.give_back(job.ingest);
        self.context.bodies.give_back(job.body);
        self.metadata_gauges.update(&self.memory.metadata);
        let report = Report {
            up: failure.is_none(),
            duration_seconds: stopwatch.elapsed_seconds(),
            counts,
            timeout_seconds: self.target.timeout.as_secs_f64(),
            sample_limit: self.rules.sample_limit,
            body_size_bytes,
        };
        let committed = self
            .report
            .append(&report, timestamp_ms, &mut *appender)
            .and_then(|()| Ok(appender.commit()?));
        if self.context.extra_metrics {
            self.context.metrics.scrape_seconds.observe(stopwatch.elapsed_seconds());
        }
        self.log(&counts, failure.as_ref());
        if let Err(error) = committed {
            tracing::error!(url = %self.target.url, %error, "Scrape commit failed");
            failure.get_or_insert(error);
        }
        self.show(timestamp_ms, report.duration_seconds, failure);
    }

    /// Gets the body and finds out how to read it.
    async fn fetch(&mut self, body: &mut Vec<u8>) -> Result<Format> {
        let num_targets = self.context.num_targets.load(Ordering::Relaxed);
        let limit = self.context.target_limit;
        if limit > 0 && num_targets as u64 > limit {
            return Err(Error::TargetLimit { num_targets, limit });
        }
        let request = FetchRequest {
            url: &self.target.url,
            unix_socket: self.target.unix_socket.as_deref(),
            timeout: self.target.timeout,
            repeated: &self.repeated,
        };
        let content_type = self.context.fetch.fetch(request, body).await?;
        if body.is_empty() {
            return Ok(Format::Text);
        }
        let (scrape_pool, target) = (&*self.context.pool, &*self.target.url);
        match negotiate(&content_type, self.context.fallback) {
            Ok((format, fault)) => {
                if let Some(fault) = fault {
                    tracing::debug!(component = "scrape manager", scrape_pool, target, err = %fault, "Invalid content type on scrape, using fallback setting.");
                }
                Ok(format)
            }
            Err(fault) => {
                tracing::error!(component = "scrape manager", scrape_pool, target, err = %fault, "Failed to determine correct type of scrape target.");
                Err(fault.into())
            }
        }
    }

    /// Says what the storage refused, as operators know it from Prometheus.
    fn log(&self, counts: &Counts, failure: Option<&Error>) {
        let (scrape_pool, target) = (&*self.context.pool, &*self.target.url);
        for (number, message) in [
            (counts.out_of_order, "Error on ingesting out-of-order samples"),
            (
                counts.duplicates,
                "Error on ingesting samples with different value but same timestamp",
            ),
            (
                counts.out_of_bounds,
                "Error on ingesting samples that are too old or are too far into the future",
            ),
            (counts.out_of_order_exemplars, "Error on ingesting out-of-order exemplars"),
        ] {
            if number > 0 {
                tracing::warn!(
                    component = "scrape manager",
                    scrape_pool,
                    target,
                    num_dropped = number,
                    "{message}"
                );
            }
        }
        if let Some(error) = failure {
            tracing::debug!(component = "scrape manager", scrape_pool, target, err = %error, "Scrape failed");
        }
    }

    fn show(&self, begin_ms: i64, duration_seconds: f64, failure: Option<Error>) {
        let health = if failure.is_none() { Health::Up } else { Health::Down };
        let error = failure.map_or_else(Box::default, |error| error.to_string().into());
        let begin_ms = Some(begin_ms);
        *self.state.last.lock() = LastScrape { health, error, begin_ms, duration_seconds };
    }

    /// Leaves markers at the time of the first missed tick, but later: by then, a new loop of the same series would
    /// have stored samples, which make the markers out of order and so without effect.
    async fn retire(mut self, ticks: &mut Interval) {
        let mut orders = self.orders.clone();
        let interval = self.target.interval;
        let clock = Arc::clone(&self.context.clock);
        let stale_ms = tokio::select! {
            biased;
            () = aborted(&mut orders) => return,
            stale_ms = async {
                ticks.tick().await;
                let stale_ms = clock();
                ticks.tick().await;
                sleep(interval / 10).await;
                stale_ms
            } => stale_ms,
        };
        let mut appender = self.context.appendable.appender((self.context.clock)());
        let mut ingest = self.context.ingests.take();
        ingest.exchange(&mut self.memory);
        let staged = ingest
            .append_nothing(stale_ms, &self.rules, &mut *appender)
            .and_then(|_| self.report.append_stale(stale_ms, &mut *appender))
            .and_then(|()| Ok(appender.commit()?));
        if let Err(error) = staged {
            tracing::warn!(url = %self.target.url, %error, "Stale markers of a vanished target failed");
        }
    }
}

/// Ends when there is any order but to run.
async fn ordered(orders: &mut watch::Receiver<Order>) {
    // The sender lives in the pool; without it nobody wants this loop any more.
    drop(orders.wait_for(|order| *order != Order::Run).await);
}

/// Ends when the order is to abort, or when there is nobody left who could order anything.
async fn aborted(orders: &mut watch::Receiver<Order>) {
    let alone = orders.wait_for(|order| *order == Order::Abort).await.is_err();
    if alone && *orders.borrow() == Order::Finish {
        std::future::pending::<()>().await;
    }
}

/// The part of a scrape that needs neither network nor waiting.
struct IngestJob {
    format: Format,
    ingest: Box<Ingest>,
    body: Vec<u8>,
    rules: Arc<SampleRules>,
    context: Arc<LoopContext>,
    timestamp_ms: i64,
}

impl IngestJob {
    /// Stages the body, or the markers of everything if there is none. Returns the open transaction. `failure` is why
    /// there is no body, and becomes why it was refused.
    fn run(&mut self, failure: &mut Option<Error>) -> (Counts, Box<dyn Appender>) {
        let mut appender = self.context.appendable.appender(self.timestamp_ms);
        let mut counts = Counts::default();
        if !self.body.is_empty() {
            let body = (self.format, &self.body[..]);
            let (read, result) =
                self.ingest.append(body, self.timestamp_ms, &self.rules, &mut *appender);
            counts = read;
            self.count(&counts, result.as_ref().err());
            let Err(error) = result else { return (counts, appender) };
            *failure = Some(error);
            appender = self.context.appendable.appender(self.timestamp_ms);
        }
        match self.ingest.append_nothing(self.timestamp_ms, &self.rules, &mut *appender) {
            Ok(false) => {}
            Ok(true) => self.context.metrics.cache_flush_forced.inc(),
            Err(error) => {
                tracing::warn!(%error, "Stale markers of a failed scrape failed");
                failure.get_or_insert(error);
                appender = self.context.appendable.appender(self.timestamp_ms);
            }
        }
        (counts, appender)
    }

    fn count(&self, counts: &Counts, error: Option<&Error>) {
        let metrics = &self.context.metrics;
        for (counter, number) in [
            (&metrics.duplicate_timestamp, counts.duplicates),
            (&metrics.out_of_order, counts.out_of_order),
            (&metrics.out_of_bounds, counts.out_of_bounds),
            (&metrics.out_of_order_exemplars, counts.out_of_order_exemplars),
            (&metrics.left_out, counts.left_out),
        ] {
            if number > 0 {
                counter.add(number as f64);
            }
        }
        if counts.over_limit > 0 {
            metrics.exceeded_sample_limit.inc();
        }
        if counts.over_bucket_limit > 0 {
            metrics.exceeded_bucket_limit.inc();
        }
        if matches!(error, Some(Error::LabelLimit(_))) {
            metrics.exceeded_label_limits.inc();
        }
    }
}

/// The parser to fall back to.
pub(crate) fn fallback(config: &crate::config::ScrapeConfig) -> Option<Format> {
    config.fallback_scrape_protocol.map(format_of)
}
