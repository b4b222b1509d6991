//! Answers of the API as promtool prints them: numbers without exponents, labels sorted.

use model::METRIC_NAME;
use model::float::{self, printf_f};
use model::quote::Quoted;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// A result of `query` or `query_range`, as PromQL shows values.
pub(super) fn promql(data: &Value) -> String {
    let result = &data["result"];
    let all = || result.as_array().into_iter().flatten();
    let lines: Vec<String> = match data["resultType"].as_str() {
        Some("scalar") => {
            vec![format!("scalar: {}", pair(result))]
        }
        Some("string") => vec![text(&result[1]).to_owned()],
        Some("matrix") => {
            let mut series: Vec<&Value> = all().collect();
            series.sort_by(|a, b| compare(&a["metric"], &b["metric"]));
            series.into_iter().map(stream).collect()
        }
        _ => all()
            .map(|series| format!("{} => {}", label_set(&series["metric"], true), sample(series)))
            .collect(),
    };
    lines.join("\n")
}

/// A result, or labels, as JSON with the escapes Go writes.
pub(super) fn json(value: &Value) -> String {
    let mut out = String::new();
    for c in settled(value).to_string().chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}

/// The same with sorted labels, and with the numbers of samples without exponents.
fn settled(value: &Value) -> Value {
    match value {
        Value::Array(items) => match &items[..] {
            [Value::Number(_), Value::String(_)] => {
                Value::Array(vec![items[0].clone(), Value::from(number(&items[1]))])
            }
            [Value::Number(_), bounds @ ..] if bounds.len() == 3 => {
                let bounds = bounds.iter().map(|bound| Value::from(number(bound)));
                Value::Array(std::iter::once(items[0].clone()).chain(bounds).collect())
            }
            _ => Value::Array(items.iter().map(settled).collect()),
        },
        Value::Object(fields) if fields.contains_key("buckets") => {
            let fields = fields.iter().map(|(name, value)| {
                let value =
                    if value.is_string() { Value::from(number(value)) } else { settled(value) };
                (name.clone(), value)
            });
            Value::Object(fields.collect())
        }
        Value::Object(fields) if fields.get("metric").is_some_and(Value::is_object) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), settled(value)));
            Value::Object(fields.collect())
        }
        Value::Object(labels) => {
            let mut labels: Vec<_> = labels.clone().into_iter().collect();
            labels.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(Map::from_iter(labels))
        }
        other => other.clone(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn parsed(value: &Value) -> f64 {
    float::parse_float(text(value)).unwrap_or(f64::NAN)
}

/// The number in a text, without an exponent.
fn number(value: &Value) -> String {
    float::fixed(parsed(value))
}

/// `1 @[1435781430.781]`
fn pair(pair: &Value) -> String {
    format!("{} @[{}]", number(&pair[1]), pair[0])
}

/// `Count: 2.000000, Sum: 1.000000, Buckets: [(0,1]:2] @[1435781430.781]`
fn histogram(pair: &Value) -> String {
    let value = &pair[1];
    let bucket = |bucket: &Value| {
        let (open, close) = match bucket[0].as_u64() {
            Some(0) => ("(", "]"),
            Some(1) => ("[", ")"),
            Some(2) => ("(", ")"),
            _ => ("[", "]"),
        };
        let [lower, upper] = [1, 2].map(|field| float::general(parsed(&bucket[field])));
        let count = number(&bucket[3]);
        format!("{open}{lower},{upper}{close}:{count}")
    };
    let buckets: Vec<String> =
        value["buckets"].as_array().into_iter().flatten().map(bucket).collect();
    let [count, sum] = ["count", "sum"].map(|field| printf_f(parsed(&value[field]), 6));
    format!("Count: {count}, Sum: {sum}, Buckets: [{}] @[{}]", buckets.join(" "), pair[0])
}

fn sample(series: &Value) -> String {
    match series.get("histogram") {
        Some(value) => histogram(value),
        None => pair(&series["value"]),
    }
}

fn stream(series: &Value) -> String {
    let floats = series["values"].as_array().into_iter().flatten().map(pair);
    let histograms = series["histograms"].as_array().into_iter().flatten().map(histogram);
    let samples: Vec<String> = floats.chain(histograms).collect();
    format!("{} =>\n{}", label_set(&series["metric"], true), samples.join("\n"))
}

/// The labels of a series, sorted by their names.
fn sorted(labels: &Value) -> Vec<(&str, &str)> {
    let mut pairs: Vec<(&str, &str)> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), text(value)))
        .collect();
    pairs.sort_unstable();
    pairs
}

/// Fewer labels come first; among as many, at the first name that one has and the other has not or has with another
/// value, the one without it, or with the smaller value.
fn compare(a: &Value, b: &Value) -> Ordering {
    let (a, b) = (sorted(a), sorted(b));
    let by_pairs = || {
        let different = a.iter().zip(&b).find(|(a, b)| a != b);
        different.map_or(Ordering::Equal, |(a, b)| match a.0.cmp(b.0) {
            Ordering::Equal => a.1.cmp(b.1),
            // The smaller name is missing on the other side, which comes first.
            by_name => by_name.reverse(),
        })
    };
    a.len().cmp(&b.len()).then_with(by_pairs)
}

/// `name{a="b", c="d"}`, or with the name among the labels.
pub(super) fn label_set(labels: &Value, with_outer_name: bool) -> String {
    let labels = sorted(labels);
    let name = labels.iter().find(|(label, _)| with_outer_name && *label == METRIC_NAME);
    let pairs: Vec<String> = labels
        .iter()
        .filter(|pair| name.is_none_or(|name| *pair != name))
        .map(|(label, value)| format!("{label}={}", Quoted(value)))
        .collect();
    match name {
        Some((_, name)) if pairs.is_empty() => (*name).to_owned(),
        _ => format!("{}{{{}}}", name.map_or("", |(_, name)| name), pairs.join(", ")),
    }
}

#[cfg(test)]
mod tests;
