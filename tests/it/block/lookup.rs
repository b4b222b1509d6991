//! Every recorded lookup over a block and a head, and the same again after the head has become a block too.

use super::{block_dir, copy_dir, read_all};
use model::{Labels, MatchOp, Matcher, Symbols, TimeRange};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, Querier, Queryable as _, SelectHints, SeriesBatch};
use tests::Scratch;
use tsdb::block::{Block, Ulid};
use tsdb::compact::{BlockSpec, write_block};
use tsdb::head::{Head, HeadOptions};
use tsdb::querier::DbQuerier;

/// The head of a data directory behind its blocks, which end at `min_valid_ms`.
fn open_head(dir: &Path, min_valid_ms: i64) -> Head {
    let disk: Arc<dyn disk::Disk> = Arc::new(disk::RealDisk);
    let options = HeadOptions::new(Arc::clone(&disk), dir.join("chunks_head"));
    let head = Head::new(options, 1, &metrics::Registry::new());
    head.set_min_valid_time(min_valid_ms);
    let (mut replay, _) = head.replay().expect("head chunks");
    let mut log = wal::Replay::open(disk, &dir.join("wal")).expect("log");
    while let Some(record) = log.next_record().expect("record") {
        replay.apply(record).expect("record");
    }
    replay.finish().expect("replay");
    head
}

fn head_as_block(head: &Head, range: TimeRange, dir: &Path) -> Arc<Block> {
    let symbols = Symbols::new();
    let cancel = Cancel::new();
    let querier = head.querier(range).expect("querier");
    let mut source =
        querier.select(&[], &SelectHints::default(), &symbols, &cancel).expect("select");
    let spec = BlockSpec::from_head(range.min_ms, range.max_ms + 1);
    let ulid = Ulid::new(1, 1);
    let disk = disk::RealDisk;
    write_block(&mut *source, &symbols, &spec, ulid, &disk, dir).expect("write").expect("samples");
    Arc::new(Block::open(&disk, &dir.join(ulid.to_string())).expect("open"))
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

/// Compares all lookups; `querier` makes one for a range. Answers how many there were.
///
/// The recorded head had just been cut and began at the end of the block, one that is opened again begins at its first
/// sample: label lookups that end before `head_begin` and touch the gap are left out.
fn check(lines: &[Value], head_begin: i64, querier: &dyn Fn(TimeRange) -> DbQuerier) -> usize {
    let (first, lookups) = lines.split_first().expect("lines");
    let series: Vec<Labels> =
        first["series"].as_array().expect("series").iter().map(labels_of).collect();
    let mut seen = 0;
    for line in lookups {
        let time = |key: &str| line[key].as_i64().expect("time");
        let range = TimeRange::new(time("mint"), time("maxt"));
        let gap = TimeRange::new(time_of(first, "head_min"), head_begin - 1);
        if line["op"] != "select" && range.overlaps(gap) && range.max_ms < head_begin {
            continue;
        }
        let querier = querier(range);
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
    seen
}

fn time_of(line: &Value, key: &str) -> i64 {
    line[key].as_i64().expect("time")
}

#[test]
fn recorded_lookups() {
    let Some(shared) = tests::shared() else { return };
    let lines = tests::golden("tsdb/select.jsonl");
    let scratch = Scratch::new("select");
    copy_dir(&shared.join("golden/tsdb/select-data"), scratch.path());
    let disk = disk::RealDisk;
    let block = Arc::new(Block::open(&disk, &block_dir(scratch.path())).expect("open"));
    let head = open_head(scratch.path(), block.meta().max_time);
    let seen = check(&lines, head.min_time(), &|range| {
        let overlaps = range.max_ms >= head.min_time();
        let head = overlaps.then(|| head.querier(range).expect("querier"));
        DbQuerier::new(range, head, vec![Arc::clone(&block)])
    });
    assert_eq!(seen, 289);

    let range = TimeRange::new(time_of(&lines[0], "head_min"), time_of(&lines[0], "head_max"));
    let second = head_as_block(&head, range, scratch.path());
    let seen = check(&lines, range.min_ms, &|range| {
        DbQuerier::new(range, None, vec![Arc::clone(&block), Arc::clone(&second)])
    });
    assert_eq!(seen, 292);
    let of_head = head.querier(range).expect("querier");
    assert_eq!(read_all(&second.querier(range), range), read_all(&*of_head, range));
}
