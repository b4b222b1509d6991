//! The recorded remote reads, replayed over HTTP: samples unpacked, frames byte by byte.

use crate::http::client::{Answer, exchange};
use crate::http::serve::{Running, Setup, head};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Labels;
use remote::read::Limits;
use serde_json::Value;
use std::sync::Arc;
use tests::{golden, golden_bytes};

/// What the recorded server was told: external labels and a limit; its samples are loaded.
fn start() -> Running {
    let setup = Setup {
        external_labels: Labels::from_pairs([("cluster", "golden"), ("job", "extjob")]),
        read: Limits { max_samples: 5000, ..Limits::default() },
        ..Setup::default()
    };
    let running = Running::start(Arc::new(head()), &setup);
    let bytes = golden_bytes("dataset.rw");
    let mut rest = &bytes[..];
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        let (body, tail) = tail.split_at(u32::from_le_bytes(*len) as usize);
        let answer = exchange(running.address, "POST", "/api/v1/write", &[], body);
        assert_eq!(answer.status, 204, "{answer:?}");
        rest = tail;
    }
    running
}

fn differs(expect: &Value, answer: &Answer, is_loose: bool) -> Option<String> {
    if expect["status"] != answer.status {
        return Some(format!("{} {:?} instead of {expect}", answer.status, answer.text()));
    }
    for (name, value) in expect["headers"].as_object().into_iter().flatten() {
        if answer.header(name) != [value.as_str().expect("text")] {
            return Some(format!("{name}: {:?} instead of {value}", answer.header(name)));
        }
    }
    if is_loose {
        return None;
    }
    if let Some(len) = expect["body_len"].as_u64() {
        // Too long to be recorded whole.
        let got = answer.body.len() as u64;
        return (got != len).then(|| format!("{got} bytes instead of {len}"));
    }
    let body = match expect["decoded"].as_str() {
        Some("snappy") => snap::raw::Decoder::new().decompress_vec(&answer.body).expect("snappy"),
        _ => answer.body.clone(),
    };
    let expect = match (expect["body"].as_str(), expect["body_base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, packed) => STANDARD.decode(packed.unwrap_or_default()).expect("base64"),
    };
    (body != expect).then(|| {
        format!(
            "{} bytes:\n{}\ninstead of {}:\n{}",
            body.len(),
            body.escape_ascii(),
            expect.len(),
            expect.escape_ascii()
        )
    })
}

#[test]
fn recorded_exchanges() {
    let running = start();
    let (mut agreed, mut failures) = (0, Vec::new());
    let lines = golden("http/remote_read.jsonl");
    for line in lines.iter().filter(|line| line["server"] == "read") {
        let name = line["name"].as_str().expect("name");
        let request = &line["request"];
        let headers: Vec<(String, String)> = request["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
            .collect();
        let body =
            STANDARD.decode(request["body_base64"].as_str().unwrap_or_default()).expect("base64");
        let (method, path) =
            (request["method"].as_str().expect("method"), request["path"].as_str().expect("path"));
        let answer = exchange(running.address, method, path, &headers, &body);
        let is_loose = line["loose"].as_array().is_some_and(|loose| !loose.is_empty());
        match differs(&line["response"], &answer, is_loose) {
            None => agreed += 1,
            Some(what) => failures.push(format!("{name}: {what}")),
        }
    }
    println!("http/remote_read.jsonl {agreed}/{} agreed", lines.len());
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}
