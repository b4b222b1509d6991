//! Blocks against recordings of Prometheus and against its tool: reading, looking up, writing, damage.

mod compact;
mod damage;
mod lookup;
mod merges;
mod promtool;
mod recorded;

use chunk::{ChunkMeta, Encoding};
use model::{Labels, Symbols, TimeRange};
use std::path::{Path, PathBuf};
use storage::{Cancel, Querier, SelectHints, SeriesBatch, SeriesSet};

/// One sample with the bits of its value, so that NaNs compare.
type Sample = (i64, u64);

fn bits(text: &serde_json::Value) -> u64 {
    u64::from_str_radix(text.as_str().expect("hex"), 16).expect("hex")
}

/// The only directory in `dir` that is named like a block.
fn block_dir(dir: &Path) -> PathBuf {
    let mut found = std::fs::read_dir(dir)
        .expect("directory")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| {
            let name = path.file_name().expect("name").to_string_lossy();
            name.parse::<tsdb::block::Ulid>().is_ok()
        });
    found.next().expect("a block")
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("create");
    for entry in std::fs::read_dir(from).expect("list") {
        let path = entry.expect("entry").path();
        let target = to.join(path.file_name().expect("name"));
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copy");
        }
    }
}

fn xor(samples: &[Sample]) -> (ChunkMeta, Vec<u8>) {
    let mut data = Vec::new();
    let mut appender = chunk::xor::XorAppender::new();
    for &(time, value) in samples {
        appender.append(&mut data, time, f64::from_bits(value));
    }
    let meta = ChunkMeta {
        min_ms: samples[0].0,
        max_ms: samples[samples.len() - 1].0,
        num_samples: samples.len() as u32,
        encoding: Encoding::Xor,
    };
    (meta, data)
}

/// A sorted source in memory: labels and chunks of samples.
struct Source<'q> {
    series: Vec<(Labels, Vec<Vec<Sample>>)>,
    symbols: &'q Symbols,
    next: usize,
}

impl<'q> Source<'q> {
    fn new(series: Vec<(Labels, Vec<Vec<Sample>>)>, symbols: &'q Symbols) -> Self {
        Self { series, symbols, next: 0 }
    }
}

impl SeriesSet for Source<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> storage::Result<bool> {
        out.clear();
        while out.len() < SeriesBatch::TARGET_SERIES && self.next < self.series.len() {
            let (labels, chunks) = &self.series[self.next];
            self.next += 1;
            for samples in chunks {
                let (meta, data) = xor(samples);
                out.push_copied(meta, &data);
            }
            let mut pairs = Vec::new();
            self.symbols.intern_labels(labels, &mut pairs);
            out.finish_series(&pairs);
        }
        Ok(!out.is_empty())
    }
}

/// All float samples of a querier, by labels; a chunk that is not floats gives its series no samples.
fn read_all(querier: &dyn Querier, range: TimeRange) -> Vec<(Labels, Vec<Sample>)> {
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel).expect("select");
    let mut batch = SeriesBatch::default();
    let mut columns = chunk::SampleColumns::default();
    let mut all = Vec::new();
    while set.next_batch(&mut batch).expect("read") {
        for series in 0..batch.len() {
            let floats = batch.chunks(series).all(|c| c.meta.encoding.is_float());
            columns.clear();
            if floats {
                batch.read(series, range, &mut columns).expect("decode");
            }
            let values = columns.values.iter().map(|v| v.to_bits());
            all.push((
                symbols.labels(batch.labels().get(series)),
                columns.timestamps_ms.iter().copied().zip(values).collect(),
            ));
        }
    }
    all
}
