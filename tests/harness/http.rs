//! Recorded exchanges: sending a request as it was sent, and comparing the answer with the recorded one.

pub mod client;
mod json;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{Answer, exchange, listen};
use flate2::read::{GzDecoder, ZlibDecoder};
use json::Json;
use serde_json::Value;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

/// What stands for a value that is not compared.
const ANY: &str = "\"<volatile>\"";

/// Sends a recorded request.
#[must_use]
pub fn ask(address: SocketAddr, request: &Value) -> Answer {
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let headers: Vec<(String, String)> = request["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
        .collect();
    let packed = request["body_base64"].as_str().map(|body| STANDARD.decode(body).expect("base64"));
    let body = packed.unwrap_or_else(|| text("body").as_bytes().to_vec());
    let (method, path) = (text("method"), text("path"));
    match request["read_ms"].as_u64() {
        Some(ms) => listen(address, path, Duration::from_millis(ms)),
        None => exchange(address, method, path, &headers, &body),
    }
}

fn paths<'l>(line: &'l Value, kind: &str) -> Vec<&'l str> {
    line[kind].as_array().into_iter().flatten().map(|path| path.as_str().expect("path")).collect()
}

/// What differs, if anything.
#[must_use]
pub fn difference(line: &Value, answer: &Answer) -> Option<String> {
    let expect = &line["response"];
    let volatile = paths(line, "volatile");
    if !volatile.contains(&"status") && expect["status"] != answer.status {
        return Some(format!(
            "status {} instead of {}: {}",
            answer.status,
            expect["status"],
            answer.text()
        ));
    }
    for (name, value) in expect["headers"].as_object().into_iter().flatten() {
        let values: Vec<&str> = match value {
            Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
            single => single.as_str().into_iter().collect(),
        };
        if !volatile.contains(&format!("header:{name}").as_str()) && answer.header(name) != values {
            return Some(format!("{name}: {:?} instead of {values:?}", answer.header(name)));
        }
    }
    if volatile.contains(&"body") {
        return None;
    }
    if let Some(len) = expect["body_len"].as_u64() {
        let begin = expect["body_start"].as_str().unwrap_or_default();
        let agrees = answer.body.len() as u64 == len && answer.text().starts_with(begin);
        return (!agrees).then(|| format!("{} bytes instead of {len}", answer.body.len()));
    }
    if let Some(body) = expect["body_base64"].as_str() {
        let body = STANDARD.decode(body).expect("base64");
        return (body != answer.body).then(|| format!("got    {:?}", answer.text()));
    }
    let expect = expect["body"].as_str().unwrap_or_default();
    let got = unpacked(answer);
    if expect == got || line["loose"].as_array().is_some_and(|l| l.contains(&"body".into())) {
        return None;
    }
    if let Some((begin, end)) = volatile_part(&volatile, expect) {
        let same = got.starts_with(begin) && got.ends_with(end);
        return (!same).then(|| format!("got    {got}\nexpect {expect}"));
    }
    if volatile.contains(&"spaces") {
        let squeezed = |text: &str| text.split(' ').filter(|p| !p.is_empty()).collect::<String>();
        let same = squeezed(expect) == squeezed(&got);
        return (!same).then(|| format!("got    {got}\nexpect {expect}"));
    }
    let (Some(expect), Some(got)) = (Json::parse(expect), Json::parse(&got)) else {
        return Some(format!("got    {got}\nexpect {expect}"));
    };
    let (expect, got) = (relaxed(line, expect), relaxed(line, got));
    let show = |json: &Json| {
        let mut text = String::new();
        json.print(&mut text);
        text
    };
    (!expect.agrees(&got)).then(|| format!("got    {}\nexpect {}", show(&got), show(&expect)))
}

/// What surrounds the one part that a regular expression took out of a text body.
fn volatile_part<'e>(volatile: &[&str], expect: &'e str) -> Option<(&'e str, &'e str)> {
    volatile.iter().find(|path| path.starts_with("re:"))?;
    expect.split_once("<volatile>")
}

/// The body without its compression.
fn unpacked(answer: &Answer) -> String {
    let mut plain = String::new();
    let read = match answer.header("content-encoding")[..] {
        ["gzip"] => GzDecoder::new(&answer.body[..]).read_to_string(&mut plain),
        ["snappy"] => {
            // Errors are announced as packed and are not.
            let plain = snap::raw::Decoder::new().decompress_vec(&answer.body);
            return plain.map_or(answer.text(), |p| String::from_utf8_lossy(&p).into_owned());
        }
        ["deflate"] => ZlibDecoder::new(&answer.body[..]).read_to_string(&mut plain),
        _ => return answer.text(),
    };
    read.expect("compressed as announced");
    plain
}

/// The value with what is not compared taken out.
fn relaxed(line: &Value, mut value: Json) -> Json {
    for path in paths(line, "volatile").into_iter().chain(paths(line, "loose")) {
        if path.starts_with('$') {
            value.at(path, &mut |at| *at = Json::Token(ANY.to_owned()));
        }
    }
    for path in paths(line, "unordered") {
        value.at(path, &mut |at| {
            if let Json::Array(elements) = at {
                elements.sort_by_key(|element| {
                    let mut text = String::new();
                    element.print(&mut text);
                    text
                });
            }
        });
    }
    for path in paths(line, "choice") {
        value.at(path, &mut |at| {
            if let Json::Array(elements) = at {
                elements.fill(Json::Token(ANY.to_owned()));
            }
        });
    }
    value
}
