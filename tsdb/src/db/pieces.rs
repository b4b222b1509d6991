//! Blocks of a part of the head that is not cut by time: one for each block range that has any of it.

use super::Db;
use super::maintain::Work;
use crate::block::{BlockMeta, Hint, Parent, Ulid};
use crate::compact::{BlockSpec, write_block};
use crate::{DbOptions, Head, Result};
use ::metrics::Stopwatch;
use disk::Disk;
use model::{Symbols, TimeRange};
use std::path::Path;
use storage::{Cancel, Querier, SelectHints};

/// What such blocks are.
pub(super) struct PiecesSpec {
    /// Where they come from.
    pub(super) hint: Hint,
    pub(super) parents: Vec<Parent>,
    /// The words for one that was written.
    pub(super) done: &'static str,
    /// The words for one that was not.
    pub(super) failed: &'static str,
}

impl PiecesSpec {
    /// Those of series that are stale or idle.
    pub(super) fn of_idle_series() -> Self {
        Self {
            hint: Hint::FromStaleSeries,
            parents: Vec::new(),
            done: "Wrote a block of series that are done with",
            failed: "Writing a block of series that are done with failed",
        }
    }
}

impl Db {
    /// Writes what `querier` finds in `span`. Answers how many blocks there are of it.
    pub(super) fn write_pieces(
        &self,
        work: &mut Work,
        now_ms: i64,
        span: TimeRange,
        spec: &PiecesSpec,
        querier: &dyn Fn(TimeRange) -> Box<dyn Querier>,
    ) -> Result<usize> {
        let mut count = 0;
        for range in block_ranges(span, self.options.min_block_ms) {
            let stopwatch = Stopwatch::start();
            let place = Place { disk: &*self.disk, dir: &self.dir, options: &self.options };
            let ulid = work.ulid(now_ms);
            let written = place.write_piece(&self.head, (ulid, range), spec, &*querier(range));
            if let Some(meta) = self.count_compaction(spec.failed, &stopwatch, written)? {
                count += 1;
                self.report(spec.done, &meta, &stopwatch);
            }
        }
        Ok(count)
    }
}

/// Where such blocks go.
pub(super) struct Place<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) dir: &'a Path,
    pub(super) options: &'a DbOptions,
}

impl Place<'_> {
    /// Writes what `querier` finds in one block range; `None` if there is nothing.
    pub(super) fn write_piece(
        &self,
        head: &Head,
        (ulid, range): (Ulid, TimeRange),
        spec: &PiecesSpec,
        querier: &dyn Querier,
    ) -> storage::Result<Option<BlockMeta>> {
        let (symbols, cancel) = (Symbols::new(), Cancel::new());
        let mut source = querier.select(&[], &SelectHints::default(), &symbols, &cancel)?;
        let block = BlockSpec {
            hints: vec![spec.hint.clone()],
            parents: spec.parents.clone(),
            segment_bytes: self.options.block_segment_bytes,
            xor2: head.encodings().xor2,
            ..BlockSpec::from_head(range.min_ms, range.max_ms.saturating_add(1))
        };
        write_block(&mut *source, &symbols, &block, ulid, self.disk, self.dir)
    }
}

/// The block ranges that `span` touches, in order.
pub(super) fn block_ranges(span: TimeRange, block_ms: i64) -> impl Iterator<Item = TimeRange> {
    let first = span.min_ms.div_euclid(block_ms).saturating_mul(block_ms);
    let begins = std::iter::successors(Some(first), move |begin| begin.checked_add(block_ms));
    begins
        .take_while(move |&begin| begin <= span.max_ms)
        .map(move |begin| TimeRange::new(begin, begin.saturating_add(block_ms - 1)))
}
