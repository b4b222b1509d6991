//! Several queriers as one: the same question to each, the answers merged.

use crate::merge::{merge, merge_names};
use crate::{Cancel, Querier, Result, SelectHints, SeriesSet};
use model::{Matcher, Symbols};

/// A snapshot over several storages. Where they hold samples of one series at one time, [`crate::chain_samples`]
/// decides, the queriers taken in their order.
pub struct MergeQuerier(Vec<Box<dyn Querier>>);

impl std::fmt::Debug for MergeQuerier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MergeQuerier({})", self.0.len())
    }
}

impl MergeQuerier {
    /// A querier over all of `queriers`.
    #[must_use]
    pub fn new(queriers: Vec<Box<dyn Querier>>) -> Self {
        Self(queriers)
    }
}

impl Querier for MergeQuerier {
    fn select<'q>(
        &'q self,
        matchers: &[Matcher],
        hints: &SelectHints,
        symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> Result<Box<dyn SeriesSet + 'q>> {
        if let [only] = &self.0[..] {
            return only.select(matchers, hints, symbols, cancel);
        }
        // Merging by labels needs them sorted, whatever the caller would accept.
        let sorted = SelectHints { any_order: false, wanted_labels: None, ..hints.clone() };
        let sets: Result<Vec<_>> =
            self.0.iter().map(|q| q.select(matchers, &sorted, symbols, cancel)).collect();
        Ok(limited(merge(sets?, symbols), hints.limit))
    }

    fn label_names(&self, matchers: &[Matcher], limit: usize) -> Result<Vec<Box<str>>> {
        let lists: Result<Vec<_>> = self.0.iter().map(|q| q.label_names(matchers, limit)).collect();
        Ok(merge_names(lists?, limit))
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        limit: usize,
    ) -> Result<Vec<Box<str>>> {
        let lists: Result<Vec<_>> =
            self.0.iter().map(|q| q.label_values(name, matchers, limit)).collect();
        Ok(merge_names(lists?, limit))
    }
}

/// The first `limit` series of a set; zero means all.
fn limited<'q>(set: Box<dyn SeriesSet + 'q>, limit: usize) -> Box<dyn SeriesSet + 'q> {
    if limit == 0 { set } else { Box::new(Limited { set, left: limit }) }
}

struct Limited<'q> {
    set: Box<dyn SeriesSet + 'q>,
    left: usize,
}

impl SeriesSet for Limited<'_> {
    fn next_batch(&mut self, out: &mut crate::SeriesBatch) -> Result<bool> {
        out.clear();
        if self.left == 0 || !self.set.next_batch(out)? {
            return Ok(false);
        }
        out.truncate(self.left);
        self.left -= out.len();
        Ok(true)
    }

    fn annotations(&self) -> crate::Annotations {
        self.set.annotations()
    }
}
