//! Nothing acknowledged is lost: kill -9 during remote write, again and again on the same directory; after each start
//! every acknowledged sample is there, none twice. `FIRESTEEL_KILL_ROUNDS` sets how often (3 by default).

mod busy;

use benches::load::peer::{Peer, Running};
use benches::load::series::{Scratch, Series, body};
use benches::load::work::now_ms;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const SERIES: usize = 200;
const STEP_MS: i64 = 100;
const HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
    X-Prometheus-Remote-Write-Version: 0.1.0\r\n";

fn series(count: usize) -> Vec<Series> {
    (0..count)
        .map(|index| {
            let labels = [("__name__", "killed"), ("index", &index.to_string()), ("job", "kill")];
            Series::new(&labels, index % 2 == 0)
        })
        .collect()
}

fn rounds() -> u64 {
    std::env::var("FIRESTEEL_KILL_ROUNDS")
        .map_or(3, |text| text.parse().expect("FIRESTEEL_KILL_ROUNDS is a number"))
}

/// Writes one step after the other until the connection breaks; `acknowledged` is the number of steps answered.
fn write_until_killed(
    port: u16,
    (all, base_ms): (&[Series], i64),
    acknowledged: &AtomicU64,
    first: u64,
) {
    let mut client = benches::load::http::Client::new(port);
    let mut scratch = Scratch::default();
    for step in first.. {
        let bytes = body(all, step, base_ms + step as i64 * STEP_MS, &mut scratch);
        match client.post("/api/v1/write", HEADERS, &bytes) {
            Ok(response) if (200..300).contains(&response.status) => {
                acknowledged.store(step + 1, Ordering::SeqCst);
            }
            // It was asked to end.
            Ok(response) if response.status == 503 => return,
            Ok(response) => {
                panic!("{} {}", response.status, String::from_utf8_lossy(&response.body))
            }
            Err(_) => return,
        }
    }
}

/// The result of a query; `WINDOW` in it reaches back to the first sample.
fn ask(running: &Running, query: &str, (base_ms, end_ms): (i64, i64)) -> Vec<serde_json::Value> {
    let window_s = (end_ms - base_ms) / 1000 + 5;
    let query = query.replace("WINDOW", &format!("[{window_s}s]"));
    let query = benches::load::http::encode(&query);
    let at = end_ms as f64 / 1000.0 + 1.0;
    let response =
        running.client().get(&format!("/api/v1/query?query={query}&time={at}")).expect("an answer");
    let text = String::from_utf8(response.body).expect("text");
    let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{text}")).clone()
}

/// The stored samples of a selector by series index: step to value.
fn stored(
    running: &Running,
    selector: &str,
    (base_ms, end_ms): (i64, i64),
) -> BTreeMap<usize, BTreeMap<i64, f64>> {
    let mut out = BTreeMap::new();
    for one in ask(running, &format!("{selector}WINDOW"), (base_ms, end_ms)) {
        let index: usize = one["metric"]["index"].as_str().expect("label").parse().expect("number");
        let mut samples = BTreeMap::new();
        for sample in one["values"].as_array().expect("values") {
            let time_ms = (sample[0].as_f64().expect("time") * 1000.0).round() as i64;
            let value = sample[1].as_str().expect("value").parse().expect("number");
            let twice = samples.insert((time_ms - base_ms) / STEP_MS, value);
            assert!(twice.is_none(), "series {index} has {time_ms} twice");
        }
        out.insert(index, samples);
    }
    out
}

fn check(running: &Running, base_ms: i64, steps: u64, holes: &[u64]) {
    if steps == 0 {
        return;
    }
    let stored = stored(running, "killed", (base_ms, base_ms + steps as i64 * STEP_MS));
    assert_eq!(stored.len(), SERIES, "all series are there");
    for (index, one) in series(SERIES).iter().enumerate() {
        for step in (0..steps).filter(|step| !holes.contains(step)) {
            let got = stored[&index].get(&(step as i64));
            assert_eq!(got, Some(&one.value(step)), "series {index}, step {step}");
        }
    }
}

#[test]
fn every_acknowledged_sample_survives_kill_9() {
    let (rounds, all) = (rounds(), series(SERIES));
    let scratch = tests::Scratch::new("kill");
    let dir = scratch.path().join("data");
    let peer =
        Peer::parse(&format!("firesteel={}", env!("CARGO_BIN_EXE_firesteel"))).expect("peer");
    let base_ms = now_ms() / 1000 * 1000 - 1_800_000;
    let acknowledged = AtomicU64::new(0);
    let mut holes = Vec::new();
    for round in 0..rounds {
        let running = start(&peer, &dir);
        check(&running, base_ms, acknowledged.load(Ordering::SeqCst), &holes);
        // The request in flight at the kill may or may not have been stored; the next round skips its step.
        let first = acknowledged.load(Ordering::SeqCst) + u64::from(round > 0);
        if round > 0 {
            holes.push(first - 1);
        }
        let enough = first + 40 + round * 7;
        std::thread::scope(|scope| {
            let (port, all, acknowledged) = (running.port, &all[..], &acknowledged);
            let writer =
                scope.spawn(move || write_until_killed(port, (all, base_ms), acknowledged, first));
            while acknowledged.load(Ordering::SeqCst) < enough && !writer.is_finished() {
                std::thread::yield_now();
            }
            running.kill().expect("killed");
        });
    }
    let running = start(&peer, &dir);
    check(&running, base_ms, acknowledged.load(Ordering::SeqCst), &holes);
    let last = acknowledged.load(Ordering::SeqCst);
    assert!(last >= rounds * 40, "wrote only {last} steps");
}

fn start(peer: &Peer, dir: &Path) -> Running {
    peer.start(dir, "global: {}\n").expect("the server starts").0
}
