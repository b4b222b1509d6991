//! The head of histogram chunks: counter reset header, schema, zero threshold, spans, custom bounds. Both ways.

use crate::DecodeError;
use crate::bits::{BitReader, BitWriter};
use model::histogram::{CUSTOM_BUCKETS_SCHEMA, Layout, Span};

/// What a chunk says of the counter at its first sample: the top two bits of its third byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetHeader {
    /// Nothing.
    #[default]
    Unknown,
    /// It was reset.
    Reset,
    /// It was not reset.
    NotReset,
    /// It is no counter.
    Gauge,
}

impl ResetHeader {
    /// The byte on disk.
    #[must_use]
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Reset => 0x80,
            Self::NotReset => 0x40,
            Self::Gauge => 0xC0,
        }
    }

    /// What a byte on disk says; its other bits mean nothing here.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        match byte >> 6 {
            0 => Self::Unknown,
            1 => Self::NotReset,
            2 => Self::Reset,
            _ => Self::Gauge,
        }
    }
}

/// Bounds up to this many thousandths are written as integers.
const MAX_THOUSANDTHS: f64 = 33_554_430.0;

pub(crate) fn put(layout: &Layout, out: &mut BitWriter) {
    put_threshold(layout.zero_threshold, out);
    out.put_int(i64::from(layout.schema));
    for spans in [&layout.positive_spans, &layout.negative_spans] {
        out.put_uint(spans.len() as u64);
        for span in spans {
            out.put_uint(u64::from(span.length));
            out.put_int(i64::from(span.offset));
        }
    }
    if layout.is_custom() {
        out.put_uint(layout.custom_values.len() as u64);
        for &bound in &layout.custom_values {
            put_bound(bound, out);
        }
    }
}

/// Half powers of two within reach take a byte; everything else takes nine.
fn put_threshold(threshold: f64, out: &mut BitWriter) {
    if threshold == 0.0 {
        out.put(0, 8);
        return;
    }
    let bits = threshold.to_bits();
    // The exponent of a fraction in [0.5, 1); denormal numbers are far out of reach.
    let exponent = (bits >> 52 & 0x7FF) as i64 - 1022;
    let is_power = bits & ((1 << 52) - 1) == 0 && threshold > 0.0;
    if is_power && (-242..=11).contains(&exponent) {
        out.put((exponent + 243) as u64, 8);
    } else {
        out.put(255, 8);
        out.put(bits, 64);
    }
}

fn put_bound(bound: f64, out: &mut BitWriter) {
    let thousandths = (bound * 1000.0).round();
    let fits = (0.0..=MAX_THOUSANDTHS).contains(&(bound * 1000.0)) && bound == thousandths / 1000.0;
    if fits {
        out.put_uint(thousandths as u64 + 1);
    } else {
        out.put(0, 1);
        out.put(bound.to_bits(), 64);
    }
}

fn spans(bits: &mut BitReader<'_>) -> Result<Vec<Span>, DecodeError> {
    let count = bits.uint();
    // A span takes two bits at least: a foreign count does not size our memory.
    if count > bits.rest() as u64 / 2 {
        return Err(DecodeError::Truncated);
    }
    let span = |bits: &mut BitReader<'_>| {
        let length = u32::try_from(bits.uint());
        let length = length.map_err(|_| DecodeError::Malformed("a span is too long"))?;
        let offset = i32::try_from(bits.int());
        let offset = offset.map_err(|_| DecodeError::Malformed("a span is too far"))?;
        Ok(Span { offset, length })
    };
    (0..count).map(|_| span(bits)).collect()
}

fn bound(bits: &mut BitReader<'_>) -> f64 {
    match bits.uint() {
        0 => f64::from_bits(bits.take(64)),
        thousandths => (thousandths - 1) as f64 / 1000.0,
    }
}

pub(crate) fn read(bits: &mut BitReader<'_>) -> Result<Layout, DecodeError> {
    let zero_threshold = match bits.take(8) {
        0 => 0.0,
        255 => f64::from_bits(bits.take(64)),
        byte => f64::from_bits((byte + 1022 - 243) << 52),
    };
    let schema = bits.int();
    if schema != i64::from(CUSTOM_BUCKETS_SCHEMA) && !(-9..=52).contains(&schema) {
        return Err(DecodeError::Malformed("a histogram of an unknown schema"));
    }
    let (positive_spans, negative_spans) = (spans(bits)?, spans(bits)?);
    let mut custom_values = Vec::new();
    if schema == i64::from(CUSTOM_BUCKETS_SCHEMA) {
        let count = bits.uint();
        if count > bits.rest() as u64 {
            return Err(DecodeError::Truncated);
        }
        custom_values.extend((0..count).map(|_| bound(bits)));
    }
    bits.check_end()?;
    Ok(Layout {
        schema: schema as i32,
        zero_threshold,
        positive_spans,
        negative_spans,
        custom_values,
    })
}

/// How many buckets spans stand for; an error where a chunk of `bits` bits cannot hold them.
pub(crate) fn num_buckets(spans: &[Span], bits: usize) -> Result<usize, DecodeError> {
    let total: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if total > bits as u64 { Err(DecodeError::Truncated) } else { Ok(total as usize) }
}
