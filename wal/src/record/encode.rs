//! Columns to bytes, appended to buffers of the caller.

use super::{SAMPLES, SERIES, TOMBSTONES};
use model::TimeRange;

/// Room for two variable-length integers and a float.
const SAMPLE_BYTES_MAX: usize = 28;

/// Writes `value` at `at`; returns the offset behind it.
#[inline]
fn put_uvarint(buffer: &mut [u8], mut at: usize, mut value: u64) -> usize {
    while value >= 0x80 {
        buffer[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    buffer[at] = value as u8;
    at + 1
}

pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1) as u64 ^ (value >> 63) as u64
}

#[inline]
pub(super) fn push_uvarint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        return out.push(value as u8);
    }
    let mut buffer = [0; SAMPLE_BYTES_MAX];
    let end = put_uvarint(&mut buffer, 0, value);
    out.extend_from_slice(&buffer[..end]);
}

/// How many integers share one look for room.
const BURST: usize = 16;

/// The same for signed integers in a row.
pub(super) fn push_varints(out: &mut Vec<u8>, values: &[i64]) {
    for values in values.chunks(BURST) {
        let begin = out.len();
        out.extend_from_slice(&[0; 10 * BURST]);
        let buffer: &mut [u8] = &mut out[begin..];
        let mut at = 0;
        for &value in values {
            at = put_uvarint(buffer, at, zigzag(value));
        }
        out.truncate(begin + at);
    }
}

pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    push_uvarint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Begins a record of series in `out`; [`push_series`] adds to it.
pub fn begin_series(out: &mut Vec<u8>) {
    out.push(SERIES);
}

/// Adds one series to the record at the end of `out`; the pairs are sorted by name.
pub fn push_series<'a>(
    out: &mut Vec<u8>,
    number: u64,
    pairs: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
) {
    out.extend_from_slice(&number.to_be_bytes());
    push_uvarint(out, pairs.len() as u64);
    for (name, value) in pairs {
        push_text(out, name);
        push_text(out, value);
    }
}

/// Writes one record of float samples, sample by sample.
#[derive(Clone, Copy, Debug)]
pub struct SampleEncoder {
    base: Option<(u64, i64)>,
}

impl SampleEncoder {
    /// Begins a record in `out`; nothing else may be appended to it until the record is complete.
    #[must_use]
    pub fn begin(out: &mut Vec<u8>) -> Self {
        out.push(SAMPLES);
        Self { base: None }
    }

    /// Adds a sample to the record at the end of `out`.
    #[inline]
    pub fn push(&mut self, out: &mut Vec<u8>, number: u64, timestamp_ms: i64, value: f64) {
        let (base_ref, base_ms) = *self.base.get_or_insert_with(|| {
            out.extend_from_slice(&number.to_be_bytes());
            out.extend_from_slice(&timestamp_ms.to_be_bytes());
            (number, timestamp_ms)
        });
        let mut buffer = [0; SAMPLE_BYTES_MAX];
        let at = put_uvarint(&mut buffer, 0, zigzag(number.wrapping_sub(base_ref) as i64));
        let at = put_uvarint(&mut buffer, at, zigzag(timestamp_ms.wrapping_sub(base_ms)));
        buffer[at..at + 8].copy_from_slice(&value.to_bits().to_be_bytes());
        // A copy of a length that is known is a few moves; what is too much of it goes.
        let end = out.len() + at + 8;
        out.extend_from_slice(&buffer);
        out.truncate(end);
    }
}

/// Appends one record of float samples: reference, time in milliseconds, value.
pub fn encode_samples(out: &mut Vec<u8>, samples: impl IntoIterator<Item = (u64, i64, f64)>) {
    let samples = samples.into_iter();
    out.reserve(17 + SAMPLE_BYTES_MAX + samples.size_hint().0 * 12);
    let mut encoder = SampleEncoder::begin(out);
    for (number, timestamp_ms, value) in samples {
        encoder.push(out, number, timestamp_ms, value);
    }
}

/// Appends one record of deletions.
pub fn encode_tombstones(out: &mut Vec<u8>, deleted: impl IntoIterator<Item = (u64, TimeRange)>) {
    out.push(TOMBSTONES);
    for (number, range) in deleted {
        out.extend_from_slice(&number.to_be_bytes());
        push_uvarint(out, zigzag(range.min_ms));
        push_uvarint(out, zigzag(range.max_ms));
    }
}
