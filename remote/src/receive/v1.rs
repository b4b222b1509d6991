//! A `WriteRequest` of 1.0 to columns without decoding the labels of known series.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::cache::Key;
use super::columns::{Columns, Kind, Misses, Part, TOO_FAR_AHEAD, place_of};
use super::labels;
use crate::proto::{Fields, Malformed, Reader, Value, histogram};
use model::SeriesRef;
use model::histogram::Layout;
use std::sync::Arc;

/// The key of the label bytes of a series, and its reference if it is known.
type Lookup<'w> = &'w dyn Fn(&[u8]) -> (Key, Option<SeriesRef>);

/// What the walk needs to know of the world.
pub(super) struct Walk<'w> {
    /// What is known of a series.
    pub(super) known: Lookup<'w>,
    /// The latest time that is taken.
    pub(super) max_ms: i64,
}

impl Walk<'_> {
    /// Reads `body` into `columns`; answers the series that are not known.
    pub(super) fn run<'b>(
        &self,
        body: &'b [u8],
        columns: &mut Columns,
    ) -> Result<Misses<'b>, Malformed> {
        columns.clear();
        let mut misses = Misses::default();
        let mut layout = Arc::default();
        let mut fields = Fields(body);
        while let Some((field, value)) = fields.next()? {
            // Field 3 is metadata, which remote write 1.0 sends for others to read.
            if field == 1 {
                self.series(body, value.bytes(1)?, columns, &mut misses, &mut layout)?;
            }
        }
        columns.settle();
        Ok(misses)
    }

    fn series<'b>(
        &self,
        body: &'b [u8],
        message: &'b [u8],
        columns: &mut Columns,
        misses: &mut Misses<'b>,
        layout: &mut Arc<Layout>,
    ) -> Result<(), Malformed> {
        let (span, rest) = label_span(message)?;
        let (key, hit) = if span.is_empty() {
            (None, None)
        } else {
            let (key, hit) = (self.known)(span);
            (Some(key), hit)
        };
        let begin = columns.begin();
        let mut in_one_piece = !span.is_empty();
        let mut fields = Fields(rest);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => in_one_piece = false,
                2 => self.float(sample(value.bytes(2)?)?, columns),
                3 => columns.exemplars.push(place_of(value.bytes(3)?, body)),
                4 => {
                    let point = histogram::read(value.bytes(4)?, layout)?;
                    if let Err((kind, text)) = columns.push_histogram(point, self.max_ms) {
                        columns.fault(Part::Histograms, kind, text);
                    }
                }
                _ => {}
            }
        }
        let key = key.filter(|_| in_one_piece);
        let place = place_of(message, body);
        if let (Some(hit), true) = (hit, in_one_piece) {
            columns.end_series(key, Some(hit), place);
            return Ok(());
        }
        let first_pair = misses.pairs.len();
        let is_valid = labels::read(message, &mut misses.pairs)?;
        let has_samples = columns.floats.len() > begin.floats
            || columns.histograms.len() > begin.histograms
            || columns.faults.len() > begin.faults;
        if !is_valid || !has_samples {
            misses.pairs.truncate(first_pair);
        }
        if !is_valid {
            columns.drop_from(begin);
            columns.num_invalid = columns.num_invalid.saturating_add(1);
            return Ok(());
        }
        if has_samples {
            misses.series.push(columns.series.len() as u32);
            misses.ends.push(misses.pairs.len() as u32);
        }
        columns.end_series(key, None, place);
        Ok(())
    }

    #[inline]
    fn float(&self, (timestamp_ms, value): (i64, f64), columns: &mut Columns) {
        if timestamp_ms > self.max_ms {
            columns.fault(Part::Floats, Kind::TooFarAhead, TOO_FAR_AHEAD);
            return;
        }
        columns.floats.push(timestamp_ms, value);
    }
}

/// Splits a series message after the label fields it begins with.
fn label_span(message: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut rest = message;
    while let [0x0A, tail @ ..] = rest {
        let mut reader = Reader(tail);
        reader.prefixed()?;
        rest = reader.0;
    }
    let len = message.len().saturating_sub(rest.len());
    Ok(message.split_at_checked(len).unwrap_or((message, &[])))
}

/// Timestamp and value of a sample in the form that every sender writes: value, then time, and nothing else.
#[inline]
pub(super) fn plain_sample(message: &[u8]) -> Option<(i64, f64)> {
    let [0x09, tail @ ..] = message else { return None };
    let (value, tail) = tail.split_first_chunk::<8>()?;
    let [0x10, tail @ ..] = tail else { return None };
    if let Some(timestamp_ms) = six_bytes(tail) {
        return Some((timestamp_ms, f64::from_le_bytes(*value)));
    }
    let mut reader = Reader(tail);
    let timestamp_ms = reader.varint().ok()?.cast_signed();
    reader.0.is_empty().then_some((timestamp_ms, f64::from_le_bytes(*value)))
}

/// A number of exactly six bytes, as times from 1971 to 2109 are.
#[inline]
fn six_bytes(bytes: &[u8]) -> Option<i64> {
    let &[a, b, c, d, e, f] = bytes else { return None };
    let all = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    if all & 0x8080_8080_8080 != 0x0080_8080_8080 {
        return None;
    }
    // Seven bits each, moved together in pairs and then all three.
    let pairs = all & 0x007F_007F_007F | (all & 0x7F00_7F00_7F00) >> 1;
    let number = pairs & 0x3FFF | (pairs & 0x3FFF_0000) >> 2 | (pairs & 0x3FFF_0000_0000) >> 4;
    Some(number.cast_signed())
}

/// Timestamp and value of a `Sample` message.
fn sample(message: &[u8]) -> Result<(i64, f64), Malformed> {
    if let Some(sample) = plain_sample(message) {
        return Ok(sample);
    }
    let (mut timestamp_ms, mut sample) = (0, 0.0);
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, value) => sample = value.double(1)?,
            (2, Value::Varint(number)) => timestamp_ms = number.cast_signed(),
            (2, _) => return Err(Malformed::WireType(2)),
            _ => {}
        }
    }
    Ok((timestamp_ms, sample))
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests may panic")]
mod tests;
