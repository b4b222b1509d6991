//! The log of samples that came out of order back to memory, behind the replay of the write-ahead log.

use super::{Late, MARKER, Ooo, OooRow, Records};
use crate::head::Shared;
use crate::head::refs::Target;
use crate::head::series::{FullChunk, Place};
use model::hash::HashMap;
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
}

impl OooReplay {
    /// Takes in one record. An error means that its body is damaged; nothing of it was taken.
    pub fn apply(&mut self, record: &[u8]) -> std::result::Result<(), DecodeError> {
        if let Some((&MARKER, markers)) = record.split_first() {
            if !markers.len().is_multiple_of(16) {
                return Err(DecodeError::Size);
            }
            for marker in markers.as_chunks::<16>().0 {
                let [number, place] = [0, 8].map(|at| {
                    u64::from_be_bytes(marker[at..at + 8].try_into().expect("eight bytes"))
                });
                self.mark(number, place);
            }
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
        Ok(())
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

    /// A chunk was cut: if it is on disk, or never was one, the samples so far are not those of the next. It is on disk
    /// if it was found there, or if its file went after a compaction; one that was lost with a damaged file is neither,
    /// even if another file got the same number since.
    fn mark(&mut self, number: u64, place: u64) {
        let Some((_, target)) = self.target(number) else { return };
        let first_file = self.head.chunks.views().first().map_or(u32::MAX, |view| view.0);
        let is_gone =
            place == 0 || (place >> 32) < u64::from(first_file) && place <= self.last_place;
        let (index, slot) = self.head.place(target);
        let mut shard = self.head.shards[index].0.write();
        let ooo = shard.ooo.entry(slot).or_insert_with(Ooo::default);
        let is_there = |chunk: &FullChunk| chunk.place() == Place::Disk(place);
        if is_gone || ooo.chunks.iter().any(is_there) {
            ooo.open.clear();
        }
    }

    fn add(&mut self, number: u64, timestamp_ms: i64, value: Late) {
        let Some((number, target)) = self.target(number) else { return };
        let row = OooRow { row: 0, target, number, timestamp_ms, value };
        self.head.insert_one(&row, &mut HashMap::default(), &mut Records::default());
    }

    /// Opens the head for use. Answers how many samples and markers belong to series that are not there.
    pub fn finish(self) -> Result<u64> {
        for shard in &self.head.shards {
            shard.0.write().ooo.retain(|_, ooo| !ooo.chunks.is_empty() || !ooo.open.is_empty());
        }
        self.head.collect_replayed();
        Ok(self.num_unknown_refs)
    }
}
