//! The data directories that Prometheus left behind, killed or not, opened here: the answers to its queries.

use crate::queries::{data, engine, unordered};
use promql::{Engine, Error, Request};
use serde_json::Value as Json;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use storage::Cancel;
use tsdb::{Db, DbOptions};

/// Copies a directory tree; what is copied may be written to.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("directory");
    for entry in std::fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            let bytes = std::fs::read(entry.path()).expect("content");
            std::fs::write(target, bytes).expect("content");
        }
    }
}

/// Equal but for the last digits of numbers: to a relative `tolerance`.
pub(crate) fn close(a: &Json, b: &Json, tolerance: f64) -> bool {
    match (a, b) {
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b, tolerance))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| close(a, b, tolerance)))
        }
        (Json::String(a), Json::String(b)) => {
            let numbers = (a.parse::<f64>(), b.parse::<f64>());
            a == b
                || matches!(numbers, (Ok(a), Ok(b)) if (a - b).abs() <= tolerance * a.abs().max(b.abs()))
        }
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

/// What is compared of an answer: the result, and whether there were warnings and infos.
type Told = (Json, bool, bool);

fn ask(engine: &Engine, db: &Db, query: &Json) -> Result<Told, Error> {
    let number = |name: &str| query[name].as_i64().expect("milliseconds");
    let text = query["q"].as_str().expect("a query");
    let (start, end, step) = (number("Start"), number("End"), number("Step"));
    let cancel = Cancel::new();
    let request = Request::new(&cancel);
    let answer = if step == 0 {
        engine.instant(db, text, start, &request)
    } else {
        engine.range(db, text, start, end, step, &request)
    };
    let notes = |answer: &promql::Answer| {
        (!answer.annotations.warnings.is_empty(), !answer.annotations.infos.is_empty())
    };
    answer.map(|answer| (unordered(data(&answer)), notes(&answer).0, notes(&answer).1))
}

fn agrees(found: &Result<Told, Error>, wanted: &Json) -> bool {
    let any = |name: &str| wanted[name].as_array().is_some_and(|notes| !notes.is_empty());
    match found {
        Ok((found, warned, informed)) => {
            close(found, &unordered(wanted["data"].clone()), 1e-9)
                && (*warned, *informed) == (any("warnings"), any("infos"))
        }
        Err(_) => wanted["status"] == "error",
    }
}

fn open(dir: &Path) -> Db {
    Db::open(
        Arc::new(disk::RealDisk),
        dir,
        DbOptions { retention_ms: 0, ..DbOptions::default() },
        1,
        &metrics::Registry::new(),
        Arc::new(|_| {}),
    )
    .expect("opens")
}

#[test]
fn every_recorded_directory_answers_alike() {
    let Some(shared) = tests::shared() else { return };
    let golden = shared.join("golden");
    let read = |name: &str| std::fs::read(golden.join(name)).expect(name);
    let mut answers = Vec::new();
    flate2::read::GzDecoder::new(&read("answers.jsonl.gz")[..])
        .read_to_end(&mut answers)
        .expect("gzip");
    let scratch = tests::Scratch::new("answers");
    for name in ["wal-only", "wal-wbl-xor2", "block"] {
        let dir = scratch.path().join(name);
        copy(&golden.join(name), &dir);
        let db = open(&dir);
        let engine = engine(|_| {});
        let (mut agreed, mut failures) = (0, Vec::new());
        let queries = tests::json_lines(&read("queries.jsonl"));
        for (query, wanted) in queries.iter().zip(tests::json_lines(&answers)) {
            let found = ask(&engine, &db, query);
            if agrees(&found, &wanted) {
                agreed += 1;
            } else {
                failures.push(format!("{query}\n  got {found:?}\n  not {wanted}"));
            }
        }
        println!("{name}: {agreed}/{} agree", queries.len());
        let shown: Vec<_> =
            failures.iter().take(3).map(|text| &text[..text.len().min(1500)]).collect();
        assert!(failures.is_empty(), "{} differ: {}", failures.len(), shown.join("\n"));
        assert_eq!(agreed, 598);
        db.close().expect("closes");
    }
}
