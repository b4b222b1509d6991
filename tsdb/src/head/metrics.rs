//! The `prometheus_tsdb_*` metrics that the head owns.

use super::Shared;
use super::shard::Tally;
use metrics::{Counter, CounterVec, Gauge, Registry, Summary};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use storage::RejectReason;

/// Handles to the metrics of one head.
#[derive(Debug)]
pub(super) struct HeadMetrics {
    pub(super) active_appenders: Gauge,
    pub(super) appenders: Counter,
    pub(super) series: Gauge,
    pub(super) series_created: Counter,
    pub(super) series_removed: Counter,
    pub(super) series_not_found: Counter,
    pub(super) chunks: Gauge,
    pub(super) chunks_removed: Counter,
    pub(super) gc_seconds: Summary,
    pub(super) truncations: Counter,
    pub(super) truncations_failed: Counter,
    pub(super) mapped_chunks: Counter,
    pub(super) chunk_corruptions: Counter,
    stale_series: Gauge,
    chunks_created: Counter,
    samples_appended: Counter,
    histograms_appended: Counter,
    out_of_bounds: Counter,
    out_of_order: Counter,
    too_old: Counter,
    /// Samples that were taken out of order.
    pub(super) ooo_appended: Counter,
    /// Commits whose samples out of order could not be logged as such.
    pub(super) ooo_log_failed: Counter,
}

fn float(family: &CounterVec) -> Counter {
    // Both kinds of samples are shown from the start, as Prometheus does.
    drop(family.with(&["histogram"]));
    family.with(&["float"])
}

impl HeadMetrics {
    /// Registers the metrics.
    #[expect(clippy::too_many_lines, reason = "table")]
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| registry.counter(name, help);
        let gauge = |name: &str, help: &str| registry.gauge(name, help);
        let floats = |name: &str, help: &str| float(&registry.counter_vec(name, help, &["type"]));
        floats(
            "prometheus_tsdb_too_old_samples_total",
            "Total number of out of order samples ingestion failed attempts with out of support enabled, \
             but sample outside of time window.",
        );
        let appended = registry.counter_vec(
            "prometheus_tsdb_head_samples_appended_total",
            "Total number of appended samples.",
            &["type"],
        );
        Self {
            histograms_appended: appended.with(&["histogram"]),
            samples_appended: appended.with(&["float"]),
            active_appenders: gauge(
                "prometheus_tsdb_head_active_appenders",
                "Number of currently active appender transactions",
            ),
            appenders: counter(
                "prometheus_tsdb_head_appenders_created_total",
                "Total number of appender transactions created",
            ),
            series: gauge(
                "prometheus_tsdb_head_series",
                "Total number of series in the head block.",
            ),
            stale_series: gauge(
                "prometheus_tsdb_head_stale_series",
                "Total number of stale series in the head block.",
            ),
            series_created: counter(
                "prometheus_tsdb_head_series_created_total",
                "Total number of series created in the head",
            ),
            series_removed: counter(
                "prometheus_tsdb_head_series_removed_total",
                "Total number of series removed in the head",
            ),
            series_not_found: counter(
                "prometheus_tsdb_head_series_not_found_total",
                "Total number of requests for series that were not found.",
            ),
            chunks: gauge(
                "prometheus_tsdb_head_chunks",
                "Total number of chunks in the head block.",
            ),
            chunks_created: counter(
                "prometheus_tsdb_head_chunks_created_total",
                "Total number of chunks created in the head",
            ),
            chunks_removed: counter(
                "prometheus_tsdb_head_chunks_removed_total",
                "Total number of chunks removed in the head",
            ),
            gc_seconds: registry.summary(
                "prometheus_tsdb_head_gc_duration_seconds",
                "Runtime of garbage collection in the head block.",
                &[],
            ),
            truncations_failed: counter(
                "prometheus_tsdb_head_truncations_failed_total",
                "Total number of head truncations that failed.",
            ),
            truncations: counter(
                "prometheus_tsdb_head_truncations_total",
                "Total number of head truncations attempted.",
            ),
            mapped_chunks: counter(
                "prometheus_tsdb_mmap_chunks_total",
                "Total number of chunks that were memory-mapped.",
            ),
            chunk_corruptions: counter(
                "prometheus_tsdb_mmap_chunk_corruptions_total",
                "Total number of memory-mapped chunk corruptions.",
            ),
            out_of_bounds: floats(
                "prometheus_tsdb_out_of_bound_samples_total",
                "Total number of out of bound samples ingestion failed attempts with out of order support disabled.",
            ),
            too_old: floats(
                "prometheus_tsdb_too_old_samples_total",
                "Total number of out of order samples ingestion failed attempts with out of support enabled, but sample outside of time window.",
            ),
            ooo_appended: floats(
                "prometheus_tsdb_head_out_of_order_samples_appended_total",
                "Total number of appended out of order samples.",
            ),
            ooo_log_failed: counter(
                "prometheus_tsdb_out_of_order_wbl_writes_failed_total",
                "Total number of write log writes that failed.",
            ),
            out_of_order: floats(
                "prometheus_tsdb_out_of_order_samples_total",
                "Total number of out of order samples ingestion failed attempts due to out of order being disabled.",
            ),
        }
    }

    /// Counts the outcome of a commit.
    pub(super) fn count(&self, tally: &Tally) {
        self.samples_appended.inc_by(tally.appended);
        self.histograms_appended.inc_by(tally.histograms);
        self.out_of_order.inc_by(tally.out_of_order);
        self.out_of_bounds.inc_by(tally.out_of_bounds);
        self.too_old.inc_by(tally.too_old);
        if tally.chunks_created > 0 {
            self.chunks_created.inc_by(tally.chunks_created);
            self.chunks.add(tally.chunks_created as f64);
        }
        if tally.newly_stale != 0 {
            self.add_stale(tally.newly_stale);
        }
    }

    /// The number of stale series.
    pub(super) fn num_stale(&self) -> u64 {
        self.stale_series.get().max(0.0) as u64
    }

    /// Changes the number of stale series.
    pub(super) fn add_stale(&self, change: i64) {
        self.stale_series.add(change as f64);
    }

    /// Counts a sample that was refused when it was appended.
    pub(super) fn count_rejected(&self, reason: RejectReason) {
        match reason {
            RejectReason::OutOfBounds => self.out_of_bounds.inc(),
            RejectReason::OutOfOrder => self.out_of_order.inc(),
            RejectReason::TooOld => self.too_old.inc(),
            RejectReason::UnknownRef => self.series_not_found.inc(),
            _ => {}
        }
    }
}

/// Registers what is read off the head when it is asked for.
pub(super) fn register_bounds(registry: &Registry, head: &Arc<Shared>) {
    let read = |of: fn(&Shared) -> f64| {
        let head: Weak<Shared> = Arc::downgrade(head);
        move || head.upgrade().map_or(0.0, |head| of(&head))
    };
    let of = |name: &str, help: &str, value: fn(&Shared) -> f64| {
        registry.gauge_fn(name, help, read(value));
    };
    of(
        "prometheus_tsdb_head_min_time",
        "Minimum time bound of the head block. The unit is decided by the library consumer.",
        |head| head.min_ms.load(Ordering::Relaxed) as f64,
    );
    of(
        "prometheus_tsdb_head_max_time",
        "Maximum timestamp of the head block. The unit is decided by the library consumer.",
        |head| head.max_ms.load(Ordering::Relaxed) as f64,
    );
    of("prometheus_tsdb_head_min_time_seconds", "Minimum time bound of the head block.", |head| {
        (head.min_ms.load(Ordering::Relaxed) / 1000) as f64
    });
    of("prometheus_tsdb_head_max_time_seconds", "Maximum timestamp of the head block.", |head| {
        (head.max_ms.load(Ordering::Relaxed) / 1000) as f64
    });
    of(
        "prometheus_tsdb_isolation_low_watermark",
        "The lowest TSDB append ID that is still referenced.",
        |head| head.isolation.watermarks().0 as f64,
    );
    of(
        "prometheus_tsdb_isolation_high_watermark",
        "The highest TSDB append ID that has been given out.",
        |head| head.isolation.watermarks().1 as f64,
    );
}
