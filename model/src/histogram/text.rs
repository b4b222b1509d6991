//! Float histograms as text: the form that answers show, and the notation of test scripts.

use super::buckets::Bucket;
use super::side::Side;
use super::{CounterResetHint, FloatHistogram, Histogram, HistogramView, IntHistogram, Span};
use crate::float::write_general;
use std::fmt;

fn general(value: f64) -> String {
    let mut text = Vec::new();
    write_general(value, &mut text);
    String::from_utf8(text).expect("digits are ASCII")
}

/// The bounds of a bucket, `(0.5,1]`.
struct Bounds<'b>(&'b Bucket);

impl fmt::Display for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.lower_inclusive { "[" } else { "(" })?;
        write!(f, "{},{}", general(self.0.lower), general(self.0.upper))?;
        f.write_str(if self.0.upper_inclusive { "]" } else { ")" })
    }
}

impl fmt::Display for Bucket {
    /// `(0.5,1]:2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Bounds(self), general(self.count))
    }
}

/// The buckets that hold something, from the lowest to the highest.
fn shown_buckets(view: HistogramView<'_>) -> impl Iterator<Item = Bucket> {
    let mut negative: Vec<Bucket> = view.negative_buckets().collect();
    negative.reverse();
    let zero = (view.zero_count != 0.0).then(|| view.zero_bucket());
    let buckets = negative.into_iter().chain(zero).chain(view.positive_buckets());
    buckets.filter(|bucket| bucket.count != 0.0)
}

impl fmt::Display for HistogramView<'_> {
    /// `{count:10, sum:20, [-0.001,0.001]:1, (0.5,1]:2}`, empty buckets left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", general(self.count), general(self.sum))?;
        for bucket in shown_buckets(*self) {
            write!(f, ", {bucket}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl fmt::Display for IntHistogram {
    /// As that of [`FloatHistogram`], with counts that never have an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", self.count, general(self.sum))?;
        for bucket in shown_buckets(self.to_float().view()) {
            write!(f, ", {}:{}", Bounds(&bucket), bucket.count as u64)?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(histogram) => histogram.fmt(f),
            Self::Float(histogram) => histogram.fmt(f),
        }
    }
}

/// The word for a hint in test scripts; `None` for the one that is not written.
#[must_use]
pub fn hint_word(hint: CounterResetHint) -> Option<&'static str> {
    match hint {
        CounterResetHint::Unknown => None,
        CounterResetHint::CounterReset => Some("reset"),
        CounterResetHint::NotCounterReset => Some("not_reset"),
        CounterResetHint::Gauge => Some("gauge"),
    }
}

/// First bucket number and all counts from there on, gaps filled with zeros.
fn filled(spans: &[Span], counts: &[f64]) -> (i32, Vec<f64>) {
    let mut side = Side::new(spans, counts, &[]);
    side.compact();
    let first = side.0.first().map_or(0, |entry| entry.index);
    let mut out = Vec::new();
    for entry in &side.0 {
        out.resize(entry.index.wrapping_sub(first) as usize, 0.0);
        out.push(entry.count);
    }
    (first, out)
}

fn list(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().copied().map(general).collect();
    format!("[{}]", values.join(" "))
}

impl HistogramView<'_> {
    /// The notation of test scripts, `{{schema:1 count:3 buckets:[1 2]}}`; what has its default is left out.
    #[must_use]
    pub fn test_notation(self) -> String {
        let mut fields = Vec::new();
        let layout = self.layout;
        if layout.schema != 0 {
            fields.push(format!("schema:{}", layout.schema));
        }
        let numbers = [
            ("count", self.count),
            ("sum", self.sum),
            ("z_bucket", self.zero_count),
            ("z_bucket_w", layout.zero_threshold),
        ];
        let present = numbers.into_iter().filter(|(_, value)| *value != 0.0);
        fields.extend(present.map(|(name, value)| format!("{name}:{}", general(value))));
        if layout.is_custom() {
            fields.push(format!("custom_values:{}", list(&layout.custom_values)));
        }
        fields.extend(hint_word(self.hint).map(|word| format!("counter_reset_hint:{word}")));
        let sides = [
            ("offset", "buckets", filled(&layout.positive_spans, self.positive)),
            ("n_offset", "n_buckets", filled(&layout.negative_spans, self.negative)),
        ];
        for (offset_name, name, (offset, counts)) in sides {
            if offset != 0 {
                fields.push(format!("{offset_name}:{offset}"));
            }
            if !counts.is_empty() {
                fields.push(format!("{name}:{}", list(&counts)));
            }
        }
        format!("{{{{{}}}}}", fields.join(" "))
    }
}
