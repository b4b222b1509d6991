//! The log of samples that came out of order back to memory, behind the replay of the write-ahead log.

use super::{IN_BLOCKS, Late, MARKER, Ooo, Records};
use crate::head::Shared;
use crate::head::refs::Target;
use crate::head::series::{FullChunk, Place};
use model::TimeRange;
use model::hash::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::Result;
use wal::record::{
    DecodeError, Histograms, Kind, Samples, decode_histograms, decode_samples, kind,
};

/// Such a replay under way: feed it the records in order, then finish it.
#[derive(Debug)]
pub struct OooReplay {
    pub(in crate::head) head: Arc<Shared>,
    /// References of label sets that have another reference.
    pub(in crate::head) duplicates: HashMap<u64, u64>,
    /// The last chunk that was found on disk.
    pub(in crate::head) last_place: u64,
    pub(in crate::head) num_unknown_refs: u64,
    pub(in crate::head) samples: Samples,
    /// Series whose samples outlived the file of their chunk.
    pub(in crate::head) outlived: HashSet<u32>,
}

/// What a record means for those that were read before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OooReplayed {
    /// Nothing.
    Added,
    /// Samples of the segments before this one are in blocks. If some were read, what is open was dropped, and reading
    /// has to go on at this segment.
    BlocksHaveBefore(u32),
}

/// What such a log is read for.
pub trait LateSink {
    /// Takes in one record. An error means that its body is damaged; nothing of it was taken.
    fn apply(&mut self, record: &[u8]) -> std::result::Result<OooReplayed, DecodeError>;

    /// Forgets the samples that are not in chunks on disk.
    fn forget_open(&mut self);
}

/// The series and places of a record of markers; `None` if it is none.
fn markers(record: &[u8]) -> Option<std::result::Result<Vec<(u64, u64)>, DecodeError>> {
    let (_, body) = record.split_first().filter(|(kind, _)| **kind == MARKER)?;
    let (rows, rest) = body.as_chunks::<16>();
    let parse = |row: &[u8; 16]| {
        let word = |at: usize| row[at..at + 8].try_into().expect("eight bytes");
        (u64::from_be_bytes(word(0)), u64::from_be_bytes(word(8)))
    };
    let all = || rows.iter().map(parse).collect();
    Some(if rest.is_empty() { Ok(all()) } else { Err(DecodeError::Size) })
}

/// The series that such a log names, by the references that it gives them.
#[derive(Debug, Default)]
pub struct LateSeries(pub HashSet<u64>);

impl LateSink for LateSeries {
    fn apply(&mut self, record: &[u8]) -> std::result::Result<OooReplayed, DecodeError> {
        if let Some(markers) = markers(record) {
            self.0.extend(markers?.into_iter().map(|(number, _)| number));
        } else if kind(record) == Kind::Samples {
            let mut samples = Samples::default();
            decode_samples(record, &mut samples)?;
            self.0.extend(&samples.refs);
        } else if kind(record) == Kind::Histograms {
            let mut histograms = Histograms::default();
            decode_histograms(record, &mut histograms)?;
            self.0.extend(&histograms.refs);
        }
        Ok(OooReplayed::Added)
    }

    fn forget_open(&mut self) {}
}

impl LateSink for OooReplay {
    fn apply(&mut self, record: &[u8]) -> std::result::Result<OooReplayed, DecodeError> {
        if let Some(markers) = markers(record) {
            return Ok(self.mark_all(&markers?));
        } else if kind(record) == Kind::Samples {
            let mut samples = std::mem::take(&mut self.samples);
            samples.clear();
            let outcome = decode_samples(record, &mut samples);
            if outcome.is_ok() {
                for (number, timestamp_ms, start_ms, value) in samples.iter_started() {
                    self.add(number, timestamp_ms, Late::float(value, start_ms));
                }
            }
            self.samples = samples;
            outcome?;
        } else if kind(record) == Kind::Histograms {
            let mut histograms = Histograms::default();
            decode_histograms(record, &mut histograms)?;
            for (number, timestamp_ms, start_ms, value) in histograms.iter_started() {
                self.add(number, timestamp_ms, Late::histogram(value.clone(), start_ms));
            }
        }
        Ok(OooReplayed::Added)
    }

    fn forget_open(&mut self) {
        for shard in &self.head.shards {
            shard.0.write().ooo.values_mut().for_each(|ooo| ooo.open.clear());
        }
        self.outlived.clear();
    }
}

impl OooReplay {
    fn mark_all(&mut self, markers: &[(u64, u64)]) -> OooReplayed {
        let mut outcome = OooReplayed::Added;
        for of_series in markers.chunk_by(|a, b| a.0 == b.0) {
            let (number, _) = of_series[0];
            if number != IN_BLOCKS {
                self.mark(number, of_series);
                continue;
            }
            for &(_, place) in of_series {
                match u32::try_from(place) {
                    Ok(segment) => outcome = OooReplayed::BlocksHaveBefore(segment),
                    Err(_) => self.head.drop_late_chunks(place),
                }
            }
        }
        outcome
    }

    fn target(&mut self, number: u64) -> Option<(u64, Target)> {
        let number = self.duplicates.get(&number).map_or(number, |&first| {
            self.head.has_late_aliases.store(true, Ordering::Relaxed);
            first
        });
        let target = self.head.refs.read().get(number);
        if target == Target::NONE {
            self.num_unknown_refs += 1;
            let number = crate::head::replay::avoid(0, number);
            self.head.last_ref.fetch_max(number, Ordering::Relaxed);
            return None;
        }
        Some((number, target))
    }

    /// A series was put on disk, as one chunk or several: if they are there, or never were any, the samples so far are
    /// not those of the next. They are there if they were found, or if their file went after a compaction; those that
    /// were lost with a damaged file are neither. Their samples stay, and are logged anew: once other files have come
    /// and gone, nobody could tell these cases apart.
    fn mark(&mut self, number: u64, markers: &[(u64, u64)]) {
        let Some((_, target)) = self.target(number) else { return };
        let first_file = self.head.chunks.views().first().map_or(u32::MAX, |view| view.0);
        let is_gone = |place: u64| {
            place == 0 || (place >> 32) < u64::from(first_file) && place <= self.last_place
        };
        let (index, slot) = self.head.place(target);
        let mut shard = self.head.shards[index].0.write();
        let ooo = shard.ooo.entry(slot).or_insert_with(Ooo::default);
        let is_found = |place: u64| {
            ooo.chunks.iter().any(|chunk: &FullChunk| chunk.place() == Place::Disk(place))
        };
        if markers.iter().all(|&(_, place)| is_gone(place) || is_found(place)) {
            ooo.open.clear();
            self.outlived.remove(&target.0);
        } else {
            self.outlived.insert(target.0);
        }
    }

    fn add(&mut self, number: u64, timestamp_ms: i64, value: Late) {
        let Some((_, target)) = self.target(number) else { return };
        let (index, slot) = self.head.place(target);
        let mut shard = self.head.shards[index].0.write();
        // However many there are: where they are put on disk has to be logged, and the log is not open yet.
        if shard.ooo.entry(slot).or_default().insert(timestamp_ms, value) {
            drop(shard);
            self.head.widen_ooo(TimeRange::new(timestamp_ms, timestamp_ms));
        }
    }

    /// Opens the head for use. Answers how many samples and markers belong to series that are not there.
    pub fn finish(self) -> Result<u64> {
        let head = &self.head;
        head.settle_ooo();
        let mut records = Records { keep_starts: head.keep_starts, ..Records::default() };
        for &target in &self.outlived {
            let (index, slot) = head.place(Target(target));
            let shard = head.shards[index].0.read();
            let Some(ooo) = shard.ooo.get(&slot) else { continue };
            let number = shard.cold[slot].number;
            records.mark(number, &[0]);
            ooo.open.iter().for_each(|(time, value)| records.push(number, *time, value));
        }
        records.flush();
        head.ooo_log.lock().unwritten = records.done;
        head.collect_replayed();
        Ok(self.num_unknown_refs)
    }
}
