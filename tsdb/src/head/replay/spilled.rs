//! Series that a replay moved to blocks, since memory was short: where they are, how one comes back that has later
//! samples in the log, what the log says later about the samples that went. Writing and moving those blocks is for the
//! caller.

use super::{Created, Replay, Scratch};
use crate::block::{Block, Tombstones};
use crate::head::refs::Target;
use crate::head::{Head, IdleSeries, LateSeries, Shared};
use crate::index::IndexReader;
use model::TimeRange;
use model::hash::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::Result;

/// Series that one record of the log ends.
const RECORD_SERIES: usize = 1024;

/// A series in one of the blocks; those of a series sort by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    number: u64,
    block: u32,
    id: u32,
}

/// In place of a block: the log ends the series later.
const ENDED: u32 = u32::MAX;

/// The rows of a series.
fn places(run: &[Row], number: u64) -> Range<usize> {
    let begin = run.partition_point(|row| row.number < number);
    begin..begin + run[begin..].partition_point(|row| row.number == number)
}

/// Those series, and the blocks that have them.
#[derive(Debug, Default)]
pub(in crate::head) struct Spilled {
    blocks: Vec<Arc<Block>>,
    /// What went together, sorted; the blocks of a series by their time.
    runs: Vec<Vec<Row>>,
    /// The greatest number of them: most series of a log are newer than all that went.
    last: u64,
    /// What the log deletes of samples that went before, by block.
    deleted: Vec<Deleted>,
}

/// What is deleted from a block.
#[derive(Debug, Default)]
pub struct Deleted {
    /// Of series that go on.
    ranges: Tombstones,
    /// Series of which nothing is to stay. They may be nearly all: a log that was replayed like this before ends them.
    ended: Vec<u32>,
}

impl Deleted {
    /// Whether so many series are deleted whole.
    #[must_use]
    pub fn is_all_of(&self, num_series: u64) -> bool {
        self.ended.len() as u64 == num_series
    }

    /// The same as ranges of series, by their ids.
    #[must_use]
    pub fn into_ranges(self) -> Tombstones {
        let mut ranges = self.ranges;
        self.ended.iter().for_each(|&id| ranges.add(u64::from(id), TimeRange::ALL));
        ranges
    }
}

/// What is left of it when the replay is over.
#[derive(Debug, Default)]
pub struct SpilledSeries {
    /// The blocks, with what is deleted from each.
    pub blocks: Vec<(Arc<Block>, Deleted)>,
    /// The series that are nowhere but in blocks, sorted: the log has to say so.
    pub gone: Vec<u64>,
    /// How many of those that went the log itself ends.
    pub num_ended: usize,
}

impl Spilled {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Where a series is, what went last first.
    fn rows(&self, number: u64) -> impl Iterator<Item = Row> {
        let runs = self.runs.iter().rev();
        let all = runs.flat_map(move |run| run[places(run, number)].iter().rev());
        all.copied().filter(|row| row.block != ENDED)
    }

    /// Whether a series went. It may be back.
    pub(super) fn has(&self, number: u64) -> bool {
        number <= self.last && self.rows(number).next().is_some()
    }

    /// Notes a deletion that comes behind the samples of a series that went. One of all time ends the series. Answers
    /// whether it did go.
    pub(super) fn delete(&mut self, number: u64, range: TimeRange) -> bool {
        let mut is_spilled = false;
        for run in &mut self.runs {
            let at = places(run, number);
            for row in run[at].iter_mut().filter(|row| row.block != ENDED) {
                is_spilled = true;
                let deleted = &mut self.deleted[row.block as usize];
                if range == TimeRange::ALL {
                    deleted.ended.push(row.id);
                    row.block = ENDED;
                } else {
                    deleted.ranges.add(u64::from(row.id), range);
                }
            }
        }
        is_spilled
    }

    /// Creates a series that went anew, with nothing of what it had, for a sample in order at `timestamp_ms`: any other
    /// would not have been taken either.
    fn bring_back(
        &self,
        head: &Shared,
        (number, timestamp_ms): (u64, i64),
        scratch: &mut Scratch,
    ) -> Option<Created> {
        let row = self.rows(number).next()?;
        let index = self.blocks[row.block as usize].index();
        // Of a block that cannot be read any more the sample counts as one of an unknown series.
        if newest_ms(index, row.id).ok()? >= timestamp_ms {
            return None;
        }
        let mut symbols = Vec::new();
        index.labels(row.id, &mut symbols).ok()?;
        let labels = texts(index, &symbols).ok()?;
        Some(head.create_replayed(number, &labels, None, scratch))
    }

    pub(super) fn finish(self, head: &Shared) -> SpilledSeries {
        let refs = head.refs.read();
        let left = self.runs.iter().flatten().filter(|row| row.block != ENDED);
        let is_gone = |number: &u64| refs.get(*number) == Target::NONE;
        let mut gone: Vec<u64> = left.map(|row| row.number).filter(is_gone).collect();
        gone.sort_unstable();
        gone.dedup();
        let mut ended: Vec<u64> = self
            .runs
            .iter()
            .flatten()
            .filter(|row| row.block == ENDED)
            .map(|row| row.number)
            .collect();
        ended.sort_unstable();
        ended.dedup();
        let blocks = self.blocks.into_iter().zip(self.deleted).collect();
        SpilledSeries { blocks, gone, num_ended: ended.len() }
    }
}

fn newest_ms(index: &IndexReader, id: u32) -> Result<i64> {
    let mut chunks = Vec::new();
    index.chunks(id, &mut chunks)?;
    Ok(chunks.last().map_or(i64::MIN, |chunk| chunk.max_ms))
}

fn texts<'i>(index: &'i IndexReader, symbols: &[(u32, u32)]) -> Result<Vec<(&'i str, &'i str)>> {
    symbols.iter().map(|&(name, value)| Ok((index.symbol(name)?, index.symbol(value)?))).collect()
}

impl Replay {
    /// The series that are stale, or whose newest sample is more than `idle_ms` before the newest one that the log had so
    /// far, with the range of their samples that no block has; `None` if there are none. Everything that was taken in
    /// before is in the head then.
    ///
    /// Series in `late` have samples in the log of those: they wait for the blocks of these. Series that something was
    /// deleted from stay: a block would not say which of its samples was the newest.
    pub fn idle_series(&mut self, idle_ms: i64, late: &LateSeries) -> Option<IdleSeries> {
        let tally = self.workers.settle();
        let head = Head(Arc::clone(&self.head));
        if tally.appended + tally.histograms > 0 {
            self.head.min_ms.fetch_min(tally.min_ms, Ordering::Relaxed);
            self.head.max_ms.fetch_max(tally.max_ms, Ordering::Relaxed);
        }
        let mut idle = head.idle_series(tally.max_ms.saturating_sub(idle_ms))?;
        let first = |number: &u64| self.duplicates.get(number).map_or(*number, |&(first, _)| first);
        let late: HashSet<u64> = late.0.iter().map(first).collect();
        idle.retain(|number| !late.contains(&number) && self.tombstones.of(number).is_empty());
        // Chunks on disk may reach back behind the end of the blocks.
        idle.range.min_ms = idle.range.min_ms.max(head.min_valid_time());
        (idle.range.min_ms <= idle.range.max_ms).then_some(idle)
    }

    /// Drops the idle series that `blocks` have, which were written of them in the order of their time. Those come back
    /// when the log has more of them. Answers how many went.
    pub fn spill(&mut self, blocks: Vec<Arc<Block>>) -> Result<usize> {
        let mut run = Vec::new();
        for (block, at) in blocks.iter().zip(self.spilled.blocks.len() as u32..) {
            self.enter(block, at, &mut run)?;
        }
        self.spilled
            .deleted
            .resize_with(self.spilled.blocks.len() + blocks.len(), Deleted::default);
        self.spilled.blocks.extend(blocks);
        run.sort_unstable();
        let mut numbers: Vec<u64> = run.iter().map(|row| row.number).collect();
        numbers.dedup();
        self.spilled.last = numbers.last().map_or(self.spilled.last, |&n| n.max(self.spilled.last));
        self.spilled.runs.extend(Some(run).filter(|run| !run.is_empty()));
        self.stats.num_series -= self.head.remove_whole(&numbers);
        Ok(numbers.len())
    }

    /// Adds the series of a block.
    fn enter(&self, block: &Block, at: u32, run: &mut Vec<Row>) -> Result<()> {
        let (index, mut symbols) = (block.index(), Vec::new());
        for id in index.all()?.iter() {
            index.labels(id, &mut symbols)?;
            let number = self.head.number_of(&texts(index, &symbols)?);
            run.extend(number.map(|number| Row { number, block: at, id }));
        }
        Ok(())
    }

    /// Brings back the series of `rows`, references with times, that went to blocks.
    pub(super) fn bring_back(&mut self, rows: impl Iterator<Item = (u64, i64)>) {
        if self.spilled.is_empty() {
            return;
        }
        let mut missing = Vec::new();
        let refs = self.head.refs.read();
        let mut finder = refs.finder();
        for (number, timestamp_ms) in rows {
            if finder.get(number) == Target::NONE {
                let number = self.duplicates.get(&number).map_or(number, |&(first, _)| first);
                missing.push((number, timestamp_ms));
            }
        }
        drop(refs);
        for (number, timestamp_ms) in missing {
            if self.head.refs.read().get(number) != Target::NONE {
                continue;
            }
            let sample = (number, timestamp_ms);
            match self.spilled.bring_back(&self.head, sample, &mut self.scratch) {
                Some(Created::New) => self.stats.num_series += 1,
                Some(Created::Known(first)) => {
                    self.duplicates.entry(number).or_insert((first, timestamp_ms));
                }
                Some(Created::Refused) | None => {}
            }
        }
    }
}

impl Head {
    /// Says in the log that these series are in blocks whole, which have to be listed for queries by then, so that no
    /// replay brings them back. To be called before anything else is logged.
    pub fn end_spilled(&self, gone: &[u64]) -> Result<()> {
        self.0.forget_tombstones(i64::MIN, gone);
        self.0.forget_metadata(gone);
        gone.chunks(RECORD_SERIES).try_for_each(|gone| self.0.log_end(gone))
    }
}

#[cfg(test)]
mod tests;
