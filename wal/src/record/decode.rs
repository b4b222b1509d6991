//! Bytes to columns. Foreign bytes: whatever they are, the outcome is columns or an error.

use super::{SAMPLES, SAMPLES_STARTED, SERIES, TOMBSTONES, started};
use model::TimeRange;

/// A record whose body breaks its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The record is of another kind.
    #[error("invalid record type")]
    Kind,
    /// The body ends within an entry, or a number in it is too long.
    #[error("invalid size")]
    Size,
    /// As [`Self::Size`], in a record of samples.
    #[error("decode error after {samples} samples: invalid size")]
    SampleSize {
        /// How many samples were begun.
        samples: usize,
    },
    /// As [`Self::Size`], in a record of native histograms.
    #[error("decode error after {histograms} histograms: invalid size")]
    HistogramSize {
        /// How many histograms were begun.
        histograms: usize,
    },
    /// As [`Self::Size`], in a record of exemplars.
    #[error("decode error after {exemplars} exemplars: invalid size")]
    ExemplarSize {
        /// How many exemplars were begun.
        exemplars: usize,
    },
    /// A histogram whose resolution cannot be brought down, since its spans and buckets disagree.
    #[error("histogram #{histogram}: spans and buckets disagree")]
    HistogramBuckets {
        /// Which one, counted from one.
        histogram: usize,
    },
}

/// New series with their labels as borrowed pairs, laid out as `storage::LabelBatch` wants them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesRows<'a> {
    /// References; zero is possible in foreign logs.
    pub refs: Vec<u64>,
    /// Names and values of all series, back to back.
    pub pairs: Vec<(&'a str, &'a str)>,
    /// For each series, the end of its pairs.
    pub ends: Vec<u32>,
    /// Series left out because a label name or value is not UTF-8; Prometheus keeps such bytes as they are.
    pub not_text: usize,
}

impl<'a> SeriesRows<'a> {
    /// Reference and labels of each series.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[(&'a str, &'a str)])> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = begins.zip(&self.ends);
        self.refs
            .iter()
            .zip(spans)
            .map(|(&number, (begin, &end))| (number, &self.pairs[begin as usize..end as usize]))
    }
}

/// Float samples as columns.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Series references; zero is possible in foreign logs.
    pub refs: Vec<u64>,
    /// Times in milliseconds.
    pub timestamps_ms: Vec<i64>,
    /// Values; staleness markers keep their bits.
    pub values: Vec<f64>,
    /// Since when samples count, in milliseconds; zero where that is not known. Nearly always empty: what is missing at
    /// the end is not known either.
    pub start_timestamps_ms: Vec<i64>,
}

impl Samples {
    /// Forgets the samples and keeps the memory.
    pub fn clear(&mut self) {
        self.refs.clear();
        self.timestamps_ms.clear();
        self.values.clear();
        self.start_timestamps_ms.clear();
    }

    /// Adds a sample; a start of zero is not known.
    #[inline]
    pub fn push(&mut self, number: u64, timestamp_ms: i64, value: f64, start_ms: i64) {
        if start_ms != 0 {
            self.start_timestamps_ms.resize(self.refs.len(), 0);
            self.start_timestamps_ms.push(start_ms);
        }
        self.refs.push(number);
        self.timestamps_ms.push(timestamp_ms);
        self.values.push(value);
    }

    /// Since when a sample counts; zero if that is not known.
    #[must_use]
    pub fn start_ms(&self, row: usize) -> i64 {
        self.start_timestamps_ms.get(row).copied().unwrap_or(0)
    }

    /// The rows with their starts: series, time, start, value.
    pub fn iter_started(&self) -> impl Iterator<Item = (u64, i64, i64, f64)> {
        let rows = self.iter().enumerate();
        rows.map(|(row, (number, time, value))| (number, time, self.start_ms(row), value))
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.refs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.refs.is_empty()
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = (u64, i64, f64)> + Clone {
        let times = self.timestamps_ms.iter().zip(&self.values);
        self.refs.iter().zip(times).map(|(&number, (&time, &value))| (number, time, value))
    }
}

/// Deleted ranges by series.
pub type Tombstones = Vec<(u64, TimeRange)>;

pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn body(record: &'a [u8], kind: u8) -> Result<Self, DecodeError> {
        match record.split_first() {
            Some((&first, body)) if first == kind => Ok(Self(body)),
            _ => Err(DecodeError::Kind),
        }
    }

    pub(super) fn u64_be(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    #[inline]
    pub(super) fn uvarint(&mut self) -> Option<u64> {
        let (&first, rest) = self.0.split_first()?;
        if first < 0x80 {
            self.0 = rest;
            return Some(u64::from(first));
        }
        self.long_uvarint()
    }

    fn long_uvarint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (index, &byte) in self.0.iter().enumerate().take(10) {
            if index == 9 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Some(value);
            }
        }
        None
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Option<i64> {
        let zigzag = self.uvarint()?;
        Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.uvarint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A string; `None` within if it is not UTF-8.
    pub(super) fn text(&mut self) -> Option<Option<&'a str>> {
        Some(std::str::from_utf8(self.bytes()?).ok())
    }
}

/// The series of a record of kind [`super::Kind::Series`].
pub fn decode_series(record: &[u8]) -> Result<SeriesRows<'_>, DecodeError> {
    let mut body = Cursor::body(record, SERIES)?;
    let mut rows = SeriesRows::default();
    while !body.0.is_empty() {
        let number = body.u64_be().ok_or(DecodeError::Size)?;
        let count = body.uvarint().ok_or(DecodeError::Size)?;
        let begin = rows.pairs.len();
        let mut is_text = true;
        for _ in 0..count {
            let mut pair = || Some((body.text()?, body.text()?));
            match pair().ok_or(DecodeError::Size)? {
                (Some(name), Some(value)) => rows.pairs.push((name, value)),
                _ => is_text = false,
            }
        }
        if !is_text {
            rows.pairs.truncate(begin);
            rows.not_text += 1;
            continue;
        }
        rows.refs.push(number);
        rows.ends.push(u32::try_from(rows.pairs.len()).map_err(|_| DecodeError::Size)?);
    }
    Ok(rows)
}

/// Replaces `out` with the samples of a record of kind [`super::Kind::Samples`].
pub fn decode_samples(record: &[u8], out: &mut Samples) -> Result<(), DecodeError> {
    if record.first() == Some(&SAMPLES_STARTED) {
        return started::decode_samples(record, out);
    }
    out.clear();
    let mut body = Cursor::body(record, SAMPLES)?;
    if body.0.is_empty() {
        return Ok(());
    }
    let none = DecodeError::SampleSize { samples: 0 };
    let base_ref = body.u64_be().ok_or(none)?;
    let base_ms = body.u64_be().ok_or(none)? as i64;
    // A sample takes ten bytes at least.
    let at_most = body.0.len() / 10;
    out.refs.reserve(at_most);
    out.timestamps_ms.reserve(at_most);
    out.values.reserve(at_most);
    while !body.0.is_empty() {
        let mut sample = || Some((body.varint()?, body.varint()?, body.u64_be()?));
        let Some((ref_delta, ms_delta, bits)) = sample() else {
            return Err(DecodeError::SampleSize { samples: out.len() + 1 });
        };
        out.refs.push(base_ref.wrapping_add_signed(ref_delta));
        out.timestamps_ms.push(base_ms.wrapping_add(ms_delta));
        out.values.push(f64::from_bits(bits));
    }
    Ok(())
}

/// Replaces `out` with the deletions of a record of kind [`super::Kind::Tombstones`], one entry an interval.
pub fn decode_tombstones(record: &[u8], out: &mut Tombstones) -> Result<(), DecodeError> {
    out.clear();
    let mut body = Cursor::body(record, TOMBSTONES)?;
    while !body.0.is_empty() {
        let mut entry = || Some((body.u64_be()?, body.varint()?, body.varint()?));
        let (number, min_ms, max_ms) = entry().ok_or(DecodeError::Size)?;
        out.push((number, TimeRange { min_ms, max_ms }));
    }
    Ok(())
}
