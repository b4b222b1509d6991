//! Snapshots for reading: one over a block, one over the head and all blocks that a range touches.

mod block;
mod series_set;

pub use block::BlockQuerier;

use crate::block::Block;
use model::{Matcher, Symbols, TimeRange};
use std::sync::Arc;
use storage::{Cancel, MergeQuerier, Querier, Result, SelectHints, SeriesSet};

/// A snapshot of the database: the head and the blocks that overlap the range, as one.
#[derive(Debug)]
pub struct DbQuerier(MergeQuerier);

impl DbQuerier {
    /// A querier for the samples inside `range`. The head comes first: where it and a block hold a sample of the
    /// same series at the same time, the order decides which one is answered.
    #[must_use]
    pub fn new(
        range: TimeRange,
        head: Option<Box<dyn Querier>>,
        mut blocks: Vec<Arc<Block>>,
    ) -> Self {
        blocks.sort_by_key(|block| block.meta().min_time);
        let overlapping = blocks.into_iter().filter(|block| block.range().overlaps(range));
        let queriers = head
            .into_iter()
            .chain(overlapping.map(|block| Box::new(block.querier(range)) as Box<dyn Querier>));
        Self(MergeQuerier::new(queriers.collect()))
    }
}

impl Querier for DbQuerier {
    fn select<'q>(
        &'q self,
        matchers: &[Matcher],
        hints: &SelectHints,
        symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> Result<Box<dyn SeriesSet + 'q>> {
        self.0.select(matchers, hints, symbols, cancel)
    }

    fn label_names(&self, matchers: &[Matcher], limit: usize) -> Result<Vec<Box<str>>> {
        self.0.label_names(matchers, limit)
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        limit: usize,
    ) -> Result<Vec<Box<str>>> {
        self.0.label_values(name, matchers, limit)
    }
}
