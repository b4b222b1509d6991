//! Protobuf as text, with a field a line or a family a line.

use super::{Family, FamilyHead, FamilyType, Metric, MetricValue, classic_buckets, escaped};
use model::float;
use model::histogram::{HistogramView, Span};
use model::validate::EscapingScheme;
use std::io::Write;

/// Writes messages; knows how deep it is.
struct Printer<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    lines: bool,
}

impl Printer<'_> {
    /// What goes before a field.
    fn begin(&mut self, name: &str) {
        if self.lines {
            self.out.extend(std::iter::repeat_n(b' ', 2 * self.depth));
        } else if !matches!(self.out.last(), None | Some(b'{' | b'\n')) {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b':');
        if self.lines {
            self.out.push(b' ');
        }
    }

    fn end(&mut self) {
        if self.lines {
            self.out.push(b'\n');
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.begin(name);
        self.out.push(b'"');
        for &byte in text.as_bytes() {
            match byte {
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                0..0x20 | 0x7f => {
                    write!(self.out, "\\x{byte:02x}").expect("writing to memory succeeds");
                }
                other => self.out.push(other),
            }
        }
        self.out.push(b'"');
        self.end();
    }

    fn plain(&mut self, name: &str, value: impl std::fmt::Display) {
        self.begin(name);
        write!(self.out, "{value}").expect("writing to memory succeeds");
        self.end();
    }

    fn double(&mut self, name: &str, value: f64) {
        self.begin(name);
        if value.is_nan() {
            self.out.extend_from_slice(b"nan");
        } else if value.is_infinite() {
            self.out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
        } else {
            float::write_general(value, self.out);
        }
        self.end();
    }

    fn message(&mut self, name: &str, fields: impl FnOnce(&mut Self)) {
        self.begin(name);
        self.out.push(b'{');
        self.end();
        self.depth += 1;
        fields(self);
        self.depth -= 1;
        if self.lines {
            self.out.extend(std::iter::repeat_n(b' ', 2 * self.depth));
        }
        self.out.push(b'}');
        self.end();
    }
}

pub(super) fn head(family: &mut Family, head: &FamilyHead<'_>, lines: bool) {
    let Family { body, name, .. } = family;
    let mut printer = Printer { out: body, depth: 0, lines };
    printer.text("name", name);
    if let Some(help) = head.help {
        printer.text("help", help);
    }
    printer.plain("type", head.kind.constant());
}

pub(super) fn metric(
    family: &mut Family,
    escaping: EscapingScheme,
    kind: FamilyType,
    metric: &Metric<'_>,
    lines: bool,
) {
    let mut printer = Printer { out: &mut family.body, depth: 0, lines };
    printer.message("metric", |out| {
        for (name, value) in metric.labels {
            out.message("label", |label| {
                label.text("name", &escaped(escaping, name));
                label.text("value", value);
            });
        }
        if let MetricValue::Number(value) = metric.value {
            let name = match kind {
                FamilyType::Gauge => "gauge",
                FamilyType::Counter => "counter",
                _ => "untyped",
            };
            out.message(name, |number| number.double("value", value));
        }
        if let MetricValue::Summary { count, sum, quantiles } = metric.value {
            out.message("summary", |summary| {
                summary.plain("sample_count", count);
                summary.double("sample_sum", sum);
                for (quantile, value) in quantiles {
                    summary.message("quantile", |entry| {
                        entry.double("quantile", *quantile);
                        entry.double("value", *value);
                    });
                }
            });
        }
        if let Some(timestamp_ms) = metric.timestamp_ms {
            out.plain("timestamp_ms", timestamp_ms);
        }
        match metric.value {
            MetricValue::Classic { count, sum, buckets } => {
                out.message("histogram", |histogram| classic(histogram, count, sum, buckets));
            }
            MetricValue::Native(view) => {
                out.message("histogram", |histogram| native(histogram, view));
            }
            MetricValue::Number(_) | MetricValue::Summary { .. } => {}
        }
    });
}

fn classic(out: &mut Printer<'_>, count: u64, sum: f64, buckets: &[(f64, u64)]) {
    out.plain("sample_count", count);
    out.double("sample_sum", sum);
    for (bound, below) in buckets.iter().filter(|(bound, _)| *bound < f64::INFINITY) {
        out.message("bucket", |bucket| {
            bucket.plain("cumulative_count", below);
            bucket.double("upper_bound", *bound);
        });
    }
}

fn native(out: &mut Printer<'_>, histogram: HistogramView<'_>) {
    out.double("sample_sum", histogram.sum);
    let layout = histogram.layout;
    if layout.is_custom() {
        for (bound, below) in classic_buckets(histogram) {
            out.message("bucket", |bucket| {
                bucket.double("upper_bound", bound);
                bucket.double("cumulative_count_float", below);
            });
        }
        out.double("sample_count_float", histogram.count);
        return;
    }
    out.double("sample_count_float", histogram.count);
    out.plain("schema", layout.schema);
    out.double("zero_threshold", layout.zero_threshold);
    out.double("zero_count_float", histogram.zero_count);
    let spans = |out: &mut Printer<'_>, name: &str, spans: &[Span]| {
        for span in spans {
            out.message(name, |entry| {
                entry.plain("offset", span.offset);
                entry.plain("length", span.length);
            });
        }
    };
    spans(out, "negative_span", &layout.negative_spans);
    histogram.negative.iter().for_each(|count| out.double("negative_count", *count));
    spans(out, "positive_span", &layout.positive_spans);
    histogram.positive.iter().for_each(|count| out.double("positive_count", *count));
}
