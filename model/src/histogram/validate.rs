//! Whether a histogram from outside makes sense, with Prometheus' words for what does not, and how a resolution beyond
//! ours is brought down. Nothing here computes with the values.

use super::{FloatHistogram, Histogram, IntHistogram, Layout, Span};
use crate::float::{general, printf_f};
use std::sync::Arc;

/// The finest exponential resolution.
pub const MAX_SCHEMA: i32 = 8;
/// The coarsest exponential resolution.
pub const MIN_SCHEMA: i32 = -4;
/// The finest resolution that is understood, and brought down to [`MAX_SCHEMA`].
const MAX_RESERVED_SCHEMA: i32 = 52;

/// Why a histogram is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValidationError(Box<str>);

fn error<T>(text: impl Into<Box<str>>) -> Result<T, ValidationError> {
    Err(ValidationError(text.into()))
}

fn spans_fit(spans: &[Span], num_buckets: usize) -> Result<(), ValidationError> {
    for (number, span) in spans.iter().enumerate().skip(1) {
        if span.offset < 0 {
            return negative_offset(number, *span);
        }
    }
    spans_count(spans, num_buckets)
}

fn negative_offset(number: usize, span: Span) -> Result<(), ValidationError> {
    let (number, offset) = (number + 1, span.offset);
    error(format!(
        "span number {number} with offset {offset}: histogram has a span whose offset is negative"
    ))
}

fn spans_count(spans: &[Span], num_buckets: usize) -> Result<(), ValidationError> {
    let needed: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if needed == num_buckets as u64 {
        return Ok(());
    }
    error(format!(
        "spans need {needed} buckets, have {num_buckets} buckets: histogram spans specify different number of buckets than provided"
    ))
}

fn custom_fit(layout: &Layout, num_buckets: usize) -> Result<(), ValidationError> {
    let bounds = &layout.custom_values;
    for (index, &bound) in bounds.iter().enumerate() {
        if bound.is_nan() {
            return error("histogram custom bounds must not be NaN");
        }
        let previous = index.checked_sub(1).map(|index| bounds[index]);
        if let Some(previous) = previous.filter(|&previous| bound <= previous) {
            let (previous, current) = (printf_f(previous, 6), printf_f(bound, 6));
            return error(format!(
                "previous bound is {previous} and current is {current}: histogram custom bounds must be in strictly increasing order"
            ));
        }
    }
    if bounds.last() == Some(&f64::INFINITY) {
        return error(
            "last +Inf bound must not be explicitly defined: histogram custom bounds must be finite",
        );
    }
    let spans = &layout.positive_spans;
    if let Some((number, span)) = spans.iter().enumerate().find(|(_, span)| span.offset < 0) {
        return negative_offset(number, *span);
    }
    spans_count(spans, num_buckets)?;
    let reach: u64 = spans.iter().map(|s| u64::from(s.length) + s.offset as u64).sum();
    if (bounds.len() as u64 + 1) < reach {
        let num_bounds = bounds.len();
        return error(format!(
            "only {num_bounds} custom bounds defined which is insufficient to cover total span length of {reach}: histogram custom bounds are too few"
        ));
    }
    Ok(())
}

fn on(side: &str, outcome: Result<(), ValidationError>) -> Result<(), ValidationError> {
    outcome.map_err(|inner| ValidationError(format!("{side}: {inner}").into()))
}

/// Spans, bounds and schema; `counts` checks the buckets of the negative side.
fn layout_fits(
    layout: &Layout,
    [num_positive, num_negative]: [usize; 2],
    has_zero_count: bool,
    negative: impl FnOnce() -> Result<(), ValidationError>,
    zero: impl FnOnce() -> Result<(), ValidationError>,
) -> Result<(), ValidationError> {
    if layout.is_custom() {
        on("custom buckets", custom_fit(layout, num_positive))?;
        let checks = [
            (has_zero_count, "have zero count of 0"),
            (layout.zero_threshold != 0.0, "have zero threshold of 0"),
            (!layout.negative_spans.is_empty(), "not have negative spans"),
            (num_negative > 0, "not have negative buckets"),
        ];
        return match checks.into_iter().find(|(broken, _)| *broken) {
            Some((_, what)) => error(format!("custom buckets: must {what}")),
            None => Ok(()),
        };
    }
    if !(MIN_SCHEMA..=MAX_SCHEMA).contains(&layout.schema) {
        return Err(invalid_schema(layout.schema));
    }
    on("positive side", spans_fit(&layout.positive_spans, num_positive))?;
    on("negative side", spans_fit(&layout.negative_spans, num_negative))?;
    on("negative side", negative())?;
    zero()?;
    if layout.custom_values.is_empty() {
        Ok(())
    } else {
        error("histogram with exponential schema must not have custom bounds")
    }
}

/// A schema that nobody knows.
#[must_use]
pub fn invalid_schema(schema: i32) -> ValidationError {
    ValidationError(
        format!(
            "histogram has an invalid schema, which must be between {MIN_SCHEMA} and {MAX_SCHEMA} for exponential buckets, or -53 for custom buckets, got schema {schema}"
        )
        .into(),
    )
}

fn negative_count(number: usize, count: &str) -> ValidationError {
    let number = number + 1;
    ValidationError(
        format!("bucket number {number} has observation count of {count}: histogram has a bucket whose observation count is negative").into(),
    )
}

fn floats_fit(counts: &[f64]) -> Result<(), ValidationError> {
    match counts.iter().position(|&count| count < 0.0) {
        Some(number) => Err(negative_count(number, &general(counts[number]))),
        None => Ok(()),
    }
}

/// Adds the counts that deltas stand for to `total`.
fn deltas_fit(deltas: &[i64], total: &mut u64) -> Result<(), ValidationError> {
    let mut count = 0_i64;
    for (number, delta) in deltas.iter().enumerate() {
        count = count.wrapping_add(*delta);
        let Ok(positive) = u64::try_from(count) else {
            return Err(negative_count(number, &count.to_string()));
        };
        *total = total.wrapping_add(positive);
    }
    Ok(())
}

impl FloatHistogram {
    /// Whether it makes sense, in the words of Prometheus.
    pub fn validate(&self) -> Result<(), ValidationError> {
        layout_fits(
            &self.layout,
            [self.positive.len(), self.negative.len()],
            self.zero_count != 0.0,
            || floats_fit(&self.negative),
            || {
                if self.zero_count < 0.0 {
                    let count = general(self.zero_count);
                    return error(format!(
                        "zero bucket has observation count of {count}: histogram has a bucket whose observation count is negative"
                    ));
                }
                Ok(())
            },
        )?;
        if self.count < 0.0 {
            let count = general(self.count);
            return error(format!(
                "observation count is  {count}: histogram's observation count is negative"
            ));
        }
        on("positive side", floats_fit(&self.positive))
    }
}

impl IntHistogram {
    /// Whether it makes sense, in the words of Prometheus.
    pub fn validate(&self) -> Result<(), ValidationError> {
        let mut total = self.zero_count;
        layout_fits(
            &self.layout,
            [self.positive_deltas.len(), self.negative_deltas.len()],
            self.zero_count != 0,
            || deltas_fit(&self.negative_deltas, &mut total),
            || Ok(()),
        )?;
        on("positive side", deltas_fit(&self.positive_deltas, &mut total))?;
        let count = self.count;
        let found =
            || format!("{total} observations found in buckets, but the Count field is {count}");
        if self.sum.is_nan() && total > count {
            return error(format!(
                "{}: histogram's observation count should be at least the number of observations found in the buckets",
                found()
            ));
        }
        if !self.sum.is_nan() && total != count {
            return error(format!(
                "{}: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)",
                found()
            ));
        }
        Ok(())
    }

    /// Brings an exponential histogram to a coarser resolution; a finer or equal one changes nothing. Spans and buckets
    /// have to fit: check before.
    pub fn reduce_resolution(&mut self, schema: i32) {
        if self.layout.is_custom() || schema >= self.layout.schema {
            return;
        }
        let coarser = (self.layout.schema - schema).min(31) as u32;
        let mut layout = Layout { schema, ..(*self.layout).clone() };
        for (spans, deltas) in [
            (&mut layout.positive_spans, &mut self.positive_deltas),
            (&mut layout.negative_spans, &mut self.negative_deltas),
        ] {
            let mut counts: Vec<(i32, i64)> = Vec::new();
            let mut count = 0_i64;
            for (index, delta) in super::buckets::indices(spans).zip(&*deltas) {
                count = count.wrapping_add(*delta);
                let index = (index.wrapping_sub(1) >> coarser).wrapping_add(1);
                match counts.last_mut() {
                    Some((last, sum)) if *last == index => *sum = sum.wrapping_add(count),
                    _ => counts.push((index, count)),
                }
            }
            *spans = super::side::spans_of(counts.iter().map(|(index, _)| *index));
            let mut previous = 0_i64;
            deltas.clear();
            deltas.extend(counts.iter().map(|(_, count)| {
                let delta = count.wrapping_sub(previous);
                previous = *count;
                delta
            }));
        }
        self.layout = Arc::new(layout);
    }
}

impl Histogram {
    /// Whether it makes sense, in the words of Prometheus.
    pub fn validate(&self) -> Result<(), ValidationError> {
        match self {
            Self::Int(histogram) => histogram.validate(),
            Self::Float(histogram) => histogram.validate(),
        }
    }

    /// Brings an exponential histogram to a coarser resolution; a finer or equal one changes nothing.
    pub fn reduce_resolution(&mut self, schema: i32) {
        match self {
            Self::Int(histogram) => histogram.reduce_resolution(schema),
            Self::Float(histogram) => histogram.reduce_resolution(schema),
        }
    }

    /// Brings a resolution finer than ours, but known, down to ours: what receiving one does first.
    pub fn fit_schema(&mut self) {
        if (MAX_SCHEMA + 1..=MAX_RESERVED_SCHEMA).contains(&self.layout().schema) {
            self.reduce_resolution(MAX_SCHEMA);
        }
    }
}
