//! What the tests of the query engine share: filling the in-memory twin, asking, comparing answers. No assertions about
//! single functions live here.

use promql::{Answer, Engine, EngineOptions, Error, Features, Helpers, Request, Shared, Value};
use remote::receive::{Message, Receiver};
use serde_json::Value as Json;
use std::sync::Arc;
use storage::{Appendable, Cancel, FloatBatch, LabelBatch, MemoryStorage};

/// An engine with all syntax on, as most recordings were made.
pub(crate) fn engine(change: impl FnOnce(&mut EngineOptions)) -> Engine {
    // Every selection is worth a thread: what they find must not depend on them.
    let defaults = EngineOptions { min_shared_samples: 1, ..EngineOptions::default() };
    let mut options = EngineOptions { features: Features::ALL, ..defaults };
    change(&mut options);
    Engine::sharing(options, Shared { helpers: Helpers::new(2), ..Shared::default() })
}

/// Appends samples to one series; `labels` are sorted by name.
pub(crate) fn append(
    storage: &MemoryStorage,
    labels: &[(&str, &str)],
    samples: impl IntoIterator<Item = (i64, f64)>,
) {
    let mut appender = storage.appender(0);
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let ends = [labels.len() as u32];
    appender.resolve(LabelBatch::new(labels, &ends), &mut refs, &mut rejected).unwrap();
    let (times, values): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
    let refs = vec![refs[0].expect("a valid label set"); times.len()];
    appender.append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected).unwrap();
    appender.commit().unwrap();
}

/// Asks at one time.
pub(crate) fn instant(
    engine: &Engine,
    storage: &MemoryStorage,
    query: &str,
    at_ms: i64,
) -> Result<Answer, Error> {
    let cancel = Cancel::new();
    let request = Request::new(&cancel);
    engine.instant(storage, query, at_ms, &request)
}

/// Asks over a range.
pub(crate) fn range(
    engine: &Engine,
    storage: &MemoryStorage,
    query: &str,
    (start_ms, end_ms, step_ms): (i64, i64, i64),
) -> Result<Answer, Error> {
    let cancel = Cancel::new();
    let request = Request::new(&cancel);
    engine.range(storage, query, start_ms, end_ms, step_ms, &request)
}

/// The number of the only element of an instant vector, if there is one.
pub(crate) fn only(answer: &Answer) -> Option<f64> {
    match &answer.value {
        Value::Vector(vector) => {
            assert!(vector.values.len() < 2, "one element at most");
            vector.values.first().copied()
        }
        other => panic!("not a vector: {other:?}"),
    }
}

/// A number of a recording: 16 hex digits, `NaN`, or null.
pub(crate) fn number(json: &Json) -> Option<f64> {
    match json {
        Json::Null => None,
        Json::Number(number) => number.as_f64(),
        Json::String(text) if text.len() == 16 => {
            Some(f64::from_bits(u64::from_str_radix(text, 16).expect("hex digits")))
        }
        Json::String(text) => Some(text.trim_start_matches('+').parse().expect("a number")),
        other => panic!("not a number: {other}"),
    }
}

/// Equal to the last bit; any NaN equals any other.
pub(crate) fn same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (None, None) => true,
        _ => false,
    }
}

/// Appends recorded remote-write bodies, each behind its length.
pub(crate) fn load(storage: &MemoryStorage, mut bodies: &[u8]) {
    let appendable = Arc::new(storage.clone());
    let options = remote::receive::Options::default();
    let receiver = Receiver::new(appendable, options, &metrics::Registry::new());
    while let Some((len, rest)) = bodies.split_first_chunk::<4>() {
        let (body, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        bodies = rest;
        receiver.write(Message::V1, body, i64::MAX / 2).1.expect("recorded as accepted");
    }
}

/// An answer in the form of the API, as it is written there.
pub(crate) fn data(answer: &Answer) -> Json {
    let mut hand_on = |_: &mut Vec<u8>| Ok(());
    let mut out = web::json::Out::new(&mut hand_on);
    out.push("{");
    web::json::push_result(&mut out, &answer.value, 0).unwrap();
    out.push("}");
    serde_json::from_slice(&out.bytes).expect("JSON")
}

/// Rows in a fixed order, for answers whose order means nothing.
pub(crate) fn unordered(mut data: Json) -> Json {
    if let Some(rows) =
        data["result"].as_array_mut().filter(|rows| rows.iter().all(Json::is_object))
    {
        rows.sort_by_cached_key(|row| {
            row["metric"].as_object().map(|metric| {
                let mut pairs: Vec<_> =
                    metric.iter().map(|(n, v)| (n.clone(), v.to_string())).collect();
                pairs.sort();
                pairs
            })
        });
        for row in rows {
            if let Some(metric) = row["metric"].as_object_mut() {
                metric.sort_keys();
            }
        }
    }
    data
}
