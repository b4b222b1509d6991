//! Native histograms as values against recordings: their texts, what is wrong with them, quantiles, fractions, variance.

use model::histogram::{
    CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout, Note, Span,
};
use serde_json::Value;
use std::sync::Arc;
use tests::golden;

fn float(value: &Value) -> f64 {
    match value.as_str().unwrap() {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap(),
    }
}

fn bits(value: &Value) -> f64 {
    match value.as_str().unwrap() {
        "NaN" => f64::NAN,
        text => f64::from_bits(u64::from_str_radix(text, 16).unwrap()),
    }
}

fn spans(value: &Value) -> Vec<Span> {
    let number = |span: &Value, at: usize| span[at].as_i64().unwrap();
    let spans = value.as_array().unwrap().iter();
    spans.map(|s| Span { offset: number(s, 0) as i32, length: number(s, 1) as u32 }).collect()
}

fn list<T>(value: &Value, one: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().map_or(Vec::new(), |list| list.iter().map(one).collect())
}

/// A histogram as the recordings write it.
pub(crate) fn recorded(value: &Value) -> Histogram {
    let layout = Arc::new(Layout {
        schema: value["schema"].as_i64().unwrap() as i32,
        zero_threshold: float(&value["zero_threshold"]),
        positive_spans: spans(&value["positive_spans"]),
        negative_spans: spans(&value["negative_spans"]),
        custom_values: list(&value["custom_values"], float),
    });
    let hint = match value["hint"].as_str().unwrap() {
        "unknown" => CounterResetHint::Unknown,
        "reset" => CounterResetHint::CounterReset,
        "not_reset" => CounterResetHint::NotCounterReset,
        "gauge" => CounterResetHint::Gauge,
        other => panic!("hint {other}"),
    };
    let sum = bits(&value["sum_bits"]);
    if value["kind"] == "int" {
        let number = |name: &str| value[name].as_str().unwrap().parse().unwrap();
        return Histogram::Int(IntHistogram {
            layout,
            hint,
            zero_count: number("zero_count"),
            count: number("count"),
            sum,
            positive_deltas: list(&value["positive_deltas"], |v| v.as_i64().unwrap()),
            negative_deltas: list(&value["negative_deltas"], |v| v.as_i64().unwrap()),
        });
    }
    Histogram::Float(FloatHistogram {
        layout,
        hint,
        zero_count: float(&value["zero_count"]),
        count: float(&value["count"]),
        sum,
        positive: list(&value["positive_buckets"], float),
        negative: list(&value["negative_buckets"], float),
    })
}

#[test]
fn texts_and_refusals_agree() {
    let (mut lines, mut failures) = (0, Vec::new());
    for line in golden("series.jsonl") {
        if !line["k"].as_str().unwrap().ends_with("histogram_text") {
            continue;
        }
        lines += 1;
        let histogram = recorded(&line["histogram"]);
        let outcome = histogram.validate();
        let agrees = match line["validate"].as_str() {
            Some(text) => outcome.is_err_and(|error| error.to_string() == text),
            None => {
                let float = histogram.to_float();
                outcome.is_ok()
                    && float.to_string() == line["string"].as_str().unwrap()
                    && float.view().test_notation() == line["test_expression"].as_str().unwrap()
            }
        };
        if !agrees {
            let float = histogram.to_float();
            failures.push(format!("{float}\n{}\n{line}", float.view().test_notation()));
        }
    }
    println!("series.jsonl histogram texts {}/{lines}", lines - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(lines, 53);
}

fn native(value: &Value) -> FloatHistogram {
    let (positive, negative) = (list(&value["buckets"], bits), list(&value["n_buckets"], bits));
    let span = |offset: &str, counts: &[f64]| {
        let offset = value[offset].as_i64().unwrap() as i32;
        let span = Span { offset, length: counts.len() as u32 };
        if counts.is_empty() { Vec::new() } else { vec![span] }
    };
    FloatHistogram {
        layout: Arc::new(Layout {
            schema: value["schema"].as_i64().unwrap() as i32,
            zero_threshold: bits(&value["zero_threshold"]),
            positive_spans: span("offset", &positive),
            negative_spans: span("n_offset", &negative),
            custom_values: list(&value["custom_values"], bits),
        }),
        hint: CounterResetHint::Unknown,
        zero_count: bits(&value["zero_count"]),
        count: bits(&value["count"]),
        sum: bits(&value["sum"]),
        positive,
        negative,
    }
}

#[test]
fn quantiles_fractions_and_variances_agree_to_the_last_bit() {
    let mut scratch = Vec::new();
    let (mut figures, mut failures) = (0, Vec::new());
    for line in golden("quantile.jsonl") {
        if line["native"].is_null() {
            continue;
        }
        let histogram = native(&line["native"]);
        let view = histogram.view();
        let mut check = |what: String, got: f64, want: &Value| {
            figures += 1;
            let want = bits(want);
            if got.to_bits() != want.to_bits() && !(got.is_nan() && want.is_nan()) {
                failures.push(format!("{what}: got {got}, want {want}: {histogram}"));
            }
        };
        for pair in line["quantile"].as_array().unwrap() {
            let q = pair[0].as_f64().unwrap();
            let (got, note) = view.quantile(q, &mut scratch);
            assert!(!histogram.sum.is_nan() || note != Note::NanExcluded);
            check(format!("quantile {q}"), got, &pair[1]);
        }
        let limit = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
        for triple in line["fraction"].as_array().unwrap() {
            let (lower, upper) = (limit(&triple[0]), limit(&triple[1]));
            let got = view.fraction(lower, upper, &mut scratch).0;
            check(format!("fraction {lower} {upper}"), got, &triple[2]);
        }
        let variance = view.variance(&mut scratch);
        check("stdvar".to_owned(), variance, &line["stdvar"]);
        check("stddev".to_owned(), variance.sqrt(), &line["stddev"]);
        check("avg".to_owned(), histogram.sum / histogram.count, &line["avg"]);
    }
    println!("quantile.jsonl native {}/{figures}", figures - failures.len());
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(9)].join("\n"));
    assert!(figures > 1000);
}
