//! Deletions belong to a source: another one may hold samples of the same time that were written later. Counts and
//! sums of histograms are the same whether their buckets are read or not.

use crate::SeriesBatch;
use chunk::append::Encodings;
use chunk::exact::{ExactSample, ExactValue};
use chunk::{ChunkMeta, Encoding, SampleColumns};
use model::TimeRange;
use model::histogram::{CounterResetHint, Histogram, IntHistogram, Layout, Span};
use std::sync::Arc;

fn push(batch: &mut SeriesBatch, times: std::ops::Range<i64>, value: f64) {
    let mut bytes = Vec::new();
    for time in times.clone() {
        bytes.extend_from_slice(&time.to_le_bytes());
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    let (min_ms, max_ms) = (times.start, times.end - 1);
    let num_samples = (times.end - times.start) as u32;
    let meta = ChunkMeta { min_ms, max_ms, num_samples, encoding: Encoding::Raw };
    batch.push_copied(meta, &bytes);
}

fn read(batch: &SeriesBatch, range: TimeRange) -> Vec<(i64, f64)> {
    let mut columns = SampleColumns::default();
    batch.read(0, range, &mut columns).unwrap();
    columns.timestamps_ms.iter().copied().zip(columns.values.iter().copied()).collect()
}

#[test]
fn deletions_spare_other_sources() {
    let mut first = SeriesBatch::default();
    push(&mut first, 0..10, 1.0);
    push(&mut first, 10..20, 1.0);
    first.push_deleted(TimeRange::new(5, 14));
    first.finish_series(&[]);
    let mut second = SeriesBatch::default();
    push(&mut second, 8..12, 2.0);
    second.push_deleted(TimeRange::new(11, 11));
    second.finish_series(&[]);
    let mut merged = SeriesBatch::default();
    merged.push_chunks_of(&first, 0);
    merged.push_chunks_of(&second, 0);
    merged.push_chunks_of(&first, 0);
    merged.finish_series(&[]);
    let wanted: Vec<(i64, f64)> = (0..20)
        .filter_map(|time| match time {
            5..=7 | 11..=14 => None,
            8..=10 => Some((time, 2.0)),
            _ => Some((time, 1.0)),
        })
        .collect();
    assert_eq!(read(&merged, TimeRange::ALL), wanted);
    assert_eq!(read(&merged, TimeRange::new(4, 9)), wanted[4..7]);
    let of = |source| merged.deleted_in(0, source).collect::<Vec<_>>();
    assert_eq!(of(1), [TimeRange::new(11, 11)]);
    assert_eq!(of(0), of(2));
}

/// A counter of native histograms that is reset, goes stale, changes its layout and comes from outside with claims of
/// resets now and then.
fn histograms(seed: u64) -> Vec<ExactSample> {
    let mut random = seed;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (random >> 33) % below
    };
    let span = |length| vec![Span { offset: 0, length }];
    let mut layout = Layout { schema: 3, positive_spans: span(4), ..Layout::default() };
    let mut counts = [0_i64; 8];
    let is_gauge = next(8) == 0;
    let samples = (0..60).map(|index| {
        match next(30) {
            0 => counts = [0; 8],
            1 => counts[next(4) as usize] = 0,
            2 => layout.positive_spans = span(if next(2) == 0 { 4 } else { 5 }),
            3 => layout.schema = 2 + next(2) as i32,
            _ => {}
        }
        counts.iter_mut().for_each(|count| *count += next(4) as i64);
        let buckets = &counts[..layout.positive_spans[0].length as usize];
        let mut last = 0;
        let deltas = buckets.iter().map(|&count| count - std::mem::replace(&mut last, count));
        let is_stale = next(20) == 0;
        let histogram = IntHistogram {
            layout: Arc::new(layout.clone()),
            hint: match next(25) {
                _ if is_gauge => CounterResetHint::Gauge,
                0 => CounterResetHint::CounterReset,
                _ => CounterResetHint::Unknown,
            },
            zero_count: 0,
            count: buckets.iter().sum::<i64>() as u64,
            sum: if is_stale { f64::from_bits(model::STALE_NAN_BITS) } else { index as f64 },
            positive_deltas: deltas.collect(),
            negative_deltas: Vec::new(),
        };
        let value = ExactValue::Histogram(Histogram::Int(histogram));
        ExactSample { timestamp_ms: index, start_ms: 0, value }
    });
    samples.collect()
}

#[test]
fn totals_are_those_of_whole_histograms() {
    let mut told_by_chunks = 0;
    for seed in 0..500 {
        let samples = histograms(seed);
        let mut batch = SeriesBatch::default();
        chunk::exact::encode(&samples, 7, Encodings::PLAIN, &mut |meta, bytes| {
            batch.push_copied(meta, bytes);
        });
        batch.finish_series(&[]);
        for range in [TimeRange::ALL, TimeRange::new(3, 40), TimeRange::new(17, 17)] {
            let (mut whole, mut totals) = (SampleColumns::default(), SampleColumns::default());
            batch.read(0, range, &mut whole).unwrap();
            whole.histograms.keep_totals();
            if !batch.read_totals(0, range, &mut totals).unwrap() {
                assert!(totals.is_empty());
                continue;
            }
            told_by_chunks += 1;
            assert_eq!(totals.histograms.timestamps_ms(), whole.histograms.timestamps_ms());
            for row in 0..whole.histograms.len() {
                let [one, other] = [&totals, &whole].map(|columns| columns.histograms.get(row));
                assert_eq!(format!("{one:?}"), format!("{other:?}"), "seed {seed} row {row}");
            }
        }
    }
    assert!(told_by_chunks > 300, "{told_by_chunks}");
}
