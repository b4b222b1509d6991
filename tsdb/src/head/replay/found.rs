//! The chunks that a start found in `chunks_head/`, by the reference of their series, until their series turns up.

use crate::head::Shared;
use crate::head::ooo::Ooo;
use crate::head::series::{FullChunk, Place};
use crate::head::shard::Shard;
use std::sync::atomic::Ordering;

/// Chunks with their series, sorted by it; those of one series as they came.
type Rows = Vec<(u64, FullChunk)>;

/// All chunks. Any thread may look.
#[derive(Debug, Default)]
pub(in crate::head) struct FoundChunks {
    in_order: Rows,
    /// Those of samples that came out of order.
    late: Rows,
    /// The last chunk on disk.
    pub(super) last_place: u64,
}

impl FoundChunks {
    /// Adds a chunk, in the order of the files.
    pub(super) fn push(&mut self, number: u64, chunk: FullChunk, is_late: bool) {
        if let Place::Disk(place) = chunk.place() {
            self.last_place = self.last_place.max(place);
        }
        let rows = if is_late { &mut self.late } else { &mut self.in_order };
        rows.push((number, chunk));
    }

    /// To be called behind the last chunk. Answers how many chunks in order had to go, since one before them reaches
    /// behind their begin.
    pub(super) fn settle(&mut self) -> usize {
        self.late.sort_by_key(|row| row.0);
        self.in_order.sort_by_key(|row| row.0);
        let before = self.in_order.len();
        let mut last: Option<(u64, i64)> = None;
        self.in_order.retain(|&(number, chunk)| {
            let fits = last.is_none_or(|(of, max_ms)| of != number || chunk.min_ms > max_ms);
            if fits {
                last = Some((number, chunk.max_ms));
            }
            fits
        });
        before - self.in_order.len()
    }

    /// Gives a series that has just been created its chunks.
    pub(in crate::head) fn hand_over(&self, head: &Shared, shard: &mut Shard, slot: u32) {
        let number = shard.cold[slot].number;
        let in_order = of_series(&self.in_order, number);
        if let (Some((_, first)), Some((_, last))) = (in_order.first(), in_order.last()) {
            shard.push_all_full(slot, in_order.iter().map(|row| row.1));
            head.min_ms.fetch_min(first.min_ms, Ordering::Relaxed);
            head.max_ms.fetch_max(last.max_ms, Ordering::Relaxed);
            head.metrics.chunks.add(in_order.len() as f64);
        }
        let late = of_series(&self.late, number);
        if !late.is_empty() {
            let chunks = late.iter().map(|row| row.1).collect();
            let ooo = Ooo { chunks, open: Vec::new() };
            ooo.span().into_iter().for_each(|span| head.widen_ooo(span));
            shard.ooo.insert(slot, ooo);
        }
    }
}

fn of_series(rows: &Rows, number: u64) -> &[(u64, FullChunk)] {
    let rest = &rows[rows.partition_point(|row| row.0 < number)..];
    &rest[..rest.iter().take_while(|row| row.0 == number).count()]
}

#[cfg(test)]
mod tests;
