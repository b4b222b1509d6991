//! The recorded transcripts of remote write and OTLP over HTTP: the lines of a server in their order, one after the other.

use crate::http::client::{Answer, exchange};
use crate::http::serve::{Running, Setup, head, head_with_exemplars};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remote::otlp::{Config, Options};
use remote::receive::{self, Message};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tests::golden;

/// A server as it was set up.
fn start(server: &str) -> Running {
    let only = |message| receive::Options { accepted: vec![message], ..Default::default() };
    let mut setup = Setup::default();
    match server {
        "bare" => setup.receiver = false,
        "write-v1" => setup.receive = only(Message::V1),
        "write-v2" => setup.receive = only(Message::V2),
        "otlp" => {
            let config = Config {
                promoted: vec!["foo.bar".to_owned()],
                promotes_scope: true,
                ..Config::default()
            };
            setup.otlp = Some((Options { lookback_ms: 300_000, ..Options::default() }, config));
        }
        _ => {}
    }
    let head = if server == "write" { head_with_exemplars(&mut setup) } else { head() };
    if server == "write-ooo" {
        head.set_out_of_order_window(600_000);
    }
    Running::start(Arc::new(head), &setup)
}

/// Lines that show what another part does not keep yet.
fn waits(name: &str) -> Option<&'static str> {
    let of_others = ["warnings counted", "target_info every"];
    of_others.iter().any(|word| name.contains(word)).then_some("what a line that waits had stored")
}

fn ask(running: &Running, request: &Value) -> Answer {
    let headers: Vec<(String, String)> = request["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
        .collect();
    let body = match (request["body_base64"].as_str(), request["body_zeros"].as_u64()) {
        (Some(packed), _) => STANDARD.decode(packed).expect("base64"),
        (None, Some(zeros)) => vec![0; zeros as usize],
        (None, None) => request["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
    };
    let text = |name: &str| request[name].as_str().expect("text");
    exchange(running.address, text("method"), text("path"), &headers, &body)
}

/// The value with the elements of its lists in one order.
fn sorted(mut value: Value) -> Value {
    match &mut value {
        Value::Array(elements) => {
            for element in elements.iter_mut() {
                *element = sorted(element.take());
            }
            elements.sort_by_key(Value::to_string);
        }
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| *field = sorted(field.take()));
        }
        _ => {}
    }
    value
}

fn differs(line: &Value, answer: &Answer) -> Option<String> {
    let expect = &line["response"];
    let text = answer.text();
    if expect["status"] != answer.status {
        return Some(format!("{} {text:?} instead of {expect}", answer.status));
    }
    for (name, value) in expect["headers"].as_object().into_iter().flatten() {
        if let Some(value) = value.as_str()
            && answer.header(name) != [value]
        {
            return Some(format!("{name}: {:?} instead of {value}", answer.header(name)));
        }
    }
    if line["loose"].as_array().is_some_and(|loose| !loose.is_empty()) {
        return None;
    }
    let body = expect["body"].as_str().unwrap_or_default();
    if line["unordered"].is_array() {
        let json = |text: &str| sorted(serde_json::from_str(text).expect("JSON"));
        return (json(body) != json(&text)).then(|| format!("{text}\ninstead of\n{body}"));
    }
    (body != text).then(|| format!("{text:?} instead of {body:?}"))
}

fn replay(file: &str) {
    let lines = golden(file);
    let mut servers: BTreeMap<&str, Running> = BTreeMap::new();
    let (mut agreed, mut failures, mut waiting) = (0, Vec::new(), BTreeMap::new());
    for line in &lines {
        let name = line["name"].as_str().expect("name");
        let server = line["server"].as_str().expect("server");
        let running = servers.entry(server).or_insert_with(|| start(server));
        let difference = differs(line, &ask(running, &line["request"]));
        match (difference, waits(name)) {
            (None, _) => agreed += 1,
            (Some(_), Some(reason)) => *waiting.entry(reason).or_insert(0) += 1,
            (Some(difference), None) => failures.push(format!("{server}: {name}: {difference}")),
        }
    }
    println!("{file} {agreed}/{} agreed, {waiting:?}", lines.len());
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn remote_write() {
    replay("http/remote_write.jsonl");
}

#[test]
fn otlp() {
    replay("http/otlp.jsonl");
}
