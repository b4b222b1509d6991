//! What `classic` promises beyond the recorded bodies.

use super::*;
use proptest::prelude::*;

#[test]
fn errors_say_what_contradicts_what() {
    let convert = |buckets: &[(f64, f64)], count: f64| {
        let mut histogram = ClassicHistogram::default();
        for &(le, count) in buckets {
            histogram.set_bucket(le, count);
        }
        histogram.set_count(count);
        histogram.convert(CounterResetHint::Unknown).map(|_| ()).map_err(|e| e.to_string())
    };
    let inf = f64::INFINITY;
    assert_eq!(convert(&[(1.0, 1.0), (inf, 2.0)], 2.0), Ok(()));
    let cases = [
        (vec![(1.0, 5.0), (inf, 5.0)], 6.0, "count mismatch: count=6 != le=+Inf count=5"),
        (vec![(0.1, 4.0), (1.0, 2.0)], 6.0, "count is not cumulative: 2 < 4"),
        (vec![(1.0, 2.0), (0.1, 8.0)], 9.0, "count is not cumulative: 8 > 2"),
        (vec![(f64::NAN, 2.0)], 9.0, "bucket boundary must not be NaN"),
        (vec![], -6.0, "count must be non-negative: count=-6"),
        (vec![(1.0, 5.0)], 3.0, "count is not cumulative: 3 < 5"),
    ];
    for (buckets, count, expected) in cases {
        assert_eq!(convert(&buckets, count), Err(expected.to_owned()));
    }
}

proptest! {
    /// Every bucket that is not empty keeps its place, and without slack no empty one stays.
    #[test]
    fn compact_keeps_what_counts(
        spans in proptest::collection::vec((0_i32..5, 0_u32..5), 0..6),
        seed in proptest::collection::vec(0_i64..3, 30),
        max_empty in 0_i64..4,
    ) {
        let spans: Vec<Span> = spans.into_iter().map(|(offset, length)| Span { offset, length }).collect();
        let length = spans.iter().map(|span| span.length as usize).sum::<usize>();
        let counts = &seed[..length];
        let places = |spans: &[Span], counts: &[i64]| {
            let (mut index, mut counts, mut out) = (0_i64, counts.iter(), Vec::new());
            for span in spans {
                index += i64::from(span.offset);
                for count in counts.by_ref().take(span.length as usize) {
                    if *count != 0 {
                        out.push((index, *count));
                    }
                    index += 1;
                }
            }
            out
        };
        let (kept_spans, kept) = compact(&spans, counts, max_empty);
        prop_assert_eq!(places(&kept_spans, &kept), places(&spans, counts));
        prop_assert_eq!(kept_spans.iter().map(|span| span.length as usize).sum::<usize>(), kept.len());
        prop_assert!(max_empty > 0 || kept.iter().all(|count| *count != 0));
        prop_assert!(kept_spans.iter().skip(1).all(|span| i64::from(span.offset) > max_empty));
    }
}
