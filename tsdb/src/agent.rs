//! A database that keeps nothing to query: a log for remote write to follow, and of each series its labels and the time
//! of its newest sample. Its directory is that of Prometheus' agent.
//!
//! Reading order: here (open, cut, close), `series` (what is known of series), `append` (transactions), `recover` (the
//! log back into the table). Lock order: the table of series, then new series; the log, then new series.

mod append;
mod metrics;
mod recover;
mod series;

use crate::log::{Log, LogSink};
use crate::{Error, Result};
use ::metrics::{Registry, Stopwatch};
use disk::{Disk, Lock};
use metrics::AgentMetrics;
use model::hash::HashMap;
use parking_lot::{Mutex, RwLock};
use series::Table;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use storage::{Appendable, Appender};
use wal::checkpoint::{self, CheckpointStats};
use wal::{Compression, WriterOptions};

use crate::db::{LOG_DIR, lock};

/// Settings of an agent's storage.
#[derive(Clone, Copy, Debug)]
pub struct AgentOptions {
    /// Length of the segments of the log in bytes.
    pub wal_segment_bytes: u64,
    /// Compression of the log.
    pub wal_compression: Compression,
    /// Do without the lock file.
    pub no_lockfile: bool,
    /// Samples that were sent stay this long all the same.
    pub min_age_ms: i64,
    /// Older samples go, sent or not; what remote write still needs it has names of its own for.
    pub max_age_ms: i64,
    /// How far behind the newest sample of its series another one may come.
    pub out_of_order_window_ms: i64,
    /// Whether type, unit and help of series are logged.
    pub keep_metadata: bool,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            wal_segment_bytes: 128 << 20,
            wal_compression: Compression::Snappy,
            no_lockfile: false,
            min_age_ms: 5 * 60 * 1000,
            max_age_ms: 4 * 60 * 60 * 1000,
            out_of_order_window_ms: 0,
            keep_metadata: false,
        }
    }
}

/// What transactions share.
#[derive(Debug)]
struct Shared {
    table: RwLock<Table>,
    /// A record of series that no commit has logged yet.
    new_series: Mutex<Vec<u8>>,
    log: Arc<Mutex<wal::Writer>>,
    window_ms: AtomicI64,
    keeps_metadata: bool,
    metrics: AgentMetrics,
    exemplars: Mutex<HashMap<u64, append::Exemplar>>,
    /// A hash of what was logged of a series last.
    metadata: Mutex<HashMap<u64, u64>>,
}

/// The storage of an agent.
///
/// Dropping it without [`Self::close`] is like a crash of the process: the log brings everything back.
#[derive(Debug)]
pub struct Agent {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: AgentOptions,
    shared: Arc<Shared>,
    /// Series that were forgotten, and up to which segment samples of them may be in the log.
    gone: Mutex<HashMap<u64, u32>>,
    lock: Mutex<Option<Lock>>,
    log: Log,
}

impl AgentOptions {
    fn writer(self) -> WriterOptions {
        WriterOptions { segment_bytes: self.wal_segment_bytes, compression: self.wal_compression }
    }
}

impl Agent {
    /// Opens the storage in `dir`, created if absent: takes the lock and reads the log, without what is damaged of it.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: AgentOptions,
        registry: &Registry,
        sink: LogSink,
    ) -> Result<Self> {
        let page = wal::PAGE_BYTES as u64;
        if options.wal_segment_bytes == 0 || !options.wal_segment_bytes.is_multiple_of(page) {
            let what = format!("the length of a segment must be a multiple of {page} bytes");
            return Err(Error::Options(what.into()));
        }
        let (log, metrics) = (Log::new(sink), AgentMetrics::new(registry));
        if !disk.is_dir(dir) {
            disk.create_dir(dir)?;
            disk.sync_dir(dir.parent().unwrap_or(Path::new("")))?;
        }
        let lock = if options.no_lockfile { None } else { Some(lock(&*disk, dir)?) };
        let clean = lock.as_ref().map(|lock| !lock.was_there());
        metrics.clean_start.set(clean.map_or(-1.0, f64::from));
        let log_dir = dir.join(LOG_DIR);
        checkpoint::remove_unfinished(&*disk, &log_dir)?;
        let (table, writer) = recover::recover(&disk, dir, options.writer(), &metrics, &log)?;
        crate::metrics::register_writer(registry, &writer, &disk, log_dir);
        metrics.active_series.set(table.len() as f64);
        let shared = Shared {
            table: RwLock::new(table),
            new_series: Mutex::default(),
            log: writer,
            window_ms: AtomicI64::new(options.out_of_order_window_ms),
            keeps_metadata: options.keep_metadata,
            metrics,
            exemplars: Mutex::default(),
            metadata: Mutex::default(),
        };
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            options,
            shared: Arc::new(shared),
            gone: Mutex::default(),
            lock: Mutex::new(lock),
            log,
        })
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How many series have had samples lately.
    #[must_use]
    pub fn num_series(&self) -> usize {
        self.shared.table.read().len()
    }

    /// From now on samples may come this far behind the newest of their series.
    pub fn set_out_of_order_window(&self, window_ms: i64) {
        self.shared.window_ms.store(window_ms, Ordering::Relaxed);
    }

    /// Makes full segments durable; to be called now and then.
    pub fn maintain(&self) -> Result<()> {
        let retired = self.shared.log.lock().take_retired();
        let stopwatch = Stopwatch::start();
        retired.sync()?;
        self.shared.metrics.log.fsync_seconds.observe(stopwatch.elapsed_seconds());
        Ok(())
    }

    /// Before which time samples may go now that all receivers have those up to `sent_ms`, zero if there are none.
    #[must_use]
    pub fn oldest_kept_ms(&self, sent_ms: i64, now_ms: i64) -> i64 {
        let sent = sent_ms.saturating_sub(self.options.min_age_ms).max(0);
        sent.max(now_ms.saturating_sub(self.options.max_age_ms))
    }

    /// Lets go of samples before `min_ms` and of series without later ones, as far as whole segments allow. The last
    /// segment that a new checkpoint covers.
    pub fn truncate(&self, min_ms: i64) -> Result<Option<u32>> {
        let stopwatch = Stopwatch::start();
        let metrics = &self.shared.metrics;
        let dir = self.dir.join(LOG_DIR);
        let segments = wal::list_segments(&*self.disk, &dir)?;
        self.forget_series(min_ms, segments.last().copied().unwrap_or(0));
        self.shared.log_new_series()?;
        self.shared.log.lock().cut()?;
        self.maintain()?;
        let (Some(&first), Some(&last)) = (segments.first(), segments.last()) else {
            return Ok(None);
        };
        let Some(covered) = checkpoint::plan(first, last) else { return Ok(None) };
        let upto = *covered.end();
        let mut gone = self.gone.lock();
        let mut keep = |number| {
            let is_known = self.shared.table.read().knows(number);
            is_known || gone.get(&number).is_some_and(|&last| last > upto)
        };
        metrics.log.checkpoints.inc();
        let created = self.create_checkpoint(&dir, &covered, min_ms, &mut keep);
        let stats = created.inspect_err(|_| metrics.log.checkpoints_failed.inc())?;
        self.log.skipped(stats.dropped_unknown);
        // From here on nothing is lost if removing fails: replay ignores what the checkpoint covers.
        if let Err(error) = self.shared.log.lock().truncate(upto + 1) {
            self.log.error("Removing old segments failed", &[("err", &error)]);
        }
        gone.retain(|_, last| *last > upto);
        metrics.deleted_series.set(gone.len() as f64);
        metrics.log.checkpoint_deletions.inc();
        if let Err(error) = checkpoint::remove_before(&*self.disk, &dir, upto) {
            metrics.log.checkpoint_deletions_failed.inc();
            self.log.error("Removing old checkpoints failed", &[("err", &error)]);
        }
        metrics.log.truncate_seconds.observe(stopwatch.elapsed_seconds());
        self.log.info(
            "Wrote a checkpoint",
            &[
                ("first", &first),
                ("last", &upto),
                ("series", &(stats.total_series - stats.dropped_series)),
                ("samples", &(stats.total_samples - stats.dropped_samples)),
                ("duration", &format!("{:.3}s", stopwatch.elapsed_seconds())),
            ],
        );
        Ok(Some(upto))
    }

    /// What was damaged since the start is mended: without a checkpoint the log grows for good.
    fn create_checkpoint(
        &self,
        dir: &Path,
        covered: &RangeInclusive<u32>,
        min_ms: i64,
        keep: &mut dyn FnMut(u64) -> bool,
    ) -> Result<CheckpointStats> {
        loop {
            let (covered, writer) = (covered.clone(), self.options.writer());
            let created = checkpoint::create(&self.disk, dir, covered, writer, min_ms, keep);
            let Err(wal::Error::Corrupt(found)) = created else { return Ok(created?) };
            let message = "Damaged log found while a checkpoint was written, attempting repair";
            let told = (&self.shared.metrics, &self.log);
            recover::mend((&*self.disk, &self.dir), told, message, &found)?;
        }
    }

    /// Forgets series without samples since `min_ms`; their records stay as long as segments up to `last` do.
    fn forget_series(&self, min_ms: i64, last: u32) {
        let mut table = self.shared.table.write();
        let numbers = table.forget_before(min_ms);
        let left = table.len();
        drop(table);
        let (mut exemplars, mut metadata) =
            (self.shared.exemplars.lock(), self.shared.metadata.lock());
        for number in &numbers {
            exemplars.remove(number);
            metadata.remove(number);
        }
        drop((exemplars, metadata));
        let mut gone = self.gone.lock();
        gone.extend(numbers.into_iter().map(|number| (number, last)));
        self.shared.metrics.active_series.set(left as f64);
        self.shared.metrics.deleted_series.set(gone.len() as f64);
    }

    /// Ends in good order: everything is durable, the lock is free. Commits fail from then on.
    pub fn close(&self) -> Result<()> {
        let flushed = self.shared.log_new_series();
        let closed = self.shared.log.lock().close();
        if let Some(lock) = self.lock.lock().take() {
            lock.release(&*self.disk)?;
        }
        flushed?;
        Ok(closed?)
    }
}

impl Appendable for Agent {
    fn appender(&self, _now_ms: i64) -> Box<dyn Appender> {
        Box::new(append::AgentAppender::new(Arc::clone(&self.shared)))
    }
}

#[cfg(test)]
mod tests;
