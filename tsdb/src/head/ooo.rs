//! Samples that came out of order: a sorted open chunk for each series, full chunks on disk beside those in order.
//! Writing is here; merging with the samples in order is in `read`, moving to blocks in `compact`, starting in `replay`.
//!
//! Lock order: `ooo_log` before a shard. Whoever changes these samples holds `ooo_log`; no shard is locked across I/O.

mod compact;
mod read;
mod replay;

pub use compact::OooCut;
pub(super) use read::{push_merged, push_open};
pub use replay::{LateSeries, LateSink, OooReplay, OooReplayed};

use super::chunks::Batch;
use super::refs::Target;
use super::series::{FullChunk, Place};
use super::{Head, Shared};
use chunk::ChunkMeta;
use chunk::append::Encodings;
use chunk::exact::{self, ExactSample, ExactValue};
use model::TimeRange;
use model::hash::HashMap;
use model::histogram::Histogram;
use std::io;
use std::sync::atomic::Ordering;
use wal::record::{
    Histograms, Samples, encode_histograms, encode_samples, encode_started_histograms,
    encode_started_samples,
};

/// The first byte of a record that names the chunk a series has put on disk.
const MARKER: u8 = 5;

/// In place of a series, which are never so numbered: blocks have the samples up to that chunk or, if it is less than
/// a chunk's place can be, before that segment of the log. Prometheus leaves markers of unknown series out.
const IN_BLOCKS: u64 = 0;

/// The value of a sample that came out of order.
#[derive(Clone, Debug)]
pub(super) enum Late {
    /// A float of which it is not known since when it counts.
    Float(f64),
    /// Any other, with its start, zero if that is not known.
    Other(Box<(ExactValue, i64)>),
}

impl Late {
    /// A float.
    pub(super) fn float(value: f64, start_ms: i64) -> Self {
        if start_ms == 0 {
            return Self::Float(value);
        }
        Self::Other(Box::new((ExactValue::Float(value), start_ms)))
    }

    /// A native histogram.
    pub(super) fn histogram(value: Histogram, start_ms: i64) -> Self {
        Self::Other(Box::new((ExactValue::Histogram(value), start_ms)))
    }

    fn at(&self, timestamp_ms: i64) -> ExactSample {
        match self {
            Self::Float(value) => ExactSample::new(timestamp_ms, ExactValue::Float(*value)),
            Self::Other(other) => {
                let (value, start_ms) = (**other).clone();
                ExactSample { timestamp_ms, start_ms, value }
            }
        }
    }
}

/// The samples of a series that came out of order.
#[derive(Debug, Default)]
pub(super) struct Ooo {
    /// Full chunks, in the order they were cut; they may overlap.
    pub(super) chunks: Vec<FullChunk>,
    /// The open chunk: samples in time order.
    pub(super) open: Vec<(i64, Late)>,
}

impl Ooo {
    /// From the first to the last sample.
    pub(super) fn span(&self) -> Option<TimeRange> {
        let ends = self.open.first().zip(self.open.last());
        let open = ends.map(|(first, last)| TimeRange::new(first.0, last.0));
        let full = self.chunks.iter().map(|chunk| TimeRange::new(chunk.min_ms, chunk.max_ms));
        full.chain(open).reduce(TimeRange::hull)
    }

    /// Whether a chunk may have samples in `range`.
    pub(super) fn touches(&self, range: TimeRange) -> bool {
        self.span().is_some_and(|span| span.overlaps(range))
    }

    /// Takes a sample in, unless the open chunk has one of that time.
    fn insert(&mut self, timestamp_ms: i64, value: Late) -> bool {
        match self.open.binary_search_by_key(&timestamp_ms, |sample| sample.0) {
            Ok(_) => false,
            Err(at) => {
                self.open.insert(at, (timestamp_ms, value));
                true
            }
        }
    }

    /// The first chunk file that a chunk lies in.
    pub(super) fn first_file(&self) -> Option<u32> {
        let places = self.chunks.iter().filter_map(|chunk| match chunk.place() {
            Place::Disk(place) => Some((place >> 32) as u32),
            Place::Memory(..) => None,
        });
        places.min()
    }
}

/// Where the chunks are that series put on disk, by target.
type Places = HashMap<u32, Vec<u64>>;

/// A sample of a commit that came out of order.
#[derive(Clone, Debug)]
pub(super) struct OooRow {
    /// Position in the commit.
    pub(super) row: u32,
    pub(super) target: Target,
    pub(super) number: u64,
    pub(super) timestamp_ms: i64,
    pub(super) value: Late,
}

/// The log of such samples, absent where nothing is logged.
#[derive(Debug, Default)]
pub(super) struct OooLog {
    pub(super) writer: Option<wal::Writer>,
    /// Records of samples that are in memory and could not be written: they come before all others.
    unwritten: Vec<Vec<u8>>,
    /// Where the chunks are that were put on disk since their series had its last sample, which the next one tells.
    places: Places,
}

impl OooLog {
    /// Writes what could not be written before and these records, durably if wanted.
    fn write(&mut self, records: Vec<Vec<u8>>, is_durable: bool) -> wal::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        self.unwritten.extend(records);
        if self.unwritten.is_empty() {
            return Ok(());
        }
        writer.log(&self.unwritten.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        self.unwritten.clear();
        if is_durable { writer.sync() } else { Ok(()) }
    }
}

/// The records of a commit: a marker stands before the first sample of a chunk and says where the chunk before it is.
#[derive(Default)]
struct Records {
    done: Vec<Vec<u8>>,
    samples: Samples,
    histograms: Histograms,
    keep_starts: bool,
}

fn marker(number: u64, places: &[u64]) -> Vec<u8> {
    let mut record = vec![MARKER];
    for place in places {
        record.extend_from_slice(&number.to_be_bytes());
        record.extend_from_slice(&place.to_be_bytes());
    }
    record
}

impl Records {
    fn mark(&mut self, number: u64, places: &[u64]) {
        self.flush();
        self.done.push(marker(number, places));
    }

    fn flush(&mut self) {
        if !self.samples.is_empty() {
            let mut record = Vec::new();
            if self.keep_starts {
                encode_started_samples(&mut record, self.samples.iter_started());
            } else {
                encode_samples(&mut record, self.samples.iter());
            }
            self.done.push(record);
            self.samples.clear();
        }
        if self.keep_starts {
            encode_started_histograms(&self.histograms.iter_started(), &mut self.done);
        } else {
            encode_histograms(&self.histograms.iter(), &mut self.done);
        }
        self.histograms.clear();
    }

    fn push(&mut self, number: u64, timestamp_ms: i64, value: &Late) {
        let sample = value.at(timestamp_ms);
        match sample.value {
            ExactValue::Float(value) => {
                self.samples.push(number, timestamp_ms, value, sample.start_ms);
            }
            ExactValue::Histogram(value) => {
                self.histograms.push(number, timestamp_ms, value, sample.start_ms);
            }
        }
    }
}

impl Head {
    /// How far behind the newest sample of the head others may come; zero takes none. Appenders that are open keep
    /// the window they began with.
    pub fn set_out_of_order_window(&self, window_ms: i64) {
        self.0.ooo_window_ms.store(window_ms.max(0), Ordering::Relaxed);
        self.set_exemplar_window(window_ms);
    }

    /// From now on samples that come out of order are logged, to this log. A failure concerns those that a replay found
    /// without their chunks: they are tried again with the next.
    pub fn set_ooo_log(&self, writer: wal::Writer) -> wal::Result<()> {
        let mut log = self.0.ooo_log.lock();
        log.writer = Some(writer);
        log.write(Vec::new(), true)
    }

    /// Opens that log unless it is open.
    pub fn ensure_ooo_log(
        &self,
        open: impl FnOnce() -> wal::Result<wal::Writer>,
    ) -> wal::Result<()> {
        let mut log = self.0.ooo_log.lock();
        if log.writer.is_none() {
            log.writer = Some(open()?);
        }
        Ok(())
    }

    /// Makes that log durable, and closes it if it is to take nothing more.
    pub fn sync_ooo_log(&self, is_last: bool) -> wal::Result<()> {
        match &mut self.0.ooo_log.lock().writer {
            Some(writer) if is_last => writer.close(),
            Some(writer) => writer.sync(),
            None => Ok(()),
        }
    }

    /// Times of the samples that came out of order; `None` without any.
    #[must_use]
    pub fn ooo_range(&self) -> Option<TimeRange> {
        self.0.ooo_range()
    }
}

impl Shared {
    pub(super) fn ooo_range(&self) -> Option<TimeRange> {
        let range = TimeRange::new(
            self.ooo_min_ms.load(Ordering::Relaxed),
            self.ooo_max_ms.load(Ordering::Relaxed),
        );
        (range.min_ms <= range.max_ms).then_some(range)
    }

    pub(super) fn widen_ooo(&self, range: TimeRange) {
        self.ooo_min_ms.fetch_min(range.min_ms, Ordering::Relaxed);
        self.ooo_max_ms.fetch_max(range.max_ms, Ordering::Relaxed);
    }

    /// Brings the samples of a commit in, in its order, and logs them behind it: only this log says that they came late.
    /// Where it cannot be written they are in memory all the same, and the commit has to fail: who sends them again gets
    /// an answer once they are written.
    pub(super) fn insert_ooo(&self, rows: &[OooRow]) -> wal::Result<()> {
        let mut log = self.ooo_log.lock();
        let mut records = Records { keep_starts: self.keep_starts, ..Records::default() };
        let mut num_taken = 0;
        // Only what is logged goes to disk: chunks alone would not outlive the loss of their file.
        if log.write(Vec::new(), false).is_ok() {
            self.map_full_ooo(rows, &mut log.places);
        }
        for row in rows {
            num_taken += u64::from(self.insert_one(row, &mut log.places, &mut records));
        }
        self.metrics.ooo_appended.inc_by(num_taken);
        records.flush();
        let is_durable = self.sync_commits.lock().is_some();
        log.write(records.done, is_durable).inspect_err(|_| self.metrics.ooo_log_failed.inc())
    }

    /// Whether the sample was taken.
    fn insert_one(&self, row: &OooRow, places: &mut Places, records: &mut Records) -> bool {
        let (index, slot) = self.place(row.target);
        let mut shard = self.shards[index].0.write();
        if shard.cold[slot].number != row.number {
            return false;
        }
        let is_full = shard.ooo.get(&slot).is_some_and(|ooo| ooo.open.len() >= self.ooo_cap);
        if is_full {
            drop(shard);
            self.try_map_ooo(&[row.target], places);
            shard = self.shards[index].0.write();
            // Nothing else changes these samples, and a series that has some is not collected.
        }
        shard.hot[slot].unstage();
        let ooo = shard.ooo.entry(slot).or_default();
        if ooo.open.is_empty() {
            let before = places.remove(&row.target.0).unwrap_or_else(|| vec![0]);
            records.mark(row.number, &before);
        }
        let is_new = ooo.insert(row.timestamp_ms, row.value.clone());
        drop(shard);
        if is_new {
            records.push(row.number, row.timestamp_ms, &row.value);
            self.widen_ooo(TimeRange::new(row.timestamp_ms, row.timestamp_ms));
        }
        is_new
    }

    /// Puts the open chunks on disk that are full before these rows come.
    fn map_full_ooo(&self, rows: &[OooRow], places: &mut Places) {
        let mut full: Vec<Target> = Vec::new();
        for row in rows {
            let (index, slot) = self.place(row.target);
            let shard = self.shards[index].0.read();
            let is_full = shard.ooo.get(&slot).is_some_and(|ooo| ooo.open.len() >= self.ooo_cap);
            if is_full && !full.contains(&row.target) {
                full.push(row.target);
            }
        }
        self.try_map_ooo(&full, places);
    }

    /// Puts open chunks on disk. Where that fails they grow and are tried again with the next sample.
    fn try_map_ooo(&self, targets: &[Target], places: &mut Places) {
        // The chunks stay open, and the samples are in the log.
        drop(self.map_ooo(targets, places));
    }

    /// Puts the open chunks of these series on disk and adds where they are.
    fn map_ooo(&self, targets: &[Target], places: &mut Places) -> io::Result<()> {
        let mut batch = Batch::default();
        let mut metas = Vec::new();
        for &target in targets {
            let (index, slot) = self.place(target);
            let shard = self.shards[index].0.read();
            let Some(ooo) = shard.ooo.get(&slot).filter(|ooo| !ooo.open.is_empty()) else {
                continue;
            };
            let number = shard.cold[slot].number;
            encode(&ooo.open, self.encodings(), &mut |meta, bytes| {
                batch.push_ooo(number, meta, bytes);
                metas.push((target, meta));
            });
        }
        if metas.is_empty() {
            return Ok(());
        }
        let written = self.chunks.write(&batch)?;
        self.metrics.mapped_chunks.inc_by(written.len() as u64);
        for &(target, _) in &metas {
            places.remove(&target.0);
        }
        for (&(target, meta), &place) in metas.iter().zip(&written) {
            let (index, slot) = self.place(target);
            let mut shard = self.shards[index].0.write();
            if let Some(ooo) = shard.ooo.get_mut(&slot) {
                ooo.chunks.push(FullChunk::new(meta, Place::Disk(place)));
                ooo.open.clear();
            }
            places.entry(target.0).or_default().push(place);
        }
        Ok(())
    }
}

/// Samples in time order as chunks: one, unless their kinds differ or a counter fell.
fn encode(samples: &[(i64, Late)], encodings: Encodings, emit: &mut dyn FnMut(ChunkMeta, &[u8])) {
    let samples: Vec<ExactSample> = samples.iter().map(|(time, value)| value.at(*time)).collect();
    exact::encode(&samples, usize::from(u16::MAX), encodings, emit);
}
