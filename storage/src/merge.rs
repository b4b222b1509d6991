//! k sorted sources to one: series sets by labels, samples of one series by time, lists of names.
//! One source passes through untouched; nothing here decodes but `chain`.

mod chain;
mod heap;
#[cfg(test)]
mod tests;

pub use chain::{chain_exact, chain_samples};
pub use heap::SourceHeap;

use crate::{Annotations, Result, SeriesBatch, SeriesSet};
use model::{Symbols, TimeRange};
use std::cmp::Ordering;

/// The series of all `sets`, each sorted by labels, as one sorted set. A series of several sets gets the chunks of
/// all: in time order where the sets do not overlap, else source after source in the order of `sets`.
#[must_use]
pub fn merge<'q>(
    mut sets: Vec<Box<dyn SeriesSet + 'q>>,
    symbols: &'q Symbols,
) -> Box<dyn SeriesSet + 'q> {
    if sets.len() == 1 {
        return sets.remove(0);
    }
    Box::new(MergeSet {
        sources: sets.into_iter().map(Source::new).collect(),
        symbols,
        order: None,
    })
}

/// Sorted lists as one sorted list without repetitions; at most `limit` long, zero means all.
#[must_use]
pub fn merge_names(mut lists: Vec<Vec<Box<str>>>, limit: usize) -> Vec<Box<str>> {
    let mut merged = if lists.len() == 1 {
        lists.remove(0)
    } else {
        let mut all: Vec<Box<str>> = lists.into_iter().flatten().collect();
        // The sort recognises sorted runs and merges them.
        all.sort();
        all.dedup();
        all
    };
    if limit > 0 {
        merged.truncate(limit);
    }
    merged
}

struct Source<'q> {
    set: Box<dyn SeriesSet + 'q>,
    batch: SeriesBatch,
    row: usize,
}

impl<'q> Source<'q> {
    fn new(set: Box<dyn SeriesSet + 'q>) -> Self {
        Self { set, batch: SeriesBatch::default(), row: 0 }
    }

    /// Moves to the first series, or from one to the next; `false` at the end.
    fn advance(&mut self) -> Result<bool> {
        self.row += 1;
        while self.row >= self.batch.len() {
            self.row = 0;
            if !self.set.next_batch(&mut self.batch)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn labels(&self) -> &[model::LabelPair] {
        self.batch.labels().get(self.row)
    }

    /// From the first to the last sample of the series at hand; `None` without chunks.
    fn span(&self) -> Option<TimeRange> {
        let mut chunks = self.batch.chunks(self.row).map(|chunk| chunk.meta);
        let first = chunks.next()?;
        let span = TimeRange::new(first.min_ms, first.max_ms);
        Some(chunks.fold(span, |span, meta| {
            TimeRange::new(span.min_ms.min(meta.min_ms), span.max_ms.max(meta.max_ms))
        }))
    }
}

struct MergeSet<'q> {
    sources: Vec<Source<'q>>,
    symbols: &'q Symbols,
    /// The sources that still have series, the one with the smallest labels on top; `None` before the first batch.
    order: Option<SourceHeap>,
}

fn less(sources: &[Source<'_>], symbols: &Symbols, a: usize, b: usize) -> bool {
    symbols.compare(sources[a].labels(), sources[b].labels()) == Ordering::Less
}

impl MergeSet<'_> {
    fn push(&mut self, order: &mut SourceHeap, source: usize) -> Result<()> {
        if self.sources[source].advance()? {
            order.push(source, |a, b| less(&self.sources, self.symbols, a, b));
        }
        Ok(())
    }

    /// Takes all sources that stand at the smallest label set out of `order`.
    fn take_equal(&self, order: &mut SourceHeap, taken: &mut Vec<usize>) {
        taken.clear();
        while let Some(top) = order.top() {
            let same = taken
                .first()
                .is_none_or(|&first| self.sources[first].labels() == self.sources[top].labels());
            if !same {
                break;
            }
            order.pop(|a, b| less(&self.sources, self.symbols, a, b));
            taken.push(top);
        }
        taken.sort_unstable();
    }

    fn emit(&self, taken: &mut [usize], out: &mut SeriesBatch) {
        let span = |source: usize| self.sources[source].span();
        if taken.len() > 1 {
            let mut spans: Vec<(TimeRange, usize)> =
                taken.iter().filter_map(|&source| Some((span(source)?, source))).collect();
            spans.sort_by_key(|(span, _)| span.min_ms);
            let disjoint = spans.windows(2).all(|w| w[0].0.max_ms < w[1].0.min_ms);
            if disjoint && spans.len() == taken.len() {
                for (place, (_, source)) in taken.iter_mut().zip(spans) {
                    *place = source;
                }
            }
        }
        for &mut source in &mut *taken {
            let source = &self.sources[source];
            out.push_chunks_of(&source.batch, source.row);
        }
        out.finish_series(self.sources[taken[0]].labels());
    }
}

impl SeriesSet for MergeSet<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> Result<bool> {
        out.clear();
        let mut order = match self.order.take() {
            Some(order) => order,
            None => {
                let mut order = SourceHeap::default();
                for source in 0..self.sources.len() {
                    self.push(&mut order, source)?;
                }
                order
            }
        };
        let mut taken = Vec::new();
        while out.len() < SeriesBatch::TARGET_SERIES && order.top().is_some() {
            self.take_equal(&mut order, &mut taken);
            self.emit(&mut taken, out);
            for &source in &taken {
                self.push(&mut order, source)?;
            }
        }
        self.order = Some(order);
        Ok(!out.is_empty())
    }

    fn annotations(&self) -> Annotations {
        let mut all = Annotations::default();
        for source in &self.sources {
            all.merge(source.set.annotations());
        }
        all
    }
}
