//! Queries that ask for too much, as their callers meet them: over the bound on memory, slow, given up half-way.

use benches::load::http::encode;
use benches::load::peer::{Peer, Running};
use benches::load::series::{self, Scratch};
use benches::load::work::now_ms;
use metrics::Stopwatch;
use serde_json::Value;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const SERIES: usize = 1000;
const SAMPLES: u64 = 60;
const STEP_MS: i64 = 15_000;
const HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
    X-Prometheus-Remote-Write-Version: 0.1.0\r\n";

fn start(dir: &Path, flags: &str) -> Running {
    let binary = env!("CARGO_BIN_EXE_firesteel");
    let line = format!(
        "firesteel={binary} --config.file={{config}} --storage.tsdb.path={{dir}} \
         --web.listen-address=127.0.0.1:{{port}} --web.enable-remote-write-receiver {flags}"
    );
    let peer = Peer::parse(&line).expect("a well-formed command");
    peer.start(dir, "global: {}\n").expect("the server starts").0
}

/// Some series; answers the second of their last sample.
fn fill(running: &Running) -> i64 {
    let (all, mut scratch) = (series::node(SERIES), Scratch::default());
    let begin_ms = now_ms() - SAMPLES as i64 * STEP_MS;
    let mut client = running.client();
    for step in 0..SAMPLES {
        let body = series::body(&all, step, begin_ms + step as i64 * STEP_MS, &mut scratch);
        let answer = client.post("/api/v1/write", HEADERS, &body).expect("an answer");
        assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
    }
    (begin_ms + (SAMPLES as i64 - 1) * STEP_MS) / 1000
}

fn get(running: &Running, path: &str) -> (u16, Value) {
    let answer = running.client().get(path).expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn range(query: &str, (start_s, end_s, step_s): (i64, i64, i64)) -> String {
    let query = encode(query);
    format!("/api/v1/query_range?query={query}&start={start_s}&end={end_s}&step={step_s}")
}

/// Looks until something is so, a minute at most.
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Stopwatch::start();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_query_over_the_bound_names_its_selector_and_the_server_goes_on() {
    let scratch = tests::Scratch::new("query-memory");
    let running = start(&scratch.path().join("data"), "--query.max-memory-bytes=4MB");
    let end_s = fill(&running);
    let query = "{job=\"node\",device!=\"dev9\"} + 1";
    let (status, body) = get(&running, &range(query, (end_s - 900, end_s, 1)));
    assert_eq!((status, &body["errorType"]), (422, &"execution".into()), "{body}");
    let error = body["error"].as_str().expect("a text");
    for part in [
        "selector {job=\"node\",device!=\"dev9\"} has 1000 series, with which the query needs about ",
        "MiB of memory; a query may take 4.0MiB (--query.max-memory-bytes)",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let (status, body) = get(&running, &range("count({job=\"node\"})", (end_s, end_s, 1)));
    assert_eq!((status, &body["data"]["result"][0]["values"][0][1]), (200, &"1000".into()));
}

#[test]
fn slow_queries_are_logged_with_the_headers_of_their_caller() {
    let scratch = tests::Scratch::new("slow-query");
    let dir = scratch.path().join("data");
    let running = start(&dir, "--query.log-slower-than=1ms");
    let query = "sum_over_time(vector(1)[1h:1s])";
    let form = format!("query={}&start=3600&end=13600&step=1", encode(query));
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n\
        X-Dashboard-Uid: cD7\r\nX-Panel-Id: 4\r\nX-Grafana-Org-Id: 1\r\nAuthorization: Basic secret\r\n";
    let answer = running.client().post("/api/v1/query_range", headers, form.as_bytes());
    assert_eq!(answer.expect("an answer").status, 200);
    let told = || -> Option<String> {
        let log = std::fs::read_to_string(dir.with_extension("log")).expect("a log");
        log.lines().find(|line| line.contains("A query was slow")).map(str::to_owned)
    };
    wait("a line in the log", || told().is_some());
    let line = told().expect("it was there");
    for part in [
        "component=query",
        "query=sum_over_time(vector(1)[1h:1s])",
        "start_ms=3600000 end_ms=13600000 step_ms=1000",
        "samples=36003600",
        "x-dashboard-uid=\\\"cD7\\\"",
        "x-panel-id=\\\"4\\\"",
    ] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    assert!(!line.contains("secret"), "{line}");
}

/// Queries that take long where they would not end before they are done.
const LONG: [&str; 8] = [
    // Windows of a day in one series.
    "quantile_over_time(0.9, (vector(time()) * 48271 % 65537)[1d:1s])",
    "stddev_over_time(vector(time())[1d:1s])",
    // Many steps of many series: aggregations, a join, sorted picks, labels made anew, a set operator.
    "sum by (region) (last_over_time({job=\"node\"}[10m]) * 2)",
    "max_over_time(({job=\"node\"} / {job=\"node\"})[30m:1s])",
    "topk by (device) (3, max_over_time({job=\"node\"}[10m:1s]))",
    "count_values(\"v\", max_over_time({job=\"node\"}[10m:1s]))",
    "max_over_time(label_replace({job=\"node\"}, \"x\", \"$1\", \"__name__\", \"(.*)_total\")[30m:1s])",
    "count(max_over_time(({job=\"node\"} and {device=~\"dev.*\"})[30m:1s]))",
];

/// How soon a query has to be gone: much longer than it takes, for machines that are busy with other things, and much
/// shorter than a query would go on.
const SOON_S: f64 = 5.0;

#[test]
fn what_a_client_leaves_behind_ends_soon() {
    let scratch = tests::Scratch::new("left-queries");
    // The next query waits until the one before is at its end.
    let flags =
        "--query.max-samples=2000000000 --query.max-memory-bytes=2GB --query.max-concurrency=1";
    let running = start(&scratch.path().join("data"), flags);
    let end_s = fill(&running);
    // For how many seconds it has been running, if it is there.
    let active = || -> Option<f64> {
        let (_, body) = get(&running, "/api/v1/status/active_queries");
        let query = &body["data"][0];
        (query["state"] == "running").then(|| query["durationSeconds"].as_f64().expect("seconds"))
    };
    for query in LONG {
        let mut stream = TcpStream::connect(("127.0.0.1", running.port)).expect("a server");
        let path = range(query, (end_s - 10_900, end_s, 1));
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
        wait("the query to begin", || active().is_some());
        // On its way, or answered by a machine that is very fast.
        wait("the query to be at work", || active().is_none_or(|seconds| seconds > 0.2));
        let was_running = active().is_some();
        drop(stream);
        let begin = Stopwatch::start();
        let (status, _) = get(&running, "/api/v1/query?query=1");
        let took = begin.elapsed_seconds();
        println!("{:.0} ms, running before: {was_running}: {query}", took * 1e3);
        assert!(status == 200 && took < SOON_S, "{status} after {took} s: {query}");
    }
}
