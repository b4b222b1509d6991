//! Histogram points as native histograms: dense runs of buckets to spans and deltas.

use super::message::{Buckets, ExponentialPoint, HistogramPoint, Temporality};
use model::STALE_NAN_BITS;
use model::histogram::{
    CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, IntHistogram, Layout, Span,
};
use std::sync::Arc;

/// OTLP tells no threshold that Prometheus would use.
const ZERO_THRESHOLD: f64 = 1e-128;

/// The finest resolution that is stored.
const MAX_SCHEMA: i32 = 8;

/// The coarsest one.
const MIN_SCHEMA: i32 = -4;

/// Runs of up to this many empty buckets are written out, longer ones end a span.
const MAX_GAP: i32 = 2;

/// A histogram with base-2 exponential buckets.
pub(super) fn exponential(
    point: &ExponentialPoint<'_>,
    temporality: Temporality,
) -> Result<Histogram, String> {
    if point.scale < MIN_SCHEMA {
        return Err(format!(
            "cannot convert exponential to native histogram. Scale must be >= -4, was {}",
            point.scale
        ));
    }
    let schema = point.scale.min(MAX_SCHEMA);
    let shift = (point.scale - schema).min(31);
    // Bucket 0 begins at 1 there and ends at 1 here.
    let (positive_spans, positive_deltas) = sparse(&point.positive, shift, 1);
    let (negative_spans, negative_deltas) = sparse(&point.negative, shift, 1);
    let layout = Layout {
        schema,
        zero_threshold: ZERO_THRESHOLD,
        positive_spans,
        negative_spans,
        custom_values: Vec::new(),
    };
    let (count, sum) = totals(point.count, point.sum, point.common.has_no_value());
    Ok(Histogram::Int(IntHistogram {
        layout: Arc::new(layout),
        hint: hint(temporality),
        zero_count: point.zero_count,
        count,
        sum,
        positive_deltas,
        negative_deltas,
    }))
}

/// A histogram with the bounds of a classic one.
pub(super) fn custom(point: &HistogramPoint<'_>, temporality: Temporality) -> Histogram {
    let first = point.buckets.iter().take_while(|count| **count == 0).count();
    let counts = point.buckets.get(first..).unwrap_or_default().to_vec();
    let buckets = Buckets { offset: first as i32, counts };
    let (positive_spans, positive_deltas) = sparse(&buckets, 0, 0);
    let layout = Layout {
        schema: CUSTOM_BUCKETS_SCHEMA,
        positive_spans,
        custom_values: point.bounds.clone(),
        ..Layout::default()
    };
    let (count, sum) = totals(point.count, point.sum, point.common.has_no_value());
    Histogram::Int(IntHistogram {
        layout: Arc::new(layout),
        hint: hint(temporality),
        count,
        sum,
        positive_deltas,
        ..IntHistogram::default()
    })
}

/// Resets are not told, and detecting them is the storage's work; what is no total over time has none.
fn hint(temporality: Temporality) -> CounterResetHint {
    match temporality {
        Temporality::Delta => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    }
}

fn totals(count: u64, sum: Option<f64>, has_no_value: bool) -> (u64, f64) {
    if has_no_value {
        return (STALE_NAN_BITS, model::STALE_NAN);
    }
    (count, sum.unwrap_or(0.0))
}

/// Spans and deltas of a run: `1 << shift` buckets become one, indices grow by `step`. The last bucket is always
/// written, even if it is empty.
fn sparse(buckets: &Buckets, shift: i32, step: i32) -> (Vec<Span>, Vec<i64>) {
    let Some(last) = buckets.counts.len().checked_sub(1) else { return Default::default() };
    let index =
        |at: usize| (buckets.offset.saturating_add(at as i32) >> shift).saturating_add(step);
    let (first, end) = (index(0), index(last));
    let mut spans = vec![Span { offset: first, length: 0 }];
    let mut deltas: Vec<i64> = Vec::new();
    let mut previous: i64 = 0;
    // The bucket that would be written next without a gap.
    let mut next = first;
    let mut at = 0;
    while at <= last {
        let bucket = index(at);
        let mut count: i64 = 0;
        while at <= last && index(at) == bucket {
            count = count.wrapping_add(buckets.counts[at].cast_signed());
            at += 1;
        }
        if count == 0 && bucket != end {
            continue;
        }
        let gap = bucket - next;
        let mut write = |spans: &mut Vec<Span>, count: i64| {
            spans.last_mut().expect("begun with one").length += 1;
            deltas.push(count.wrapping_sub(previous));
            previous = count;
        };
        if gap > MAX_GAP {
            spans.push(Span { offset: gap, length: 0 });
        } else {
            (0..gap).for_each(|_| write(&mut spans, 0));
        }
        write(&mut spans, count);
        next = bucket + 1;
    }
    (spans, deltas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(offset: i32, counts: &[u64], shift: i32) -> (Vec<(i32, u32)>, Vec<i64>) {
        let buckets = Buckets { offset, counts: counts.to_vec() };
        let (spans, deltas) = sparse(&buckets, shift, 1);
        (spans.iter().map(|span| (span.offset, span.length)).collect(), deltas)
    }

    #[test]
    fn short_gaps_are_filled_and_long_ones_split() {
        assert_eq!(layout(-2, &[1, 0, 0, 4, 5], 0), (vec![(-1, 5)], vec![1, -1, 0, 4, 1]));
        assert_eq!(layout(0, &[1, 0, 0, 0, 2], 0), (vec![(1, 1), (3, 1)], vec![1, 1]));
        assert_eq!(layout(0, &[3, 0], 0), (vec![(1, 2)], vec![3, -3]));
    }

    #[test]
    fn coarser_buckets_hold_the_sums() {
        assert_eq!(layout(-2, &[1, 0, 0, 4, 5], 2), (vec![(0, 2)], vec![1, 8]));
        assert_eq!(layout(0, &[0, 0, 1, 2], 1), (vec![(1, 2)], vec![0, 3]));
        assert_eq!(layout(i32::MAX, &[1, 1], 31).1.len(), 1);
    }
}
