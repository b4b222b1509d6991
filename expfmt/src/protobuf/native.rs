//! A native histogram out of its decoded message: layout, counts, and whether they fit together. No wire format.

use super::message::{Metric, Side};
use crate::classic::{compact, deltas};
use model::histogram::{CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout, Span};
use std::borrow::Cow;
use std::sync::Arc;

/// The histogram of `metric`, empty buckets left out; the error says which side does not fit its spans. `last` is the
/// layout of the one before, which many share; `used` is memory.
pub(super) fn histogram(
    metric: &Metric<'_>,
    hint: CounterResetHint,
    last: &mut Arc<Layout>,
    used: Option<Histogram>,
) -> Result<Histogram, String> {
    let is_float = metric.count.float > 0.0 || metric.zero_count.float > 0.0;
    for (name, side) in [("positive", &metric.positive), ("negative", &metric.negative)] {
        let buckets = if is_float { side.counts.len() } else { side.deltas.len() };
        let required: u64 = side.spans.iter().map(|span| u64::from(span.length)).sum();
        if required != buckets as u64 {
            return Err(format!("{name} side: spans require {required} buckets, have {buckets}"));
        }
    }
    let mut layout = |positive_spans: Cow<'_, [Span]>, negative_spans: Cow<'_, [Span]>| {
        let is_last = last.schema == metric.schema
            && last.zero_threshold.to_bits() == metric.zero_threshold.to_bits()
            && last.positive_spans == *positive_spans
            && last.negative_spans == *negative_spans;
        if !is_last {
            *last = Arc::new(Layout {
                schema: metric.schema,
                zero_threshold: metric.zero_threshold,
                positive_spans: positive_spans.into_owned(),
                negative_spans: negative_spans.into_owned(),
                custom_values: Vec::new(),
            });
        }
        Arc::clone(last)
    };
    if is_float {
        let [positive, negative] = match used {
            Some(Histogram::Float(used)) => [used.positive, used.negative],
            _ => Default::default(),
        };
        let (positive_spans, positive) = floats(&metric.positive, positive);
        let (negative_spans, negative) = floats(&metric.negative, negative);
        return Ok(Histogram::Float(FloatHistogram {
            layout: layout(positive_spans, negative_spans),
            hint,
            zero_count: metric.zero_count.float,
            count: metric.count.float,
            sum: metric.sum,
            positive,
            negative,
        }));
    }
    let [positive, negative] = match used {
        Some(Histogram::Int(used)) => [used.positive_deltas, used.negative_deltas],
        _ => Default::default(),
    };
    let (positive_spans, positive_deltas) = integers(&metric.positive, positive);
    let (negative_spans, negative_deltas) = integers(&metric.negative, negative);
    Ok(Histogram::Int(IntHistogram {
        layout: layout(positive_spans, negative_spans),
        hint,
        zero_count: metric.zero_count.int,
        count: metric.count.int,
        sum: metric.sum,
        positive_deltas,
        negative_deltas,
    }))
}

/// Whether no span is empty or touches the one before.
fn is_compact(spans: &[Span]) -> bool {
    spans.iter().all(|span| span.length > 0) && spans.iter().skip(1).all(|span| span.offset != 0)
}

fn floats(side: &Side, mut used: Vec<f64>) -> (Cow<'_, [Span]>, Vec<f64>) {
    if is_compact(&side.spans) && side.counts.iter().all(|&count| count != 0.0) {
        side.counts.clone_into(&mut used);
        return (Cow::Borrowed(&side.spans), used);
    }
    let (spans, counts) = compact(&side.spans, &side.counts, 0);
    (Cow::Owned(spans), counts)
}

fn integers(side: &Side, mut used: Vec<i64>) -> (Cow<'_, [Span]>, Vec<i64>) {
    let mut count = 0_i64;
    let mut counts = side.deltas.iter().map(|&delta| {
        count = count.wrapping_add(delta);
        count
    });
    if is_compact(&side.spans) && counts.all(|count| count != 0) {
        side.deltas.clone_into(&mut used);
        return (Cow::Borrowed(&side.spans), used);
    }
    let mut count = 0_i64;
    let counts = side.deltas.iter().map(|&delta| {
        count = count.wrapping_add(delta);
        count
    });
    let (spans, counts) = compact(&side.spans, &counts.collect::<Vec<_>>(), 0);
    (Cow::Owned(spans), deltas(&counts))
}
