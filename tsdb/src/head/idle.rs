//! Series that are done with: those that ended with a staleness marker and those that got nothing for long. They go to
//! a block and out of memory before their time. One that comes back is a new series with the same labels.

use super::gc::{Collected, free_slots};
use super::shard::Shard;
use super::{Head, Padded, Shared};
use crate::error::from_log;
use crate::sync;
use model::TimeRange;
use model::hash::HashSet;
use std::sync::Arc;
use storage::Result;

/// Series that are looked at before waiting writers get their turn, and that are dropped between two commits.
const SLICE: u32 = 1024;

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Row {
    number: u64,
    shard: u32,
    slot: u32,
    /// Timestamp of the newest sample when it was found.
    newest_ms: i64,
}

/// Series that were found idle.
#[derive(Clone, Debug)]
pub struct IdleSeries {
    /// From the first to the last of their samples.
    pub range: TimeRange,
    /// By shard.
    rows: Vec<Row>,
}

impl IdleSeries {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The same in parts of at most so many.
    pub fn parts(&self, num_series: usize) -> impl Iterator<Item = Self> {
        let parts = self.rows.chunks(num_series);
        parts.map(|rows| Self { range: self.range, rows: rows.to_vec() })
    }

    /// Leaves out those whose reference is not to stay.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u64) -> bool) {
        self.rows.retain(|row| is_kept(row.number));
    }

    /// Their references, sorted.
    pub(super) fn numbers(&self) -> Arc<[u64]> {
        let mut numbers: Vec<u64> = self.rows.iter().map(|row| row.number).collect();
        numbers.sort_unstable();
        numbers.into()
    }
}

impl Head {
    /// The series that ended with a staleness marker or whose newest sample is before `before_ms`; `None` if there
    /// are none. Those with samples out of order wait for the blocks of these.
    #[must_use]
    pub fn idle_series(&self, before_ms: i64) -> Option<IdleSeries> {
        let mut rows = Vec::new();
        let (mut min_ms, mut max_ms) = (i64::MAX, i64::MIN);
        for (index, shard) in self.0.shards.iter().enumerate() {
            let mut shard = shard.0.read();
            let mut slot = 0;
            while slot < shard.cold.len() {
                let end = shard.cold.len().min(slot.saturating_add(SLICE));
                for slot in slot..end {
                    let Some(span) = shard.idle_span(slot, before_ms) else { continue };
                    (min_ms, max_ms) = (min_ms.min(span.min_ms), max_ms.max(span.max_ms));
                    let number = shard.cold[slot].number;
                    rows.push(Row { number, shard: index as u32, slot, newest_ms: span.max_ms });
                }
                slot = end;
                sync::bump_read(&mut shard);
            }
        }
        // What is before the head is in blocks.
        let min_ms = min_ms.max(self.min_time());
        (min_ms <= max_ms).then(|| IdleSeries { range: TimeRange::new(min_ms, max_ms), rows })
    }

    /// Drops these series, as far as nothing came since they were found: blocks have their samples, and must be
    /// listed for queries before this is called. Waits for the queries that are open. Answers how many went.
    pub fn drop_idle(&self, idle: &IdleSeries) -> Result<usize> {
        let head = &*self.0;
        let _alone = head.maintenance.lock();
        head.isolation.wait_for_open_readers();
        let mut num_dropped = 0;
        for of_shard in idle.rows.chunk_by(|a, b| a.shard == b.shard) {
            let shard = &head.shards[of_shard[0].shard as usize];
            for slice in of_shard.chunks(SLICE as usize) {
                num_dropped += head.drop_idle_slice(shard, slice)?;
            }
        }
        Ok(num_dropped)
    }
}

impl Shared {
    fn drop_idle_slice(&self, padded: &Padded, rows: &[Row]) -> Result<usize> {
        // No commit comes between the series and the word of their end in the log: a sample logged behind that would
        // not find its series in the next replay.
        let commits = self.commits.write();
        let mut shard = padded.0.write();
        let mut all = Collected::NOTHING;
        let (mut dead, mut touched) = (Vec::new(), HashSet::default());
        let mut gone = Vec::new();
        let mut newest = Vec::new();
        for row in rows {
            let is_same = shard.cold[row.slot].number == row.number
                && shard.idle_span(row.slot, i64::MAX).is_some_and(|s| s.max_ms == row.newest_ms);
            if is_same {
                gone.push(row.number);
                newest.push((row.number, row.newest_ms));
                shard.drop_chunks(row.slot, &mut all);
                self.remove_series(&mut shard, row.slot, &mut dead, &mut touched);
            }
        }
        let logged = sync::unlocked(&mut shard, || self.log_end(&gone));
        drop(commits);
        free_slots(&mut shard, dead, touched);
        drop(shard);
        self.metrics.chunks.add(-(all.num_chunks as f64));
        self.metrics.chunks_removed.inc_by(all.num_chunks);
        self.metrics.series.add(-(gone.len() as f64));
        self.metrics.series_removed.inc_by(gone.len() as u64);
        self.metrics.add_stale(-all.num_stale);
        // Their samples may be in the log for long: a checkpoint keeps their names as long as it keeps those.
        self.expired.lock().extend(newest);
        gone.sort_unstable();
        self.forget_tombstones(i64::MIN, &gone);
        self.forget_metadata(&gone);
        // Where that failed, the next replay finds them once more, beside the blocks that have them.
        logged.map(|()| gone.len())
    }

    /// Says in the log that these series went to blocks whole, so that a replay drops them as well.
    pub(super) fn log_end(&self, gone: &[u64]) -> Result<()> {
        let Some(log) = self.log.get().filter(|_| !gone.is_empty()) else { return Ok(()) };
        let mut record = Vec::new();
        let all = gone.iter().map(|&number| (number, TimeRange::ALL));
        wal::record::encode_tombstones(&mut record, all);
        log.lock().log(&[&record]).map_err(from_log)
    }
}

impl Shard {
    /// The times of the samples of a series that is stale or got nothing since `before_ms`, and that nothing else
    /// holds in memory.
    fn idle_span(&self, slot: u32, before_ms: i64) -> Option<TimeRange> {
        if self.cold[slot].number == 0
            || self.hot[slot].is_pending()
            || self.ooo.contains_key(&slot)
        {
            return None;
        }
        let span = self.span(slot)?;
        let is_stale = self.hot[slot].is_stale()
            || self.native(slot).is_some_and(super::native::Native::is_stale);
        (is_stale || span.max_ms < before_ms).then_some(span)
    }
}

#[cfg(test)]
mod tests;
