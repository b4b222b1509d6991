//! A `WriteRequest` to columns without decoding labels: a walker over the protobuf bytes that borrows everything.
//! Foreign bytes: every length is checked, nothing panics, nothing is allocated by a claimed size.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::labels::{self, Pairs};
use super::{Error, refused};
use model::SeriesRef;
use std::ops::Range;

/// Sample rows of a request, and what else it held.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// Series of each row; a placeholder until the misses are resolved.
    pub(super) refs: Vec<SeriesRef>,
    /// Time of each row.
    pub(super) timestamps_ms: Vec<i64>,
    /// Value of each row.
    pub(super) values: Vec<f64>,
    /// Series that were left out because their labels are invalid.
    pub(super) num_invalid: u64,
    /// Histogram samples.
    pub(super) num_histograms: u64,
    /// Exemplars.
    pub(super) num_exemplars: u64,
}

/// A series that has to be resolved.
#[derive(Debug)]
pub(super) struct Miss<'b> {
    /// Its rows.
    pub(super) rows: Range<usize>,
    /// The bytes of its labels, where they lie in one piece: the key of the cache.
    pub(super) span: Option<&'b [u8]>,
}

/// The series that have to be resolved, with their labels: valid, sorted, without empty values.
#[derive(Debug, Default)]
pub(super) struct Misses<'b> {
    pub(super) series: Vec<Miss<'b>>,
    pub(super) pairs: Pairs<'b>,
    pub(super) ends: Vec<u32>,
}

const PLACEHOLDER: SeriesRef = SeriesRef(std::num::NonZeroU64::MIN);

/// Reads `body` into `columns`; `known` answers for the label bytes of a series.
pub(super) fn walk<'b>(
    body: &'b [u8],
    mut known: impl FnMut(&[u8]) -> Option<SeriesRef>,
    columns: &mut Columns,
) -> Result<Misses<'b>, Error> {
    columns.refs.clear();
    columns.timestamps_ms.clear();
    columns.values.clear();
    (columns.num_invalid, columns.num_histograms, columns.num_exemplars) = (0, 0, 0);
    let mut misses = Misses::default();
    let mut fields = Fields(body);
    while let Some((field, value)) = fields.next()? {
        // Field 3 is metadata, which remote write 1.0 sends for others to read.
        if field == 1 {
            series(value.bytes(1)?, &mut known, columns, &mut misses)?;
        }
    }
    Ok(misses)
}

fn series<'b>(
    message: &'b [u8],
    known: &mut impl FnMut(&[u8]) -> Option<SeriesRef>,
    columns: &mut Columns,
    misses: &mut Misses<'b>,
) -> Result<(), Error> {
    let (span, rest) = label_span(message)?;
    let hit = if span.is_empty() { None } else { known(span) };
    let begin = columns.timestamps_ms.len();
    let (histograms, exemplars) = (columns.num_histograms, columns.num_exemplars);
    let mut in_one_piece = !span.is_empty();
    let mut fields = Fields(rest);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => in_one_piece = false,
            2 => {
                let (timestamp_ms, sample) = sample(value.bytes(2)?)?;
                columns.timestamps_ms.push(timestamp_ms);
                columns.values.push(sample);
            }
            3 => columns.num_exemplars = columns.num_exemplars.saturating_add(1),
            4 => columns.num_histograms = columns.num_histograms.saturating_add(1),
            _ => {}
        }
    }
    let end = columns.timestamps_ms.len();
    if let (Some(hit), true) = (hit, in_one_piece) {
        columns.refs.resize(end, hit);
        return Ok(());
    }
    let first_pair = misses.pairs.len();
    if !labels::read(message, &mut misses.pairs)? {
        columns.num_invalid = columns.num_invalid.saturating_add(1);
        (columns.num_histograms, columns.num_exemplars) = (histograms, exemplars);
        misses.pairs.truncate(first_pair);
        columns.timestamps_ms.truncate(begin);
        columns.values.truncate(begin);
        return Ok(());
    }
    if begin == end {
        misses.pairs.truncate(first_pair);
        return Ok(());
    }
    columns.refs.resize(end, PLACEHOLDER);
    misses.ends.push(misses.pairs.len() as u32);
    let span = in_one_piece.then_some(span);
    misses.series.push(Miss { rows: begin..end, span });
    Ok(())
}

/// Splits a series message after the label fields it begins with.
fn label_span(message: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let mut rest = message;
    while let [0x0A, tail @ ..] = rest {
        let mut reader = Reader(tail);
        reader.prefixed()?;
        rest = reader.0;
    }
    let len = message.len().saturating_sub(rest.len());
    Ok(message.split_at_checked(len).unwrap_or((message, &[])))
}

/// Timestamp and value of a `Sample` message.
fn sample(message: &[u8]) -> Result<(i64, f64), Error> {
    // The form that every sender writes: both fields, in order.
    if let [0x09, tail @ ..] = message
        && let Some((value, [0x10, tail @ ..])) = tail.split_first_chunk::<8>()
    {
        let mut reader = Reader(tail);
        let timestamp_ms = reader.varint()?.cast_signed();
        if reader.0.is_empty() {
            return Ok((timestamp_ms, f64::from_le_bytes(*value)));
        }
    }
    let (mut timestamp_ms, mut sample) = (0, 0.0);
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Fixed64(bits)) => sample = f64::from_bits(bits),
            (2, Value::Varint(number)) => timestamp_ms = number.cast_signed(),
            (1, _) => return Err(wrong_type(1)),
            (2, _) => return Err(wrong_type(2)),
            _ => {}
        }
    }
    Ok((timestamp_ms, sample))
}

/// The value of a field, by its wire type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'b [u8]),
    /// A kind that no field we know has.
    Other,
}

impl<'b> Value<'b> {
    /// The bytes of a message or string; an error for another wire type.
    pub(super) fn bytes(self, field: u64) -> Result<&'b [u8], Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Other => Err(wrong_type(field)),
        }
    }
}

fn wrong_type(field: u64) -> Error {
    refused(format!("proto: wrong wireType for field {field}"))
}

fn cut_off() -> Error {
    refused("unexpected EOF")
}

/// The fields of a message, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'b>(pub(super) &'b [u8]);

impl<'b> Fields<'b> {
    /// Number and value of the next field; `None` at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'b>)>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader(self.0);
        let key = reader.varint()?;
        let field = key >> 3;
        let value = match key & 7 {
            0 => Value::Varint(reader.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(reader.array()?)),
            2 => Value::Bytes(reader.prefixed()?),
            5 => {
                reader.array::<4>()?;
                Value::Other
            }
            kind => return Err(refused(format!("proto: illegal wireType {kind}"))),
        };
        if field == 0 {
            return Err(refused("proto: illegal tag 0"));
        }
        self.0 = reader.0;
        Ok(Some((field, value)))
    }
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    #[inline]
    fn varint(&mut self) -> Result<u64, Error> {
        if let [byte @ ..0x80, tail @ ..] = self.0 {
            self.0 = tail;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Error> {
        let mut number = 0_u64;
        for (index, &byte) in self.0.iter().enumerate().take(10) {
            let shift = 7_u32.wrapping_mul(index as u32);
            number |= u64::from(byte & 0x7F).wrapping_shl(shift);
            if byte < 0x80 {
                self.0 = self.0.get(index.saturating_add(1)..).unwrap_or_default();
                return Ok(number);
            }
        }
        if self.0.len() < 10 { Err(cut_off()) } else { Err(refused("proto: integer overflow")) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, tail) = self.0.split_first_chunk().ok_or_else(cut_off)?;
        self.0 = tail;
        Ok(*array)
    }

    /// Bytes after their length.
    #[inline]
    fn prefixed(&mut self) -> Result<&'b [u8], Error> {
        let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let (bytes, tail) = self.0.split_at_checked(len).ok_or_else(cut_off)?;
        self.0 = tail;
        Ok(bytes)
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests may panic")]
mod tests;
