//! Counts requests by handler and code, and queries: `prometheus_http_*` and `prometheus_engine_*`.

use metrics::{Counter, CounterVec, Gauge, Histogram, HistogramVec, Registry, Stopwatch, Summary};

/// A part of the time of queries, as quantiles and in buckets.
#[derive(Debug)]
pub(crate) struct Slice {
    quantiles: Summary,
    buckets: Histogram,
}

impl Slice {
    /// Counts one query.
    pub(crate) fn observe(&self, seconds: f64) {
        self.quantiles.observe(seconds);
        self.buckets.observe(seconds);
    }
}

/// The metrics of the HTTP side.
#[derive(Debug)]
pub(crate) struct Observer {
    requests: CounterVec,
    durations: HistogramVec,
    sizes: HistogramVec,
    pub(crate) panics: Counter,
    pub(crate) slow_readers: Counter,
    pub(crate) samples: Counter,
    pub(crate) samples_read: Counter,
    pub(crate) shared_answers: Counter,
    pub(crate) federation_errors: Counter,
    pub(crate) queries: Gauge,
    pub(crate) queue_seconds: Slice,
    pub(crate) eval_seconds: Slice,
    exposing: Gauge,
    expositions: CounterVec,
}

impl Observer {
    #[expect(clippy::too_many_lines, reason = "table")]
    pub(crate) fn new(registry: &Registry, max_concurrency: usize) -> Self {
        registry
            .gauge(
                "prometheus_engine_queries_concurrent_max",
                "The max number of concurrent queries.",
            )
            .set(max_concurrency as f64);
        registry.counter(
            "prometheus_web_federation_warnings_total",
            "Total number of warnings that occurred while sending federation responses.",
        );
        let slices = registry.summary_vec(
            "prometheus_engine_query_duration_seconds",
            "Query timings",
            &["slice"],
            &[0.5, 0.9, 0.99],
        );
        let buckets = registry.histogram_vec(
            "prometheus_engine_query_duration_histogram_seconds",
            "The duration of various parts of PromQL query execution.",
            &["slice"],
            &[0.01, 0.1, 1.0, 10.0],
        );
        let slice =
            |name: &str| Slice { quantiles: slices.with(&[name]), buckets: buckets.with(&[name]) };
        // There is nothing to prepare or to sort apart from evaluation; dashboards list the slices all the same.
        drop(["prepare_time", "result_sort"].map(slice));
        let expositions = registry.counter_vec(
            "promhttp_metric_handler_requests_total",
            "Total number of scrapes by HTTP status code.",
            &["code"],
        );
        for code in ["200", "500", "503"] {
            drop(expositions.with(&[code]));
        }
        Self {
            requests: registry.counter_vec(
                "prometheus_http_requests_total",
                "Counter of HTTP requests.",
                &["code", "handler"],
            ),
            durations: registry.histogram_vec(
                "prometheus_http_request_duration_seconds",
                "Histogram of latencies for HTTP requests.",
                &["handler"],
                &[0.1, 0.2, 0.4, 1.0, 3.0, 8.0, 20.0, 60.0, 120.0],
            ),
            sizes: registry.histogram_vec(
                "prometheus_http_response_size_bytes",
                "Histogram of response size for HTTP requests.",
                &["handler"],
                &[1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
            ),
            panics: registry.counter(
                "firesteel_http_panics_total",
                "Requests that ended in a panic of their handler.",
            ),
            slow_readers: registry.counter(
                "firesteel_http_slow_readers_total",
                "Answers that broke off because their reader took nothing for too long.",
            ),
            samples: registry.counter(
                "prometheus_engine_query_samples_total",
                "The total number of samples loaded by all queries.",
            ),
            samples_read: registry.counter(
                "prometheus_engine_query_samples_read_total",
                "The total number of samples read by all queries.",
            ),
            shared_answers: registry.counter(
                "firesteel_query_shared_answers_total",
                "Queries that were answered by another one of the same text and times under way.",
            ),
            federation_errors: registry.counter(
                "prometheus_web_federation_errors_total",
                "Total number of errors that occurred while sending federation responses.",
            ),
            queries: registry.gauge(
                "prometheus_engine_queries",
                "The current number of queries being executed or waiting.",
            ),
            queue_seconds: slice("queue_time"),
            eval_seconds: slice("inner_eval"),
            exposing: registry.gauge(
                "promhttp_metric_handler_requests_in_flight",
                "Current number of scrapes being served.",
            ),
            expositions,
        }
    }

    /// Counts our own metrics being read while `read` does so.
    pub(crate) fn exposed<T>(&self, read: impl FnOnce() -> T) -> T {
        self.exposing.inc();
        let done = read();
        self.exposing.dec();
        self.expositions.with(&["200"]).inc();
        done
    }

    /// Counts an answered request; answers what counts the rest once its answer is written.
    pub(crate) fn answered(&self, handler: &str, code: u16, clock: Stopwatch) -> Account {
        self.requests.with(&[itoa::Buffer::new().format(code), handler]).inc();
        Account {
            durations: self.durations.with(&[handler]),
            sizes: self.sizes.with(&[handler]),
            clock,
            size_bytes: 0,
        }
    }
}

/// Counts how long an answer took and how large it was, when it is dropped: at its end, or as its reader leaves.
#[derive(Debug)]
pub(crate) struct Account {
    durations: Histogram,
    sizes: Histogram,
    clock: Stopwatch,
    /// What was written so far.
    pub(crate) size_bytes: u64,
}

impl Drop for Account {
    fn drop(&mut self) {
        self.durations.observe(self.clock.elapsed_seconds());
        self.sizes.observe(self.size_bytes as f64);
    }
}
