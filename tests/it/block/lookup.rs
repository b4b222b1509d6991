//! Every recorded lookup over a block and a head. The head is stood in for by a second block made from its log.

use super::{Sample, Source, block_dir};
use model::{Labels, MatchOp, Matcher, Symbols, TimeRange};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, Querier, SelectHints, SeriesBatch};
use tests::Scratch;
use tsdb::block::{Block, Ulid};
use tsdb::compact::{BlockSpec, write_block};
use tsdb::querier::DbQuerier;

/// The series of a log with their samples.
fn read_log(dir: &Path) -> Vec<(Labels, Vec<Sample>)> {
    let disk: Arc<dyn disk::Disk> = Arc::new(disk::RealDisk);
    let mut replay = wal::Replay::open(disk, dir).expect("log");
    let mut series: BTreeMap<u64, (Labels, Vec<Sample>)> = BTreeMap::new();
    let mut samples = wal::record::Samples::default();
    while let Some(record) = replay.next_record().expect("record") {
        match wal::record::kind(record) {
            wal::record::Kind::Series => {
                for (reference, pairs) in wal::record::decode_series(record).expect("series").iter()
                {
                    let labels = Labels::from_pairs(pairs.iter().copied());
                    series.insert(reference, (labels, Vec::new()));
                }
            }
            wal::record::Kind::Samples => {
                samples.clear();
                wal::record::decode_samples(record, &mut samples).expect("samples");
                for (reference, time, value) in samples.iter() {
                    if let Some((_, out)) = series.get_mut(&reference) {
                        out.push((time, value.to_bits()));
                    }
                }
            }
            _ => {}
        }
    }
    let mut sorted: Vec<(Labels, Vec<Sample>)> = series.into_values().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    sorted
}

fn head_as_block(log: &Path, min_ms: i64, max_ms: i64, scratch: &Scratch) -> Arc<Block> {
    let symbols = Symbols::new();
    let series = read_log(log);
    let chunked = series.into_iter().filter(|(_, samples)| !samples.is_empty());
    let chunked = chunked.map(|(labels, samples)| (labels, vec![samples])).collect();
    let mut source = Source::new(chunked, &symbols);
    let spec = BlockSpec::from_head(min_ms, max_ms + 1);
    let ulid = Ulid::new(1, 1);
    let disk = disk::RealDisk;
    write_block(&mut source, &symbols, &spec, ulid, &disk, scratch.path())
        .expect("write")
        .expect("samples");
    Arc::new(Block::open(&disk, &scratch.path().join(ulid.to_string())).expect("open"))
}

fn matchers(line: &Value) -> Vec<Matcher> {
    let op = |text: &str| match text {
        "=" => MatchOp::Equal,
        "!=" => MatchOp::NotEqual,
        "=~" => MatchOp::Regex,
        "!~" => MatchOp::NotRegex,
        other => panic!("operator {other}"),
    };
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    line["matchers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|m| Matcher::new(&text(&m[0]), op(&text(&m[1])), &text(&m[2])).expect("matcher"))
        .collect()
}

fn labels_of(value: &Value) -> Labels {
    let pair = |pair: &Value| {
        (pair[0].as_str().expect("name").to_owned(), pair[1].as_str().expect("value").to_owned())
    };
    Labels::from_pairs(value.as_array().expect("pairs").iter().map(pair))
}

fn select(querier: &dyn Querier, matchers: &[Matcher], limit: usize) -> Vec<Labels> {
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let hints = SelectHints { limit, labels_only: true, ..SelectHints::default() };
    let mut set = querier.select(matchers, &hints, &symbols, &cancel).expect("select");
    let mut batch = SeriesBatch::default();
    let mut out = Vec::new();
    while set.next_batch(&mut batch).expect("read") {
        out.extend(batch.labels().iter().map(|pairs| symbols.labels(pairs)));
    }
    out
}

fn check_names(line: &Value, got: &[Box<str>], limit: usize) {
    let expected: Vec<&str> = line["result"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|v| v.as_str().expect("text"))
        .collect();
    let got: Vec<&str> = got.iter().map(|text| &**text).collect();
    if line["unstable"] == true {
        assert!(got.len() == limit && got.is_sorted(), "{line}");
    } else {
        assert_eq!(got, expected, "{line}");
    }
}

#[test]
fn recorded_lookups() {
    let Some(shared) = tests::shared() else { return };
    let lines = tests::golden("tsdb/select.jsonl");
    let (first, lookups) = lines.split_first().expect("lines");
    let series: Vec<Labels> =
        first["series"].as_array().expect("series").iter().map(labels_of).collect();
    let data = shared.join("golden/tsdb/select-data");
    let bound = |key: &str| first[key].as_i64().expect("time");
    let scratch = Scratch::new("select");
    let head = head_as_block(&data.join("wal"), bound("head_min"), bound("head_max"), &scratch);
    let block = Arc::new(Block::open(&disk::RealDisk, &block_dir(&data)).expect("open"));
    let mut seen = 0;
    for line in lookups {
        let time = |key: &str| line[key].as_i64().expect("time");
        let range = TimeRange::new(time("mint"), time("maxt"));
        // The real head answers for all times at or after its begin, the stand-in up to its end.
        let querier = DbQuerier::new(range, None, vec![Arc::clone(&block), Arc::clone(&head)]);
        let matchers = matchers(line);
        let limit = line["limit"].as_u64().unwrap_or(0) as usize;
        match line["op"].as_str().expect("op") {
            "select" => {
                let expected: Vec<&Labels> = line["result"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|index| &series[index.as_u64().expect("index") as usize])
                    .collect();
                let got = select(&querier, &matchers, limit);
                assert_eq!(got.iter().collect::<Vec<_>>(), expected, "{line}");
            }
            "label_names" => {
                check_names(line, &querier.label_names(&matchers, limit).expect("names"), limit);
            }
            _ => {
                let name = line["label"].as_str().expect("label");
                let got = querier.label_values(name, &matchers, limit).expect("values");
                check_names(line, &got, limit);
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 292);
}
