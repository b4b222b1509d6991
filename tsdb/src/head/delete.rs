//! Deleting from the head: ranges of series are noted and logged; the samples go when they are read or become a block.
//! A cut of the head that leaves no block, since all before it was deleted, is noted and logged, too.

use super::ooo::Ooo;
use super::select::select;
use super::shard::Shard;
use super::{Head, Shared};
use crate::block::Tombstones;
use crate::error::from_log;
use model::{Matcher, TimeRange};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::Result;

/// The reference of no series. A deletion under it deletes nothing: it begins where the head was cut, and has no end.
pub(super) const CUT: u64 = 0;

impl Head {
    /// Notes that what came in order before `end_ms` has left the head for good, though no block may say so, since all of
    /// it was deleted. Else a start, which asks the blocks how far the head was cut, would take it from the log or from
    /// chunk files again, while its deletion is forgotten. To be called before that is.
    pub fn note_cut(&self, end_ms: i64) -> Result<()> {
        self.0.noted_cut_ms.fetch_max(end_ms, Ordering::Relaxed);
        self.repeat_cut()
    }

    /// Logs a noted cut anew. To be called before the log is cut for a checkpoint, which does not keep the earlier record.
    pub fn repeat_cut(&self) -> Result<()> {
        let stone = self.0.noted_cut();
        self.0.log_tombstones(stone.as_slice())
    }

    /// Marks the samples inside `range` of the series that satisfy one of `matcher_sets` as deleted: those that are
    /// there now, and those that the next replay would find. Queriers that are open still see them.
    pub fn delete(&self, range: TimeRange, matcher_sets: &[Vec<Matcher>]) -> Result<()> {
        let head = &*self.0;
        let mut stones = Vec::new();
        for shard in &head.shards {
            for matchers in matcher_sets {
                let mut shard = shard.0.read();
                for slot in select(&head.hasher, &mut shard, matchers) {
                    let late = shard.ooo.get(&slot).and_then(Ooo::span);
                    let echo = shard.echoes.get(&slot).copied();
                    let spans = shard.span(slot).into_iter().chain(late).chain(echo);
                    let span = spans.reduce(TimeRange::hull);
                    if let Some(span) = span.filter(|span| span.overlaps(range)) {
                        let begin = range.min_ms.max(span.min_ms);
                        let inside = TimeRange::new(begin, range.max_ms.min(span.max_ms));
                        stones.push((shard.cold[slot].number, inside));
                    }
                }
            }
        }
        head.bury(&stones)
    }
}

impl Shared {
    /// The noted cut as a deletion.
    pub(super) fn noted_cut(&self) -> Option<(u64, TimeRange)> {
        let cut_ms = self.noted_cut_ms.load(Ordering::Relaxed);
        (cut_ms > i64::MIN).then(|| (CUT, TimeRange::new(cut_ms, i64::MAX)))
    }

    /// Takes a noted cut over from the log or an image.
    pub(super) fn replay_cut(&self, cut_ms: i64) {
        self.noted_cut_ms.fetch_max(cut_ms, Ordering::Relaxed);
        self.min_valid_ms.fetch_max(cut_ms, Ordering::Relaxed);
    }

    fn log_tombstones(&self, stones: &[(u64, TimeRange)]) -> Result<()> {
        let Some(log) = self.log.get().filter(|_| !stones.is_empty()) else { return Ok(()) };
        let mut record = Vec::new();
        wal::record::encode_tombstones(&mut record, stones.iter().copied());
        log.lock().log(&[&record]).map_err(from_log)
    }

    /// Logs deletions, then shows them to readers that open from now on.
    fn bury(&self, stones: &[(u64, TimeRange)]) -> Result<()> {
        if stones.is_empty() {
            return Ok(());
        }
        self.log_tombstones(stones)?;
        self.tombstones.rcu(|known| {
            let mut all = Tombstones::clone(known);
            for &(number, range) in stones {
                all.add(number, range);
            }
            all
        });
        Ok(())
    }

    /// Forgets deletions of what is dropped: before `min_ms` and before all that came out of order, and of the series in
    /// `gone`, which is sorted.
    pub(super) fn forget_tombstones(&self, min_ms: i64, gone: &[u64]) {
        if self.tombstones.load().is_empty() {
            return;
        }
        let min_ms = self.ooo_range().map_or(min_ms, |late| late.min_ms.min(min_ms));
        self.tombstones.rcu(|known| {
            let mut left = Tombstones::clone(known);
            left.forget(min_ms, |number| gone.binary_search(&number).is_ok());
            Arc::new(left)
        });
    }
}

impl Shard {
    /// From the first to the last sample of a series.
    pub(super) fn span(&self, slot: u32) -> Option<TimeRange> {
        let open = self.has_open(slot).then(|| self.open_meta(slot));
        let full = self.full_chunks(slot);
        let first = full.first().map(|chunk| chunk.min_ms).or(open.map(|open| open.min_ms))?;
        let last = open.map(|open| open.max_ms).or(full.last().map(|chunk| chunk.max_ms))?;
        Some(TimeRange::new(first, last))
    }
}
