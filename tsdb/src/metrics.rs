//! Metrics of the database as a whole, with the names Prometheus gives them. Those of the head live in `head`.

use crate::block::Ulid;
use crate::db::{HEAD_CHUNKS_DIR, IMAGE_DIR, LATE_LOG_DIR, LOG_DIR};
use crate::log::Log;
use crate::{DbOptions, Loss, Quarantined};
use ::metrics::{Counter, Gauge, Histogram, Registry, Summary};
use disk::{CountedDisk, Disk};
use model::TimeRange;
use parking_lot::Mutex;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wal::WriterStats;

/// The handles, registered once.
#[derive(Clone, Debug)]
pub(crate) struct DbMetrics {
    pub(crate) blocks_loaded: Gauge,
    pub(crate) blocks_bytes: Gauge,
    pub(crate) reloads: Counter,
    pub(crate) reloads_failed: Counter,
    pub(crate) time_retentions: Counter,
    pub(crate) size_retentions: Counter,
    pub(crate) compactions_triggered: Counter,
    pub(crate) compactions: Counter,
    pub(crate) compactions_failed: Counter,
    pub(crate) compaction_seconds: Histogram,
    pub(crate) vertical_compactions: Counter,
    pub(crate) populating_block: Gauge,
    pub(crate) image_failures: Counter,
    pub(crate) tombstone_cleanup_seconds: Histogram,
    pub(crate) quarantined: Counter,
    pub(crate) lost_samples: Counter,
    pub(crate) damaged_bytes: Counter,
    pub(crate) reserve_releases: Counter,
    pub(crate) reliefs: Counter,
    pub(crate) idle_series_dropped: Counter,
    pub(crate) safe_mode: Gauge,
    pub(crate) lowest_timestamp_ms: Gauge,
    pub(crate) lowest_timestamp_seconds: Gauge,
    pub(crate) clean_start: Gauge,
    pub(crate) replay_seconds: Gauge,
    pub(crate) log: LogMetrics,
}

/// The handles of the write-ahead log; what its writer counts is read from it, see [`register_writer`].
#[derive(Clone, Debug)]
pub(crate) struct LogMetrics {
    pub(crate) corruptions: Counter,
    pub(crate) fsync_seconds: Summary,
    pub(crate) truncate_seconds: Summary,
    pub(crate) checkpoints: Counter,
    pub(crate) checkpoints_failed: Counter,
    pub(crate) checkpoint_deletions: Counter,
    pub(crate) checkpoint_deletions_failed: Counter,
}

const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

impl DbMetrics {
    #[expect(clippy::too_many_lines, reason = "table")]
    pub(crate) fn new(registry: &Registry, options: &DbOptions) -> Self {
        let counter = |name: &str, help| registry.counter(&format!("prometheus_tsdb_{name}"), help);
        let gauge = |name: &str, help| registry.gauge(&format!("prometheus_tsdb_{name}"), help);
        gauge("retention_limit_bytes", "Bytes kept at most; 0 is without bound.")
            .set(options.retention_bytes as f64);
        gauge("retention_limit_seconds", "Seconds kept at most; 0 is without bound.")
            .set(options.retention_ms as f64 / 1000.0);
        // No compaction is ever put off by hand, so none is skipped.
        counter("compactions_skipped_total", "Compactions skipped because compaction is off.");
        gauge("retention_limit_percentage", "Share of the disk used at most; 0 is without bound.")
            .set(options.retention_percentage);
        if let Some(budget) = options.memory.clone() {
            let bytes = budget.bytes();
            registry
                .gauge("firesteel_memory_budget_bytes", "Memory the server may use.")
                .set(bytes as f64);
            registry.gauge_fn(
                "firesteel_memory_used_bytes",
                "Memory in use that counts against the budget.",
                move || budget.used_bytes() as f64,
            );
        }
        // One second to four and a half hours, each twice the one before, as Prometheus has them.
        let buckets: Vec<f64> = (0..15).map(|power| f64::from(1 << power)).collect();
        Self {
            blocks_loaded: gauge("blocks_loaded", "Number of currently loaded data blocks"),
            blocks_bytes: gauge("storage_blocks_bytes", "Bytes of all open blocks."),
            reloads: counter("reloads_total", "Times the blocks were read from disk."),
            reloads_failed: counter("reloads_failures_total", "Times that failed."),
            time_retentions: counter(
                "time_retentions_total",
                "Blocks removed because of their age.",
            ),
            size_retentions: counter("size_retentions_total", "Blocks removed to save space."),
            compactions_triggered: counter(
                "compactions_triggered_total",
                "Times compaction looked for work.",
            ),
            compactions: counter("compactions_total", "Compactions of blocks or the head."),
            compactions_failed: counter("compactions_failed_total", "Compactions that failed."),
            compaction_seconds: registry.histogram(
                "prometheus_tsdb_compaction_duration_seconds",
                "How long compactions took.",
                &buckets,
            ),
            vertical_compactions: counter(
                "vertical_compactions_total",
                "Compactions of blocks that overlap.",
            ),
            populating_block: gauge(
                "compaction_populating_block",
                "1 while a block is written, else 0.",
            ),
            image_failures: counter(
                "snapshot_replay_error_total",
                "Images of the head that did not fit, so that the whole log was read.",
            ),
            tombstone_cleanup_seconds: registry.histogram(
                "prometheus_tsdb_tombstone_cleanup_seconds",
                "How long rewriting blocks without what is deleted took.",
                &[],
            ),
            quarantined: registry.counter(
                "firesteel_tsdb_quarantined_total",
                "Damaged blocks and pieces of the log that were moved aside.",
            ),
            lost_samples: registry.counter(
                "firesteel_tsdb_quarantined_samples_total",
                "Samples in what was moved aside; of a log as many as such bytes hold elsewhere.",
            ),
            damaged_bytes: registry.counter(
                "firesteel_tsdb_quarantined_bytes_total",
                "Bytes that could not be read in what was moved aside.",
            ),
            reserve_releases: registry.counter(
                "firesteel_disk_reserve_released_total",
                "Times the disk was full and the reserve was removed.",
            ),
            reliefs: registry.counter(
                "firesteel_memory_reliefs_total",
                "Times memory was short and series that are done with were moved to disk.",
            ),
            idle_series_dropped: registry.counter(
                "firesteel_tsdb_idle_series_compacted_total",
                "Series that were stale or idle and left memory for a block early.",
            ),
            safe_mode: registry.gauge(
                "firesteel_tsdb_safe_mode",
                "1 while new series are refused since the server died several times soon after its start.",
            ),
            lowest_timestamp_ms: gauge(
                "lowest_timestamp",
                "Earliest time stored, in milliseconds.",
            ),
            lowest_timestamp_seconds: gauge(
                "lowest_timestamp_seconds",
                "Earliest time stored, in seconds.",
            ),
            clean_start: gauge(
                "clean_start",
                "1: the last shutdown was clean; 0: it was not; -1: there is no lock file to tell.",
            ),
            replay_seconds: gauge(
                "data_replay_duration_seconds",
                "How long the log took to replay.",
            ),
            log: LogMetrics::new(registry),
        }
    }
}

impl DbMetrics {
    /// Counts a find and says what is lost with it.
    pub(crate) fn quarantined(&self, log: &Log, found: &Quarantined) {
        let Loss { num_samples, range, damaged_bytes } = found.loss;
        self.quarantined.inc();
        self.lost_samples.inc_by(num_samples);
        self.damaged_bytes.inc_by(damaged_bytes);
        let time =
            |of: fn(TimeRange) -> i64| range.map_or("none".to_owned(), |r| of(r).to_string());
        log.error(
            "Damaged data was moved to quarantine; what it held is missing from answers",
            &[
                ("dir", &found.dir.display()),
                ("err", &found.what),
                ("samples", &num_samples),
                ("mint", &time(|range| range.min_ms)),
                ("maxt", &time(|range| range.max_ms)),
                ("damaged_bytes", &damaged_bytes),
            ],
        );
    }
}

impl LogMetrics {
    fn new(registry: &Registry) -> Self {
        Self::named(registry, "prometheus_tsdb_wal_", "prometheus_tsdb_")
    }

    /// Under the names that an agent has for them.
    pub(crate) fn of_agent(registry: &Registry) -> Self {
        Self::named(registry, "prometheus_agent_", "prometheus_agent_")
    }

    fn named(registry: &Registry, log: &str, checkpoint: &str) -> Self {
        let counter = |name: &str, help| registry.counter(&format!("{checkpoint}{name}"), help);
        Self {
            corruptions: registry
                .counter(&format!("{log}corruptions_total"), "Corruptions of the log found."),
            fsync_seconds: registry.summary(
                "prometheus_tsdb_wal_fsync_duration_seconds",
                "How long syncs of the log took.",
                &QUANTILES,
            ),
            truncate_seconds: registry.summary(
                &format!("{log}truncate_duration_seconds"),
                "How long checkpoints and removals of segments took.",
                &QUANTILES,
            ),
            checkpoints: counter("checkpoint_creations_total", "Checkpoints tried."),
            checkpoints_failed: counter(
                "checkpoint_creations_failed_total",
                "Checkpoints that failed.",
            ),
            checkpoint_deletions: counter(
                "checkpoint_deletions_total",
                "Removals of old checkpoints tried.",
            ),
            checkpoint_deletions_failed: counter(
                "checkpoint_deletions_failed_total",
                "Removals of old checkpoints that failed.",
            ),
        }
    }
}

/// Shows what the writer of the log counts, and how large the log is. The registry does not keep either alive.
pub(crate) fn register_writer(
    registry: &Registry,
    writer: &Arc<Mutex<wal::Writer>>,
    disk: &Arc<dyn Disk>,
    dir: PathBuf,
) {
    type Read = fn(&WriterStats) -> u64;
    let counts: [(&str, &str, Read); 7] = [
        ("record_part_writes_total", "Parts of records written.", |stats| stats.fragments),
        (
            "record_parts_bytes_written_total",
            "Bytes of parts of records written, headers included.",
            |stats| stats.fragment_bytes,
        ),
        ("page_flushes_total", "Writes to the log.", |stats| stats.page_flushes),
        ("completed_pages_total", "Pages of the log filled.", |stats| stats.completed_pages),
        ("truncations_total", "Times old segments were removed.", |stats| stats.truncations),
        ("truncations_failed_total", "Times that failed.", |stats| stats.truncations_failed),
        ("writes_failed_total", "Writes to the log that failed.", |stats| stats.writes_failed),
    ];
    for (name, help, read) in counts {
        let writer = Arc::downgrade(writer);
        registry.counter_fn(&format!("prometheus_tsdb_wal_{name}"), help, move || {
            writer.upgrade().map_or(0.0, |writer| read(&writer.lock().stats()) as f64)
        });
    }
    let current = Arc::downgrade(writer);
    registry.gauge_fn(
        "prometheus_tsdb_wal_segment_current",
        "Number of the segment being written.",
        move || current.upgrade().map_or(0.0, |writer| f64::from(writer.lock().last_segment())),
    );
    let name = "prometheus_tsdb_wal_storage_size_bytes";
    register_size(registry, (name, "Bytes of the log on disk."), disk, dir);
}

/// The same disk, which counts what is written to the database in `dir`, by what it is for.
pub(crate) fn count_written(registry: &Registry, disk: Arc<dyn Disk>, dir: &Path) -> Arc<dyn Disk> {
    let (name, help) = ("firesteel_tsdb_written_bytes_total", "Bytes written, by kind of file.");
    let family = registry.counter_vec(name, help, &["file"]);
    // All are shown from the start.
    FILE_KINDS.iter().for_each(|kind| drop(family.with(&[kind])));
    let dir = dir.to_owned();
    Arc::new(CountedDisk::new(disk, move |path| family.with(&[kind_of(&dir, path)])))
}

const FILE_KINDS: [&str; 7] =
    ["log", "checkpoint", "head_chunks", "head_image", "late_log", "block", "other"];

/// What a file of a data directory is for: one of [`FILE_KINDS`].
fn kind_of(dir: &Path, path: &Path) -> &'static str {
    let mut names = path.strip_prefix(dir).unwrap_or(path).iter().filter_map(OsStr::to_str);
    let (first, second) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let stem = first.split('.').next().unwrap_or_default();
    match stem {
        LOG_DIR if second.starts_with("checkpoint.") => "checkpoint",
        LOG_DIR => "log",
        HEAD_CHUNKS_DIR => "head_chunks",
        IMAGE_DIR => "head_image",
        LATE_LOG_DIR => "late_log",
        _ if stem.parse::<Ulid>().is_ok() => "block",
        _ => "other",
    }
}

/// Shows how large a directory is.
pub(crate) fn register_size(
    registry: &Registry,
    (name, help): (&str, &str),
    disk: &Arc<dyn Disk>,
    dir: PathBuf,
) {
    let disk = Arc::downgrade(disk);
    registry.gauge_fn(name, help, move || {
        // What cannot be told now is told at the next scrape.
        let size = disk.upgrade().and_then(|disk| disk::dir_size(&*disk, &dir).ok());
        size.map_or(0.0, |bytes| bytes as f64)
    });
}

#[cfg(test)]
mod tests;
