//! Encoded families against what Prometheus writes for the same.

use super::{Encoder, Family, FamilyHead, FamilyType, Metric, MetricValue, Notation, Wanted};
use model::histogram::{FloatHistogram, Layout, Span};
use model::validate::EscapingScheme;
use std::sync::Arc;

fn encode(accept: &str, name: &str, kind: FamilyType, metric: &Metric<'_>) -> Vec<u8> {
    let encoder = Encoder::new(Wanted::negotiate(accept));
    let (mut family, mut out) = (Family::default(), Vec::new());
    encoder.begin(&mut family, &FamilyHead { name, help: None, kind });
    encoder.metric(&mut family, kind, metric);
    encoder.end(&mut family, &mut out);
    out
}

fn text(accept: &str, name: &str, kind: FamilyType, metric: &Metric<'_>) -> String {
    String::from_utf8(encode(accept, name, kind, metric)).expect("text")
}

const DELIMITED: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

#[test]
fn what_is_asked_for_first_wins_unless_weights_say_otherwise() {
    let wanted = |accept: &str| Wanted::negotiate(accept);
    let text = |escaping| Wanted { notation: Notation::Text, escaping };
    assert_eq!(wanted(""), text(EscapingScheme::Underscores));
    assert_eq!(wanted("application/openmetrics-text"), text(EscapingScheme::Underscores));
    assert_eq!(wanted("text/plain;escaping=dots"), text(EscapingScheme::Dots));
    assert_eq!(wanted("text/plain;escaping=zz"), text(EscapingScheme::Underscores));
    let proto = format!("{DELIMITED},text/plain;q=0.5");
    assert_eq!(wanted(&proto).notation, Notation::ProtoDelimited);
    let proto = format!("{DELIMITED};q=0.4,text/plain;q=0.5");
    assert_eq!(wanted(&proto).notation, Notation::Text);
}

#[test]
fn names_beyond_letters_are_escaped_or_quoted() {
    let labels = [("label.x", "a\n\"b\\")];
    let value = MetricValue::Number(-0.0);
    let metric = Metric { labels: &labels, value, timestamp_ms: Some(7) };
    let kind = FamilyType::Untyped;
    assert_eq!(
        text("", "a.b", kind, &metric),
        "# TYPE a_b untyped\na_b{label_x=\"a\\n\\\"b\\\\\"} 0 7\n"
    );
    assert_eq!(
        text("text/plain;escaping=allow-utf-8", "a.b", kind, &metric),
        "# TYPE \"a.b\" untyped\n{\"a.b\",\"label.x\"=\"a\\n\\\"b\\\\\"} 0 7\n"
    );
}

#[test]
fn native_histograms_keep_their_buckets_in_protobuf() {
    let layout = Layout {
        schema: 3,
        zero_threshold: 0.001,
        positive_spans: vec![Span { offset: -1, length: 2 }],
        ..Layout::default()
    };
    let histogram = FloatHistogram {
        layout: Arc::new(layout),
        count: 5.0,
        sum: 2.5,
        zero_count: 1.0,
        positive: vec![1.0, 3.0],
        ..FloatHistogram::default()
    };
    let metric =
        Metric { labels: &[], value: MetricValue::Native(histogram.view()), timestamp_ms: Some(1) };
    let bytes = encode(DELIMITED, "h", FamilyType::Histogram, &metric);
    // The three lengths are set once the rest is there.
    let mut expect = vec![0, 0x0a, 1, b'h', 0x18, 4, 0x22, 0, 0x30, 1, 0x3a, 0];
    let double = |out: &mut Vec<u8>, tag: u8, value: f64| {
        out.push(tag);
        out.extend(value.to_le_bytes());
    };
    double(&mut expect, 0x11, 2.5);
    double(&mut expect, 0x21, 5.0);
    expect.extend([0x28, 6]);
    double(&mut expect, 0x31, 0.001);
    double(&mut expect, 0x41, 1.0);
    expect.extend([0x62, 4, 0x08, 1, 0x10, 2]);
    double(&mut expect, 0x71, 1.0);
    double(&mut expect, 0x71, 3.0);
    for at in [0, 7, 11] {
        expect[at] = (expect.len() - at - 1) as u8;
    }
    assert_eq!(bytes, expect);
}

#[test]
fn custom_buckets_become_classic_ones() {
    let layout = Layout {
        schema: model::histogram::CUSTOM_BUCKETS_SCHEMA,
        positive_spans: vec![Span { offset: 0, length: 1 }, Span { offset: 1, length: 1 }],
        custom_values: vec![0.5, 1.0],
        ..Layout::default()
    };
    let histogram = FloatHistogram {
        layout: Arc::new(layout),
        count: 5.0,
        sum: 2.5,
        positive: vec![2.0, 3.0],
        ..FloatHistogram::default()
    };
    let value = MetricValue::Native(histogram.view());
    let metric = Metric { labels: &[], value, timestamp_ms: None };
    assert_eq!(
        text("", "h", FamilyType::Histogram, &metric),
        "# TYPE h histogram\nh_bucket{le=\"0.5\"} 2\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 5\n\
         h_sum 2.5\nh_count 5\n"
    );
}

#[test]
fn protobuf_as_text_in_a_line() {
    let labels = [("l", "v")];
    let metric = Metric { labels: &labels, value: MetricValue::Number(1.0), timestamp_ms: Some(7) };
    let accept = DELIMITED.replace("delimited", "compact-text");
    assert_eq!(
        text(&accept, "up", FamilyType::Untyped, &metric),
        "name:\"up\" type:UNTYPED metric:{label:{name:\"l\" value:\"v\"} untyped:{value:1} timestamp_ms:7}\n"
    );
}
