//! The mutable part of the database: series with their open chunks, in shards by label hash.
//!
//! Reading order: `series`, `shard`, `floats` and `native` (the data), `append`, `stage` and `commit` (writing), `admission` (who may be
//! created), `isolation` (who sees what), `select` and `read` (reading), `chunks` (full chunks on disk), `gc`, `idle`
//! (series that are done with), `replay`, `delete`, `ooo` (out of order), `exemplars` and `metadata` (beside samples),
//! `durable` (flushing), `image` (fast start).
//!
//! Lock order, each held only as long as named: `maintenance` before `commits` or the limits of `admission` (one batch of new series) before a shard; `commits` (one commit) before the log (one write) | the gate of `isolation` (a commit is applied or
//! a reader opens), the ring of exemplars or the metadata before a shard (one batch) before the reference map or the new series (one batch). No thread holds
//! two shards to write; readers hold several to read. No lock of a shard is held across I/O.
//! Under a leaf none but other leaves are taken: `tests::interleaved` relies on it.

mod admission;
mod ahead;
mod append;
mod chunks;
mod commit;
mod delete;
mod dictionary;
mod durable;
mod exemplars;
mod floats;
mod found;
mod gc;
mod idle;
mod image;
mod isolation;
mod label_sets;
mod labels;
mod map;
mod metadata;
mod metrics;
mod native;
mod ooo;
mod postings;
mod read;
mod refs;
mod replay;
mod select;
mod series;
mod shard;
mod slab;
mod stage;
mod stats;

pub use admission::{RefusedSeries, SeriesLimits};
pub use chunks::LoadedChunks;
pub use idle::IdleSeries;
pub use image::ImageStats;
pub use ooo::{LateSeries, LateSink, OooCut, OooReplay, OooReplayed};
pub(crate) use replay::avoid;
pub use replay::{Decoded, Replay, ReplayStats, SpilledSeries};
pub use stats::{HeadStats, LabelStat};

use crate::block::Tombstones;
use crate::sync::{AtomicBool, AtomicI64, AtomicU64, LeafMutex, LeafRwLock, Mutex, RwLock};
use arc_swap::ArcSwap;
use chunk::append::{CutRule, Encodings};
use chunks::HeadChunks;
use dictionary::LabelHasher;
use isolation::Isolation;
use metrics::HeadMetrics;
use model::TimeRange;
use model::hash::HashMap;
use refs::{Places, RefMap, Target};
use shard::{LabelsId, Shard};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The write-ahead log as the head shares it with its owner, who cuts and truncates it.
pub type SharedLog = Arc<LeafMutex<wal::Writer>>;

/// Settings of a head.
#[derive(Clone, Debug)]
pub struct HeadOptions {
    /// Where full chunks go.
    pub disk: Arc<dyn disk::Disk>,
    /// The directory of head chunk files: `chunks_head` in the data directory.
    pub chunks_dir: PathBuf,
    /// Span of a head block; chunks do not reach over its multiples.
    pub chunk_range_ms: i64,
    /// How many samples a chunk should get.
    pub samples_per_chunk: u32,
    /// How many samples that came out of order a chunk gets.
    pub ooo_samples_per_chunk: usize,
    /// Which encodings chunks get; whether floats get XOR2 may change later.
    pub encodings: Encodings,
    /// Whether the log says since when samples count. Chunks that cannot say so then end where the encoding changes.
    pub keep_starts: bool,
    /// Number of shards, rounded up to a power of two: twice the cores is good.
    pub num_shards: usize,
}

impl HeadOptions {
    /// The settings of a stock server.
    #[must_use]
    pub fn new(disk: Arc<dyn disk::Disk>, chunks_dir: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            disk,
            chunks_dir,
            chunk_range_ms: 2 * 60 * 60 * 1000,
            samples_per_chunk: 120,
            ooo_samples_per_chunk: 32,
            encodings: Encodings::default(),
            keep_starts: false,
            num_shards: (2 * cores).max(4),
        }
    }
}

/// The head of a database. Cloning it gives another handle to the same head.
#[derive(Clone)]
pub struct Head(Arc<Shared>);

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("min_ms", &self.min_time())
            .field("max_ms", &self.max_time())
            .field("series", &self.num_series())
            .finish_non_exhaustive()
    }
}

/// A shard on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(RwLock<Shard>);

#[derive(Debug)]
struct Shared {
    rule: CutRule,
    xor2: AtomicBool,
    started_histograms: bool,
    keep_starts: bool,
    hasher: LabelHasher,
    shards: Box<[Padded]>,
    shard_bits: u32,
    refs: LeafRwLock<RefMap>,
    last_ref: AtomicU64,
    /// The last reference that the image of the head has.
    imaged_ref: AtomicU64,
    isolation: Isolation,
    min_ms: AtomicI64,
    max_ms: AtomicI64,
    min_valid_ms: AtomicI64,
    /// Where the head was cut without a block that says so; `i64::MIN` if all blocks do.
    noted_cut_ms: AtomicI64,
    /// Queries may not look before this while the head is being truncated.
    truncating_to_ms: AtomicI64,
    is_truncating: AtomicBool,
    log: OnceLock<SharedLog>,
    /// Held shared from before a commit is logged until it is applied; exclusively to cut the log between commits.
    commits: RwLock<()>,
    sync_gate: durable::SyncGate,
    /// How long a commit waits for others before it flushes the log; `None` does not flush.
    sync_commits: LeafMutex<Option<Duration>>,
    /// A record of series that were created and not logged yet; the next commit logs it before its samples.
    new_series: LeafMutex<Vec<u8>>,
    /// References that are gone while samples of theirs may still be in the log, with the time of the last of them.
    expired: LeafMutex<HashMap<u64, i64>>,
    exemplars: Mutex<exemplars::ExemplarRing>,
    /// Places in the ring; asked before its lock is.
    max_exemplars: AtomicUsize,
    metadata: Mutex<metadata::MetadataTable>,
    keeps_metadata: AtomicBool,
    ooo_window_ms: AtomicI64,
    ooo_cap: usize,
    ooo_min_ms: AtomicI64,
    ooo_max_ms: AtomicI64,
    ooo_log: Mutex<ooo::OooLog>,
    /// That log names series by references which only the whole write-ahead log explains.
    has_late_aliases: AtomicBool,
    /// Deleted ranges by reference; readers take them whole when they open.
    tombstones: ArcSwap<Tombstones>,
    chunks: HeadChunks,
    /// Serialises mapping, truncation and collection.
    maintenance: Mutex<()>,
    scratch: LeafMutex<Vec<stage::Scratch>>,
    admission: admission::Admission,
    metrics: HeadMetrics,
}

impl Head {
    /// An empty head. `seed` keys the label hashes: random, so that nobody can choose labels that collide.
    #[must_use]
    pub fn new(options: HeadOptions, seed: u64, registry: &::metrics::Registry) -> Self {
        let num_shards = options.num_shards.clamp(1, LabelHasher::MAX_SHARDS).next_power_of_two();
        let shared = Arc::new(Shared {
            rule: CutRule {
                chunk_range_ms: options.chunk_range_ms.max(1),
                samples_per_chunk: options.samples_per_chunk.max(1),
            },
            xor2: AtomicBool::new(options.encodings.xor2),
            started_histograms: options.encodings.started_histograms,
            keep_starts: options.keep_starts,
            hasher: LabelHasher::new(seed),
            shards: (0..num_shards).map(|_| Padded::default()).collect(),
            shard_bits: num_shards.ilog2(),
            refs: LeafRwLock::default(),
            last_ref: AtomicU64::new(0),
            imaged_ref: AtomicU64::new(0),
            isolation: Isolation::default(),
            min_ms: AtomicI64::new(i64::MAX),
            max_ms: AtomicI64::new(i64::MIN),
            min_valid_ms: AtomicI64::new(i64::MIN),
            noted_cut_ms: AtomicI64::new(i64::MIN),
            truncating_to_ms: AtomicI64::new(i64::MIN),
            is_truncating: AtomicBool::new(false),
            log: OnceLock::new(),
            commits: RwLock::default(),
            sync_gate: durable::SyncGate::default(),
            sync_commits: LeafMutex::new(None),
            new_series: LeafMutex::default(),
            expired: LeafMutex::default(),
            exemplars: Mutex::new(exemplars::ExemplarRing::new(registry)),
            max_exemplars: AtomicUsize::new(0),
            metadata: Mutex::default(),
            keeps_metadata: AtomicBool::new(false),
            ooo_window_ms: AtomicI64::new(0),
            ooo_cap: options.ooo_samples_per_chunk.clamp(1, 255),
            ooo_min_ms: AtomicI64::new(i64::MAX),
            ooo_max_ms: AtomicI64::new(i64::MIN),
            ooo_log: Mutex::default(),
            has_late_aliases: AtomicBool::new(false),
            tombstones: ArcSwap::default(),
            chunks: HeadChunks::new(options.disk, options.chunks_dir),
            maintenance: Mutex::default(),
            scratch: LeafMutex::default(),
            admission: admission::Admission::new(registry),
            metrics: HeadMetrics::new(registry),
        });
        metrics::register_bounds(registry, &shared);
        Self(shared)
    }

    /// What keys the label hashes.
    #[must_use]
    pub fn hash_seed(&self) -> u64 {
        self.0.hasher.seed()
    }

    /// From now on commits are logged. To be called once, after the replay.
    pub fn set_log(&self, log: SharedLog) {
        self.0.log.set(log).expect("the log is set once");
    }

    /// From now on commits return once their log is on the disk; each waits so long for others before it flushes.
    /// `None`, as at first, leaves them in the page cache, where they survive this process but not the machine.
    pub fn sync_commits(&self, gather: Option<Duration>) {
        *self.0.sync_commits.lock() = gather;
    }

    /// From now on new chunks of floats are XOR2, or XOR. Those that are open go on as they are unless start timestamps
    /// are kept.
    pub fn set_xor2(&self, is_on: bool) {
        self.0.xor2.store(is_on, Ordering::Relaxed);
    }

    /// Which encodings chunks get.
    #[must_use]
    pub fn encodings(&self) -> Encodings {
        self.0.encodings()
    }

    /// Time of the earliest sample; `i64::MAX` while there never was one.
    #[must_use]
    pub fn min_time(&self) -> i64 {
        self.0.min_ms.load(Ordering::Relaxed)
    }

    /// Time of the latest sample; `i64::MIN` while there never was one.
    #[must_use]
    pub fn max_time(&self) -> i64 {
        self.0.max_ms.load(Ordering::Relaxed)
    }

    /// Samples before this time belong to blocks and are refused.
    #[must_use]
    pub fn min_valid_time(&self) -> i64 {
        self.0.min_valid_ms.load(Ordering::Relaxed)
    }

    /// Samples before this time are refused: half a chunk range behind the newest sample, or where blocks end.
    #[must_use]
    pub fn appendable_min_valid_time(&self) -> i64 {
        self.0.appendable_min_valid_ms()
    }

    /// Raises the time before which samples are refused: where the blocks end. For opening, before the replay.
    pub fn set_min_valid_time(&self, timestamp_ms: i64) {
        self.0.min_valid_ms.fetch_max(timestamp_ms, Ordering::Relaxed);
    }

    /// Whether the head spans enough for a block: one and a half chunk ranges.
    #[must_use]
    pub fn is_compactable(&self) -> bool {
        self.compactable_range().is_some()
    }

    /// The range of the block that is due, if one is: from the earliest sample to the end of its chunk range.
    /// The last millisecond is inside; the block ends one later. Truncate to that once the block is there.
    #[must_use]
    pub fn compactable_range(&self) -> Option<TimeRange> {
        let (min_ms, max_ms) = (self.min_time(), self.max_time());
        if min_ms > max_ms {
            return None;
        }
        let rule = self.0.rule;
        let is_due = max_ms.saturating_sub(min_ms) > rule.chunk_range_ms / 2 * 3;
        is_due.then(|| TimeRange::new(min_ms, rule.range_end_ms(min_ms) - 1))
    }

    /// Waits until no open appender may write before `end_ms`. To be called before a block of that range is written.
    pub fn wait_for_appenders(&self, end_ms: i64) {
        self.0.isolation.wait_for_appenders(end_ms);
    }

    /// Whether a series with this reference is in memory.
    #[must_use]
    pub fn is_series_alive(&self, number: u64) -> bool {
        self.0.refs.read().get(number) != Target::NONE
    }

    /// Whether a checkpoint that drops samples before `min_ms` keeps the record of this series.
    #[must_use]
    pub fn keeps_series_record(&self, number: u64, min_ms: i64) -> bool {
        self.is_series_alive(number)
            || self.0.expired.lock().get(&number).is_some_and(|&last_ms| last_ms >= min_ms)
    }

    /// After such a checkpoint: forgets dropped series that nothing in the log needs any more.
    pub fn forget_expired(&self, min_ms: i64) {
        self.0.expired.lock().retain(|_, &mut last_ms| last_ms >= min_ms);
    }

    /// Number of series.
    #[must_use]
    pub fn num_series(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.0.read().num_series()).sum()
    }

    /// Number of series that ended with a staleness marker.
    #[must_use]
    pub fn num_stale(&self) -> u64 {
        self.0.metrics.num_stale()
    }
}

impl Shared {
    #[inline]
    fn shard_of(&self, id: LabelsId) -> usize {
        LabelHasher::home(id, self.shards.len())
    }

    #[inline]
    fn target(&self, shard: usize, slot: u32) -> Target {
        assert!(slot < u32::MAX >> self.shard_bits, "a shard holds under 2^32 series");
        Target(slot << self.shard_bits | shard as u32)
    }

    #[inline]
    fn place(&self, target: Target) -> (usize, u32) {
        self.places().of(target)
    }

    /// Where targets lie, for loops over many of them.
    #[inline]
    fn places(&self) -> Places {
        Places { shard_mask: self.shards.len() - 1, shard_bits: self.shard_bits }
    }

    fn encodings(&self) -> Encodings {
        Encodings {
            xor2: self.xor2.load(Ordering::Relaxed),
            started_histograms: self.started_histograms,
            keep_starts: false,
        }
    }

    fn appendable_min_valid_ms(&self) -> i64 {
        let max_ms = self.max_ms.load(Ordering::Relaxed);
        // Wraps as in Prometheus: a head that begins at the end of time takes nothing.
        let window_ms = max_ms.wrapping_sub(self.rule.chunk_range_ms / 2);
        window_ms.max(self.min_valid_ms.load(Ordering::Relaxed))
    }

    /// Whether there ever was a sample or a block. The extremes of time are legal times, so both bounds are asked.
    fn is_initialized(&self) -> bool {
        let (min_ms, max_ms) = (&self.min_ms, &self.max_ms);
        min_ms.load(Ordering::Relaxed) != i64::MAX || max_ms.load(Ordering::Relaxed) != i64::MIN
    }

    /// The first sample ever fixes both bounds, whether it is committed or not.
    fn init_time(&self, timestamp_ms: i64) {
        if self.is_initialized() {
            return;
        }
        self.min_ms.fetch_min(timestamp_ms, Ordering::Relaxed);
        self.max_ms.fetch_max(timestamp_ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
