//! What records say: series, float samples, deletions. Bytes to columns and back; what the columns mean is known above.
//! Kinds that are not decoded here yet are recognised, so that callers can count them and checkpoints keep them.

mod annotation;
mod decode;
mod encode;
mod histogram;

pub use annotation::{
    ExemplarRow, Exemplars, decode_exemplars, decode_metadata, encode_exemplars, encode_metadata,
};
pub use decode::{
    DecodeError, Samples, SeriesRows, Tombstones, decode_samples, decode_series, decode_tombstones,
};
pub use encode::{SampleEncoder, begin_series, encode_samples, encode_tombstones, push_series};
pub use histogram::{Histograms, decode_histograms, encode_histograms};

const SERIES: u8 = 1;
const SAMPLES: u8 = 2;
const TOMBSTONES: u8 = 3;
const EXEMPLARS: u8 = 4;
const METADATA: u8 = 6;

/// What a record is about, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// New series: [`decode_series`].
    Series,
    /// Float samples: [`decode_samples`].
    Samples,
    /// Deleted ranges: [`decode_tombstones`].
    Tombstones,
    /// A kind that Prometheus writes and that is not decoded here yet.
    Undecoded(Undecoded),
    /// No kind of Prometheus, or an empty record: to be skipped.
    Unknown,
}

/// The kinds that are recognised only. The numbers are those on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Undecoded {
    /// Exemplars: [`decode_exemplars`].
    Exemplars = 4,
    /// Which out-of-order chunks are on disk.
    MmapMarkers = 5,
    /// Type, unit and help of series: [`decode_metadata`].
    Metadata = 6,
    /// Native histograms: this one and the next three are read by [`decode_histograms`].
    Histograms = 7,
    /// Native histograms with float counts.
    FloatHistograms = 8,
    /// Native histograms with custom buckets.
    CustomHistograms = 9,
    /// Native histograms with custom buckets and float counts.
    CustomFloatHistograms = 10,
    /// Float samples with start timestamps.
    SamplesV2 = 11,
    /// Native histograms with start timestamps.
    HistogramsV2 = 12,
    /// Native histograms with float counts and start timestamps.
    FloatHistogramsV2 = 13,
}

/// The kind of a record.
#[must_use]
pub fn kind(record: &[u8]) -> Kind {
    let undecoded = match record.first() {
        Some(&SERIES) => return Kind::Series,
        Some(&SAMPLES) => return Kind::Samples,
        Some(&TOMBSTONES) => return Kind::Tombstones,
        Some(4) => Undecoded::Exemplars,
        Some(5) => Undecoded::MmapMarkers,
        Some(6) => Undecoded::Metadata,
        Some(7) => Undecoded::Histograms,
        Some(8) => Undecoded::FloatHistograms,
        Some(9) => Undecoded::CustomHistograms,
        Some(10) => Undecoded::CustomFloatHistograms,
        Some(11) => Undecoded::SamplesV2,
        Some(12) => Undecoded::HistogramsV2,
        Some(13) => Undecoded::FloatHistogramsV2,
        _ => return Kind::Unknown,
    };
    Kind::Undecoded(undecoded)
}

#[cfg(test)]
mod tests;
