//! Compaction: a block from a sorted source, a merge of adjacent blocks, a merge of overlapping ones.

use disk::{Disk, RealDisk};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use model::{Labels, Symbols};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{SeriesBatch, SeriesSet};
use tsdb::block::{Block, Ulid};
use tsdb::compact::{BlockSpec, SEGMENT_BYTES, merge_blocks, write_block};

fn main() {
    divan::main();
}

const SERIES: usize = 50_000;
const CHUNKS: i64 = 4;
const SAMPLES: i64 = CHUNKS * 120;
const STEP_MS: i64 = 15_000;
const RANGE_MS: i64 = SAMPLES * STEP_MS;

/// `SERIES` series with four full chunks each.
struct Source<'q> {
    symbols: &'q Symbols,
    next: usize,
    begin_ms: i64,
    chunks: Vec<(chunk::ChunkMeta, Vec<u8>)>,
}

impl<'q> Source<'q> {
    fn new(symbols: &'q Symbols, begin_ms: i64) -> Self {
        let chunk = |number: i64| {
            let mut data = Vec::new();
            let mut appender = chunk::xor::XorAppender::new();
            let time = |i: i64| begin_ms + (number * 120 + i) * STEP_MS;
            for i in 0..120 {
                appender.append(&mut data, time(i), (i * 7 % 31) as f64);
            }
            let meta = chunk::ChunkMeta {
                min_ms: time(0),
                max_ms: time(119),
                num_samples: 120,
                encoding: chunk::Encoding::Xor,
            };
            (meta, data)
        };
        Self { symbols, next: 0, begin_ms, chunks: (0..CHUNKS).map(chunk).collect() }
    }
}

impl SeriesSet for Source<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> storage::Result<bool> {
        out.clear();
        let mut pairs = Vec::new();
        while out.len() < SeriesBatch::TARGET_SERIES && self.next < SERIES {
            let (metric, pod) = (self.next / 1000, self.next % 1000);
            self.next += 1;
            let labels = Labels::from_pairs([
                ("__name__", format!("metric_{metric:03}")),
                ("env", "prod".to_owned()),
                ("namespace", format!("ns-{:02}", pod / 100)),
                ("pod", format!("pod-{pod:05}")),
            ]);
            pairs.clear();
            self.symbols.intern_labels(&labels, &mut pairs);
            for (meta, data) in &self.chunks {
                out.push_copied(*meta, data);
            }
            out.finish_series(&pairs);
        }
        Ok(!out.is_empty())
    }
}

fn write(disk: &dyn Disk, dir: &Path, number: u32, begin_ms: i64) -> Arc<Block> {
    let symbols = Symbols::new();
    let mut source = Source::new(&symbols, begin_ms);
    let ulid = Ulid::new(1, u128::from(number));
    let spec = BlockSpec::from_head(source.begin_ms, source.begin_ms + RANGE_MS);
    write_block(&mut source, &symbols, &spec, ulid, disk, dir).expect("write");
    Arc::new(Block::open(disk, &dir.join(ulid.to_string())).expect("open"))
}

/// A directory that vanishes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = format!("firesteel-bench-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(dir);
        RealDisk.create_dir(&path).expect("create");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        RealDisk.remove(&self.0).expect("remove");
    }
}

fn merge(bencher: Bencher<'_, '_>, distance_ms: i64) {
    let scratch = Scratch::new("merge");
    let blocks: Vec<Arc<Block>> =
        (0..3).map(|i| write(&RealDisk, &scratch.0, i, i64::from(i) * distance_ms)).collect();
    let bytes: u64 = blocks.iter().map(|block| block.size_bytes()).sum();
    let mut number = 100;
    bencher
        .counter(ItemsCount::new(3 * SERIES * SAMPLES as usize))
        .counter(BytesCount::new(bytes))
        .bench_local(|| {
            number += 1;
            let ulid = Ulid::new(1, number);
            black_box(
                merge_blocks(&blocks, ulid, SEGMENT_BYTES, false, &RealDisk, &scratch.0)
                    .expect("merge"),
            )
        });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn from_head(bencher: Bencher<'_, '_>) {
    let scratch = Scratch::new("head");
    let mut number = 0;
    bencher.counter(ItemsCount::new(SERIES * SAMPLES as usize)).bench_local(|| {
        number += 1;
        black_box(write(&RealDisk, &scratch.0, number, 0))
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn merge_adjacent(bencher: Bencher<'_, '_>) {
    merge(bencher, RANGE_MS);
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn merge_overlapping(bencher: Bencher<'_, '_>) {
    merge(bencher, RANGE_MS / 2 + 1000);
}
