//! The scraper's own metrics, under Prometheus' names. Counting happens where things happen.

use metrics::{
    Counter, CounterVec, GaugeVec, Histogram, HistogramVec, Registry, Summary, SummaryVec,
};
use std::time::Duration;

const QUANTILES: [f64; 5] = [0.01, 0.05, 0.5, 0.9, 0.99];

const BUCKETS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

/// Times by a label, as quantiles and in buckets.
#[derive(Clone, Debug)]
pub(crate) struct TimesVec {
    quantiles: SummaryVec,
    buckets: HistogramVec,
}

/// Times, as quantiles and in buckets.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    quantiles: Summary,
    buckets: Histogram,
}

impl TimesVec {
    /// `what` is the middle of both names.
    fn new(registry: &Registry, what: &str, help: &str, label: &str) -> Self {
        let name = |ending: &str| format!("prometheus_target_{what}_{ending}");
        Self {
            quantiles: registry.summary_vec(&name("seconds"), help, &[label], &QUANTILES),
            buckets: registry.histogram_vec(&name("histogram_seconds"), help, &[label], &BUCKETS),
        }
    }

    pub(crate) fn with(&self, value: &[&str]) -> Times {
        Times { quantiles: self.quantiles.with(value), buckets: self.buckets.with(value) }
    }

    pub(crate) fn remove(&self, value: &[&str]) {
        self.quantiles.remove(value);
        self.buckets.remove(value);
    }
}

impl Times {
    pub(crate) fn observe(&self, seconds: f64) {
        self.quantiles.observe(seconds);
        self.buckets.observe(seconds);
    }
}

/// An interval as the label of metrics.
pub(crate) fn interval_text(interval: Duration) -> String {
    let ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    model::duration::format_as_go(ms)
}

/// Handles to all of them.
#[derive(Clone, Debug)]
pub(crate) struct ScrapeMetrics {
    pub(crate) exceeded_sample_limit: Counter,
    pub(crate) exceeded_body_size_limit: Counter,
    pub(crate) duplicate_timestamp: Counter,
    pub(crate) out_of_order: Counter,
    pub(crate) out_of_bounds: Counter,
    pub(crate) out_of_order_exemplars: Counter,
    pub(crate) left_out: Counter,
    pub(crate) exceeded_bucket_limit: Counter,
    pub(crate) cache_flush_forced: Counter,
    pub(crate) exceeded_label_limits: Counter,
    pub(crate) exceeded_target_limit: Counter,
    pub(crate) pools: Counter,
    pub(crate) pools_failed: Counter,
    pub(crate) pool_reloads: Counter,
    pub(crate) pool_reloads_failed: Counter,
    pub(crate) syncs: CounterVec,
    pub(crate) sync_failed: CounterVec,
    pub(crate) sync_seconds: TimesVec,
    pub(crate) interval_seconds: TimesVec,
    pub(crate) reload_seconds: SummaryVec,
    /// Of scrapes with their commit, where a job asks for further metrics about scrapes.
    pub(crate) scrape_seconds: Histogram,
    pub(crate) pool_targets: GaugeVec,
    pub(crate) pool_target_limit: GaugeVec,
    pub(crate) metadata_entries: GaugeVec,
    pub(crate) metadata_bytes: GaugeVec,
}

impl ScrapeMetrics {
    /// Declares them.
    #[expect(clippy::too_many_lines, reason = "table")]
    pub(crate) fn new(registry: &Registry) -> Self {
        let counter =
            |name: &str, help: &str| registry.counter(&format!("prometheus_target_{name}"), help);
        Self {
            exceeded_sample_limit: counter(
                "scrapes_exceeded_sample_limit_total",
                "Scrapes that hit the sample limit and were rejected.",
            ),
            exceeded_body_size_limit: counter(
                "scrapes_exceeded_body_size_limit_total",
                "Scrapes that hit the body size limit.",
            ),
            duplicate_timestamp: counter(
                "scrapes_sample_duplicate_timestamp_total",
                "Samples rejected for a timestamp that their series already has with another value.",
            ),
            out_of_order: counter(
                "scrapes_sample_out_of_order_total",
                "Samples rejected for being older than the newest of their series.",
            ),
            out_of_bounds: counter(
                "scrapes_sample_out_of_bounds_total",
                "Samples rejected for a timestamp outside the accepted time.",
            ),
            out_of_order_exemplars: counter(
                "scrapes_exemplar_out_of_order_total",
                "Exemplars rejected for being older than the newest of their series.",
            ),
            exceeded_bucket_limit: counter(
                "scrapes_exceeded_native_histogram_bucket_limit_total",
                "Scrapes with a native histogram of too many buckets, which were rejected.",
            ),
            left_out: registry.counter(
                "firesteel_scrape_samples_over_limit_dropped_total",
                "Samples left out because their job keeps existing series beyond a limit.",
            ),
            cache_flush_forced: counter(
                "scrapes_cache_flush_forced_total",
                "How often a cache was flushed because failing scrapes made it grow.",
            ),
            exceeded_label_limits: counter(
                "scrape_pool_exceeded_label_limits_total",
                "Scrapes that hit a label limit and were rejected.",
            ),
            exceeded_target_limit: counter(
                "scrape_pool_exceeded_target_limit_total",
                "How often a job had more targets than its limit.",
            ),
            pools: counter("scrape_pools_total", "Scrape pools whose creation was tried."),
            pools_failed: counter(
                "scrape_pools_failed_total",
                "Scrape pools whose creation failed.",
            ),
            pool_reloads: counter("scrape_pool_reloads_total", "Reloads of scrape pools."),
            pool_reloads_failed: counter(
                "scrape_pool_reloads_failed_total",
                "Reloads of scrape pools that failed.",
            ),
            syncs: registry.counter_vec(
                "prometheus_target_scrape_pool_sync_total",
                "How often the targets of a job were brought up to date.",
                &["scrape_job"],
            ),
            sync_failed: registry.counter_vec(
                "prometheus_target_sync_failed_total",
                "Discovered targets that could not be made into targets.",
                &["scrape_job"],
            ),
            sync_seconds: TimesVec::new(
                registry,
                "sync_length",
                "Time it took to bring the targets of a job up to date.",
                "scrape_job",
            ),
            interval_seconds: TimesVec::new(
                registry,
                "interval_length",
                "Actual distance of scrapes.",
                "interval",
            ),
            reload_seconds: registry.summary_vec(
                "prometheus_target_reload_length_seconds",
                "Time it took to go over to another configuration of a job.",
                &["interval"],
                &QUANTILES,
            ),
            scrape_seconds: registry.histogram(
                "prometheus_target_scrape_duration_seconds",
                "Time of a scrape from its start to the end of its commit.",
                &[],
            ),
            pool_targets: registry.gauge_vec(
                "prometheus_target_scrape_pool_targets",
                "Targets of a job.",
                &["scrape_job"],
            ),
            pool_target_limit: registry.gauge_vec(
                "prometheus_target_scrape_pool_target_limit",
                "Most targets a job may have; 0 is no limit.",
                &["scrape_job"],
            ),
            metadata_entries: registry.gauge_vec(
                "prometheus_target_metadata_cache_entries",
                "Metric families with metadata in the cache.",
                &["scrape_job"],
            ),
            metadata_bytes: registry.gauge_vec(
                "prometheus_target_metadata_cache_bytes",
                "Bytes of metadata in the cache.",
                &["scrape_job"],
            ),
        }
    }
}
