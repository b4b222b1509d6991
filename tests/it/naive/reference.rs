//! Random queries, answered by the engine and by Prometheus over the same block: results to the last digit, errors,
//! warnings and infos. Where Prometheus has several answers, because of the order of its maps, one of them is enough.
//! `FIRESTEEL_REFERENCE` names the binary of the reference; without it nothing is done.

use super::{Generator, Sample, World, append, number, samples};
use crate::queries::engine;
use crate::reference::{Reference, Verdict, binary, judge, ours, theirs};
use std::path::Path;
use std::sync::Arc;
use tests::http::client::Connection;
use tsdb::{Db, DbOptions};

const CENTURY_MS: i64 = 100 * 365 * 86_400_000;

/// What wraps a vector: functions and operators that the naive evaluator does not know.
const AROUND: [&str; 44] = [
    "topk(2, Q)",
    "bottomk by (x) (1, Q)",
    "limitk(2, Q)",
    "limit_ratio(0.5, Q)",
    "limit_ratio(-0.3, Q)",
    "stddev by (x) (Q)",
    "stdvar(Q)",
    "count_values(\"v\", Q)",
    "absent(Q)",
    "scalar(Q)",
    "sort(Q)",
    "sort_desc(Q)",
    "sort_by_label(Q, \"y\", \"x\")",
    "timestamp(Q)",
    "label_replace(Q, \"z\", \"$1-\", \"x\", \"(.*)\")",
    "label_join(Q, \"z\", \"-\", \"x\", \"y\")",
    "clamp(Q, -10, 100)",
    "clamp_min(Q, 5)",
    "round(Q, 0.3)",
    "exp(Q)",
    "ln(Q)",
    "log2(Q)",
    "log10(Q)",
    "sin(Q)",
    "atan(Q)",
    "minute(Q)",
    "year(Q)",
    "(Q) ^ 2",
    "(Q) atan2 (Q)",
    "(Q) </ 1.5",
    "(Q) >/ 0.7",
    "(Q) >/ -3",
    "(Q) </ 1e9",
    "histogram_quantiles(Q, \"q\", 0.1, 0.9)",
    "histogram_quantile(0.3, sum by (x) (Q))",
    "max_over_time((Q)[5m:1m] anchored)",
    "rate((Q)[10m:1m])",
    "stddev_over_time((Q)[5m:45s])",
    "sum without (y) (Q) * on (x) group_right (Q)",
    "(Q) + on (x, y) fill(3) (Q)",
    "(Q) - ignoring (y) group_left () fill_right(1) max by (x) (Q)",
    "(Q) or on () vector(7)",
    "(Q) > bool on (x) group_left (y) avg by (x) (Q)",
    "last_over_time((Q)[7m:90s] offset -2m)",
];

/// Functions of a range that the naive evaluator does not know; also without and with the modifiers of ranges.
const RANGES: [&str; 22] = [
    "deriv(S[5m])",
    "predict_linear(S[10m], 600)",
    "double_exponential_smoothing(S[10m], 0.3, 0.6)",
    "stddev_over_time(S[5m])",
    "stdvar_over_time(S[5m])",
    "mad_over_time(S[5m])",
    "ts_of_max_over_time(S[5m])",
    "ts_of_min_over_time(S[5m])",
    "ts_of_last_over_time(S[5m])",
    "ts_of_first_over_time(S[5m])",
    "absent_over_time(S[1m])",
    "rate(S[5m] anchored)",
    "increase(S[3m] smoothed)",
    "delta(S[5m] smoothed)",
    "delta(S[5m] anchored)",
    "changes(S[5m] anchored)",
    "resets(S[10m] anchored)",
    "S smoothed",
    "count_over_time(S[2m])",
    "histogram_count(rate(S[5m]))",
    "histogram_sum(sum_over_time(S[5m]))",
    "histogram_avg(S) + histogram_stddev(S)",
];

fn open(dir: &Path) -> Db {
    let options = DbOptions { retention_ms: 0, min_block_ms: CENTURY_MS, ..DbOptions::default() };
    let (disk, registry) = (Arc::new(disk::RealDisk), metrics::Registry::new());
    Db::open(disk, dir, options, 7, &registry, Arc::new(|_| {})).expect("opens")
}

/// The world as a block, once for each of us.
fn blocks(world: &World, from: &Path, to: [&Path; 2]) {
    let db = open(from);
    for (labels, samples) in &world.series {
        append(&db, labels, samples);
    }
    for target in to {
        db.snapshot(target, true, 1_700_000_000_000).expect("a snapshot");
    }
}

/// A query, sometimes with something around it.
fn text(generator: &mut Generator) -> String {
    match generator.below(5) {
        0 => {
            let selector = generator.any_selector();
            generator.of(&RANGES).replace('S', &selector)
        }
        1 | 2 => {
            let query = generator.query().to_string();
            let around = generator.of(&AROUND);
            around.replace('Q', &query)
        }
        _ => generator.query().to_string(),
    }
}

#[test]
fn random_queries_agree_with_a_reference() {
    let Some(binary) = binary() else { return };
    let seed = number("FIRESTEEL_SEED", 1);
    let mut generator = Generator::new(seed);
    let world = samples::world(&mut generator);
    let has_histograms =
        |samples: &Vec<(i64, Sample)>| samples.iter().any(|s| s.1.float().is_none());
    assert!(world.series.iter().any(|(_, samples)| has_histograms(samples)));
    let scratch = tests::Scratch::new("reference");
    let [from, own, other] = ["from", "own", "other"].map(|name| scratch.path().join(name));
    blocks(&world, &from, [&own, &other]);
    let (db, engine) = (open(&own), engine(|_| {}));
    let server = Reference::start(&binary, &other, "");
    let mut client = Connection::new(server.address);
    let (mut same, mut several, mut nearly, mut failed, mut odd) = (0, 0, 0, 0, Vec::new());
    let mut faults = 0;
    for _ in 0..number("FIRESTEEL_QUERIES", 10_000) {
        let text = text(&mut generator);
        let once = generator.one_in(3).then(|| 1000 * generator.below(3100) as i64);
        let times = once.map_or((600_000, 3_000_000, 95_000), |at| (at, at, 0));
        let (got, wanted) = (ours(&engine, &db, &text, times), theirs(&mut client, &text, times));
        failed += u64::from(wanted.get("error").is_some());
        if got == wanted {
            same += 1;
            continue;
        }
        match judge(&mut client, &text, times, &got) {
            Verdict::Fault => faults += 1,
            Verdict::Several => several += 1,
            Verdict::Nearly => nearly += 1,
            Verdict::Differs(how) => odd.push(format!("{text}\n at {times:?}\n  {how}")),
        }
    }
    println!(
        "{same} agree, {several} with one of several answers of the reference, {nearly} with them but for last digits, \
         {failed} fail, {faults} by faults of its own; seed {seed}"
    );
    let shown = odd.iter().take(25).cloned().collect::<Vec<_>>();
    assert!(odd.is_empty(), "{} differ:\n{}", odd.len(), shown.join("\n"));
}
