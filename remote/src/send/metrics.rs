//! The metrics of queues, by the names of Prometheus, and the counters that resharding looks at.

use super::item::Counts;
use metrics::{Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramVec, Registry};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

const LABELS: [&str; 2] = ["remote_name", "url"];

/// Buckets of the time that a request takes.
const SECONDS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0];

/// Counters of one meaning for samples, histograms and exemplars.
#[derive(Clone, Debug)]
struct Kinds<T> {
    samples: T,
    histograms: T,
    exemplars: T,
}

impl Kinds<CounterVec> {
    fn new(registry: &Registry, suffix: &str, help: &str, labels: &[&str]) -> Self {
        let family = |kind: &str| {
            let name = format!("prometheus_remote_storage_{kind}_{suffix}");
            registry.counter_vec(&name, &help.replace("KIND", kind), labels)
        };
        Self {
            samples: family("samples"),
            histograms: family("histograms"),
            exemplars: family("exemplars"),
        }
    }

    fn with(&self, values: &[&str]) -> Kinds<Counter> {
        Kinds {
            samples: self.samples.with(values),
            histograms: self.histograms.with(values),
            exemplars: self.exemplars.with(values),
        }
    }
}

impl Kinds<Counter> {
    fn coming_in(registry: &Registry) -> Self {
        let counter = |kind: &str, one: &str| {
            registry.counter(
                &format!("prometheus_remote_storage_{kind}_in_total"),
                &format!("{one} in to remote storage, compare to {kind} out for queue managers."),
            )
        };
        Self {
            samples: counter("samples", "Samples"),
            histograms: counter("histograms", "HistogramSamples"),
            exemplars: counter("exemplars", "Exemplars"),
        }
    }

    fn add(&self, counts: Counts) {
        self.samples.inc_by(counts.samples);
        self.histograms.inc_by(counts.histograms);
        self.exemplars.inc_by(counts.exemplars);
    }
}

/// The families, registered once.
#[derive(Debug)]
pub(super) struct Families {
    sent: Kinds<CounterVec>,
    failed: Kinds<CounterVec>,
    retried: Kinds<CounterVec>,
    dropped: Kinds<CounterVec>,
    pending: [GaugeVec; 3],
    metadata: [CounterVec; 4],
    enqueue_retries: CounterVec,
    bytes: CounterVec,
    duration: HistogramVec,
    gauges: [GaugeVec; 8],
    watcher_segment: GaugeVec,
    watcher_records: CounterVec,
    watcher_failures: CounterVec,
    pre_tailing: CounterVec,
    notifications_skipped: CounterVec,
    came_in: Kinds<Counter>,
    highest_in: Gauge,
}

impl Families {
    #[expect(clippy::too_many_lines, reason = "table")]
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| {
            registry.counter_vec(&format!("prometheus_remote_storage_{name}"), help, &LABELS)
        };
        let gauge = |name: &str, help: &str| {
            registry.gauge_vec(&format!("prometheus_remote_storage_{name}"), help, &LABELS)
        };
        let with_reason = [LABELS[0], LABELS[1], "reason"];
        Self {
            sent: Kinds::new(registry, "total", "Total number of KIND sent to remote storage.", &LABELS),
            failed: Kinds::new(
                registry,
                "failed_total",
                "Total number of KIND which failed on send to remote storage, non-recoverable errors.",
                &LABELS,
            ),
            retried: Kinds::new(
                registry,
                "retried_total",
                "Total number of KIND which failed on send to remote storage but were retried because the send \
                 error was recoverable.",
                &LABELS,
            ),
            dropped: Kinds::new(
                registry,
                "dropped_total",
                "Total number of KIND which were dropped after being read from the WAL before being sent via \
                 remote write, either via relabelling, due to being too old or unintentionally because of an \
                 unknown reference ID.",
                &with_reason,
            ),
            pending: ["samples", "histograms", "exemplars"].map(|kind| {
                let help = format!(
                    "The number of {kind} pending in the queues shards to be sent to the remote storage."
                );
                gauge(&format!("{kind}_pending"), &help)
            }),
            metadata: [
                counter("metadata_total", "Total number of metadata entries sent to remote storage."),
                counter(
                    "metadata_failed_total",
                    "Total number of metadata entries which failed on send to remote storage, non-recoverable errors.",
                ),
                counter(
                    "metadata_retried_total",
                    "Total number of metadata entries which failed on send to remote storage but were retried \
                     because the send error was recoverable.",
                ),
                counter(
                    "metadata_bytes_total",
                    "The total number of bytes of metadata sent by the queue after compression.",
                ),
            ],
            enqueue_retries: counter(
                "enqueue_retries_total",
                "Total number of times enqueue has failed because a shards queue was full.",
            ),
            bytes: counter(
                "bytes_total",
                "The total number of bytes of data (not metadata) sent by the queue after compression. Note that \
                 when exemplars over remote write is enabled the exemplars are included in the payload and therefore this metric.",
            ),
            duration: registry.histogram_vec(
                "prometheus_remote_storage_sent_batch_duration_seconds",
                "Duration of send calls to the remote storage.",
                &LABELS,
                &SECONDS,
            ),
            gauges: [
                gauge(
                    "queue_highest_timestamp_seconds",
                    "Highest timestamp that was enqueued, in seconds since epoch. Initialized to 0 when no data has been received yet.",
                ),
                gauge(
                    "queue_highest_sent_timestamp_seconds",
                    "Timestamp from a WAL sample, the highest timestamp successfully sent by this queue, in \
                     seconds since epoch. Initialized to 0 when no data has been sent yet.",
                ),
                gauge(
                    "shard_capacity",
                    "The capacity of each shard of the queue used for parallel sending to the remote storage.",
                ),
                gauge("shards", "The number of shards used for parallel sending to the remote storage."),
                gauge("shards_max", "The maximum number of shards that the queue is allowed to run."),
                gauge("shards_min", "The minimum number of shards that the queue is allowed to run."),
                gauge(
                    "shards_desired",
                    "The number of shards that the queues shard calculation wants to run based on the rate of \
                     samples in vs. samples out.",
                ),
                gauge(
                    "max_samples_per_send",
                    "The maximum number of samples to be sent, in a single request, to the remote storage. Note that, \
                     when sending of exemplars over remote write is enabled, exemplars count towards this limt.",
                ),
            ],
            watcher_segment: registry.gauge_vec(
                "prometheus_wal_watcher_current_segment",
                "Current segment the WAL watcher is reading records from.",
                &["consumer"],
            ),
            watcher_records: registry.counter_vec(
                "prometheus_wal_watcher_records_read_total",
                "Number of records read by the WAL watcher from the WAL.",
                &["consumer", "type"],
            ),
            watcher_failures: registry.counter_vec(
                "prometheus_wal_watcher_record_decode_failures_total",
                "Number of records read by the WAL watcher that resulted in an error when decoding.",
                &["consumer"],
            ),
            pre_tailing: registry.counter_vec(
                "prometheus_wal_watcher_samples_sent_pre_tailing_total",
                "Number of sample records read by the WAL watcher and sent to remote write during replay of existing WAL.",
                &["consumer"],
            ),
            notifications_skipped: registry.counter_vec(
                "prometheus_wal_watcher_notifications_skipped_total",
                "The number of WAL write notifications that the Watcher has skipped due to already being in a WAL read routine.",
                &["consumer"],
            ),
            came_in: Kinds::coming_in(registry),
            highest_in: registry.gauge(
                "prometheus_remote_storage_highest_timestamp_in_seconds",
                "Highest timestamp that has come into the remote storage via the Appender interface, in seconds \
                 since epoch. Initialized to 0 when no data has been received yet.",
            ),
        }
    }
}

/// Why something was dropped before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drop {
    Relabelled,
    TooOld,
    UnknownSeries,
    /// It has buckets of its own, which 1.0 cannot carry.
    CustomBuckets,
    /// An exemplar without the sample it belongs to, which 2.0 takes not.
    LoneExemplar,
    /// It was refused, and may have been sent before a crash.
    Repeated,
}

impl Drop {
    fn as_str(self) -> &'static str {
        match self {
            Self::Relabelled => "dropped_series",
            Self::TooOld => "too_old",
            Self::UnknownSeries => "unintentionally_dropped_series",
            Self::CustomBuckets => "nhcb_in_rw1_not_supported",
            Self::LoneExemplar => "exemplar_without_sample",
            Self::Repeated => "refused_repetition",
        }
    }
}

/// The metrics of one queue.
#[derive(Debug)]
pub(super) struct QueueMetrics {
    names: [String; 2],
    sent: Kinds<Counter>,
    failed: Kinds<Counter>,
    retried: Kinds<Counter>,
    dropped: Kinds<CounterVec>,
    pending: [Gauge; 3],
    pub(super) metadata_sent: Counter,
    pub(super) metadata_failed: Counter,
    pub(super) metadata_retried: Counter,
    pub(super) metadata_bytes: Counter,
    pub(super) enqueue_retries: Counter,
    bytes: Counter,
    duration: Histogram,
    highest_enqueued: Gauge,
    highest_sent: Gauge,
    pub(super) shards: Gauge,
    pub(super) shards_desired: Gauge,
    pub(super) segment: Gauge,
    records: CounterVec,
    pub(super) decode_failures: Counter,
    /// Samples that were read before the end of the log was reached for the first time.
    pub(super) pre_tailing: Counter,
    came_in: Kinds<Counter>,
    highest_in: Gauge,
    /// What resharding looks at.
    pub(super) flow: Flow,
}

/// Totals that rates are made of.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) read: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) sent: AtomicU64,
    sending: Mutex<Duration>,
    highest_enqueued_ms: AtomicI64,
    highest_sent_ms: AtomicI64,
}

impl Flow {
    /// Items were read that are to be sent, or dropped.
    pub(super) fn count_read(&self, counts: Counts) {
        self.read.fetch_add(counts.total(), Ordering::Relaxed);
    }

    /// Time spent in requests, over all shards.
    pub(super) fn sending_seconds(&self) -> f64 {
        self.sending.lock().as_secs_f64()
    }

    /// The time of the newest sample that was sent; zero before the first.
    pub(super) fn highest_sent_ms(&self) -> i64 {
        self.highest_sent_ms.load(Ordering::Relaxed)
    }

    /// How far what was sent lies behind what was read.
    pub(super) fn delay_seconds(&self) -> f64 {
        let read = self.highest_enqueued_ms.load(Ordering::Relaxed);
        let sent = self.highest_sent_ms.load(Ordering::Relaxed);
        if sent == 0 { 0.0 } else { (read.saturating_sub(sent)).max(0) as f64 / 1000.0 }
    }
}

impl QueueMetrics {
    pub(super) fn new(families: &Families, config: &super::WriteConfig) -> Self {
        let names = [config.queue_name(), config.url.clone()];
        let values = [names[0].as_str(), names[1].as_str()];
        let gauges = families.gauges.each_ref().map(|family| family.with(&values));
        let [highest_enqueued, highest_sent, capacity, shards, max, min, desired, per_send] =
            gauges;
        capacity.set(config.queue.capacity as f64);
        max.set(config.queue.max_shards as f64);
        min.set(config.queue.min_shards as f64);
        per_send.set(config.queue.max_samples_per_send as f64);
        // The log is read when it is due, not when somebody says so: nothing is ever skipped.
        families.notifications_skipped.with(&[values[0]]).inc_by(0);
        let [metadata_sent, metadata_failed, metadata_retried, metadata_bytes] =
            families.metadata.each_ref().map(|family| family.with(&values));
        Self {
            sent: families.sent.with(&values),
            failed: families.failed.with(&values),
            retried: families.retried.with(&values),
            dropped: families.dropped.clone(),
            pending: families.pending.each_ref().map(|family| family.with(&values)),
            metadata_sent,
            metadata_failed,
            metadata_retried,
            metadata_bytes,
            enqueue_retries: families.enqueue_retries.with(&values),
            bytes: families.bytes.with(&values),
            duration: families.duration.with(&values),
            highest_enqueued,
            highest_sent,
            shards,
            shards_desired: desired,
            segment: families.watcher_segment.with(&[values[0]]),
            records: families.watcher_records.clone(),
            decode_failures: families.watcher_failures.with(&[values[0]]),
            pre_tailing: families.pre_tailing.with(&[values[0]]),
            came_in: families.came_in.clone(),
            highest_in: families.highest_in.clone(),
            flow: Flow::default(),
            names,
        }
    }

    fn count_pending(&self, counts: Counts, sign: f64) {
        self.pending[0].add(sign * counts.samples as f64);
        self.pending[1].add(sign * counts.histograms as f64);
        self.pending[2].add(sign * counts.exemplars as f64);
    }

    /// A record of this kind was read.
    pub(super) fn record(&self, kind: &str) {
        self.records.with(&[&self.names[0], kind]).inc();
    }

    /// Something was logged; one queue tells it for all.
    pub(super) fn came_in(&self, counts: Counts, highest_ms: i64, is_first: bool) {
        if !is_first {
            return;
        }
        self.came_in.add(counts);
        let seconds = highest_ms as f64 / 1000.0;
        if seconds > self.highest_in.get() {
            self.highest_in.set(seconds);
        }
    }

    pub(super) fn enqueued(&self, counts: Counts, timestamp_ms: i64) {
        self.count_pending(counts, 1.0);
        let before = self.flow.highest_enqueued_ms.fetch_max(timestamp_ms, Ordering::Relaxed);
        if before < timestamp_ms {
            self.highest_enqueued.set(timestamp_ms as f64 / 1000.0);
        }
    }

    /// Items left a queue without being sent, to be put into another.
    pub(super) fn taken_back(&self, counts: Counts) {
        self.count_pending(counts, -1.0);
    }

    pub(super) fn sent(&self, counts: Counts, highest_ms: i64) {
        self.count_pending(counts, -1.0);
        self.sent.add(counts);
        self.flow.sent.fetch_add(counts.total(), Ordering::Relaxed);
        let before = self.flow.highest_sent_ms.fetch_max(highest_ms, Ordering::Relaxed);
        if before < highest_ms {
            self.highest_sent.set(highest_ms as f64 / 1000.0);
        }
    }

    /// A request was made.
    pub(super) fn requested(&self, bytes: usize, took: Duration) {
        self.bytes.inc_by(bytes as u64);
        self.duration.observe(took.as_secs_f64());
        *self.flow.sending.lock() += took;
    }

    pub(super) fn failed(&self, counts: Counts) {
        self.count_pending(counts, -1.0);
        self.failed.add(counts);
        // As far as the flow goes, they are gone.
        self.flow.sent.fetch_add(counts.total(), Ordering::Relaxed);
    }

    pub(super) fn retried(&self, counts: Counts) {
        self.retried.add(counts);
    }

    /// Items were dropped before they came into a queue, or in it.
    pub(super) fn dropped(&self, counts: Counts, why: Drop, was_queued: bool) {
        if was_queued {
            self.count_pending(counts, -1.0);
        }
        self.flow.dropped.fetch_add(counts.total(), Ordering::Relaxed);
        self.dropped.with(&[&self.names[0], &self.names[1], why.as_str()]).add(counts);
    }
}

/// Takes the metrics of a queue that ended off the page.
pub(super) fn remove(families: &Families, config: &super::WriteConfig) {
    let (name, url) = (config.queue_name(), config.url.clone());
    let values = [name.as_str(), url.as_str()];
    for kinds in [&families.sent, &families.failed, &families.retried] {
        kinds.samples.remove(&values);
        kinds.histograms.remove(&values);
        kinds.exemplars.remove(&values);
    }
    families.pending.iter().chain(&families.gauges).for_each(|family| family.remove(&values));
    families.metadata.iter().for_each(|family| family.remove(&values));
    families.enqueue_retries.remove(&values);
    families.bytes.remove(&values);
    families.duration.remove(&values);
    families.watcher_segment.remove(&values[..1]);
    families.watcher_failures.remove(&values[..1]);
    families.pre_tailing.remove(&values[..1]);
    families.notifications_skipped.remove(&values[..1]);
}
