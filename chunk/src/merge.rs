//! Columns against columns: merge two runs that overlap, cut to a range, drop a deleted range.

use crate::SampleColumns;
use model::TimeRange;

/// Merges the floats of `later` into `into`, both in time order; of two samples at one time that of `later` stays.
pub fn merge(into: &mut SampleColumns, later: &SampleColumns) {
    let first = std::mem::take(into);
    let (mut a, mut b) = (0, 0);
    while a < first.len() || b < later.len() {
        let time_a = first.timestamps_ms.get(a).copied();
        let time_b = later.timestamps_ms.get(b).copied();
        match (time_a, time_b) {
            (Some(x), Some(y)) if x < y => {
                into.push_started(x, first.values[a], first.start_ms(a));
                a += 1;
            }
            (Some(x), None) => {
                into.push_started(x, first.values[a], first.start_ms(a));
                a += 1;
            }
            (x, Some(y)) => {
                into.push_started(y, later.values[b], later.start_ms(b));
                b += 1;
                a += usize::from(x == Some(y));
            }
            (None, None) => break,
        }
    }
}

/// Keeps the samples inside `range`.
pub fn trim(columns: &mut SampleColumns, range: TimeRange) {
    let end = columns.timestamps_ms.partition_point(|&t| t <= range.max_ms);
    columns.remove(end..columns.len());
    let begin = columns.timestamps_ms.partition_point(|&t| t < range.min_ms);
    columns.remove(0..begin);
    if !columns.histograms.is_empty() {
        let within = places(columns.histograms.timestamps_ms(), range);
        columns.histograms.retain(|place| within.contains(&place));
    }
}

/// Drops the samples inside `range`.
pub fn delete(columns: &mut SampleColumns, range: TimeRange) {
    let gone = places(&columns.timestamps_ms, range);
    if !gone.is_empty() {
        columns.remove(gone);
    }
    if !columns.histograms.is_empty() {
        let gone = places(columns.histograms.timestamps_ms(), range);
        columns.histograms.retain(|place| !gone.contains(&place));
    }
}

fn places(timestamps_ms: &[i64], range: TimeRange) -> std::ops::Range<usize> {
    let begin = timestamps_ms.partition_point(|&t| t < range.min_ms);
    begin..timestamps_ms.partition_point(|&t| t <= range.max_ms).max(begin)
}
