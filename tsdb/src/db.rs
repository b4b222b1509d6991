//! A database: a head with its log, blocks, and the work that turns one into the other. Opens, serves, closes.
//!
//! Reading order: here (the whole), `blocks` (which blocks there are), `recover` and `feed` (the log back into the head),
//! `maintain` (mapping, compaction, retention, checkpoints), `admin` (deleting, snapshots),
//! `ooo` (what comes out of order), `pieces` (blocks of a part of the head), `relief` (the memory budget), `reserve` (a full
//! disk), `safe_mode` (starts that die), `spill` (the budget while the log is read back), `uploads` (blocks that wait with merging). Lock order: `work`, then the log, then what the head locks.

mod admin;
mod blocks;
mod feed;
mod image;
mod maintain;
mod ooo;
mod pieces;
mod recover;
mod relief;
mod reserve;
mod safe_mode;
mod spill;
mod uploads;

pub use maintain::Maintained;
pub(crate) use ooo::LateFeed;
pub use relief::MemoryState;
pub use safe_mode::SafeModeRule;

pub(crate) use image::IMAGE_DIR;
pub use image::IMAGE_GROWTH_BYTES;

use crate::head::SharedLog;
use crate::log::{Log, LogSink};
use crate::metrics::DbMetrics;
use crate::querier::DbQuerier;
use crate::{Block, DbOptions, Error, Head, Result};
use ::metrics::Registry;
use blocks::Blocks;
use disk::{Disk, Lock};
use maintain::Work;
use model::TimeRange;
use parking_lot::Mutex;
use safe_mode::SafeMode;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{Appendable, Appender, Querier, Queryable};

/// The directory of the write-ahead log in the data directory.
pub(crate) const LOG_DIR: &str = "wal";
/// The directory of full chunks of the head.
pub(crate) const HEAD_CHUNKS_DIR: &str = "chunks_head";
/// The directory of the log of out-of-order samples.
pub(crate) const LATE_LOG_DIR: &str = "wbl";
/// Keeps a second process out.
const LOCK_FILE: &str = "lock";

/// What is there before the head.
struct Parts {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: DbOptions,
    seed: u64,
    registry: Registry,
    blocks: Blocks,
    lock: Option<Lock>,
    metrics: DbMetrics,
    log: Log,
}

impl Parts {
    fn into_db(self, head: Head, writer: SharedLog, image: Option<u32>, safe_mode: SafeMode) -> Db {
        let mut work = Work::new(self.seed);
        work.image = image;
        let db = Db {
            work: Mutex::new(work),
            pressure: Mutex::default(),
            stale_ratio: Mutex::new(0.0),
            disk: self.disk,
            dir: self.dir,
            options: self.options,
            head,
            writer,
            blocks: self.blocks,
            lock: Mutex::new(self.lock),
            metrics: self.metrics,
            log: self.log,
            safe_mode,
        };
        db.update_series_room();
        db
    }
}

/// A database in a directory of its own.
///
/// Dropping it without [`Self::close`] is like a crash of the process: the log brings everything back.
#[derive(Debug)]
pub struct Db {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: DbOptions,
    head: Head,
    writer: SharedLog,
    blocks: Blocks,
    /// Held by whatever changes files: one job at a time.
    work: Mutex<Work>,
    pressure: Mutex<relief::Pressure>,
    /// From which share of stale series on these leave memory early; zero never.
    stale_ratio: Mutex<f64>,
    lock: Mutex<Option<Lock>>,
    metrics: DbMetrics,
    log: Log,
    safe_mode: SafeMode,
}

impl Db {
    /// Opens the database in `dir`, created if absent: takes the lock, clears leftovers of a crash away, opens the
    /// blocks and replays the log, without what is damaged of it. `seed` is random: it keys hashes and block names.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: DbOptions,
        seed: u64,
        registry: &Registry,
        sink: LogSink,
    ) -> Result<Self> {
        let options = options.validated()?;
        let log = Log::new(sink);
        let metrics = DbMetrics::new(registry, &options);
        let disk = crate::metrics::count_written(registry, disk, dir);
        if !disk.is_dir(dir) {
            disk.create_dir(dir)?;
            disk.sync_dir(dir.parent().unwrap_or(Path::new("")))?;
        }
        let lock = if options.no_lockfile { None } else { Some(lock(&*disk, dir)?) };
        let clean = lock.as_ref().map(|lock| !lock.was_there());
        metrics.clean_start.set(clean.map_or(-1.0, f64::from));
        if clean == Some(false) {
            log.warn("The last shutdown was not clean", &[("dir", &dir.display())]);
        }
        let leftovers = crate::block::remove_leftovers(&*disk, dir)?;
        if leftovers > 0 {
            log.info("Removed unfinished blocks", &[("count", &leftovers)]);
        }
        if options.retention_percentage > 0.0 && disk.space(dir)?.is_none() {
            let what = "retention.percentage needs the size of the file system, which is not known";
            return Err(Error::Options(what.into()));
        }
        wal::checkpoint::remove_unfinished(&*disk, &dir.join(LOG_DIR))?;
        let blocks = Blocks::default();
        blocks.reload(&*disk, dir, &options, &metrics, &log)?;
        let (dir, registry) = (dir.to_owned(), registry.clone());
        Parts { disk, dir, options, seed, registry, blocks, lock, metrics, log }.recover()
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Whether new chunks of floats are XOR2; `None` is as the database was opened. For reloads of the configuration.
    pub fn set_xor2(&self, is_on: Option<bool>) {
        self.head.set_xor2(is_on.unwrap_or(self.options.xor2));
    }

    /// The blocks that are open, by their begin.
    #[must_use]
    pub fn blocks(&self) -> Arc<Vec<Arc<Block>>> {
        self.blocks.current()
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Time of the earliest sample that may be stored; `None` while there is none.
    #[must_use]
    pub fn min_time(&self) -> Option<i64> {
        let blocks = self.blocks.current();
        let first = blocks.iter().map(|block| block.meta().min_time).min();
        let head = Some(self.head.min_time()).filter(|&min| min != i64::MAX);
        let late = self.head.ooo_range().map(|range| range.min_ms);
        first.into_iter().chain(head).chain(late).min()
    }

    /// Damaged data that was moved aside, ever since it lies there.
    pub fn quarantined(&self) -> Result<Vec<crate::Quarantined>> {
        crate::quarantine::list(&*self.disk, &self.dir)
    }

    /// Makes everything that was logged durable.
    pub fn sync(&self) -> Result<()> {
        self.writer.lock().sync()?;
        Ok(self.head.sync_ooo_log(false)?)
    }

    /// Ends in good order: everything is durable, the lock is free. Commits fail from then on; queries still work.
    pub fn close(&self) -> Result<()> {
        let mut work = self.work.lock();
        if self.options.keeps_image() {
            self.write_image(&mut work);
        }
        let flushed = self.head.flush_new_series();
        let logged = self.writer.lock().close().and(self.head.sync_ooo_log(true));
        let left = self.leave_start();
        if let Some(lock) = self.lock.lock().take() {
            lock.release(&*self.disk)?;
        }
        drop(work);
        flushed?;
        logged?;
        left
    }
}

/// Takes the directory for this process.
pub(crate) fn lock(disk: &dyn Disk, dir: &Path) -> Result<Lock> {
    let path = dir.join(LOCK_FILE);
    disk.lock(&path).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => Error::Locked { path },
        _ => error.into(),
    })
}

impl Appendable for Db {
    fn appender(&self, now_ms: i64) -> Box<dyn Appender> {
        self.head.appender(now_ms)
    }
}

impl Queryable for Db {
    fn querier(&self, range: TimeRange) -> storage::Result<Box<dyn Querier>> {
        // The head first: what moves to a block meanwhile is then seen twice, which merging mends, and not missed.
        let has_late = self.head.ooo_range().is_some_and(|late| late.overlaps(range));
        let is_wanted = self.head.max_time() >= range.min_ms || has_late;
        let head = is_wanted.then(|| self.head.querier(range)).transpose()?;
        let blocks = self.blocks.current();
        Ok(Box::new(DbQuerier::new(range, head, blocks.to_vec())))
    }
}
