//! Deletions belong to a source: another one may hold samples of the same time that were written later.

use crate::SeriesBatch;
use chunk::{ChunkMeta, Encoding, SampleColumns};
use model::TimeRange;

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
