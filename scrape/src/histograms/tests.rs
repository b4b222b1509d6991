//! What `histograms` promises, case by case; the recorded scenarios of limits are in `tests/it/scrape.rs`.

use super::*;
use model::histogram::{IntHistogram, Layout, Span};
use std::sync::Arc;

#[test]
fn growth_factors_to_schemas() {
    for (factor, schema) in [
        (0.0, 8),
        (1.0, 8),
        (1.002, 8),
        (1.0027, 8),
        (1.003, 7),
        (1.1, 2),
        (1.5, 0),
        (2.0, 0),
        (4.0, -1),
        (1e9, -4),
    ] {
        assert_eq!(max_schema(factor), schema, "{factor}");
    }
}

#[test]
fn the_resolution_falls_until_the_buckets_are_few_enough() {
    let buckets = |schema, length| {
        let layout = Layout {
            schema,
            positive_spans: vec![Span { offset: 0, length }],
            ..Layout::default()
        };
        let mut positive_deltas = vec![0; length as usize];
        positive_deltas[0] = 1;
        let count = u64::from(length);
        Histogram::Int(IntHistogram {
            layout: Arc::new(layout),
            count,
            positive_deltas,
            ..IntHistogram::default()
        })
    };
    let limits = HistogramLimits { bucket_limit: 4, ..HistogramLimits::default() };
    for (schema, length, expected) in
        [(3, 4, Some(3)), (3, 5, Some(2)), (3, 16, Some(0)), (-4, 16, None)]
    {
        let mut histogram = buckets(schema, length);
        let fits = limits.apply(&mut histogram);
        assert_eq!(fits.then(|| histogram.layout().schema), expected, "{schema} {length}");
    }
    let limits = HistogramLimits { max_schema: 0, ..HistogramLimits::default() };
    let mut histogram = buckets(8, 8);
    assert!(limits.apply(&mut histogram));
    assert_eq!(histogram.layout().positive_spans, [Span { offset: 0, length: 2 }]);
}
