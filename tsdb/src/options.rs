//! What a database is opened with. Checked once, before anything is touched.

use crate::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use wal::Compression;

/// Two hours in milliseconds: the length of the blocks that are cut from the head.
pub const DEFAULT_BLOCK_MS: i64 = 2 * 60 * 60 * 1000;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Settings of a database.
#[derive(Clone, Debug)]
pub struct DbOptions {
    /// How far behind the newest block a block may end; zero keeps all.
    pub retention_ms: i64,
    /// Bytes of blocks, log and head chunks from which the oldest blocks go; zero means without bound.
    pub retention_bytes: u64,
    /// The same as a share of the file system, in percent; wins over the bytes. Zero leaves it to them.
    pub retention_percentage: f64,
    /// Free bytes of the file system below which the oldest blocks go before their time; zero never.
    pub disk_low_water_bytes: u64,
    /// Bytes of a file that is kept to be removed when the disk is full, so that there is room for the log until there
    /// is more; zero keeps none.
    pub disk_reserve_bytes: u64,
    /// A file that lists uploaded blocks: others that were not merged before wait with that.
    pub delay_compact_file: Option<PathBuf>,
    /// Length of the blocks that are cut from the head.
    pub min_block_ms: i64,
    /// Length that blocks grow to by compaction; zero chooses a tenth of the retention, 31 days at most.
    pub max_block_ms: i64,
    /// Length of the segments of the write-ahead log in bytes.
    pub wal_segment_bytes: u64,
    /// Compression of the write-ahead log.
    pub wal_compression: Compression,
    /// Samples that chunks aim at.
    pub samples_per_chunk: u32,
    /// Length of the chunk files of blocks in bytes.
    pub block_segment_bytes: u64,
    /// Whether blocks that overlap are merged.
    pub merge_overlapping: bool,
    /// Do without the lock file.
    pub no_lockfile: bool,
    /// How far behind the newest sample others may come out of order; zero takes none.
    pub out_of_order_window_ms: i64,
    /// Keep an image of the head beside the log, so that a start need not read all of it: a new one at the earliest once
    /// the log grew by this much. Zero keeps none.
    pub head_image_growth_bytes: u64,
    /// How long a commit waits for others before it flushes the log; `None` does not flush.
    pub sync_commits: Option<Duration>,
    /// How many exemplars are kept; zero keeps none.
    pub max_exemplars: usize,
    /// Whether type, unit and help of series are kept and logged.
    pub keep_metadata: bool,
    /// New chunks of floats are XOR2 instead of XOR; see [`crate::Head::set_xor2`].
    pub xor2: bool,
    /// Chunks of native histograms say since when their samples count.
    pub started_histograms: bool,
    /// The log says since when samples count, and chunks of floats that cannot say so are not continued. Needs `xor2`.
    pub keep_starts: bool,
    /// Bound on memory; `None` is without.
    pub memory: Option<crate::MemoryBudget>,
    /// When the database opens without taking new series; `None` never.
    pub safe_mode: Option<crate::SafeModeRule>,
    /// Where the progress of the replay is to be seen while the database opens.
    pub progress: Arc<ReplayProgress>,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self {
            retention_ms: 15 * DAY_MS,
            retention_bytes: 0,
            retention_percentage: 0.0,
            disk_low_water_bytes: 0,
            disk_reserve_bytes: 0,
            delay_compact_file: None,
            min_block_ms: DEFAULT_BLOCK_MS,
            max_block_ms: 0,
            wal_segment_bytes: 128 << 20,
            wal_compression: Compression::Snappy,
            samples_per_chunk: 120,
            block_segment_bytes: crate::compact::SEGMENT_BYTES,
            merge_overlapping: true,
            no_lockfile: false,
            out_of_order_window_ms: 0,
            head_image_growth_bytes: 0,
            sync_commits: None,
            max_exemplars: 0,
            keep_metadata: false,
            xor2: false,
            started_histograms: false,
            keep_starts: false,
            memory: None,
            safe_mode: None,
            progress: Arc::default(),
        }
    }
}

impl DbOptions {
    /// Whether there are images of the head.
    pub(crate) fn keeps_image(&self) -> bool {
        self.head_image_growth_bytes > 0
    }

    /// Checks the settings and fills in what depends on others.
    pub(crate) fn validated(mut self) -> Result<Self> {
        let refuse = |what: String| Err(Error::Options(what.into()));
        if self.min_block_ms <= 0 {
            return refuse(format!("min_block_ms must be positive, not {}", self.min_block_ms));
        }
        if self.max_block_ms == 0 {
            let tenth = if self.retention_ms > 0 { self.retention_ms / 10 } else { 31 * DAY_MS };
            self.max_block_ms = tenth.min(31 * DAY_MS).max(self.min_block_ms);
        }
        if self.max_block_ms < self.min_block_ms {
            return refuse(format!(
                "max_block_ms ({}) must not be less than min_block_ms ({})",
                self.max_block_ms, self.min_block_ms
            ));
        }
        if self.samples_per_chunk == 0 {
            return refuse("samples_per_chunk must be positive".to_owned());
        }
        if self.keep_starts && !self.xor2 {
            return refuse(
                "float chunk encoding \"xor\" is incompatible with start-timestamp storage; \
                 XOR chunks do not store start timestamps, use \"xor2\""
                    .to_owned(),
            );
        }
        let page = wal::PAGE_BYTES as u64;
        if self.wal_segment_bytes == 0 || !self.wal_segment_bytes.is_multiple_of(page) {
            return refuse(format!("wal_segment_bytes must be a multiple of {page}"));
        }
        Ok(self)
    }

    pub(crate) fn writer(&self) -> wal::WriterOptions {
        wal::WriterOptions {
            segment_bytes: self.wal_segment_bytes,
            compression: self.wal_compression,
        }
    }
}

/// How far the replay of the log has come, by segments; readable from other threads meanwhile.
#[derive(Debug, Default)]
pub struct ReplayProgress {
    first: AtomicU32,
    last: AtomicU32,
    current: AtomicU32,
}

/// A moment of a [`ReplayProgress`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayStatus {
    /// The first segment to read.
    pub first: u32,
    /// The last segment to read.
    pub last: u32,
    /// The segment being read.
    pub current: u32,
}

impl ReplayProgress {
    /// Sets out to read these segments.
    pub fn begin(&self, first: u32, last: u32) {
        // Relaxed, here and below: numbers to look at, which order nothing else.
        self.first.store(first, Ordering::Relaxed);
        self.last.store(last, Ordering::Relaxed);
        self.current.store(first, Ordering::Relaxed);
    }

    /// Goes on to segment `number`.
    pub fn reach(&self, number: u32) {
        self.current.store(number, Ordering::Relaxed);
    }

    /// How far it has come.
    #[must_use]
    pub fn get(&self) -> ReplayStatus {
        ReplayStatus {
            first: self.first.load(Ordering::Relaxed),
            last: self.last.load(Ordering::Relaxed),
            current: self.current.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
