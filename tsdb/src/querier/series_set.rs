//! The selected series of a block on their way out: labels become ids of the query, chunks stay where they are.

use crate::block::Block;
use crate::index::ChunkEntry;
use chunk::ChunkMeta;
use model::{LabelPair, Sym, Symbols, TimeRange};
use storage::{Cancel, Pin, Result, SelectHints, SeriesBatch, SeriesSet};

/// Series of one block, ascending by id, which is label order.
pub(super) struct BlockSeries<'q> {
    block: &'q Block,
    ids: Vec<u32>,
    /// Position in `ids`.
    next: usize,
    range: TimeRange,
    newest_only: bool,
    labels_only: bool,
    /// Series that may still be handed out.
    left: usize,
    symbols: &'q Symbols,
    cancel: &'q Cancel,
    /// Symbol of the query by symbol of the index; the empty string where none is known yet. Zeroed memory: pages
    /// that no symbol falls into are never touched.
    memo: Vec<u32>,
    /// Pin of each segment file in the batch at hand.
    pins: Vec<Option<Pin>>,
    pairs: Vec<(u32, u32)>,
    labels: Vec<LabelPair>,
    chunks: Vec<ChunkEntry>,
}

impl<'q> BlockSeries<'q> {
    pub(super) fn new(
        block: &'q Block,
        ids: Vec<u32>,
        range: TimeRange,
        hints: &SelectHints,
        symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> Self {
        let wanted = hints.range.unwrap_or(range);
        let range =
            TimeRange::new(range.min_ms.max(wanted.min_ms), range.max_ms.min(wanted.max_ms));
        Self {
            block,
            ids,
            next: 0,
            range,
            newest_only: hints.newest_only,
            labels_only: hints.labels_only,
            left: if hints.limit == 0 { usize::MAX } else { hints.limit },
            symbols,
            cancel,
            memo: vec![0; block.index().symbol_bound()],
            pins: Vec::new(),
            pairs: Vec::new(),
            labels: Vec::new(),
            chunks: Vec::new(),
        }
    }

    fn symbol(&mut self, reference: u32) -> Result<Sym> {
        if let Some(&known) = self.memo.get(reference as usize)
            && known != 0
        {
            return Ok(Sym(known));
        }
        let symbol = self.symbols.intern(self.block.index().symbol(reference)?);
        if let Some(place) = self.memo.get_mut(reference as usize) {
            *place = symbol.0;
        }
        Ok(symbol)
    }

    /// Reads the entry of a series: its labels as references, its chunks that have samples to show.
    fn read_entry(&mut self, id: u32) -> Result<()> {
        let index = self.block.index();
        let deleted = self.block.tombstones().of(u64::from(id));
        self.pairs.clear();
        self.chunks.clear();
        let mut entry = index.series(id)?;
        while let Some(pair) = entry.next_label().map_err(|flaw| index.error(flaw))? {
            self.pairs.push(pair);
        }
        while let Some(chunk) = entry.next_chunk().map_err(|flaw| index.error(flaw))? {
            let span = TimeRange::new(chunk.min_ms, chunk.max_ms);
            if span.min_ms > self.range.max_ms {
                break;
            }
            let is_deleted =
                deleted.iter().any(|r| r.contains(span.min_ms) && r.contains(span.max_ms));
            if span.overlaps(self.range) && !is_deleted {
                if self.newest_only && deleted.is_empty() {
                    self.chunks.clear();
                }
                self.chunks.push(chunk);
            }
        }
        Ok(())
    }

    fn push_chunks(&mut self, id: u32, out: &mut SeriesBatch) -> Result<()> {
        let chunks = self.block.chunks();
        for entry in &self.chunks {
            let stored = chunks.chunk(entry.reference)?;
            if self.pins.len() <= stored.segment {
                self.pins.resize(stored.segment + 1, None);
            }
            let segment = &chunks.segments()[stored.segment];
            let pin = *self.pins[stored.segment].get_or_insert_with(|| out.pin(segment));
            let meta = ChunkMeta {
                min_ms: entry.min_ms,
                max_ms: entry.max_ms,
                num_samples: stored.num_samples,
                encoding: stored.encoding,
            };
            out.push_pinned(meta, pin, stored.offset, stored.data.len());
        }
        let (Some(first), Some(last)) = (self.chunks.first(), self.chunks.last()) else {
            return Ok(());
        };
        let span = TimeRange::new(first.min_ms, last.max_ms);
        for range in self.block.tombstones().of(u64::from(id)) {
            if range.overlaps(span) {
                let begin = range.min_ms.max(span.min_ms);
                out.push_deleted(TimeRange::new(begin, range.max_ms.min(span.max_ms)));
            }
        }
        Ok(())
    }

    fn push_series(&mut self, id: u32, out: &mut SeriesBatch) -> Result<()> {
        self.read_entry(id)?;
        if self.chunks.is_empty() {
            return Ok(());
        }
        self.labels.clear();
        for index in 0..self.pairs.len() {
            let (name, value) = self.pairs[index];
            let pair = LabelPair { name: self.symbol(name)?, value: self.symbol(value)? };
            if pair.value != Sym::EMPTY {
                self.labels.push(pair);
            }
        }
        if !self.labels_only {
            self.push_chunks(id, out)?;
        }
        out.finish_series(&self.labels);
        Ok(())
    }
}

impl SeriesSet for BlockSeries<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> Result<bool> {
        out.clear();
        self.pins.clear();
        self.cancel.check()?;
        let target = SeriesBatch::TARGET_SERIES.min(self.left);
        while out.len() < target && self.next < self.ids.len() {
            let id = self.ids[self.next];
            self.next += 1;
            self.push_series(id, out)?;
        }
        self.left -= out.len();
        Ok(!out.is_empty())
    }
}
