//! Planning, retention and merging agree with the recorded decisions.

use super::{Sample, Source, bits, xor};
use chunk::Encoding;
use model::{Labels, Symbols, TimeRange};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use storage::{SeriesBatch, SeriesSet};
use tests::Scratch;
use tsdb::block::{Block, BlockMeta, Hint, Ulid};
use tsdb::compact::{BlockSpec, plan, retention, write_block};

fn int(value: &Value, key: &str) -> i64 {
    value[key].as_i64().unwrap_or(0)
}

fn metas(line: &Value) -> Vec<(String, BlockMeta)> {
    let blocks = line["blocks"].as_array().cloned().unwrap_or_default();
    let meta = |(number, block): (usize, &Value)| {
        let ulid = Ulid::new(1, number as u128);
        let mut meta = BlockMeta::new(ulid, int(block, "min"), int(block, "max"));
        meta.stats.num_series = int(block, "num_series") as u64;
        meta.stats.num_tombstones = int(block, "num_tombstones") as u64;
        meta.compaction.level = 1;
        meta.compaction.sources = vec![ulid];
        meta.compaction.failed = block["failed"].as_bool().unwrap_or(false);
        meta.compaction.hints = block["hint"].as_str().map(Hint::from_name).into_iter().collect();
        (block["id"].as_str().expect("id").to_owned(), meta)
    };
    blocks.iter().enumerate().map(meta).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|v| v.as_str().expect("text")).collect()
}

#[test]
fn recorded_plans() {
    let mut seen = 0;
    for line in tests::golden("tsdb/compaction_plans.jsonl") {
        if line["kind"] != "plan" {
            continue;
        }
        let mut blocks = metas(&line);
        if let Some(excluded) = line["excluded"].as_str() {
            // What lies behind a block that is not to be touched yet is not looked at.
            let end = blocks.iter().position(|(id, _)| id == excluded).unwrap_or(blocks.len());
            blocks.truncate(end);
        }
        let ranges = line["ranges"].as_array().expect("ranges").iter();
        let policy = plan::Policy {
            ranges_ms: ranges.map(|v| v.as_i64().expect("range")).collect(),
            merge_overlapping: line["overlapping"].as_bool().expect("flag"),
        };
        let only: Vec<&BlockMeta> = blocks.iter().map(|(_, meta)| meta).collect();
        let planned = plan::plan(&only, &policy);
        let ids: Vec<&str> = planned.iter().map(|&index| &*blocks[index].0).collect();
        assert_eq!(ids, texts(&line["plan"]), "{}", line["name"]);
        if !planned.is_empty() {
            let spec = BlockSpec::from_blocks(planned.iter().map(|&index| only[index]));
            let result = &line["result"];
            let hints: Vec<Hint> =
                texts(&result["hints"]).into_iter().map(Hint::from_name).collect();
            assert_eq!(spec.hints, hints, "{}", line["name"]);
            assert_eq!((spec.min_ms, spec.max_ms), (int(result, "min"), int(result, "max")));
            assert_eq!(i64::from(spec.level), int(result, "level"), "{}", line["name"]);
        }
        seen += 1;
    }
    assert_eq!(seen, 156);
}

#[test]
fn recorded_retention() {
    let mut seen = 0;
    for line in tests::golden("tsdb/compaction_plans.jsonl") {
        if line["kind"] != "retention" {
            continue;
        }
        let blocks = line["blocks"].as_array().cloned().unwrap_or_default();
        let stat = |block: &Value| retention::BlockStat {
            max_time: int(block, "max"),
            size_bytes: int(block, "size") as u64,
            deletable: block["deletable"].as_bool().unwrap_or(false),
        };
        let stats: Vec<retention::BlockStat> = blocks.iter().map(stat).collect();
        let policy = retention::Policy {
            retention_ms: int(&line, "retention_ms"),
            max_bytes: int(&line, "max_bytes") as u64,
            max_percentage: line["max_percentage"].as_f64().unwrap_or(0.0),
            disk_bytes: int(&line, "disk_bytes") as u64,
            missing_bytes: 0,
        };
        let expired = retention::expired(&stats, &policy, int(&line, "head_bytes") as u64);
        let mut ids: Vec<&str> =
            expired.into_iter().map(|index| blocks[index]["id"].as_str().expect("id")).collect();
        ids.sort_unstable();
        assert_eq!(ids, texts(&line["delete"]), "{}", line["name"]);
        seen += 1;
    }
    assert_eq!(seen, 64);
}

/// The chunks of each source; `None` if one is of a kind that is not encoded here.
fn inputs(line: &Value) -> Option<Vec<Vec<Vec<Sample>>>> {
    let sample = |s: &Value| Some((s[0].as_i64()?, u64::from_str_radix(s[1].as_str()?, 16).ok()?));
    let chunk = |c: &Value| {
        (c["enc"] == 1).then_some(())?;
        c["samples"].as_array()?.iter().map(sample).collect::<Option<Vec<_>>>()
    };
    let source = |s: &Value| s.as_array()?.iter().map(chunk).collect::<Option<Vec<_>>>();
    line["inputs"].as_array()?.iter().map(source).collect()
}

#[test]
fn recorded_merges() {
    let labels = Labels::from_pairs([("__name__", "m")]);
    let range = BlockSpec::from_head(-1_000_000, 1_000_000_000);
    let (mut queried, mut compacted) = (0, 0);
    for line in tests::golden("tsdb/merges.jsonl") {
        let Some(inputs) = inputs(&line) else { continue };
        let symbols = Symbols::new();
        let merged = || {
            let source = |chunks: &Vec<Vec<Sample>>| -> Box<dyn SeriesSet + '_> {
                Box::new(Source::new(vec![(labels.clone(), chunks.clone())], &symbols))
            };
            storage::merge(inputs.iter().map(source).collect(), &symbols)
        };
        // Prometheus answers a source whose own chunks overlap out of order, which no reader can use.
        if line["name"] != "one-series-overlapping-chunks" {
            let mut batch = SeriesBatch::default();
            let mut columns = chunk::SampleColumns::default();
            assert!(merged().next_batch(&mut batch).expect("merge"));
            batch.read(0, TimeRange::ALL, &mut columns).expect("read");
            let values = columns.values.iter().map(|v| v.to_bits());
            let got: Vec<Sample> = columns.timestamps_ms.iter().copied().zip(values).collect();
            let expected = line["query"].as_array().expect("samples").iter();
            let expected: Vec<Sample> =
                expected.map(|s| (s[0].as_i64().expect("time"), bits(&s[1]))).collect();
            assert_eq!(got, expected, "query {}", line["name"]);
            queried += 1;
        }
        let range = BlockSpec { xor2: line["float_encoding"] == 4, ..range.clone() };
        let scratch = Scratch::new("merges");
        let ulid = Ulid::new(1, 1);
        let disk = disk::RealDisk;
        let written = write_block(&mut *merged(), &symbols, &range, ulid, &disk, scratch.path());
        let meta = written.expect("write").expect("samples");
        let block = Block::open(&disk, &scratch.path().join(ulid.to_string())).expect("open");
        let mut chunks = Vec::new();
        let id = block.index().all().expect("all").get(0).expect("one series");
        block.index().chunks(id, &mut chunks).expect("chunks");
        let expected = line["compacted"].as_array().expect("chunks");
        let got: Vec<_> = chunks
            .iter()
            .map(|entry| {
                let stored = block.chunks().chunk(entry.reference).expect("chunk");
                (entry.min_ms, entry.max_ms, stored.num_samples, stored.data.to_vec())
            })
            .collect();
        let hex = |text: &Value| -> Vec<u8> {
            let text = text.as_str().expect("hex").as_bytes();
            let digits = |pair: &[u8]| {
                u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex")
            };
            text.chunks(2).map(digits).collect()
        };
        let expected: Vec<_> = expected
            .iter()
            .map(|c| (int(c, "min"), int(c, "max"), int(c, "n") as u32, hex(&c["hex"])))
            .collect();
        assert_eq!(got, expected, "compaction {}", line["name"]);
        assert_eq!(meta.stats.num_chunks, got.len() as u64);
        compacted += 1;
    }
    assert_eq!((queried, compacted), (34, 35));
}

#[test]
fn chunks_are_cut_to_the_range_of_the_block() {
    let sample = |i: i64| (i * 1000, (i as f64).to_bits());
    let chunks = vec![(0..120).map(sample).collect(), (120..240).map(sample).collect::<Vec<_>>()];
    let labels = Labels::from_pairs([("__name__", "m")]);
    let symbols = Symbols::new();
    let scratch = Scratch::new("range");
    let disk = disk::RealDisk;
    let mut source = Source::new(vec![(labels, chunks)], &symbols);
    let spec = BlockSpec::from_head(50_000, 200_000);
    let ulid = Ulid::new(7, 7);
    let meta = write_block(&mut source, &symbols, &spec, ulid, &disk, scratch.path());
    let meta = meta.expect("write").expect("samples");
    assert_eq!((meta.stats.num_samples, meta.stats.num_chunks), (150, 2));
    let block = Block::open(&disk, &scratch.path().join(ulid.to_string())).expect("open");
    let read = super::read_all(&Arc::new(block).querier(TimeRange::ALL), TimeRange::ALL);
    assert_eq!(read[0].1, (50..200).map(sample).collect::<Vec<_>>());
}

#[test]
fn no_samples_no_block() {
    let labels = Labels::from_pairs([("__name__", "m")]);
    let symbols = Symbols::new();
    let scratch = Scratch::new("empty");
    let disk = disk::RealDisk;
    let (_, data) = xor(&[(5, 0)]);
    assert_eq!(data[..2], [0, 1]);
    let mut source = Source::new(vec![(labels, vec![vec![(5, 0)]])], &symbols);
    let spec = BlockSpec::from_head(50_000, 200_000);
    let written = write_block(&mut source, &symbols, &spec, Ulid::new(7, 7), &disk, scratch.path());
    assert_eq!(written.expect("write"), None);
    assert_eq!(std::fs::read_dir(scratch.path()).expect("list").count(), 0);
    assert_eq!(Encoding::from_disk(1), Some(Encoding::Xor));
}

/// One block: series by name, each a list of chunks that do not overlap.
fn generated_block() -> impl Strategy<Value = BTreeMap<String, Vec<Vec<Sample>>>> {
    let times = prop::collection::btree_set(-50i64..400, 1..80);
    let series = (times, 1usize..30, 0u64..3).prop_map(|(times, size, value)| {
        let times: Vec<i64> = times.into_iter().collect();
        let samples =
            |times: &[i64]| times.iter().map(|&t| (t, (value as f64).to_bits())).collect();
        times.chunks(size).map(samples).collect::<Vec<Vec<Sample>>>()
    });
    prop::collection::btree_map("[a-c]", series, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_block_holds_the_samples_of_its_sources_in_its_range(
        sources in prop::collection::vec(generated_block(), 1..4),
        begin in -60i64..100,
        len in 1i64..400,
    ) {
        let (disk, dir) = (disk::SimDisk::new(), Path::new("/data"));
        disk::Disk::create_dir(&disk, dir).expect("create");
        let symbols = Symbols::new();
        let mut expected: BTreeMap<String, BTreeMap<i64, Vec<u64>>> = BTreeMap::new();
        let mut sets: Vec<Box<dyn SeriesSet + '_>> = Vec::new();
        for source in &sources {
            let mut list = Vec::new();
            for (name, chunks) in source {
                for &(time, value) in chunks.iter().flatten() {
                    if (begin..begin + len).contains(&time) {
                        let times = expected.entry(name.clone()).or_default();
                        times.entry(time).or_default().push(value);
                    }
                }
                list.push((Labels::from_pairs([("__name__", name)]), chunks.clone()));
            }
            sets.push(Box::new(Source::new(list, &symbols)));
        }
        let mut merged = storage::merge(sets, &symbols);
        let spec = BlockSpec { segment_bytes: 300, ..BlockSpec::from_head(begin, begin + len) };
        let ulid = Ulid::new(1, 1);
        let meta = write_block(&mut *merged, &symbols, &spec, ulid, &disk, dir).expect("write");
        prop_assert_eq!(meta.is_some(), !expected.is_empty());
        let Some(meta) = meta else { return Ok(()) };
        let block = Arc::new(Block::open(&disk, &dir.join(ulid.to_string())).expect("open"));
        let read = super::read_all(&block.querier(TimeRange::ALL), TimeRange::ALL);
        let samples: usize = read.iter().map(|(_, samples)| samples.len()).sum();
        prop_assert_eq!(meta.stats.num_samples, samples as u64);
        prop_assert_eq!(read.len(), expected.len());
        for ((labels, samples), (name, times)) in read.into_iter().zip(expected) {
            prop_assert_eq!(labels, Labels::from_pairs([("__name__", name)]));
            let all: Vec<i64> = times.keys().copied().collect();
            prop_assert_eq!(samples.iter().map(|(time, _)| *time).collect::<Vec<_>>(), all);
            for (time, value) in samples {
                prop_assert!(times[&time].contains(&value));
            }
        }
    }
}
