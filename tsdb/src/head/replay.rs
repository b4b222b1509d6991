//! From the log back to memory: series keep their references, samples that chunks on disk already hold are skipped,
//! what is not in order is dropped. Samples are applied by one thread per part of the shards while the caller reads on.

mod apply;
mod create;
mod decoded;
mod found;
mod spilled;
mod worker;

pub(super) use create::{Created, Scratch};
pub use decoded::Decoded;
pub(super) use found::FoundChunks;
pub(super) use spilled::Spilled;
pub use spilled::SpilledSeries;

use super::delete::CUT;
use super::ooo::OooReplay;
use super::refs::{Finder, Target};
use super::series::When;
use super::{Head, LoadedChunks, Shared};
use crate::block::Tombstones;
use model::hash::{HashMap, HashSet};
use model::metadata::Metadata;
use model::{Labels, TimeRange};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::{Error, Exemplar, Result};
use wal::record::{
    DecodeError, Exemplars, Histograms, Kind, Samples, decode_exemplars, decode_metadata,
    decode_series, decode_tombstones,
};
use worker::{Row, StartedRow, Work, Workers};

/// What a replay met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayStats {
    /// Records read.
    pub num_records: u64,
    /// Series created.
    pub num_series: u64,
    /// Samples stored.
    pub num_samples: u64,
    /// Samples and deletions of series that the log does not name.
    pub num_unknown_refs: u64,
    /// Records of kinds that are not replayed.
    pub num_skipped: u64,
}

/// A replay under way. Feed it the records of the checkpoint and the log in order, then finish it.
#[derive(Debug)]
pub struct Replay {
    pub(super) head: Arc<Shared>,
    /// Chunks on disk.
    pub(super) found: FoundChunks,
    /// References of label sets that have another reference, with the time of the last sample that used it.
    duplicates: HashMap<u64, (u64, i64)>,
    pub(super) max_ref: u64,
    workers: Workers,
    /// The record at hand, where the caller has not decoded it.
    decoded: Decoded,
    tombstones: Tombstones,
    stones: wal::record::Tombstones,
    scratch: Scratch,
    /// Series that are in blocks since memory was short.
    spilled: Spilled,
    pub(super) stats: ReplayStats,
}

impl Head {
    /// Begins a replay: loads `chunks_head/`. Nothing else may use the head until the replay is finished.
    pub fn replay(&self) -> Result<(Replay, LoadedChunks)> {
        let (mut found, mut max_ref) = (FoundChunks::default(), 0);
        let loaded = self.0.chunks.load(|number, chunk, is_ooo| {
            // The log may have lost the series of a chunk that outlived it: nobody else gets its number.
            max_ref = avoid(max_ref, number);
            found.push(number, chunk, is_ooo);
        });
        let mut loaded =
            loaded.map_err(|source| Error::Io { op: "load head chunks".into(), source })?;
        let num_dropped = found.settle();
        loaded.num_skipped += num_dropped;
        loaded.num_chunks -= num_dropped;
        if loaded.corruption.is_some() {
            self.0.metrics.chunk_corruptions.inc();
        }
        let replay = Replay {
            head: Arc::clone(&self.0),
            found,
            duplicates: HashMap::default(),
            max_ref,
            workers: Workers::start(&self.0)?,
            decoded: Decoded::default(),
            tombstones: Tombstones::default(),
            stones: Vec::new(),
            scratch: Scratch::default(),
            spilled: Spilled::default(),
            stats: ReplayStats::default(),
        };
        Ok((replay, loaded))
    }
}

impl Replay {
    /// Takes in one record. An error means that its body is damaged; nothing of it was taken.
    pub fn apply(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        let mut decoded = std::mem::take(&mut self.decoded);
        let outcome = decoded.read(record).and_then(|()| self.take(&mut decoded));
        self.decoded = decoded;
        outcome
    }

    /// Takes in one record that was decoded before. An error means that its body is damaged; nothing of it was taken.
    pub fn take(&mut self, record: &mut Decoded) -> Result<(), DecodeError> {
        self.stats.num_records += 1;
        match record.kind {
            Kind::Series => {
                for (number, labels) in decode_series(&record.bytes)?.iter() {
                    self.add_series(number, labels);
                }
            }
            Kind::Samples => self.add_samples(&record.samples),
            Kind::Tombstones => {
                decode_tombstones(&record.bytes, &mut self.stones)?;
                self.add_tombstones();
            }
            Kind::Histograms => {
                let histograms = &mut record.histograms;
                self.stats.num_skipped +=
                    u64::from(histograms.contradictory + histograms.unknown_schemas > 0);
                self.add_histograms(histograms);
            }
            Kind::Exemplars => self.add_exemplars(&decode_exemplars(&record.bytes)?),
            Kind::Metadata => {
                let mut rows = Vec::new();
                decode_metadata(&record.bytes, &mut rows)?;
                self.add_metadata(rows);
            }
            Kind::MmapMarkers | Kind::Unknown => self.stats.num_skipped += 1,
        }
        Ok(())
    }

    /// How many records were taken in.
    #[must_use]
    pub fn num_records(&self) -> u64 {
        self.stats.num_records
    }

    pub(super) fn add_series(&mut self, number: u64, labels: &[(&str, &str)]) {
        self.max_ref = self.max_ref.max(number);
        if self.spilled.has(number) {
            // It comes back with its next sample.
            return;
        }
        let found = Some(&self.found);
        match self.head.create_replayed(number, labels, found, &mut self.scratch) {
            Created::New => self.stats.num_series += 1,
            Created::Known(first) if first != number => {
                self.duplicates.entry(number).or_insert((first, i64::MIN));
            }
            Created::Known(_) | Created::Refused => {}
        }
    }

    fn add_samples(&mut self, samples: &Samples) {
        if !samples.start_timestamps_ms.is_empty() {
            return self.add_started(samples);
        }
        self.bring_back(samples.iter().map(|(number, timestamp_ms, _)| (number, timestamp_ms)));
        let head = Arc::clone(&self.head);
        let refs = head.refs.read();
        let mut finder = refs.finder();
        for (number, timestamp_ms, value) in samples.iter() {
            if let Some((target, number)) = self.find(&mut finder, number, timestamp_ms) {
                let (shard, slot) = head.place(target);
                self.workers.push(shard, Row { slot, number, timestamp_ms, value });
            }
        }
    }

    fn add_started(&mut self, samples: &Samples) {
        self.bring_back(samples.iter().map(|(number, timestamp_ms, _)| (number, timestamp_ms)));
        let mut parts = self.parts();
        let head = Arc::clone(&self.head);
        let refs = head.refs.read();
        let mut finder = refs.finder();
        for (number, timestamp_ms, start_ms, value) in samples.iter_started() {
            if let Some((target, number)) = self.find(&mut finder, number, timestamp_ms) {
                let (shard, slot) = head.place(target);
                parts[shard].push((slot, number, When { timestamp_ms, start_ms }, value));
            }
        }
        self.send(parts, Work::Started);
    }

    fn add_histograms(&mut self, histograms: &mut Histograms) {
        let rows = histograms.refs.iter().zip(&histograms.timestamps_ms);
        self.bring_back(rows.map(|(&number, &timestamp_ms)| (number, timestamp_ms)));
        let mut parts = self.parts();
        let head = Arc::clone(&self.head);
        let refs = head.refs.read();
        let mut finder = refs.finder();
        let values = std::mem::take(&mut histograms.values);
        for (row, value) in values.into_iter().enumerate() {
            let (number, timestamp_ms) = (histograms.refs[row], histograms.timestamps_ms[row]);
            if let Some((target, number)) = self.find(&mut finder, number, timestamp_ms) {
                let (shard, slot) = head.place(target);
                let when = When { timestamp_ms, start_ms: histograms.start_ms(row) };
                parts[shard].push((slot, number, when, value));
            }
        }
        self.send(parts, Work::Histograms);
    }

    /// A list for each shard.
    fn parts<T>(&self) -> Vec<Vec<StartedRow<T>>> {
        self.head.shards.iter().map(|_| Vec::new()).collect()
    }

    fn send<T>(&mut self, parts: Vec<Vec<StartedRow<T>>>, work: fn(Vec<StartedRow<T>>) -> Work) {
        for (shard, part) in parts.into_iter().enumerate() {
            if !part.is_empty() {
                self.workers.send(shard, work(part));
            }
        }
    }

    /// Where a series is that the log names by `number`, and the number it goes by; counted if there is none.
    #[inline]
    fn find(
        &mut self,
        finder: &mut Finder<'_>,
        number: u64,
        timestamp_ms: i64,
    ) -> Option<(Target, u64)> {
        let target = finder.get(number);
        if target != Target::NONE {
            return Some((target, number));
        }
        let mut first = number;
        if let Some((of, last_ms)) = self.duplicates.get_mut(&number) {
            (first, *last_ms) = (*of, (*last_ms).max(timestamp_ms));
            let target = finder.get(first);
            if target != Target::NONE {
                return Some((target, first));
            }
        }
        // What a series in blocks does not come back for, it would not have taken either.
        if !self.spilled.has(first) {
            self.stats.num_unknown_refs += 1;
            self.max_ref = avoid(self.max_ref, number);
        }
        None
    }

    fn add_exemplars(&mut self, exemplars: &Exemplars<'_>) {
        let head = Arc::clone(&self.head);
        for (number, timestamp_ms, value, pairs) in exemplars.iter() {
            let found = self.find(&mut head.refs.read().finder(), number, timestamp_ms);
            if let Some((target, number)) = found {
                let labels = Labels::from_pairs(pairs.iter().copied());
                head.add_exemplar(target, number, Exemplar { labels, timestamp_ms, value });
            }
        }
    }

    fn add_metadata(&mut self, mut rows: Vec<(u64, Metadata)>) {
        let refs = self.head.refs.read();
        for (number, _) in &mut rows {
            *number = self.duplicates.get(number).map_or(*number, |&(first, _)| first);
        }
        let read = rows.len();
        rows.retain(|&(number, _)| refs.get(number) != Target::NONE || self.spilled.has(number));
        drop(refs);
        self.stats.num_unknown_refs += (read - rows.len()) as u64;
        self.head.replay_metadata(&rows);
    }

    /// Takes in the deletions in `stones`. One of all time says that the series was taken out of memory: it goes at
    /// once, and what workers still have of it finds another series or none in its place. One of no series without an
    /// end says where the head was cut.
    fn add_tombstones(&mut self) {
        let min_valid_ms = self.head.min_valid_ms.load(Ordering::Relaxed);
        let mut gone = Vec::new();
        // Those of samples that are in blocks by now stay, too, until the next truncation: their ranges may hold samples
        // that came out of order.
        for &(number, range) in &self.stones {
            if number == CUT && range.max_ms == i64::MAX {
                self.head.replay_cut(range.min_ms);
                continue;
            }
            let number = self.duplicates.get(&number).map_or(number, |&(first, _)| first);
            let is_spilled = self.spilled.delete(number, range);
            let is_there = self.head.refs.read().get(number) != Target::NONE;
            if !is_there && !is_spilled {
                let is_expected = range.max_ms >= min_valid_ms;
                self.stats.num_unknown_refs += u64::from(is_expected);
            } else if range == TimeRange::ALL {
                gone.push(number);
            } else {
                self.tombstones.add(number, range);
            }
        }
        if !gone.is_empty() {
            gone.sort_unstable();
            self.workers.settle();
            self.stats.num_series -= self.head.remove_whole(&gone);
            self.tombstones.forget(i64::MIN, |number| gone.binary_search(&number).is_ok());
        }
    }

    /// Waits for the workers and opens the head for use.
    pub fn finish(self) -> Result<ReplayStats> {
        let (stats, ooo, _) = self.finish_in_order()?;
        ooo.finish()?;
        Ok(stats)
    }

    /// Waits for the workers and goes on to what came out of order. Answers also what went to blocks.
    pub fn finish_in_order(mut self) -> Result<(ReplayStats, OooReplay, SpilledSeries)> {
        let mut tally = self.workers.finish();
        // What the log repeats or has out of order was refused once already, or never counted.
        (tally.out_of_order, tally.out_of_bounds) = (0, 0);
        let head = &self.head;
        head.count(&tally);
        head.last_ref.fetch_max(self.max_ref, Ordering::Relaxed);
        head.metrics.series_created.inc_by(self.stats.num_series);
        head.metrics.series.add(self.stats.num_series as f64);
        let last = self.duplicates.iter().map(|(&number, &(_, last_ms))| (number, last_ms));
        head.expired.lock().extend(last);
        head.tombstones.store(Arc::new(std::mem::take(&mut self.tombstones)));
        self.stats.num_samples = tally.appended + tally.histograms;
        let spilled = std::mem::take(&mut self.spilled).finish(head);
        let first = self.duplicates.iter().map(|(&number, &(first, _))| (number, first));
        let ooo = OooReplay {
            head: Arc::clone(&self.head),
            duplicates: first.collect(),
            last_place: self.found.last_place,
            num_unknown_refs: 0,
            samples: Samples::default(),
            outlived: HashSet::default(),
        };
        Ok((self.stats, ooo, spilled))
    }
}

/// References above this are not those of a log that can be continued: they are left out of account.
const MAX_PLAUSIBLE_REF: u64 = 1 << 40;

/// The greatest reference in use, given one that a log names although the record of its series was lost: a new series
/// of that number would get what belongs to the lost one.
pub(crate) fn avoid(max_ref: u64, lost: u64) -> u64 {
    if lost < MAX_PLAUSIBLE_REF { max_ref.max(lost) } else { max_ref }
}
