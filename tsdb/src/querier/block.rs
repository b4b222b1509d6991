//! The querier of one block: matchers to series ids, names and values from the index.

use super::series_set::BlockSeries;
use crate::block::Block;
use crate::postings::{candidates_with, select};
use model::{Matcher, Symbols, TimeRange};
use std::sync::Arc;
use storage::{Cancel, Querier, Result, SelectHints, SeriesSet};

/// A snapshot of one block, restricted to a range. It keeps the block readable.
#[derive(Debug)]
pub struct BlockQuerier {
    block: Arc<Block>,
    range: TimeRange,
}

impl BlockQuerier {
    pub(crate) fn new(block: Arc<Block>, range: TimeRange) -> Self {
        Self { block, range }
    }
}

fn limited(limit: usize) -> usize {
    if limit == 0 { usize::MAX } else { limit }
}

impl Querier for BlockQuerier {
    fn select<'q>(
        &'q self,
        matchers: &[Matcher],
        hints: &SelectHints,
        symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> Result<Box<dyn SeriesSet + 'q>> {
        let ids = select(self.block.index(), matchers, cancel)?;
        Ok(Box::new(BlockSeries::new(&self.block, ids, self.range, hints, symbols, cancel)))
    }

    fn label_names(&self, matchers: &[Matcher], limit: usize) -> Result<Vec<Box<str>>> {
        let index = self.block.index();
        if matchers.is_empty() {
            return Ok(index.names().take(limited(limit)).map(Box::from).collect());
        }
        let ids = select(index, matchers, &Cancel::new())?;
        let mut labels = Vec::new();
        let mut symbols: Vec<u32> = Vec::new();
        for id in ids {
            index.labels(id, &mut labels)?;
            for &(name, _) in &labels {
                // A block has some hundred names at most: a sorted vector beats a map.
                if let Err(place) = symbols.binary_search(&name) {
                    symbols.insert(place, name);
                }
            }
        }
        let names: Result<Vec<Box<str>>> =
            symbols.into_iter().map(|symbol| Ok(index.symbol(symbol)?.into())).collect();
        let mut names = names?;
        names.sort_unstable();
        names.truncate(limited(limit));
        Ok(names)
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        limit: usize,
    ) -> Result<Vec<Box<str>>> {
        let index = self.block.index();
        if matchers.is_empty() {
            let values = index.values(name, "").take(limited(limit));
            return values.map(|entry| Ok(entry?.0.into())).collect();
        }
        let ids = select(index, matchers, &Cancel::new())?;
        candidates_with(index, name, &ids, limit)
    }
}
