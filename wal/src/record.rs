//! What records say: series, samples, deletions, notes on them. Bytes to columns and back; what the columns mean is known
//! above.

mod annotation;
mod decode;
mod encode;
mod histogram;
mod started;

pub use annotation::{
    ExemplarRow, Exemplars, decode_exemplars, decode_metadata, encode_exemplars, encode_metadata,
};
pub use decode::{
    DecodeError, Samples, SeriesRows, Tombstones, decode_samples, decode_series, decode_tombstones,
};
pub use encode::{SampleEncoder, begin_series, encode_samples, encode_tombstones, push_series};
pub use histogram::{Histograms, decode_histograms, encode_histograms};
pub use started::{encode_started_histograms, encode_started_samples};

const SERIES: u8 = 1;
const SAMPLES: u8 = 2;
const TOMBSTONES: u8 = 3;
const EXEMPLARS: u8 = 4;
const MMAP_MARKERS: u8 = 5;
const METADATA: u8 = 6;
const HISTOGRAMS: u8 = 7;
const FLOAT_HISTOGRAMS: u8 = 8;
const CUSTOM_HISTOGRAMS: u8 = 9;
const CUSTOM_FLOAT_HISTOGRAMS: u8 = 10;
const SAMPLES_STARTED: u8 = 11;
const HISTOGRAMS_STARTED: u8 = 12;
const FLOAT_HISTOGRAMS_STARTED: u8 = 13;

/// What a record is about, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// New series: [`decode_series`].
    Series,
    /// Float samples, with start timestamps or without: [`decode_samples`].
    Samples,
    /// Deleted ranges: [`decode_tombstones`].
    Tombstones,
    /// Exemplars: [`decode_exemplars`].
    Exemplars,
    /// Which chunks of late samples are on disk; in their log only.
    MmapMarkers,
    /// Type, unit and help of series: [`decode_metadata`].
    Metadata,
    /// Native histograms of any kind: [`decode_histograms`].
    Histograms,
    /// No kind of Prometheus, or an empty record: to be skipped.
    Unknown,
}

/// The kind of a record.
#[must_use]
pub fn kind(record: &[u8]) -> Kind {
    match record.first() {
        Some(&SERIES) => Kind::Series,
        Some(&(SAMPLES | SAMPLES_STARTED)) => Kind::Samples,
        Some(&TOMBSTONES) => Kind::Tombstones,
        Some(&EXEMPLARS) => Kind::Exemplars,
        Some(&MMAP_MARKERS) => Kind::MmapMarkers,
        Some(&METADATA) => Kind::Metadata,
        Some(&(HISTOGRAMS..=CUSTOM_FLOAT_HISTOGRAMS)) => Kind::Histograms,
        Some(&(HISTOGRAMS_STARTED | FLOAT_HISTOGRAMS_STARTED)) => Kind::Histograms,
        _ => Kind::Unknown,
    }
}

/// Decodes a record and keeps nothing of it: whether its content can be read. Those of unknown kinds are not looked into.
pub fn check(record: &[u8]) -> Result<(), DecodeError> {
    match kind(record) {
        Kind::Series => decode_series(record).map(drop),
        Kind::Samples => decode_samples(record, &mut Samples::default()),
        Kind::Tombstones => decode_tombstones(record, &mut Vec::new()),
        Kind::Exemplars => decode_exemplars(record).map(drop),
        Kind::Metadata => decode_metadata(record, &mut Vec::new()),
        Kind::Histograms => decode_histograms(record, &mut Histograms::default()),
        Kind::MmapMarkers if (record.len() - 1).is_multiple_of(16) => Ok(()),
        Kind::MmapMarkers => Err(DecodeError::Size),
        Kind::Unknown => Ok(()),
    }
}

/// What Prometheus calls the kind of a record where it counts them.
#[must_use]
pub fn name(record: &[u8]) -> &'static str {
    match record.first() {
        Some(&SERIES) => "series",
        Some(&SAMPLES) => "samples",
        Some(&TOMBSTONES) => "tombstones",
        Some(&EXEMPLARS) => "exemplars",
        Some(&MMAP_MARKERS) => "mmapmarkers",
        Some(&METADATA) => "metadata",
        Some(&HISTOGRAMS) => "histogram_samples",
        Some(&FLOAT_HISTOGRAMS) => "float_histogram_samples",
        Some(&CUSTOM_HISTOGRAMS) => "custom_buckets_histogram_samples",
        Some(&CUSTOM_FLOAT_HISTOGRAMS) => "custom_buckets_float_histogram_samples",
        Some(&SAMPLES_STARTED) => "samples-v2",
        Some(&HISTOGRAMS_STARTED) => "histogram_samples-v2",
        Some(&FLOAT_HISTOGRAMS_STARTED) => "float_histogram_samples-v2",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests;
