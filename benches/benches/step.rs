//! What a query costs for each series and step on one core, from encoded samples: nanoseconds, in the head and again from
//! blocks. The shapes are those that the table of PromQL names; what storages of raw samples cost is in `engine.rs`.

use disk::SimDisk;
use metrics::{Registry, Stopwatch};
use promql::{Engine, EngineOptions, Request};
use std::path::Path;
use std::sync::Arc;
use storage::{Appendable, Cancel, FloatBatch, LabelBatch, Queryable};
use tsdb::{Db, DbOptions};

const SERIES: usize = 5000;
const INTERVAL_MS: i64 = 15_000;
/// An hour of windows behind the first step, and the steps.
const SAMPLES: i64 = 240 + 160 + 1;
const STEPS: i64 = 41;
const STEP_MS: i64 = 60_000;
const START_MS: i64 = 240 * INTERVAL_MS;
const ROUNDS: usize = 15;

const QUERIES: [&str; 8] = [
    "x",
    "rate(x[5m])",
    "rate(x[1h])",
    "sum(rate(x[1h]))",
    "sum_over_time(x[5m])",
    "max_over_time(x[5m])",
    "x / x",
    "x / y",
];

fn open(disk: &SimDisk, dir: &str) -> Db {
    let (registry, disk) = (Registry::new(), Arc::new(disk.clone()));
    let options = DbOptions { retention_ms: 0, ..DbOptions::default() };
    Db::open(disk, Path::new(dir), options, 7, &registry, Arc::new(|_| {})).expect("opens")
}

/// Counters that begin again now and then.
fn fill(db: &Db) {
    let mut appender = db.appender(0);
    let mut rejected = Vec::new();
    let mut refs = Vec::new();
    for name in ["x", "y"] {
        for series in 0..SERIES {
            let [pod, host] = [format!("pod-{series}"), format!("host-{}", series / 10)];
            let pairs = [("__name__", name), ("instance", &*host), ("job", "api"), ("pod", &*pod)];
            let mut found = Vec::new();
            appender
                .resolve(LabelBatch::new(&pairs, &[4]), &mut found, &mut rejected)
                .expect("the head takes it");
            refs.push(found[0].expect("the head takes it"));
        }
    }
    for sample in 0..SAMPLES {
        let value =
            |series: usize| ((sample + series as i64) % 200 * 7 + series as i64 % 13) as f64;
        let values: Vec<f64> = (0..refs.len()).map(value).collect();
        let times = vec![sample * INTERVAL_MS; refs.len()];
        let batch = FloatBatch::new(&refs, &times, &values);
        appender.append_floats(batch, &mut rejected).expect("the head takes it");
    }
    assert!(rejected.is_empty(), "{rejected:?}");
    appender.commit().expect("the head takes it");
}

/// Nanoseconds per series and step of one evaluation.
fn ask(engine: &Engine, storage: &dyn Queryable, query: &str) -> f64 {
    let cancel = Cancel::new();
    let request = Request::new(&cancel);
    let end_ms = START_MS + (STEPS - 1) * STEP_MS;
    let begin = Stopwatch::start();
    let answer = engine.range(storage, query, START_MS, end_ms, STEP_MS, &request);
    let took = begin.elapsed_seconds();
    assert!(answer.expect("an answer").stats.samples_read > 0);
    took * 1e9 / (SERIES as f64 * STEPS as f64)
}

#[expect(clippy::print_stdout, reason = "the figures of a benchmark")]
fn main() {
    // What tests run of a benchmark is that it works.
    let rounds = if std::env::args().any(|arg| arg == "--bench") { ROUNDS } else { 1 };
    let disk = SimDisk::new();
    let head = open(&disk, "head");
    fill(&head);
    head.maintain(0).expect("full chunks are mapped");
    head.snapshot(Path::new("blocks"), true, 1).expect("a block");
    let blocks = open(&disk, "blocks");
    assert_eq!((blocks.blocks().len(), blocks.head().num_series()), (1, 0));
    // No helpers: a query stays on its thread.
    let engine = Engine::new(EngineOptions::default());
    println!("ns per series and step on one core, {SERIES} series, {STEPS} steps, median (least)");
    println!("| query | head | blocks |\n|---|---:|---:|");
    for query in QUERIES {
        let cells = [&head, &blocks].map(|db| {
            let mut all: Vec<f64> = (0..rounds).map(|_| ask(&engine, db, query)).collect();
            all.sort_by(f64::total_cmp);
            format!("{:.1} ({:.1})", all[rounds / 2], all[0])
        });
        println!("| `{query}` | {} | {} |", cells[0], cells[1]);
    }
}
