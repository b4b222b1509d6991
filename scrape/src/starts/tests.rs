//! What `starts` promises, case by case.

use super::*;
use model::histogram::{CounterResetHint, Layout, Span};
use std::sync::Arc;

/// A histogram of three buckets side by side.
fn of(counts: [i64; 3], zero_count: u64, sum: f64) -> Histogram {
    let spans = vec![Span { offset: 2, length: 3 }];
    let layout =
        Layout { schema: 3, zero_threshold: 1e-3, positive_spans: spans, ..Layout::default() };
    let [a, b, c] = counts;
    Histogram::Int(IntHistogram {
        layout: Arc::new(layout),
        hint: CounterResetHint::Unknown,
        zero_count,
        count: (a + b + c) as u64 + zero_count,
        sum,
        positive_deltas: vec![a, b - a, c - b],
        negative_deltas: Vec::new(),
    })
}

fn int(histogram: Option<Histogram>) -> IntHistogram {
    match histogram {
        Some(Histogram::Int(histogram)) => histogram,
        other => panic!("{other:?}"),
    }
}

#[test]
fn histograms_count_from_their_first_sample() {
    let mut start = HistogramStart::default();
    assert!(start.since(1000, of([1, 2, 3], 1, 5.0)).is_none());
    let counted = int(start.since(2000, of([1, 4, 6], 3, 11.0)));
    assert_eq!((start.start_ms, counted.count, counted.zero_count, counted.sum), (1000, 7, 2, 6.0));
    // The bucket that did not grow is left out.
    assert_eq!(counted.layout.positive_spans, [Span { offset: 3, length: 2 }]);
    assert_eq!(counted.positive_deltas, [2, 1]);
}

#[test]
fn a_reset_begins_just_before_its_sample() {
    let mut start = HistogramStart::default();
    assert!(start.since(1000, of([5, 5, 5], 0, 5.0)).is_none());
    for (timestamp_ms, count) in [(2000, 3), (3000, 4)] {
        let counted = int(start.since(timestamp_ms, of([1, 1, count - 2], 0, 1.0)));
        assert_eq!((start.start_ms, counted.count), (1999, count as u64));
    }
}

#[test]
fn float_histograms_stay_so() {
    let float = |counts| Histogram::Float(of(counts, 0, 1.5).to_float());
    let mut start = HistogramStart::default();
    assert!(start.since(1000, float([1, 1, 1])).is_none());
    match start.since(2000, float([2, 1, 1])) {
        Some(Histogram::Float(counted)) => assert_eq!(counted.positive, [1.0]),
        other => panic!("{other:?}"),
    }
}
