//! Past samples by HTTP: stored whole or not at all, found by queries, there after a restart.

use benches::load::http::encode;
use benches::load::peer::{Peer, Running};
use serde_json::Value;
use std::path::Path;
use tests::http::client::{Answer, exchange};

fn start(dir: &Path, more: &str) -> Running {
    let line = format!(
        "firesteel={} --config.file={{config}} --storage.tsdb.path={{dir}} \
         --web.listen-address=127.0.0.1:{{port}} --storage.tsdb.retention.time=100y {more}",
        env!("CARGO_BIN_EXE_firesteel")
    );
    Peer::parse(&line)
        .expect("a well-formed command")
        .start(dir, "global: {}\n")
        .expect("it starts")
        .0
}

const ADMIN: &str = "--web.enable-admin-api";

fn post(running: &Running, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    exchange(([127, 0, 0, 1], running.port).into(), "POST", path, &headers, body)
}

/// The last line of an answer.
fn outcome(answer: &Answer) -> Value {
    let text = answer.text();
    serde_json::from_str(text.trim_end().lines().last().expect("a line")).expect("JSON")
}

/// Value and time of the newest sample of `expr` at a time.
fn at(running: &Running, expr: &str, time: &str) -> Value {
    let path = format!("/api/v1/query?query={}&time={time}", encode(expr));
    let body = running.client().get(&path).expect("an answer").body;
    let answer: Value = serde_json::from_slice(&body).expect("JSON");
    answer["data"]["result"][0]["value"].clone()
}

const TEXT: &str = "# TYPE old counter\nold_total{a=\"1\"} 7 1500000000\nold_total{a=\"2\"} 8 1500000000\n\
    old_total{a=\"1\"} 9 1600000000\n# EOF\n";

#[test]
fn open_metrics_become_blocks_that_stay() {
    let scratch = tests::Scratch::new("import");
    let dir = scratch.path().join("data");
    let running = start(&dir, ADMIN);
    let answer =
        post(&running, "/api/v1/import/openmetrics?extra_label=site%3Dx", &[], TEXT.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), ["application/x-ndjson; charset=utf-8"]);
    let progress: Value =
        serde_json::from_str(answer.text().lines().next().expect("a line")).expect("JSON");
    assert_eq!(progress["progress"]["passes"], 1);
    assert_eq!(progress["progress"]["bytes"], TEXT.len());
    let told = outcome(&answer);
    assert_eq!(told["status"], "success");
    assert_eq!((&told["data"]["samples"], &told["data"]["refusedSamples"]), (&3.into(), &0.into()));
    let blocks = told["data"]["blocks"].as_array().expect("blocks");
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0]["minTime"], 1_500_000_000_000_i64);
    assert!(blocks.iter().all(|block| block["expired"] == false), "{told}");
    let check = |running: &Running| {
        let expr = "old_total{a=\"1\",site=\"x\"}";
        assert_eq!(at(running, expr, "1500000100")[1], "7");
        assert_eq!(at(running, expr, "1600000100")[1], "9");
        assert_eq!(at(running, "sum(old_total)", "1500000000")[1], "15");
    };
    check(&running);
    drop(running);
    assert!(!dir.join("import").exists(), "nothing is left behind");
    check(&start(&dir, ADMIN));
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_nothing_is_stored() {
    let scratch = tests::Scratch::new("import-bad");
    let dir = scratch.path().join("data");
    let running = start(&dir, ADMIN);
    let refused = |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        let answer = post(&running, path, headers, body);
        let told = outcome(&answer);
        assert_eq!(told["status"], "error", "{told}");
        assert_eq!(at(&running, "count(old_total)", "1500000000"), Value::Null);
        (answer.status, told["error"].as_str().expect("words").to_owned())
    };
    let open_metrics = "/api/v1/import/openmetrics";
    let bad = TEXT.replace("9 1600000000", "x 1600000000");
    let (status, error) = refused(open_metrics, &[], bad.as_bytes());
    assert_eq!(status, 400);
    assert!(error.starts_with("line 4, column"), "{error}");
    let bad = TEXT.replace("9 1600000000", "9 99999999999");
    let (status, error) = refused(open_metrics, &[], bad.as_bytes());
    assert!(
        status == 400 && error.starts_with("line 4: timestamp 99999999999000 ms is in the future")
    );
    let (_, error) = refused(open_metrics, &[("Content-Encoding", "gzip")], TEXT.as_bytes());
    assert!(error.starts_with("reading the body: "), "{error}");
    let (_, error) = refused(open_metrics, &[("Content-Encoding", "br")], TEXT.as_bytes());
    assert_eq!(error, "Content-Encoding \"br\" is not known here: gzip");
    let (_, error) = refused("/api/v1/import/openmetrics?extra_label=x", &[], TEXT.as_bytes());
    assert!(error.contains("expected name=value"), "{error}");
    let remote_write = "/api/v1/import/remote-write";
    let (_, error) = refused(remote_write, &[], b"");
    assert!(error.contains("application/x-protobuf for one message"), "{error}");
    let kind = [("Content-Type", "application/x-protobuf")];
    let (status, error) = refused(remote_write, &kind, b"\x03abc");
    assert_eq!((status, &*error), (400, "message 1: s2: corrupt input"));
    let (_, metrics) = (0, running.client().get("/api/v1/status/tsdb/blocks").expect("an answer"));
    assert!(String::from_utf8_lossy(&metrics.body).contains("\"blocks\":[]"));
    assert!(!dir.join("import").exists(), "nothing is left behind");
}

#[test]
fn recorded_remote_write_is_imported_in_frames() {
    let scratch = tests::Scratch::new("import-rw");
    let running = start(&scratch.path().join("data"), ADMIN);
    let bytes = tests::golden_bytes("http/extra.rw");
    let (mut body, mut rest) = (Vec::new(), &bytes[..]);
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        let (message, tail) = tail.split_at(u32::from_le_bytes(*len) as usize);
        let mut len = message.len();
        while len >= 0x80 {
            body.push(len as u8 | 0x80);
            len >>= 7;
        }
        body.push(len as u8);
        body.extend(crc32c::crc32c(message).to_be_bytes());
        body.extend(message);
        rest = tail;
    }
    let path = "/api/v1/import/remote-write";
    let kind = "application/x-streamed-protobuf; proto=prometheus.WriteRequest";
    let answer = post(&running, path, &[("Content-Type", kind)], &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(outcome(&answer)["status"], "success");
    // Floats, and native histograms too.
    assert_eq!(at(&running, "count(edge_time) > bool 0", "1793496600")[1], "1");
    assert_eq!(at(&running, "count(edge_hist) > bool 1", "1793496600")[1], "1");
}

#[test]
fn imports_are_off_unless_the_admin_api_is_on() {
    let scratch = tests::Scratch::new("import-off");
    let running = start(&scratch.path().join("data"), "");
    let answer = post(&running, "/api/v1/import/openmetrics", &[], TEXT.as_bytes());
    assert_eq!(outcome(&answer)["error"], "admin APIs disabled");
    assert_eq!(post(&running, "/api/v1/import/openmetrics/", &[], b"").status, 307);
}
