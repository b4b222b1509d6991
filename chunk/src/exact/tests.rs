//! What is decoded and encoded again says the same; kinds do not mix.

use super::{ExactSample, ExactValue, decode, encode};
use crate::{ChunkMeta, Encoding};
use model::histogram::{CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout, Span};
use std::sync::Arc;

fn int(count: u64, lengths: u32) -> ExactValue {
    let layout =
        Layout { positive_spans: vec![Span { offset: 0, length: lengths }], ..Layout::default() };
    let mut positive_deltas = vec![0; lengths as usize];
    positive_deltas[0] = count as i64;
    let histogram = IntHistogram {
        layout: Arc::new(layout),
        count: count * u64::from(lengths),
        sum: count as f64,
        positive_deltas,
        ..IntHistogram::default()
    };
    ExactValue::Histogram(Histogram::Int(histogram))
}

fn float(count: f64) -> ExactValue {
    let histogram =
        FloatHistogram { count, zero_count: count, sum: 1.5, ..FloatHistogram::default() };
    ExactValue::Histogram(Histogram::Float(histogram))
}

type Chunks = Vec<(ChunkMeta, Vec<u8>)>;

fn chunks(samples: &[ExactSample], most: usize) -> Chunks {
    let mut out = Vec::new();
    encode(samples, most, crate::append::Encodings::PLAIN, &mut |meta, bytes| {
        out.push((meta, bytes.to_vec()));
    });
    out
}

/// Time, kind and size of each sample.
fn told(samples: &[ExactSample]) -> Vec<(i64, Encoding, f64)> {
    let size = |value: &ExactValue| match value {
        ExactValue::Float(value) => *value,
        ExactValue::Histogram(histogram) => histogram.to_float().count,
    };
    samples.iter().map(|s| (s.timestamp_ms, s.value.encoding(), size(&s.value))).collect()
}

#[test]
fn kinds_come_back_each_in_chunks_of_its_own() {
    let samples = [
        (1, ExactValue::Float(1.0)),
        (2, ExactValue::Float(2.0)),
        (3, ExactValue::Float(3.0)),
        (4, int(1, 1)),
        (5, int(2, 2)),
        (6, int(1, 2)),
        (7, float(3.0)),
    ]
    .map(|(time, value)| ExactSample::new(time, value));
    let chunks = chunks(&samples, 2);
    let spans: Vec<_> =
        chunks.iter().map(|(meta, _)| (meta.min_ms, meta.max_ms, meta.num_samples)).collect();
    assert_eq!(spans, [(1, 2, 2), (3, 3, 1), (4, 5, 2), (6, 6, 1), (7, 7, 1)]);
    let mut again = Vec::new();
    for (meta, bytes) in &chunks {
        decode(*meta, bytes, &mut again).unwrap();
    }
    assert_eq!(told(&again), told(&samples));
}

#[test]
fn a_counter_that_falls_begins_a_chunk_and_an_explicit_reset_says_so() {
    let samples = [(1, int(5, 1)), (2, int(6, 1)), (3, int(2, 1))]
        .map(|(time, value)| ExactSample::new(time, value));
    let cut = chunks(&samples, 120);
    assert_eq!(cut.len(), 2);
    let headers: Vec<_> = cut
        .iter()
        .map(|(meta, bytes)| crate::histogram::reset_header(meta.encoding, bytes))
        .collect();
    assert_eq!(headers, [crate::ResetHeader::Unknown, crate::ResetHeader::Reset]);
    let mut sample = samples[0].clone();
    if let ExactValue::Histogram(histogram) = &mut sample.value {
        histogram.set_hint(CounterResetHint::CounterReset);
    }
    let alone = chunks(&[sample], 120);
    assert_eq!(
        crate::histogram::reset_header(alone[0].0.encoding, &alone[0].1),
        crate::ResetHeader::Reset
    );
}

#[test]
fn starts_take_chunks_of_their_own_and_come_back() {
    let started = |timestamp_ms, start_ms, value| ExactSample { timestamp_ms, start_ms, value };
    let samples = [
        started(1, 0, ExactValue::Float(1.0)),
        started(2, 1, ExactValue::Float(2.0)),
        started(3, 0, ExactValue::Float(3.0)),
        started(4, 0, int(1, 1)),
        started(5, 4, int(2, 1)),
        started(6, 4, int(3, 2)),
        started(7, 0, int(4, 2)),
        started(8, 7, float(3.0)),
    ];
    let chunks = chunks(&samples, 120);
    let spans: Vec<_> = chunks.iter().map(|(meta, _)| (meta.min_ms, meta.encoding)).collect();
    let expected = [
        (1, Encoding::Xor),
        (2, Encoding::Xor2),
        (4, Encoding::Histogram),
        (5, Encoding::StartedHistogram),
        (7, Encoding::Histogram),
        (8, Encoding::StartedFloatHistogram),
    ];
    assert_eq!(spans, expected);
    let mut again = Vec::new();
    for (meta, bytes) in &chunks {
        assert_eq!(meta.encoding.num_samples(bytes), Some(meta.num_samples));
        decode(*meta, bytes, &mut again).unwrap();
    }
    assert_eq!(told(&again), told(&samples));
    let starts = |samples: &[ExactSample]| samples.iter().map(|s| s.start_ms).collect::<Vec<_>>();
    assert_eq!(starts(&again), starts(&samples));
}
