//! Chunk codecs: samples to bytes, bytes to columns. Pure: bytes in, bytes out; knows neither files nor series.
#![deny(unsafe_code)]

pub mod append;
mod bits;
mod columns;
mod decode;
pub mod exact;
pub mod histogram;
mod layout;
mod merge;
pub mod prefetch;
pub mod raw;
mod start;
pub mod xor;
pub mod xor2;

pub use columns::{HistogramColumns, SampleColumns};
pub use decode::decode;
pub use layout::ResetHeader;
pub use merge::{delete, merge, trim};
pub use start::Starts;

/// How the bytes of a chunk are encoded. The numbers are those on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// Our own, never on disk: pairs of timestamp (i64) and value (f64 bits), little-endian, 16 bytes a sample.
    Raw = 0,
    /// Gorilla: delta of delta timestamps, xor of values.
    Xor = 1,
    /// Native histograms with integer counts.
    Histogram = 2,
    /// Native histograms with float counts.
    FloatHistogram = 3,
    /// XOR with shorter codes, and start timestamps where there are any.
    Xor2 = 4,
    /// Native histograms with integer counts and start timestamps.
    StartedHistogram = 5,
    /// Native histograms with float counts and start timestamps.
    StartedFloatHistogram = 6,
    /// Our own, never on disk: native histograms as [`raw::push_histogram`] writes them.
    RawHistogram = 255,
}

impl Encoding {
    /// The encoding with this number on disk, if it is one that is read here.
    #[must_use]
    pub fn from_disk(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Xor),
            2 => Some(Self::Histogram),
            3 => Some(Self::FloatHistogram),
            4 => Some(Self::Xor2),
            5 => Some(Self::StartedHistogram),
            6 => Some(Self::StartedFloatHistogram),
            _ => None,
        }
    }

    /// Whether chunks of histograms say since when their samples count.
    pub(crate) fn has_starts(self) -> bool {
        matches!(self, Self::StartedHistogram | Self::StartedFloatHistogram)
    }

    /// Whether the samples are floats.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::Raw | Self::Xor | Self::Xor2)
    }

    /// The number of samples that the head of a chunk tells, if it holds one. Those of our own do not tell it.
    #[must_use]
    pub fn num_samples(self, data: &[u8]) -> Option<u32> {
        let count = u32::from(u16::from_be_bytes(*data.first_chunk()?));
        match self {
            Self::Raw | Self::RawHistogram => None,
            Self::Xor | Self::Histogram | Self::FloatHistogram | Self::Xor2 => Some(count),
            // The two bits above are those of the counter.
            Self::StartedHistogram | Self::StartedFloatHistogram => Some(count & 0x3FFF),
        }
    }

    /// Writes the number of samples in front of a chunk; those of our own have no place for it and stay as they are.
    #[inline]
    pub fn set_num_samples(self, data: &mut [u8], num_samples: u16) {
        match self {
            Self::Raw | Self::RawHistogram => {}
            Self::Xor | Self::Histogram | Self::FloatHistogram | Self::Xor2 => {
                xor::set_count(data, num_samples);
            }
            Self::StartedHistogram | Self::StartedFloatHistogram => {
                let counter = u16::from(data[0] & 0xC0) << 8;
                xor::set_count(data, counter | num_samples & 0x3FFF);
            }
        }
    }

    /// The timestamp of the first sample of a chunk of floats as it is on disk.
    pub fn first_ms(self, data: &[u8]) -> Result<i64, DecodeError> {
        match self {
            Self::Xor => xor::first_ms(data),
            Self::Xor2 => xor2::first_ms(data),
            other => Err(DecodeError::Unsupported(other as u8)),
        }
    }
}

/// What is known of a chunk without decoding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkMeta {
    /// Timestamp of the first sample.
    pub min_ms: i64,
    /// Timestamp of the last sample.
    pub max_ms: i64,
    /// How many samples to read; an open chunk of the head may hold more that are not visible yet.
    pub num_samples: u32,
    /// How the bytes are encoded.
    pub encoding: Encoding,
}

/// Bytes that are not a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the announced number of samples.
    #[error("chunk ends before its last sample")]
    Truncated,
    /// An encoding that is not read here.
    #[error("samples of encoding {0} are not readable yet")]
    Unsupported(u8),
    /// Bits that no encoder writes.
    #[error("chunk is malformed: {0}")]
    Malformed(&'static str),
}
