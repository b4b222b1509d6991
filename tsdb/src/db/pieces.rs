//! Blocks of a part of the head that is not cut by time: one for each block range that has any of it.

use super::Db;
use super::maintain::Work;
use crate::Result;
use crate::block::{BlockMeta, Hint, Parent, Ulid};
use crate::compact::{BlockSpec, write_block};
use ::metrics::Stopwatch;
use model::{Symbols, TimeRange};
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
        let block_ms = self.options.min_block_ms;
        let mut begin = span.min_ms.div_euclid(block_ms).saturating_mul(block_ms);
        let mut count = 0;
        while begin <= span.max_ms {
            let stopwatch = Stopwatch::start();
            let range = TimeRange::new(begin, begin.saturating_add(block_ms - 1));
            let written = self.write_piece(work.ulid(now_ms), range, spec, &*querier(range));
            if let Some(meta) = self.count_compaction(spec.failed, &stopwatch, written)? {
                count += 1;
                self.report(spec.done, &meta, &stopwatch);
            }
            let Some(next) = begin.checked_add(block_ms) else { break };
            begin = next;
        }
        Ok(count)
    }

    fn write_piece(
        &self,
        ulid: Ulid,
        range: TimeRange,
        spec: &PiecesSpec,
        querier: &dyn Querier,
    ) -> storage::Result<Option<BlockMeta>> {
        let (symbols, cancel) = (Symbols::new(), Cancel::new());
        let mut source = querier.select(&[], &SelectHints::default(), &symbols, &cancel)?;
        let block = BlockSpec {
            hints: vec![spec.hint.clone()],
            parents: spec.parents.clone(),
            segment_bytes: self.options.block_segment_bytes,
            xor2: self.head.encodings().xor2,
            ..BlockSpec::from_head(range.min_ms, range.max_ms.saturating_add(1))
        };
        write_block(&mut *source, &symbols, &block, ulid, &*self.disk, &self.dir)
    }
}
