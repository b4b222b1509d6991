//! Compaction: `plan` says what to merge, `retention` what to drop, `write_block` does it, for the head and for blocks.
//! One pass over the source, chunk by chunk: memory does not grow with the samples.

pub mod plan;
pub mod retention;
mod rewrite;
#[cfg(test)]
mod tests;

use crate::block::{Block, BlockMeta, BlockWriter, Hint, Parent, Ulid};
use disk::Disk;
use model::{Symbols, TimeRange};
use rewrite::Rewriter;
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, Querier, Result, SelectHints, SeriesBatch, SeriesSet, merge};

/// Size of a chunk segment file unless a flag says otherwise.
pub const SEGMENT_BYTES: u64 = 512 << 20;

/// What the block to be written is.
#[derive(Clone, Debug)]
pub struct BlockSpec {
    /// First millisecond of its range; samples before are left out.
    pub min_ms: i64,
    /// First millisecond after its range; samples from here on are left out.
    pub max_ms: i64,
    /// Its level; see [`crate::block::Compaction`].
    pub level: u32,
    /// The level-one blocks it goes back to; empty for one that is its own source.
    pub sources: Vec<Ulid>,
    /// The blocks it replaces.
    pub parents: Vec<Parent>,
    /// What is special about it.
    pub hints: Vec<Hint>,
    /// Largest size of a chunk segment file.
    pub segment_bytes: u64,
    /// Floats that are encoded anew get XOR2, all of them; else only those with a start.
    pub xor2: bool,
}

impl BlockSpec {
    /// A block cut from the head.
    #[must_use]
    pub fn from_head(min_ms: i64, max_ms: i64) -> Self {
        Self {
            min_ms,
            max_ms,
            level: 1,
            sources: Vec::new(),
            parents: Vec::new(),
            hints: Vec::new(),
            segment_bytes: SEGMENT_BYTES,
            xor2: false,
        }
    }

    /// The merge of `blocks`; there is at least one.
    #[must_use]
    pub fn from_blocks<'m>(blocks: impl IntoIterator<Item = &'m BlockMeta>) -> Self {
        let mut spec = Self::from_head(i64::MAX, i64::MIN);
        let (mut count, mut out_of_order) = (0, 0);
        for meta in blocks {
            let compaction = &meta.compaction;
            spec.min_ms = spec.min_ms.min(meta.min_time);
            spec.max_ms = spec.max_ms.max(meta.max_time);
            spec.level = spec.level.max(compaction.level.saturating_add(1));
            spec.sources.extend(&compaction.sources);
            spec.parents.push(meta.as_parent());
            count += 1;
            out_of_order += usize::from(compaction.hints.contains(&Hint::FromOutOfOrder));
            let sticky = [Hint::FromSelectedSeries, Hint::FromStaleSeries];
            spec.hints.extend(sticky.into_iter().filter(|hint| compaction.hints.contains(hint)));
        }
        if out_of_order == count {
            spec.hints.push(Hint::FromOutOfOrder);
        }
        spec.sources.sort_unstable();
        spec.sources.dedup();
        spec.hints.sort_unstable();
        spec.hints.dedup();
        spec
    }

    fn meta(&self, ulid: Ulid) -> BlockMeta {
        let mut meta = BlockMeta::new(ulid, self.min_ms, self.max_ms);
        meta.compaction.level = self.level;
        meta.compaction.sources =
            if self.sources.is_empty() { vec![ulid] } else { self.sources.clone() };
        meta.compaction.parents = self.parents.clone();
        meta.compaction.hints = self.hints.clone();
        meta
    }
}

/// Writes the series of `source`, which come in label order with ids of `symbols`, as block `ulid` into `data_dir`.
/// Answers `None`, and writes no block, if there is no sample in the range.
///
/// Chunks that lie in the range and overlap nothing are copied as they are; float chunks else are decoded, cut,
/// merged as [`storage::chain_samples`] does and encoded anew. So are those of histograms.
pub fn write_block(
    source: &mut dyn SeriesSet,
    symbols: &Symbols,
    spec: &BlockSpec,
    ulid: Ulid,
    disk: &dyn Disk,
    data_dir: &Path,
) -> Result<Option<BlockMeta>> {
    let mut writer = BlockWriter::create(disk, data_dir, ulid, spec.segment_bytes)?;
    let range = TimeRange::new(spec.min_ms, spec.max_ms.saturating_sub(1));
    let mut rewriter = Rewriter::new(range, spec.xor2);
    let mut batch = SeriesBatch::default();
    while source.next_batch(&mut batch)? {
        for (series, labels) in batch.labels().iter().enumerate() {
            rewriter.write(&batch, series, &mut writer)?;
            writer.finish_series(labels)?;
        }
    }
    writer.finish(symbols, spec.meta(ulid))
}

/// Writes `block` as block `ulid` without what is deleted from it; see [`write_block`]. The block itself stays, as the
/// parent of the new one.
pub fn rewrite_block(
    block: &Arc<Block>,
    ulid: Ulid,
    segment_bytes: u64,
    xor2: bool,
    disk: &dyn Disk,
    data_dir: &Path,
) -> Result<Option<BlockMeta>> {
    let meta = block.meta();
    let spec = BlockSpec {
        parents: vec![meta.as_parent()],
        hints: meta.compaction.hints.clone(),
        segment_bytes,
        xor2,
        ..BlockSpec::from_head(meta.min_time, meta.max_time)
    };
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let querier = block.querier(TimeRange::ALL);
    let mut source = querier.select(&[], &SelectHints::default(), &symbols, &cancel)?;
    write_block(&mut *source, &symbols, &spec, ulid, disk, data_dir)
}

/// Merges `blocks` into block `ulid`; see [`write_block`]. The blocks themselves stay.
pub fn merge_blocks(
    blocks: &[Arc<Block>],
    ulid: Ulid,
    segment_bytes: u64,
    xor2: bool,
    disk: &dyn Disk,
    data_dir: &Path,
) -> Result<Option<BlockMeta>> {
    let mut sorted: Vec<&Arc<Block>> = blocks.iter().collect();
    sorted.sort_by_key(|block| block.meta().min_time);
    let spec = BlockSpec {
        segment_bytes,
        xor2,
        ..BlockSpec::from_blocks(sorted.iter().map(|block| block.meta()))
    };
    let queriers: Vec<_> = sorted.iter().map(|block| block.querier(TimeRange::ALL)).collect();
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let sets: Result<Vec<_>> = queriers
        .iter()
        .map(|querier| querier.select(&[], &SelectHints::default(), &symbols, &cancel))
        .collect();
    let mut source = merge(sets?, &symbols);
    write_block(&mut *source, &symbols, &spec, ulid, disk, data_dir)
}
