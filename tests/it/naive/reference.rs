//! Random queries, answered by the engine and by Prometheus over the same block: results to the last digit, errors,
//! warnings and infos. `FIRESTEEL_REFERENCE` names the binary of the reference; without it nothing is done.

use super::{Generator, Sample, World, append, number, samples};
use crate::queries::{data, engine, unordered};
use promql::{Answer, Engine, Error, Request};
use serde_json::{Value as Json, json};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use storage::Cancel;
use tests::http::client::{Connection, exchange};
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

/// A server that ends with the value.
struct Reference {
    child: Child,
    address: SocketAddr,
}

impl Drop for Reference {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

impl Reference {
    fn start(binary: &str, dir: &Path, config: &Path) -> Self {
        std::fs::write(config, "global: {}\n").expect("a configuration");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let features = "promql-experimental-functions,promql-extended-range-selectors,\
            promql-binop-fill-modifiers,promql-duration-expr";
        let child = Command::new(binary)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--enable-feature={features}"))
            .arg("--storage.tsdb.retention.time=100y")
            .stderr(Stdio::null())
            .spawn();
        let server = Self { child: child.expect("the reference starts"), address };
        let clock = metrics::Stopwatch::start();
        let ready = || {
            TcpStream::connect(address).is_ok()
                && exchange(address, "GET", "/-/ready", &[], &[]).status == 200
        };
        while !ready() {
            assert!(clock.elapsed() < Duration::from_secs(60), "the reference is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }
}

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

/// When a query is evaluated, in milliseconds: first, last, step; no step for once.
type Times = (i64, i64, i64);

/// What is compared, in one form: result or error, and sorted messages.
fn ours(engine: &Engine, db: &Db, text: &str, (start, end, step): Times) -> Json {
    let cancel = Cancel::new();
    let request = Request::new(&cancel);
    let answer = match step {
        0 => engine.instant(db, text, start, &request),
        _ => engine.range(db, text, start, end, step, &request),
    };
    let notes = |notes: &[Box<str>]| -> Vec<String> {
        let mut notes: Vec<String> = notes.iter().map(|note| note.to_string()).collect();
        notes.sort();
        notes
    };
    match answer {
        Ok(answer) => {
            let Answer { annotations, .. } = &answer;
            let (warnings, infos) = (notes(&annotations.warnings), notes(&annotations.infos));
            json!({"data": unordered(data(&answer)), "warnings": warnings, "infos": infos})
        }
        Err(error @ (Error::Parse(_) | Error::WrongType(_))) => {
            json!({"error": format!("invalid parameter \"query\": {error}")})
        }
        Err(error) => json!({"error": error.to_string()}),
    }
}

fn theirs(client: &mut Connection, text: &str, (start, end, step): Times) -> Json {
    let query = crate::conformance::encoded(text);
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let answer = match step {
        0 => client.post("/api/v1/query", &format!("query={query}&time={}", seconds(start))),
        _ => {
            let [start, end, step] = [start, end, step].map(seconds);
            let form = format!("query={query}&start={start}&end={end}&step={step}");
            client.post("/api/v1/query_range", &form)
        }
    };
    let mut body: Json = serde_json::from_slice(&answer.body).expect("JSON");
    if body["status"] == "error" {
        return json!({"error": body["error"]});
    }
    let mut notes = |name: &str| {
        let mut notes = body[name].take().as_array().cloned().unwrap_or_default();
        notes.sort_by_key(ToString::to_string);
        notes
    };
    let (warnings, infos) = (notes("warnings"), notes("infos"));
    json!({"data": unordered(body["data"].take()), "warnings": warnings, "infos": infos})
}

/// Numbers to a relative 1e-12.
fn close(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| close(a, b)))
        }
        (Json::String(a), Json::String(b)) => {
            let numbers = (a.parse::<f64>(), b.parse::<f64>());
            a == b
                || matches!(numbers, (Ok(a), Ok(b)) if (a - b).abs() <= 1e-12 * a.abs().max(b.abs()))
        }
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
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
    let Ok(binary) = std::env::var("FIRESTEEL_REFERENCE") else {
        println!("SKIPPED: no reference (set FIRESTEEL_REFERENCE to its binary)");
        return;
    };
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
    let server = Reference::start(&binary, &other, &scratch.path().join("reference.yml"));
    let mut client = Connection::new(server.address);
    let (mut same, mut nearly, mut failed, mut odd) = (0, 0, 0, Vec::new());
    for _ in 0..number("FIRESTEEL_QUERIES", 10_000) {
        let text = text(&mut generator);
        let once = generator.one_in(3).then(|| 1000 * generator.below(3100) as i64);
        let times = once.map_or((600_000, 3_000_000, 95_000), |at| (at, at, 0));
        let (got, wanted) = (ours(&engine, &db, &text, times), theirs(&mut client, &text, times));
        failed += u64::from(wanted.get("error").is_some());
        if got == wanted {
            same += 1;
        } else if close(&got, &wanted) || is_random(&text) {
            nearly += 1;
            println!("{text}\n at {times:?}\n  {}", difference(&got, &wanted));
        } else {
            odd.push(format!("{text}\n at {times:?}\n  {}", difference(&got, &wanted)));
        }
    }
    println!(
        "{same} agree, {nearly} but for last digits or an order that is random in the reference, {failed} fail; seed {seed}"
    );
    let shown = odd.iter().take(25).cloned().collect::<Vec<_>>();
    assert!(odd.is_empty(), "{} differ:\n{}", odd.len(), shown.join("\n"));
}

/// Whether the reference answers by the order of a map that is random: what functions and operators made of vectors
/// comes in any order, and sums and picks follow it.
fn is_random(text: &str) -> bool {
    let follows = ["sum", "avg", "limit", "topk", "bottomk", "stddev", "stdvar"];
    let begins = [") ", "abs(", "ceil(", "floor(", "sqrt(", "sgn(", "-(", "histogram_", ":"];
    follows.iter().any(|name| text.contains(name)) && begins.iter().any(|part| text.contains(part))
}

/// The parts that differ, shortened.
fn difference(got: &Json, wanted: &Json) -> String {
    let cut = |json: &Json| json.to_string().chars().take(600).collect::<String>();
    for name in ["error", "warnings", "infos"] {
        if got.get(name) != wanted.get(name) {
            return format!("{name}: {}\n  not {}", cut(&got[name]), cut(&wanted[name]));
        }
    }
    let (a, b) = (&got["data"]["result"], &wanted["data"]["result"]);
    if let (Some(a), Some(b)) = (a.as_array(), b.as_array())
        && a.len() == b.len()
        && let Some((a, b)) = a.iter().zip(b).find(|(a, b)| a != b)
    {
        for name in ["values", "histograms"] {
            if let (Some(x), Some(y)) = (a[name].as_array(), b[name].as_array())
                && x.len() == y.len()
                && let Some((x, y)) = x.iter().zip(y).find(|(x, y)| !close(x, y))
            {
                return format!("{}: {}\n  not {}", a["metric"], cut(x), cut(y));
            }
        }
        return format!("{}\n  not {}", cut(a), cut(b));
    }
    format!("{}\n  not {}", cut(a), cut(b))
}
