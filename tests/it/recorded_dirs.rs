//! The recorded data directories of the real server, opened whole: every sample of every kind, exemplars, metadata.

use crate::head::values;
use chunk::exact::ExactSample;
use disk::{Disk, SimDisk};
use model::{Labels, MatchOp, Matcher, SeriesRef, Symbols, TimeRange};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, ExemplarQueryable, Queryable, SelectHints, SeriesBatch};
use tsdb::{Db, DbOptions};

const DIR: &str = "/data";

/// Copies a directory to the simulated disk.
pub(crate) fn copy(from: &Path, to: &Path, disk: &SimDisk) {
    disk.create_dir(to).expect("directory");
    for entry in std::fs::read_dir(from).expect("listing") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy(&entry.path(), &target, disk);
        } else {
            let mut file = disk.create(&target).expect("file");
            file.append(&std::fs::read(entry.path()).expect("content")).expect("content");
        }
    }
}

fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().expect("labels").iter();
    Labels::from_pairs(pairs.map(|(name, value)| (name, value.as_str().expect("text"))))
}

/// A value with its start, if that is known.
fn told(value: String, start_ms: i64) -> String {
    if start_ms == 0 { value } else { format!("{value} since {start_ms}") }
}

pub(crate) type Content = BTreeMap<Labels, Vec<(i64, String)>>;

pub(crate) fn content(db: &Db) -> Content {
    let querier = db.querier(TimeRange::ALL).expect("querier");
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel).expect("select");
    let mut batch = SeriesBatch::default();
    let mut all = Content::new();
    while set.next_batch(&mut batch).expect("batch") {
        for series in 0..batch.len() {
            let mut samples: Vec<ExactSample> = Vec::new();
            batch.read_exact(series, TimeRange::ALL, &mut samples).expect("samples");
            let told = samples.iter().map(|sample| {
                (sample.timestamp_ms, told(values::told(&sample.value), sample.start_ms))
            });
            if !samples.is_empty() {
                all.insert(symbols.labels(batch.labels().get(series)), told.collect());
            }
        }
    }
    all
}

pub(crate) fn recorded(dump: &[Value]) -> Content {
    let sample = |row: &Value| {
        let start_ms = row.get(2).map_or(0, |start| start.as_i64().expect("start"));
        (row[0].as_i64().expect("time"), told(values::told(&values::read(&row[1])), start_ms))
    };
    let lines = dump.iter().filter_map(|line| Some((line, line.get("samples")?.as_array()?)));
    let lines = lines.filter(|(_, rows)| !rows.is_empty());
    lines.map(|(line, rows)| (labels(&line["labels"]), rows.iter().map(sample).collect())).collect()
}

/// Exemplars and metadata, line by line.
fn check_notes(db: &Db, dump: &[Value]) -> usize {
    let mut checked = 0;
    for line in dump {
        if let Some(wanted) = line["exemplars"].as_array() {
            let series = labels(&line["exemplars_of"]);
            let selector = series
                .iter()
                .map(|(name, value)| Matcher::new(name, MatchOp::Equal, value).expect("matcher"));
            let found = db.head().select_exemplars(TimeRange::ALL, &[selector.collect()]);
            let found = found.expect("exemplars");
            let told = |exemplar: &storage::Exemplar| {
                let labels: BTreeMap<&str, &str> = exemplar.labels.iter().collect();
                let value = format!("{:016x}", exemplar.value.to_bits());
                serde_json::json!({"labels": labels, "t": exemplar.timestamp_ms, "v": value})
            };
            assert_eq!(
                &found[0].exemplars.iter().map(told).collect::<Vec<_>>(),
                wanted,
                "{series:?}"
            );
            checked += 1;
        }
        if let Some(wanted) = line.get("metadata") {
            let number = SeriesRef::new(line["ref"].as_u64().expect("ref")).expect("ref");
            assert_eq!(db.head().metadata(number), Some(values::metadata(wanted)));
            checked += 1;
        }
    }
    checked
}

#[test]
fn recorded_directories_hold_what_prometheus_reads() {
    let Some(shared) = tests::shared() else { return };
    let place = shared.join("golden/tsdb/dirs");
    let mut names: Vec<String> = std::fs::read_dir(&place)
        .expect("listing")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
        .filter(|name| place.join(name).join("dump.jsonl").exists())
        .collect();
    names.sort();
    let (mut agreed, mut notes, mut failures) = (0, 0, Vec::new());
    for name in &names {
        let disk = SimDisk::new();
        copy(&place.join(name).join("data"), Path::new(DIR), &disk);
        let options = DbOptions {
            retention_ms: 0,
            max_exemplars: 8,
            keep_metadata: true,
            xor2: name.starts_with("st-"),
            started_histograms: name.starts_with("st-"),
            keep_starts: name.starts_with("st-"),
            ..DbOptions::default()
        };
        let registry = metrics::Registry::new();
        let opened =
            Db::open(Arc::new(disk), Path::new(DIR), options, 7, &registry, Arc::new(|_| {}));
        let db = match opened {
            Ok(db) => db,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let dump =
            tests::json_lines(&std::fs::read(place.join(name).join("dump.jsonl")).expect("dump"));
        let (mut found, mut wanted) = (content(&db), recorded(&dump));
        if ["snapshot-then-killed", "head-ooo-killed"].contains(&name.as_str()) {
            // There a chunk ends with the snapshot, or after sixteen late samples; here it goes on and knows more.
            for (_, told) in found.values_mut().chain(wanted.values_mut()).flatten() {
                *told = told.replace("NotCounterReset", "Unknown");
            }
        }
        notes += check_notes(&db, &dump);
        let differs = |series: &&Labels| found.get(*series) != wanted.get(*series);
        let all: std::collections::BTreeSet<&Labels> = found.keys().chain(wanted.keys()).collect();
        let mut wrong = all.into_iter().filter(|series| differs(series)).peekable();
        match wrong.peek() {
            None => agreed += 1,
            Some(series) => failures.push(format!(
                "{name}: {series:?}:\n  {:?}\ninstead of\n  {:?}",
                found.get(*series).map(|rows| (rows.len(), &rows[..rows.len().min(5)])),
                wanted.get(*series).map(|rows| (rows.len(), &rows[..rows.len().min(5)])),
            )),
        }
    }
    println!(
        "recorded directories: {agreed}/{} agreed, {notes} exemplars and metadata",
        names.len()
    );
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
    assert_eq!((agreed, notes), (20, 10));
}
