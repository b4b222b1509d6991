//! Text 0.0.4. Names that need it are quoted inside the braces.

use super::{Family, FamilyHead, Metric, MetricValue, classic_buckets, escaped};
use model::float;
use model::validate::{EscapingScheme, is_legacy_label_name, is_legacy_metric_name};

pub(super) fn head(family: &mut Family, head: &FamilyHead<'_>) {
    let Family { body, name, .. } = family;
    if let Some(help) = head.help {
        body.extend_from_slice(b"# HELP ");
        push_name(body, name);
        body.push(b' ');
        push_text(body, help, false);
        body.push(b'\n');
    }
    body.extend_from_slice(b"# TYPE ");
    push_name(body, name);
    body.push(b' ');
    body.extend_from_slice(head.kind.word().as_bytes());
    body.push(b'\n');
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    if is_legacy_metric_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        push_quoted(out, name);
    }
}

fn push_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_text(out, text, true);
    out.push(b'"');
}

fn push_text(out: &mut Vec<u8>, text: &str, is_quoted: bool) {
    for &byte in text.as_bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if is_quoted => out.extend_from_slice(b"\\\""),
            other => out.push(other),
        }
    }
}

pub(super) fn metric(family: &mut Family, escaping: EscapingScheme, metric: &Metric<'_>) {
    let Family { body, name, .. } = family;
    let mut line = |suffix: &str, extra: Option<(&str, f64)>, value: f64| {
        push_line(body, (name, suffix), escaping, metric, (extra, value));
    };
    match metric.value {
        MetricValue::Number(value) => line("", None, value),
        MetricValue::Summary { count, sum, quantiles } => {
            for (quantile, value) in quantiles {
                line("", Some(("quantile", *quantile)), *value);
            }
            line("_sum", None, sum);
            line("_count", None, count as f64);
        }
        MetricValue::Classic { count, sum, buckets } => {
            for (bound, below) in buckets.iter().filter(|(bound, _)| *bound < f64::INFINITY) {
                line("_bucket", Some(("le", *bound)), *below as f64);
            }
            line("_bucket", Some(("le", f64::INFINITY)), count as f64);
            line("_sum", None, sum);
            line("_count", None, count as f64);
        }
        MetricValue::Native(histogram) => {
            if histogram.layout.is_custom() {
                for (bound, below) in classic_buckets(histogram) {
                    line("_bucket", Some(("le", bound)), below);
                }
                line("_bucket", Some(("le", f64::INFINITY)), histogram.count);
            }
            line("_sum", None, histogram.sum);
            line("_count", None, histogram.count);
        }
    }
}

fn push_line(
    out: &mut Vec<u8>,
    (name, suffix): (&str, &str),
    escaping: EscapingScheme,
    metric: &Metric<'_>,
    (extra, value): (Option<(&str, f64)>, f64),
) {
    let is_plain = is_legacy_metric_name(name);
    let mut opening = b'{';
    if is_plain {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
    } else {
        out.extend_from_slice(b"{\"");
        push_text(out, name, true);
        out.extend_from_slice(suffix.as_bytes());
        out.push(b'"');
        opening = b',';
    }
    for (label, value) in metric.labels {
        out.push(opening);
        opening = b',';
        let label = escaped(escaping, label);
        if is_legacy_label_name(&label) {
            out.extend_from_slice(label.as_bytes());
        } else {
            push_quoted(out, &label);
        }
        out.push(b'=');
        push_quoted(out, value);
    }
    if let Some((label, number)) = extra {
        out.push(opening);
        opening = b',';
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        float::write_exposition(number, out);
        out.push(b'"');
    }
    if opening == b',' {
        out.push(b'}');
    }
    out.push(b' ');
    float::write_exposition(value, out);
    if let Some(timestamp_ms) = metric.timestamp_ms {
        out.push(b' ');
        out.extend_from_slice(timestamp_ms.to_string().as_bytes());
    }
    out.push(b'\n');
}
