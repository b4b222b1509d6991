//! Specs of merged blocks, refusal of histograms that would have to be rewritten, limits of planning.

use super::plan::{Policy, plan};
use super::{BlockSpec, write_block};
use crate::block::{BlockMeta, BlockSet, Hint, Ulid};
use chunk::{ChunkMeta, Encoding};
use disk::{Disk, SimDisk};
use model::{LabelPair, Symbols};
use std::path::Path;
use storage::{Error, SeriesBatch, SeriesSet};

fn meta(number: u128, min_time: i64, max_time: i64, level: u32) -> BlockMeta {
    let mut meta = BlockMeta::new(Ulid::new(1, number), min_time, max_time);
    meta.compaction.level = level;
    meta.compaction.sources = vec![meta.ulid];
    meta
}

#[test]
fn a_merged_block_remembers_what_it_was_made_of() {
    let (mut a, mut b) = (meta(2, 0, 10, 1), meta(1, 10, 20, 3));
    a.compaction.hints = vec![Hint::FromOutOfOrder, Hint::FromStaleSeries];
    let spec = BlockSpec::from_blocks([&a, &b]);
    assert_eq!((spec.min_ms, spec.max_ms, spec.level), (0, 20, 4));
    assert_eq!(spec.sources, [b.ulid, a.ulid]);
    assert_eq!(spec.parents, [a.as_parent(), b.as_parent()]);
    assert_eq!(spec.hints, [Hint::FromStaleSeries]);
    b.compaction.hints = vec![Hint::FromOutOfOrder];
    let spec = BlockSpec::from_blocks([&a, &b]);
    assert_eq!(spec.hints, [Hint::FromOutOfOrder, Hint::FromStaleSeries]);
}

#[test]
fn ranges_grow_by_three_up_to_the_longest() {
    assert_eq!(Policy::new(2, 60, true).ranges_ms, [2, 6, 18, 54]);
    assert_eq!(Policy::new(2, 1, true).ranges_ms, [2]);
    assert_eq!(Policy::new(1, i64::MAX, true).ranges_ms.len(), 10);
    assert_eq!(plan(&[], &Policy::new(2, 60, true)), [0; 0]);
}

/// One series with the given histogram chunks.
struct Histograms<'q>(Option<&'q [(i64, i64)]>, &'q Symbols);

impl SeriesSet for Histograms<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> storage::Result<bool> {
        out.clear();
        let Some(chunks) = self.0.take() else { return Ok(false) };
        for &(min_ms, max_ms) in chunks {
            let meta = ChunkMeta { min_ms, max_ms, num_samples: 2, encoding: Encoding::Histogram };
            out.push_copied(meta, &[0, 2, 1, 2, 3]);
            out.next_source();
        }
        let pair = LabelPair { name: self.1.intern("__name__"), value: self.1.intern("h") };
        out.finish_series(&[pair]);
        Ok(true)
    }
}

#[test]
fn histogram_chunks_pass_raw_or_are_refused() {
    let (disk, dir) = (SimDisk::new(), Path::new("/data"));
    disk.create_dir(dir).expect("create");
    let symbols = Symbols::new();
    let spec = BlockSpec::from_head(0, 100);
    let write = |chunks: &[(i64, i64)], number| {
        let mut source = Histograms(Some(chunks), &symbols);
        write_block(&mut source, &symbols, &spec, Ulid::new(1, number), &disk, dir)
    };
    let stats = write(&[(0, 10), (11, 20)], 1).expect("apart").expect("samples").stats;
    assert_eq!((stats.num_histogram_samples, stats.num_float_samples), (4, 0));
    for refused in [&[(0, 10), (10, 20)][..], &[(90, 100)], &[(-1, 5)]] {
        let error = write(refused, 2).expect_err("rewriting");
        assert!(matches!(error, Error::Unsupported(_)), "{error}");
    }
    let set = BlockSet::open(&disk, dir, &[]).expect("open");
    assert_eq!((set.blocks.len(), set.broken.len()), (1, 0));
    assert_eq!(disk.list(dir).expect("list").len(), 1, "nothing of the refused ones stays");
}

#[test]
fn a_merged_block_takes_the_place_of_its_parents() {
    let (disk, dir) = (SimDisk::new(), Path::new("/data"));
    disk.create_dir(dir).expect("create");
    let symbols = Symbols::new();
    for number in 1..=2 {
        let spec = BlockSpec::from_head(0, 100);
        let mut source = Histograms(Some(&[(0, 10)]), &symbols);
        write_block(&mut source, &symbols, &spec, Ulid::new(1, number), &disk, dir).expect("write");
    }
    let before = BlockSet::open(&disk, dir, &[]).expect("open");
    // Two identical chunks are one; they need no decoding.
    let merged = super::merge_blocks(&before.blocks, Ulid::new(2, 3), 1 << 20, &disk, dir)
        .expect("merge")
        .expect("samples");
    assert_eq!(merged.stats.num_samples, 2);
    let after = BlockSet::open(&disk, dir, &before.blocks).expect("open");
    assert_eq!((after.blocks.len(), after.superseded.len()), (1, 2));
    assert_eq!(after.blocks[0].meta(), &merged);
    for dir in after.superseded {
        crate::block::remove(&disk, &dir).expect("remove");
    }
    let again = BlockSet::open(&disk, dir, &after.blocks).expect("open");
    assert!(std::sync::Arc::ptr_eq(&again.blocks[0], &after.blocks[0]), "taken over, not reopened");
}
