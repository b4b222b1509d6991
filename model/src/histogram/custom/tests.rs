//! Conversion of classic histograms.

use super::*;

fn convert(buckets: &[(f64, f64)], count: Option<f64>) -> Result<Histogram, ClassicError> {
    let mut classic = ClassicHistogram::default();
    buckets.iter().for_each(|&(bound, count)| classic.set_bucket(bound, count));
    count.into_iter().for_each(|count| classic.set_count(count));
    classic.set_sum(7.0);
    classic.convert()
}

#[test]
fn buckets_in_any_order_become_custom_ones() {
    let infinity = f64::INFINITY;
    let converted = convert(&[(2.0, 5.0), (infinity, 9.0), (1.0, 3.0), (2.0, 8.0)], None);
    let text = converted.expect("a histogram").to_float().to_string();
    assert_eq!(text, "{count:9, sum:7, [-Inf,1]:3, (1,2]:2, (2,+Inf]:4}");
    let fraction = convert(&[(1.0, 0.5)], Some(2.0)).expect("a histogram");
    assert!(matches!(fraction, Histogram::Float(_)));
    assert_eq!(fraction.to_float().to_string(), "{count:2, sum:7, [-Inf,1]:0.5, (1,+Inf]:1.5}");
}

#[test]
fn short_gaps_stay_in_their_span() {
    let bounds =
        [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 2.0), (5.0, 2.0), (6.0, 2.0), (7.0, 2.0)];
    let Ok(Histogram::Int(histogram)) = convert(&bounds, Some(3.0)) else { panic!("integers") };
    let spans: Vec<_> =
        histogram.layout.positive_spans.iter().map(|s| (s.offset, s.length)).collect();
    assert_eq!(spans, [(0, 4), (3, 1)]);
    assert_eq!(histogram.positive_deltas, [1, -1, 0, 1, 0]);
    histogram.validate().expect("makes sense");
}

#[test]
fn contradictions_are_refused() {
    let cases = [
        (vec![(1.0, 2.0), (2.0, 1.0)], None, ClassicError::NotCumulative),
        (vec![(2.0, 1.0), (1.0, 2.0)], None, ClassicError::NotCumulative),
        (vec![(f64::NAN, 1.0)], None, ClassicError::NanBound),
        (vec![(1.0, -1.0)], None, ClassicError::NegativeBucket),
        (vec![(1.0, 1.0)], Some(-1.0), ClassicError::NegativeCount),
        (vec![(1.0, 1.0), (f64::INFINITY, 2.0)], Some(3.0), ClassicError::CountMismatch),
    ];
    for (buckets, count, error) in cases {
        assert_eq!(convert(&buckets, count).err(), Some(error), "{buckets:?}");
    }
}
