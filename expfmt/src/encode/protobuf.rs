//! Protobuf: the bytes of `io.prometheus.client.MetricFamily`, fields in the order of their numbers.

use super::{Family, FamilyHead, FamilyType, Metric, MetricValue, classic_buckets, escaped};
use model::histogram::{HistogramView, Span};
use model::validate::EscapingScheme;

pub(super) fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn push_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_double(out: &mut Vec<u8>, field: u8, value: f64) {
    out.push(field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn push_uint(out: &mut Vec<u8>, field: u8, number: u64) {
    out.push(field << 3);
    push_varint(out, number);
}

fn push_sint(out: &mut Vec<u8>, field: u8, number: i32) {
    let number = i64::from(number);
    push_uint(out, field, (number << 1 ^ number >> 63) as u64);
}

pub(super) fn head(family: &mut Family, head: &FamilyHead<'_>) {
    let Family { body, name, .. } = family;
    push_bytes(body, 1, name.as_bytes());
    if let Some(help) = head.help {
        push_bytes(body, 2, help.as_bytes());
    }
    push_uint(body, 3, head.kind.number());
}

pub(super) fn metric(
    family: &mut Family,
    escaping: EscapingScheme,
    kind: FamilyType,
    metric: &Metric<'_>,
) {
    let Family { body, scratch, .. } = family;
    scratch.clear();
    let mut part = Vec::new();
    for (name, value) in metric.labels {
        part.clear();
        push_bytes(&mut part, 1, escaped(escaping, name).as_bytes());
        push_bytes(&mut part, 2, value.as_bytes());
        push_bytes(scratch, 1, &part);
    }
    part.clear();
    let field = match (metric.value, kind) {
        (MetricValue::Number(value), kind) => {
            push_double(&mut part, 1, value);
            match kind {
                FamilyType::Gauge => 2,
                FamilyType::Counter => 3,
                _ => 5,
            }
        }
        (MetricValue::Summary { count, sum, quantiles }, _) => {
            push_summary(&mut part, count, sum, quantiles);
            4
        }
        (MetricValue::Classic { count, sum, buckets }, _) => {
            push_classic(&mut part, count, sum, buckets);
            7
        }
        (MetricValue::Native(histogram), _) => {
            push_native(&mut part, histogram);
            7
        }
    };
    let timestamp = |out: &mut Vec<u8>| {
        if let Some(timestamp_ms) = metric.timestamp_ms {
            push_uint(out, 6, timestamp_ms as u64);
        }
    };
    if field < 6 {
        push_bytes(scratch, field, &part);
        timestamp(scratch);
    } else {
        timestamp(scratch);
        push_bytes(scratch, field, &part);
    }
    push_bytes(body, 4, scratch);
}

fn push_summary(out: &mut Vec<u8>, count: u64, sum: f64, quantiles: &[(f64, f64)]) {
    push_uint(out, 1, count);
    push_double(out, 2, sum);
    let mut part = Vec::new();
    for (quantile, value) in quantiles {
        part.clear();
        push_double(&mut part, 1, *quantile);
        push_double(&mut part, 2, *value);
        push_bytes(out, 3, &part);
    }
}

fn push_classic(out: &mut Vec<u8>, count: u64, sum: f64, buckets: &[(f64, u64)]) {
    push_uint(out, 1, count);
    push_double(out, 2, sum);
    let mut part = Vec::new();
    for (bound, below) in buckets.iter().filter(|(bound, _)| *bound < f64::INFINITY) {
        part.clear();
        push_uint(&mut part, 1, *below);
        push_double(&mut part, 2, *bound);
        push_bytes(out, 3, &part);
    }
}

fn push_native(out: &mut Vec<u8>, histogram: HistogramView<'_>) {
    push_double(out, 2, histogram.sum);
    let layout = histogram.layout;
    if layout.is_custom() {
        let mut part = Vec::new();
        for (bound, below) in classic_buckets(histogram) {
            part.clear();
            push_double(&mut part, 2, bound);
            push_double(&mut part, 4, below);
            push_bytes(out, 3, &part);
        }
        push_double(out, 4, histogram.count);
        return;
    }
    push_double(out, 4, histogram.count);
    push_sint(out, 5, layout.schema);
    push_double(out, 6, layout.zero_threshold);
    push_double(out, 8, histogram.zero_count);
    push_spans(out, 9, &layout.negative_spans);
    histogram.negative.iter().for_each(|count| push_double(out, 11, *count));
    push_spans(out, 12, &layout.positive_spans);
    histogram.positive.iter().for_each(|count| push_double(out, 14, *count));
}

fn push_spans(out: &mut Vec<u8>, field: u8, spans: &[Span]) {
    let mut part = Vec::new();
    for span in spans {
        part.clear();
        push_sint(&mut part, 1, span.offset);
        push_uint(&mut part, 2, u64::from(span.length));
        push_bytes(out, field, &part);
    }
}
