//! Specs of merged blocks, histograms that have to be rewritten, limits of planning.

use super::plan::{Policy, plan};
use super::{BlockSpec, write_block};
use crate::Block;
use crate::block::{BlockMeta, BlockSet, Hint, Ulid};
use chunk::ChunkMeta;
use chunk::append::Encodings;
use chunk::exact::{self, ExactSample, ExactValue};
use disk::{Disk, SimDisk};
use model::histogram::{Histogram, IntHistogram};
use model::{LabelPair, MatchOp, Matcher, Symbols, TimeRange};
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, Querier, SelectHints, SeriesBatch, SeriesSet};

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

/// A chunk of integer histograms at these times, the count of each ten more than its time.
fn histograms(times: &[i64]) -> (ChunkMeta, Vec<u8>) {
    let sample = |&time: &i64| {
        let histogram = IntHistogram {
            count: (time + 10) as u64,
            zero_count: (time + 10) as u64,
            sum: 0.5,
            ..IntHistogram::default()
        };
        ExactSample::new(time, ExactValue::Histogram(Histogram::Int(histogram)))
    };
    let samples: Vec<_> = times.iter().map(sample).collect();
    let mut chunks = Vec::new();
    exact::encode(&samples, 120, Encodings::PLAIN, &mut |meta, bytes| {
        chunks.push((meta, bytes.to_vec()));
    });
    chunks.remove(0)
}

/// One series with chunks of histograms at the given times.
struct Histograms<'q>(Option<&'q [&'q [i64]]>, &'q Symbols);

impl SeriesSet for Histograms<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> storage::Result<bool> {
        out.clear();
        let Some(chunks) = self.0.take() else { return Ok(false) };
        for times in chunks {
            let (meta, bytes) = histograms(times);
            out.push_copied(meta, &bytes);
            out.next_source();
        }
        let pair = LabelPair { name: self.1.intern("__name__"), value: self.1.intern("h") };
        out.finish_series(&[pair]);
        Ok(true)
    }
}

/// Times of the histograms of the only block, chunk by chunk; the count of each is its time.
fn stored(block: &Arc<Block>) -> Vec<Vec<i64>> {
    let symbols = Symbols::new();
    let hints = SelectHints::default();
    let cancel = Cancel::new();
    let querier = block.querier(TimeRange::ALL);
    let all = Matcher::new("__name__", MatchOp::Equal, "h").expect("matcher");
    let mut set = querier.select(&[all], &hints, &symbols, &cancel).expect("select");
    let mut batch = SeriesBatch::default();
    let mut out = Vec::new();
    while set.next_batch(&mut batch).expect("batch") {
        for chunk in batch.chunks(0) {
            let mut samples = Vec::new();
            exact::decode(chunk.meta, chunk.data, &mut samples).expect("decode");
            out.push(samples.iter().map(|sample| sample.timestamp_ms).collect());
            for ExactSample { timestamp_ms: time, value, .. } in samples {
                let ExactValue::Histogram(Histogram::Int(histogram)) = value else {
                    panic!("integers stay integers")
                };
                assert_eq!(histogram.count as i64, time + 10);
            }
        }
    }
    out
}

#[test]
fn histogram_chunks_pass_raw_or_are_cut_and_merged() {
    let symbols = Symbols::new();
    let spec = BlockSpec::from_head(0, 100);
    type Times<'t> = &'t [&'t [i64]];
    let cases: [(Times<'_>, Times<'_>); 4] = [
        (&[&[0, 10], &[11, 20]], &[&[0, 10], &[11, 20]]),
        (&[&[0, 5, 10], &[7, 10, 20]], &[&[0, 5, 7, 10, 20]]),
        (&[&[90, 99, 100]], &[&[90, 99]]),
        (&[&[-1, 0, 5], &[3]], &[&[0, 3, 5]]),
    ];
    for (number, (chunks, expected)) in cases.into_iter().enumerate() {
        let (disk, dir) = (SimDisk::new(), Path::new("/data"));
        disk.create_dir(dir).expect("create");
        let mut source = Histograms(Some(chunks), &symbols);
        let ulid = Ulid::new(1, number as u128);
        let meta = write_block(&mut source, &symbols, &spec, ulid, &disk, dir)
            .expect("write")
            .expect("samples");
        let count: usize = expected.iter().map(|chunk| chunk.len()).sum();
        assert_eq!(meta.stats.num_histogram_samples, count as u64);
        let set = BlockSet::open(&disk, dir, &[]).expect("open");
        assert_eq!((set.blocks.len(), set.broken.len()), (1, 0));
        assert_eq!(stored(&set.blocks[0]), expected);
    }
}

#[test]
fn a_merged_block_takes_the_place_of_its_parents() {
    let (disk, dir) = (SimDisk::new(), Path::new("/data"));
    disk.create_dir(dir).expect("create");
    let symbols = Symbols::new();
    for number in 1..=2 {
        let spec = BlockSpec::from_head(0, 100);
        let mut source = Histograms(Some(&[&[0, 10]]), &symbols);
        write_block(&mut source, &symbols, &spec, Ulid::new(1, number), &disk, dir).expect("write");
    }
    let before = BlockSet::open(&disk, dir, &[]).expect("open");
    // Two identical chunks are one; they need no decoding.
    let merged = super::merge_blocks(&before.blocks, Ulid::new(2, 3), 1 << 20, false, &disk, dir)
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
    assert!(Arc::ptr_eq(&again.blocks[0], &after.blocks[0]), "taken over, not reopened");
}
