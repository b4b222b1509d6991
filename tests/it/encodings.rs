//! Directories in encodings that are not written by default: XOR2, and chunks with start timestamps.

use crate::recorded_dirs::{content, copy};
use chunk::exact::ExactSample;
use disk::SimDisk;
use model::{Labels, Symbols, TimeRange};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, Queryable, SelectHints, SeriesBatch};
use tsdb::{Db, DbOptions};

const DIR: &str = "/data";

/// From here on the samples of the recorded directory are in its log only, and nobody asked to keep since when they
/// count.
const LOGGED_MS: i64 = 1_700_013_600_000;

/// A database of the files in `from`, which lie in `to`.
fn open(from: &Path, to: &Path) -> Db {
    let disk = SimDisk::new();
    copy(from, to, &disk);
    let options = DbOptions { retention_ms: 0, ..DbOptions::default() };
    let registry = metrics::Registry::new();
    Db::open(Arc::new(disk), Path::new(DIR), options, 7, &registry, Arc::new(|_| {})).expect("open")
}

/// A float is told in sixteen digits, a histogram in more.
fn is_float(told: &str) -> bool {
    told.split_once(" since ").map_or(told, |(value, _)| value).len() == 16
}

#[test]
fn an_xor2_block_holds_what_its_meta_says_and_its_log_more() {
    let Some(shared) = tests::shared() else { return };
    let place = shared.join("golden/block-xor2");
    let found =
        std::fs::read_dir(&place).expect("listing").next().expect("a block").expect("entry");
    let meta = std::fs::read(found.path().join("meta.json")).expect("meta");
    let meta: Value = serde_json::from_slice(&meta).expect("meta");
    let block = content(&open(&found.path(), &Path::new(DIR).join(found.file_name())));
    let floats = block.values().flatten().filter(|(_, told)| is_float(told)).count();
    let samples = block.values().flatten().count();
    assert_eq!(meta["stats"]["numSeries"], block.len());
    assert_eq!(meta["stats"]["numFloatSamples"], floats);
    assert_eq!(meta["stats"]["numHistogramSamples"], samples - floats);
    let log = content(&open(&shared.join("golden/wal-wbl-xor2"), Path::new(DIR)));
    for (series, samples) in &block {
        let logged: BTreeMap<i64, &String> =
            log[series].iter().map(|(time, told)| (*time, told)).collect();
        for (time, told) in samples.iter().filter(|(_, told)| is_float(told)) {
            assert_eq!(logged.get(time), Some(&told), "{series:?} {time}");
        }
    }
    assert!(log.values().flatten().count() > samples, "what came late is there, too");
}

/// Times and starts of the samples that have one.
fn starts(db: &Db) -> BTreeMap<Labels, Vec<(i64, i64)>> {
    let querier = db.querier(TimeRange::ALL).expect("querier");
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel).expect("select");
    let mut batch = SeriesBatch::default();
    let mut all = BTreeMap::new();
    while set.next_batch(&mut batch).expect("batch") {
        for series in 0..batch.len() {
            let mut samples: Vec<ExactSample> = Vec::new();
            batch.read_exact(series, TimeRange::ALL, &mut samples).expect("samples");
            let started = samples.iter().filter(|sample| sample.start_ms != 0);
            let started: Vec<_> = started.map(|s| (s.timestamp_ms, s.start_ms)).collect();
            all.insert(symbols.labels(batch.labels().get(series)), started);
        }
    }
    all.retain(|_, started| !started.is_empty());
    all
}

#[test]
fn chunks_on_disk_tell_since_when_their_samples_count() {
    let Some(shared) = tests::shared() else { return };
    let place = shared.join("golden/tsdb/dirs/st-blocks");
    let dump = tests::json_lines(&std::fs::read(place.join("dump.jsonl")).expect("dump"));
    let mut wanted = BTreeMap::new();
    for line in dump.iter().filter(|line| line["samples"].is_array()) {
        let pairs = line["labels"].as_object().expect("labels").iter();
        let pairs = pairs.map(|(name, value)| (name, value.as_str().expect("text")));
        let rows = line["samples"].as_array().expect("rows").iter();
        let started = rows.filter_map(|row| Some((row[0].as_i64()?, row[2].as_i64()?)));
        let started: Vec<(i64, i64)> = started.filter(|(time, _)| *time < LOGGED_MS).collect();
        wanted.insert(Labels::from_pairs(pairs), started);
    }
    wanted.retain(|_, started| !started.is_empty());
    assert!(!wanted.is_empty());
    assert_eq!(starts(&open(&place.join("data"), Path::new(DIR))), wanted);
}
