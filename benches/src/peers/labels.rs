//! Whether two servers that scrape the same targets know the same: series, those that a scrape adds among them, and
//! metadata.

use crate::load::http::{Client, encode};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// A target may change between the scrapes of the two: this many looks, a second apart, until they agree.
const LOOKS: usize = 8;
/// How many differences are told.
const MAX_TOLD: usize = 5;

fn ask(port: u16, path: &str) -> io::Result<BTreeSet<String>> {
    let body = Client::new(port).get(path)?.body;
    let answer: Value = serde_json::from_slice(&body).map_err(io::Error::other)?;
    let entries = answer["data"].as_array().ok_or_else(|| io::Error::other("no list"))?;
    Ok(entries.iter().map(sorted).collect())
}

/// A field of a series. Bounds of buckets are compared as numbers: servers before the third major version keep them as
/// the target wrote them, `1` for what is `1.0` since.
fn field(name: &str, value: &Value) -> String {
    let bound = if matches!(name, "le" | "quantile") { value.as_str() } else { None };
    match bound.and_then(|text| text.parse::<f64>().ok()) {
        Some(number) => format!("{name}={number:?}"),
        None => format!("{name}={}", sorted(value)),
    }
}

/// An object with its fields in order, as text.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(name, value)| field(name, value)).collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(","))
        }
        other => other.to_string(),
    }
}

/// Compares what both answer about the last seconds; the number of entries, or the differences in words.
fn compare(ours: u16, theirs: u16, path: &dyn Fn() -> String) -> io::Result<Result<usize, String>> {
    let mut told = String::new();
    for _ in 0..LOOKS {
        let (have, want) = (ask(ours, &path())?, ask(theirs, &path())?);
        if have == want && !want.is_empty() {
            return Ok(Ok(want.len()));
        }
        let list = |set: &BTreeSet<String>, other: &BTreeSet<String>| {
            let only: Vec<&str> =
                set.difference(other).take(MAX_TOLD).map(String::as_str).collect();
            only.join(" ")
        };
        told = format!("only ours: {}; only theirs: {}", list(&have, &want), list(&want, &have));
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(Err(told))
}

/// Compares series and metadata of two running servers; differences end up in `failures`.
pub(super) fn check(
    ours: u16,
    theirs: u16,
    say: &dyn Fn(&str),
    failures: &mut Vec<String>,
) -> io::Result<()> {
    let series = || {
        let now_s = crate::load::work::now_ms() / 1000;
        format!("/api/v1/series?match[]={}&start={}&end={now_s}", encode("{job!=\"\"}"), now_s - 3)
    };
    let metadata = || "/api/v1/targets/metadata".to_owned();
    let paths: [(&str, &dyn Fn() -> String); 2] = [("series", &series), ("metadata", &metadata)];
    for (what, path) in paths {
        match compare(ours, theirs, path)? {
            Ok(number) => say(&format!("{what} of the same targets: {number} agree")),
            Err(told) => failures.push(format!("{what} of the same targets: {told}")),
        }
    }
    Ok(())
}
