//! Recorded merges of one series whose chunks are of other kinds than plain floats: XOR2 with starts, histograms, both.

use crate::head::values;
use chunk::append::Encodings;
use chunk::exact::{self, ExactSample};
use chunk::{ChunkMeta, Encoding};
use model::{Labels, Symbols, TimeRange};
use serde_json::Value;
use storage::{SeriesBatch, SeriesSet};
use tests::Scratch;
use tsdb::block::{Block, Ulid};
use tsdb::compact::{BlockSpec, write_block};

/// Encoded chunks of one source.
type Chunks = Vec<(ChunkMeta, Vec<u8>)>;

/// One series of one source.
struct One<'q> {
    labels: Labels,
    chunks: Option<Chunks>,
    symbols: &'q Symbols,
}

impl SeriesSet for One<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> storage::Result<bool> {
        out.clear();
        let Some(chunks) = self.chunks.take() else { return Ok(false) };
        for (meta, data) in &chunks {
            out.push_copied(*meta, data);
        }
        let mut pairs = Vec::new();
        self.symbols.intern_labels(&self.labels, &mut pairs);
        out.finish_series(&pairs);
        Ok(true)
    }
}

fn sample(row: &Value) -> ExactSample {
    ExactSample {
        timestamp_ms: row[0].as_i64().expect("time"),
        start_ms: row.get(2).map_or(0, |start| start.as_i64().expect("start")),
        value: values::read(&row[1]),
    }
}

fn told(samples: &[ExactSample]) -> Vec<(i64, i64, String)> {
    samples.iter().map(|s| (s.timestamp_ms, s.start_ms, values::told(&s.value))).collect()
}

fn rows(value: &Value) -> Vec<ExactSample> {
    value.as_array().into_iter().flatten().map(sample).collect()
}

fn encoded(source: &Value) -> Chunks {
    let mut chunks = Chunks::new();
    for chunk in source.as_array().expect("chunks") {
        let encoding = chunk["enc"].as_u64().expect("encoding");
        let encodings =
            Encodings { xor2: encoding == 4, started_histograms: encoding > 4, keep_starts: false };
        exact::encode(&rows(&chunk["samples"]), 1000, encodings, &mut |meta, data| {
            chunks.push((meta, data.to_vec()));
        });
    }
    chunks
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits =
        |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
    text.as_bytes().chunks(2).map(digits).collect()
}

fn compacted(set: &mut dyn SeriesSet, symbols: &Symbols, xor2: bool) -> Vec<(u64, Vec<u8>)> {
    let scratch = Scratch::new("merges-of-all-kinds");
    let (ulid, disk) = (Ulid::new(1, 1), disk::RealDisk);
    let spec = BlockSpec { xor2, ..BlockSpec::from_head(-1_000_000, 1_000_000_000) };
    write_block(set, symbols, &spec, ulid, &disk, scratch.path()).expect("write").expect("samples");
    let block = Block::open(&disk, &scratch.path().join(ulid.to_string())).expect("open");
    let id = block.index().all().expect("all").get(0).expect("one series");
    let mut entries = Vec::new();
    block.index().chunks(id, &mut entries).expect("chunks");
    let stored = |entry: &tsdb::index::ChunkEntry| {
        let chunk = block.chunks().chunk(entry.reference).expect("chunk");
        (chunk.encoding as u64, chunk.data.to_vec())
    };
    entries.iter().map(stored).collect()
}

#[test]
fn recorded_merges_of_all_kinds() {
    let labels = Labels::from_pairs([("__name__", "m")]);
    let (mut agreed, mut failures) = (0, Vec::new());
    for line in tests::golden("tsdb/merges.jsonl") {
        let sources = line["inputs"].as_array().expect("sources");
        let is_plain = |chunk: &Value| chunk["enc"] == Encoding::Xor as u64;
        if sources.iter().all(|source| source.as_array().expect("chunks").iter().all(is_plain)) {
            continue;
        }
        let symbols = Symbols::new();
        let merged = || {
            let one = |source: &Value| -> Box<dyn SeriesSet + '_> {
                let chunks = Some(encoded(source));
                Box::new(One { labels: labels.clone(), chunks, symbols: &symbols })
            };
            storage::merge(sources.iter().map(one).collect(), &symbols)
        };
        let mut batch = SeriesBatch::default();
        let mut found = Vec::new();
        assert!(merged().next_batch(&mut batch).expect("merge"));
        batch.read_exact(0, TimeRange::ALL, &mut found).expect("read");
        let name = line["name"].as_str().expect("a name");
        // The recording merges samples as they were given; those of a chunk say that they belong together.
        let settled = |samples: &[ExactSample]| {
            let settle = |(time, start, told): (i64, i64, String)| {
                (time, start, told.replace("NotCounterReset", "Unknown"))
            };
            told(samples).into_iter().map(settle).collect::<Vec<_>>()
        };
        let (found, wanted) = (settled(&found), settled(&rows(&line["query"])));
        if found != wanted {
            failures.push(format!("query {name}:\n  {found:?}\n  {wanted:?}"));
        }
        let xor2 = line["float_encoding"] == 4;
        let found = compacted(&mut *merged(), &symbols, xor2);
        let wanted: Vec<(u64, Vec<u8>)> = line["compacted"]
            .as_array()
            .expect("chunks")
            .iter()
            .map(|c| {
                (c["enc"].as_u64().expect("encoding"), from_hex(c["hex"].as_str().expect("hex")))
            })
            .collect();
        if found != wanted {
            failures.push(format!("compaction {name}:\n  {found:x?}\n  {wanted:x?}"));
        }
        agreed += 1;
    }
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(agreed, 28);
}
