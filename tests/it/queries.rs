//! What the tests of the query engine share: filling the in-memory twin, asking, comparing answers. No assertions about
//! single functions live here.

use promql::{Answer, Engine, EngineOptions, Error, Features, Request, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use storage::{Appendable, Cancel, FloatBatch, LabelBatch, MemoryStorage};

/// An engine with all syntax on, as most recordings were made.
pub(crate) fn engine(change: impl FnOnce(&mut EngineOptions)) -> Engine {
    let mut options = EngineOptions { features: Features::ALL, ..EngineOptions::default() };
    change(&mut options);
    Engine::new(options)
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
    let request = Request { lookback_ms: None, cancel: &cancel };
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
    let request = Request { lookback_ms: None, cancel: &cancel };
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

/// A protobuf field: number and content.
enum Field<'a> {
    Number(u64),
    Bits(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return value;
        }
        shift += 7;
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (bits, rest) = bytes.split_first_chunk::<8>().expect("eight bytes");
                bytes = rest;
                Field::Bits(u64::from_le_bytes(*bits))
            }
            2 => {
                let len = varint(&mut bytes) as usize;
                let (content, rest) = bytes.split_at(len);
                bytes = rest;
                Field::Bytes(content)
            }
            other => panic!("wire type {other}"),
        };
        out.push((key >> 3, field));
    }
    out
}

fn text(field: &Field<'_>) -> String {
    match field {
        Field::Bytes(bytes) => String::from_utf8(bytes.to_vec()).expect("UTF-8"),
        _ => panic!("not a text"),
    }
}

/// Appends the float samples of recorded remote-write bodies; gives back the names of metrics with native histograms.
pub(crate) fn load(storage: &MemoryStorage, mut bodies: &[u8]) -> Vec<String> {
    let mut native = Vec::new();
    while let Some((len, rest)) = bodies.split_first_chunk::<4>() {
        let (body, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        bodies = rest;
        let body = snap::raw::Decoder::new().decompress_vec(body).expect("snappy");
        for (number, series) in fields(&body) {
            let (1, Field::Bytes(series)) = (number, series) else { continue };
            load_series(storage, series, &mut native);
        }
    }
    native.sort();
    native.dedup();
    native
}

fn load_series(storage: &MemoryStorage, series: &[u8], native: &mut Vec<String>) {
    let (mut labels, mut samples) = (BTreeMap::new(), Vec::new());
    let mut has_histograms = false;
    for (number, field) in fields(series) {
        let Field::Bytes(content) = field else { continue };
        match number {
            1 => {
                let parts = fields(content);
                labels.insert(text(&parts[0].1), text(&parts[1].1));
            }
            2 => {
                let (mut value, mut time) = (0.0, 0);
                for part in fields(content) {
                    match part {
                        (1, Field::Bits(bits)) => value = f64::from_bits(bits),
                        (2, Field::Number(number)) => time = number as i64,
                        _ => {}
                    }
                }
                samples.push((time, value));
            }
            4 => has_histograms = true,
            _ => {}
        }
    }
    if has_histograms {
        native.push(labels["__name__"].clone());
    }
    if !samples.is_empty() {
        let pairs: Vec<_> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        append(storage, &pairs, samples);
    }
}

fn seconds(ms: i64) -> Json {
    if ms % 1000 == 0 { json!(ms / 1000) } else { json!(ms as f64 / 1000.0) }
}

/// An answer in the form of the API.
pub(crate) fn data(answer: &Answer) -> Json {
    let point = |ms: i64, value: f64| json!([seconds(ms), model::float::api(value)]);
    let metric = |labels: model::Labels| -> Json {
        Json::Object(labels.iter().map(|(n, v)| (n.to_owned(), json!(v))).collect::<Map<_, _>>())
    };
    match &answer.value {
        Value::Scalar { timestamp_ms, value } => {
            json!({"resultType": "scalar", "result": [seconds(*timestamp_ms), model::float::fixed(*value)]})
        }
        Value::String { timestamp_ms, value } => {
            json!({"resultType": "string", "result": [seconds(*timestamp_ms), value]})
        }
        Value::Vector(vector) => {
            let rows = vector.labels.iter().enumerate().map(|(row, labels)| {
                let value = point(vector.timestamps_ms[row], vector.values[row]);
                json!({"metric": metric(vector.symbols.labels(labels)), "value": value})
            });
            json!({"resultType": "vector", "result": rows.collect::<Vec<_>>()})
        }
        Value::Matrix(matrix) => {
            let mut begin = 0;
            let rows = matrix.labels.iter().enumerate().map(|(row, labels)| {
                let samples = begin..matrix.ends[row];
                begin = samples.end;
                let values = samples.map(|i| point(matrix.timestamps_ms[i], matrix.values[i]));
                let values: Vec<_> = values.collect();
                json!({"metric": metric(matrix.symbols.labels(labels)), "values": values})
            });
            json!({"resultType": "matrix", "result": rows.collect::<Vec<_>>()})
        }
    }
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
