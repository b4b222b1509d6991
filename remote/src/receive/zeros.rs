//! Start timestamps as samples of zero: put in before the samples they belong to, and taken out of what is refused.

use super::columns::Rows;
use model::SeriesRef;
use model::histogram::{CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout};
use std::sync::Arc;
use storage::{Appender, Rejected};

/// The row stands for a start timestamp.
const ZERO: u32 = u32::MAX;

/// The rows with a zero before each whose start lies after all that is known of its series, and for each row the one
/// it was; `None` if no row tells a start.
pub(crate) fn with_zeros<V: Clone>(
    rows: &Rows<V>,
    appender: &dyn Appender,
    zero: impl Fn(&V) -> V,
) -> Option<(Rows<V>, Vec<u32>)> {
    if rows.start_timestamps_ms.is_empty() {
        return None;
    }
    let mut expanded = Rows::default();
    let mut origins = Vec::with_capacity(rows.len() * 2);
    let mut previous: Option<(SeriesRef, i64)> = None;
    for row in 0..rows.len() {
        let (series, start_ms) = (rows.refs[row], rows.start_timestamps_ms[row]);
        let timestamp_ms = rows.timestamps_ms[row];
        let known_ms = match previous {
            Some((of, at)) if of == series => Some(at),
            _ => appender.newest(series).map(|(at, _)| at),
        };
        let is_told = start_ms != 0 && timestamp_ms != 0 && start_ms < timestamp_ms;
        if is_told && known_ms.is_none_or(|known| known < start_ms) {
            expanded.refs.push(series);
            expanded.push(start_ms, zero(&rows.values[row]));
            expanded.start_timestamps_ms.push(0);
            origins.push(ZERO);
        }
        expanded.refs.push(series);
        expanded.push(timestamp_ms, rows.values[row].clone());
        expanded.start_timestamps_ms.push(start_ms);
        origins.push(row as u32);
        previous = Some((series, timestamp_ms));
    }
    Some((expanded, origins))
}

/// Leads refusals back to the rows of the request; those of zeros are no one's concern.
pub(crate) fn settle_origins(rejected: &mut Vec<Rejected>, origins: Option<&[u32]>) {
    let Some(origins) = origins else { return };
    for row in rejected.iter_mut() {
        row.row = origins[row.row as usize];
    }
    rejected.retain(|row| row.row != ZERO);
}

/// A histogram without observations and with the same buckets to come.
pub(crate) fn zero(like: &Histogram) -> Histogram {
    let layout = like.layout();
    let layout = Arc::new(Layout {
        schema: layout.schema,
        zero_threshold: layout.zero_threshold,
        custom_values: layout.custom_values.clone(),
        ..Layout::default()
    });
    let hint = CounterResetHint::CounterReset;
    match like {
        Histogram::Int(_) => {
            Histogram::Int(IntHistogram { layout, hint, ..IntHistogram::default() })
        }
        Histogram::Float(_) => {
            Histogram::Float(FloatHistogram { layout, hint, ..FloatHistogram::default() })
        }
    }
}
