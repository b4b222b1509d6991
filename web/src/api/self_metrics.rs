//! `/api/v1/status/self_metrics`: our own metrics as JSON, in the notation of protobuf.

use super::{Object, begin, end, push_array};
use crate::Api;
use crate::call::{Done, done};
use crate::error::{ApiError, Result};
use crate::json::{Out, push_html_text};
use crate::params::Params;
use metrics::{MetricView, ValueView};
use model::regex::Regex;
use model::timestamp::format_rfc3339;

/// A number; what JSON cannot say is a text.
fn push_number(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    } else {
        super::push_value_text(out, value);
    }
}

/// A whole number of 64 bits, which is a text as JavaScript has no such numbers.
fn push_count(out: &mut Vec<u8>, count: u64) {
    out.push(b'"');
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
    out.push(b'"');
}

fn push_metric(out: &mut Vec<u8>, kind: &str, metric: &MetricView, created: &str) {
    Object::write(out, |object| {
        if !metric.labels.is_empty() {
            object.list("label", &metric.labels, |out, (name, value)| {
                Object::write(out, |label| {
                    label.text("name", name);
                    label.text("value", value);
                });
            });
        }
        match &metric.value {
            ValueView::Number(value) => object.object(kind, |number| {
                push_number(number.key("value"), *value);
                if kind == "counter" {
                    number.text("createdTimestamp", created);
                }
            }),
            ValueView::Histogram { cumulative, sum } => object.object(kind, |histogram| {
                let count = cumulative.last().map_or(0, |(_, count)| *count);
                push_count(histogram.key("sampleCount"), count);
                push_number(histogram.key("sampleSum"), *sum);
                let finite = cumulative.iter().filter(|(bound, _)| *bound < f64::INFINITY);
                histogram.list("bucket", finite, |out, (bound, count)| {
                    Object::write(out, |bucket| {
                        push_count(bucket.key("cumulativeCount"), *count);
                        push_number(bucket.key("upperBound"), *bound);
                    });
                });
                histogram.text("createdTimestamp", created);
            }),
            ValueView::Summary { quantiles, sum, count } => object.object(kind, |summary| {
                push_count(summary.key("sampleCount"), *count);
                push_number(summary.key("sampleSum"), *sum);
                if !quantiles.is_empty() {
                    summary.list("quantile", quantiles, |out, (quantile, value)| {
                        Object::write(out, |entry| {
                            push_number(entry.key("quantile"), *quantile);
                            push_number(entry.key("value"), *value);
                        });
                    });
                }
                summary.text("createdTimestamp", created);
            }),
        }
    });
}

/// `/api/v1/status/self_metrics`.
pub(crate) fn self_metrics(api: &Api, params: &Params, out: &mut Out<'_>) -> Result<Done> {
    let pattern = match params.get("metric_name_pattern") {
        "" => None,
        text => Some(Regex::anchored(text).map_err(|error| {
            ApiError::bad_data(format!("invalid metric_name_pattern: {error}"))
        })?),
    };
    let keep = |name: &str| pattern.as_ref().is_none_or(|pattern| pattern.is_match(name));
    let created = format_rfc3339(api.status.runtime_info().start_time_ms);
    begin(out);
    let written = push_array(out, api.registry.families(keep), |out, family| {
        Object::write(out, |object| {
            object.text("name", &family.name);
            object.text("help", &family.help);
            push_html_text(object.key("type"), &family.kind.to_uppercase());
            object.list("metric", &family.metrics, |out, metric| {
                push_metric(out, family.kind, metric, &created);
            });
        });
    });
    if written.is_err() {
        return done(written);
    }
    end(out)
}
