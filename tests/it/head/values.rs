//! Samples and metadata as the recorded append scripts write them, and the histograms that they only describe.

use crate::chunk::{histogram, spelled};
use chunk::exact::ExactValue;
use model::histogram::{Histogram, IntHistogram, Layout, Span};
use model::metadata::{Metadata, MetricType};
use serde_json::Value;
use std::sync::Arc;

/// A recorded value.
pub(crate) fn of(value: &Value) -> ExactValue {
    match value.as_str() {
        Some(bits) => ExactValue::Float(f64::from_bits(u64::from_str_radix(bits, 16).unwrap())),
        None => {
            // The recorder passed on only what the schema has.
            let mut value = value.clone();
            let is_integer = value["k"] == "h";
            let foreign: &[&str] = if value["schema"] == -53 { &["ns", "nb"] } else { &["cv"] };
            foreign.iter().for_each(|key| value[key] = Value::Null);
            if value["schema"] == -53 {
                let zero = serde_json::json!("0000000000000000");
                value["zc"] = if is_integer { 0.into() } else { zero.clone() };
                value["zt"] = zero;
            }
            ExactValue::Histogram(histogram(&value))
        }
    }
}

/// A value that was read back.
pub(crate) fn read(value: &Value) -> ExactValue {
    match value.as_str() {
        Some(_) => of(value),
        None => ExactValue::Histogram(histogram(value)),
    }
}

/// All of a value as text.
pub(crate) fn told(value: &ExactValue) -> String {
    match value {
        ExactValue::Float(value) => format!("{:016x}", value.to_bits()),
        ExactValue::Histogram(histogram) => spelled(histogram),
    }
}

/// Sample `i` of a run.
pub(crate) fn generated(kind: &str, i: i64, step: &Value) -> ExactValue {
    let (schema, counts): (i32, Vec<i64>) = match kind {
        "small" => (0, vec![1 + i, 2 + i, 3]),
        "wide" => (3, (0..120).map(|k| i * i + 7 * k).collect()),
        "mid" => (3, (0..20).map(|k| i * (k + 1) + i * ((31 * i * i + 17 * k) % 5000)).collect()),
        _ => panic!("{kind}"),
    };
    let spans = match kind {
        "small" => vec![Span { offset: 0, length: 2 }, Span { offset: 1, length: 1 }],
        _ => vec![Span { offset: 0, length: counts.len() as u32 }],
    };
    let layout =
        Layout { schema, zero_threshold: 0.001, positive_spans: spans, ..Layout::default() };
    let mut before = 0;
    let deltas = counts.iter().map(|&count| count - std::mem::replace(&mut before, count));
    let histogram = Histogram::Int(IntHistogram {
        layout: Arc::new(layout),
        zero_count: i as u64,
        count: (i + counts.iter().sum::<i64>()) as u64,
        sum: 1.5 * i as f64,
        positive_deltas: deltas.collect(),
        ..IntHistogram::default()
    });
    ExactValue::Histogram(if step["float"] == true {
        Histogram::Float(histogram.to_float())
    } else {
        histogram
    })
}

/// Type, unit and help.
pub(crate) fn metadata(told: &Value) -> Metadata {
    let text = |key: &str| told[key].as_str().unwrap_or_default().into();
    let metric_type = match told["type"].as_str() {
        Some("counter") => MetricType::Counter,
        Some("gauge") => MetricType::Gauge,
        Some("histogram") => MetricType::Histogram,
        other => panic!("{other:?}"),
    };
    Metadata { metric_type, unit: text("unit"), help: text("help") }
}
