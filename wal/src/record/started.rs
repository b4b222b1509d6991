//! Records with start timestamps, kinds 11 to 13: float samples, histograms with integer and with float counts. The
//! series counts from the sample before, time and start from the first sample.

use super::decode::{Cursor, DecodeError, Samples};
use super::encode::{push_uvarint, zigzag};
use super::histogram::{self, Histograms};
use super::{FLOAT_HISTOGRAMS_STARTED, HISTOGRAMS_STARTED, SAMPLES_STARTED};
use model::histogram::Histogram;

/// The start of a sample is not known.
const NO_START: u8 = 0;
/// It is that of the sample before.
const SAME_START: u8 = 1;
/// It is written, as the difference to that of the first sample.
const OWN_START: u8 = 2;

/// What stands in front of the value of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    number: u64,
    timestamp_ms: i64,
    start_ms: i64,
}

/// What reader and writer of a record remember.
#[derive(Clone, Copy, Debug, Default)]
struct Heads {
    first: Option<Head>,
    last: Option<Head>,
}

impl Heads {
    fn read(&mut self, body: &mut Cursor<'_>) -> Option<Head> {
        let (ref_part, ms_part) = (body.varint()?, body.varint()?);
        let head = match (self.first, self.last) {
            (Some(first), Some(last)) => Head {
                number: last.number.wrapping_add_signed(ref_part),
                timestamp_ms: first.timestamp_ms.wrapping_add(ms_part),
                start_ms: match body.u8()? {
                    NO_START => 0,
                    SAME_START => last.start_ms,
                    _ => first.start_ms.wrapping_add(body.varint()?),
                },
            },
            _ => Head {
                number: ref_part.cast_unsigned(),
                timestamp_ms: ms_part,
                start_ms: body.varint()?,
            },
        };
        self.first.get_or_insert(head);
        self.last = Some(head);
        Some(head)
    }

    fn push(&mut self, head: Head, out: &mut Vec<u8>) {
        let (Some(first), Some(last)) = (self.first, self.last.replace(head)) else {
            self.first = Some(head);
            push_uvarint(out, zigzag(head.number.cast_signed()));
            push_uvarint(out, zigzag(head.timestamp_ms));
            push_uvarint(out, zigzag(head.start_ms));
            return;
        };
        push_uvarint(out, zigzag(head.number.wrapping_sub(last.number).cast_signed()));
        push_uvarint(out, zigzag(head.timestamp_ms.wrapping_sub(first.timestamp_ms)));
        if head.start_ms == 0 {
            out.push(NO_START);
        } else if head.start_ms == last.start_ms {
            out.push(SAME_START);
        } else {
            out.push(OWN_START);
            push_uvarint(out, zigzag(head.start_ms.wrapping_sub(first.start_ms)));
        }
    }
}

/// Replaces `out` with the samples of a record of kind 11.
pub(super) fn decode_samples(record: &[u8], out: &mut Samples) -> Result<(), DecodeError> {
    out.clear();
    let mut body = Cursor::body(record, SAMPLES_STARTED)?;
    let mut heads = Heads::default();
    while !body.0.is_empty() {
        let mut sample = || Some((heads.read(&mut body)?, body.u64_be()?));
        let Some((head, bits)) = sample() else {
            return Err(DecodeError::SampleSize { samples: out.len() + 1 });
        };
        out.push(head.number, head.timestamp_ms, f64::from_bits(bits), head.start_ms);
    }
    Ok(())
}

/// Appends one record of float samples with starts: reference, time and start in milliseconds, value. A start of zero
/// is not known.
pub fn encode_started_samples(
    out: &mut Vec<u8>,
    samples: impl IntoIterator<Item = (u64, i64, i64, f64)>,
) {
    out.push(SAMPLES_STARTED);
    let mut heads = Heads::default();
    for (number, timestamp_ms, start_ms, value) in samples {
        heads.push(Head { number, timestamp_ms, start_ms }, out);
        out.extend_from_slice(&value.to_bits().to_be_bytes());
    }
}

/// Replaces `out` with the histograms of a record of kind 12 or 13.
pub(super) fn decode_histograms(record: &[u8], out: &mut Histograms) -> Result<(), DecodeError> {
    out.clear();
    let is_float = match record.first() {
        Some(&HISTOGRAMS_STARTED) => false,
        Some(&FLOAT_HISTOGRAMS_STARTED) => true,
        _ => return Err(DecodeError::Kind),
    };
    let mut body = Cursor(&record[1..]);
    let mut heads = Heads::default();
    let mut row = 0;
    while !body.0.is_empty() {
        let is_first = heads.first.is_none();
        let Some(head) = heads.read(&mut body) else {
            let histograms = if is_first { 0 } else { row + 1 };
            return Err(DecodeError::HistogramSize { histograms });
        };
        row += 1;
        let value = histogram::read(is_float, &mut body);
        let value = value.ok_or(DecodeError::HistogramSize { histograms: row })?;
        out.take(row, (head.number, head.timestamp_ms, head.start_ms), value)?;
    }
    Ok(())
}

/// Appends to `records` the records of histograms of one transaction with their starts, integers first. A start of zero
/// is not known.
pub fn encode_started_histograms<'h>(
    rows: &(impl Iterator<Item = (u64, i64, i64, &'h Histogram)> + Clone),
    records: &mut Vec<Vec<u8>>,
) {
    for (is_float, kind) in [(false, HISTOGRAMS_STARTED), (true, FLOAT_HISTOGRAMS_STARTED)] {
        let of_kind = rows.clone().filter(|row| matches!(row.3, Histogram::Float(_)) == is_float);
        let mut out = vec![kind];
        let mut heads = Heads::default();
        for (number, timestamp_ms, start_ms, value) in of_kind {
            heads.push(Head { number, timestamp_ms, start_ms }, &mut out);
            histogram::push(&mut out, value);
        }
        if heads.first.is_some() {
            records.push(out);
        }
    }
}
