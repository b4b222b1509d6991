//! Selecting series of a block by matchers, end to end: plan, intersect, read the entries.

use disk::{Disk, SimDisk};
use divan::{Bencher, black_box};
use model::{Labels, MatchOp, Matcher, Symbols, TimeRange};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use storage::{Cancel, Querier, SelectHints, SeriesBatch, SeriesSet};
use tsdb::block::{Block, Ulid};
use tsdb::compact::{BlockSpec, write_block};

fn main() {
    divan::main();
}

const METRICS: usize = 50;
const PODS: usize = 4000;

struct Source<'q> {
    symbols: &'q Symbols,
    next: usize,
    chunk: Vec<u8>,
}

impl SeriesSet for Source<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> storage::Result<bool> {
        out.clear();
        let mut pairs = Vec::new();
        while out.len() < SeriesBatch::TARGET_SERIES && self.next < METRICS * PODS {
            let (metric, pod) = (self.next / PODS, self.next % PODS);
            self.next += 1;
            let labels = Labels::from_pairs([
                ("__name__", format!("metric_{metric:03}")),
                ("env", "prod".to_owned()),
                ("namespace", format!("ns-{:02}", pod / (PODS / 40))),
                ("pod", format!("pod-{pod:05}")),
                ("zone", format!("zone-{}", pod % 3)),
            ]);
            pairs.clear();
            self.symbols.intern_labels(&labels, &mut pairs);
            let meta = chunk::ChunkMeta {
                min_ms: 1000,
                max_ms: 120_000,
                num_samples: 120,
                encoding: chunk::Encoding::Xor,
            };
            out.push_copied(meta, &self.chunk);
            out.finish_series(&pairs);
        }
        Ok(!out.is_empty())
    }
}

/// 200 000 series.
fn block() -> &'static Arc<Block> {
    static BLOCK: OnceLock<Arc<Block>> = OnceLock::new();
    BLOCK.get_or_init(|| {
        let (disk, dir) = (SimDisk::new(), Path::new("/data"));
        disk.create_dir(dir).expect("create");
        let symbols = Symbols::new();
        let ulid = write(&disk, dir, &symbols);
        Arc::new(Block::open(&disk, &dir.join(ulid.to_string())).expect("open"))
    })
}

fn write(disk: &dyn Disk, dir: &Path, symbols: &Symbols) -> Ulid {
    let mut chunk = Vec::new();
    let mut appender = chunk::xor::XorAppender::new();
    for i in 1..=120 {
        appender.append(&mut chunk, i * 1000, i as f64);
    }
    let mut source = Source { symbols, next: 0, chunk };
    let ulid = Ulid::new(1, 1);
    let spec = BlockSpec::from_head(0, 7_200_000);
    write_block(&mut source, symbols, &spec, ulid, disk, dir).expect("write");
    ulid
}

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher::new(name, op, value).expect("matcher")
}

const CASES: [&str; 8] = [
    "one series",
    "one metric",
    "metric and common label",
    "metric and prefix",
    "metric and contains",
    "metric and set",
    "metric and not",
    "contains over all",
];

fn matchers(case: &str) -> Vec<Matcher> {
    use MatchOp::{Equal, NotEqual, Regex};
    let name = matcher("__name__", Equal, "metric_007");
    match case {
        "one series" => vec![name, matcher("pod", Equal, "pod-00777")],
        "one metric" => vec![name],
        "metric and common label" => vec![matcher("env", Equal, "prod"), name],
        "metric and prefix" => vec![name, matcher("pod", Regex, "pod-001.*")],
        "metric and contains" => vec![name, matcher("pod", Regex, ".*77.*")],
        "metric and set" => vec![name, matcher("namespace", Regex, "ns-01|ns-02|ns-03")],
        "metric and not" => vec![name, matcher("zone", NotEqual, "zone-1")],
        _ => vec![matcher("pod", Regex, ".*77.*")],
    }
}

#[divan::bench(args = CASES)]
fn select(bencher: Bencher<'_, '_>, case: &str) {
    let querier = block().querier(TimeRange::ALL);
    let matchers = matchers(case);
    let (hints, cancel) = (SelectHints::default(), Cancel::new());
    let mut batch = SeriesBatch::default();
    bencher.bench_local(|| {
        let symbols = Symbols::new();
        let mut set = querier.select(&matchers, &hints, &symbols, &cancel).expect("select");
        let mut found = 0;
        while set.next_batch(&mut batch).expect("read") {
            found += batch.len();
        }
        black_box(found)
    });
}
