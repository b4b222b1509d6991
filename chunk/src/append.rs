//! When an open chunk ends: the rules that make Prometheus cut, as a pure value; and which encoding the next one gets.
//! Encoding lives with the codecs.

use crate::Encoding;

/// The limit in bytes at which a float chunk is cut: one more sample of the worst case still stays within 1024 bytes.
pub const MAX_FLOAT_CHUNK_BYTES: usize = 1024 - crate::xor::MAX_SAMPLE_BYTES;

/// Which encodings new chunks get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encodings {
    /// Floats are written in XOR2 instead of XOR.
    pub xor2: bool,
    /// Chunks of native histograms say since when their samples count.
    pub started_histograms: bool,
    /// Samples that say since when they count get an encoding that keeps it, whatever the others want: where samples
    /// are written anew.
    pub keep_starts: bool,
}

impl Encodings {
    /// Floats in XOR, and whatever else only where a start needs it.
    pub const PLAIN: Self = Self { xor2: false, started_histograms: false, keep_starts: true };

    /// The encoding of floats without a start.
    #[inline]
    #[must_use]
    pub const fn floats(self) -> Encoding {
        if self.xor2 { Encoding::Xor2 } else { Encoding::Xor }
    }
}

/// The settings that decide when a float chunk is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutRule {
    /// Chunks do not reach over multiples of this; positive.
    pub chunk_range_ms: i64,
    /// How many samples a chunk should get.
    pub samples_per_chunk: u32,
}

/// What the rule looks at: an open chunk that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenChunk {
    /// Timestamp of the first sample.
    pub min_ms: i64,
    /// Timestamp of the newest sample.
    pub max_ms: i64,
    /// Number of samples.
    pub num_samples: u32,
    /// Length in bytes.
    pub len_bytes: usize,
}

impl CutRule {
    /// The end of the chunk range that `timestamp_ms` lies in. Division truncates toward zero, as in Prometheus:
    /// below zero the range that ends at zero is twice as long.
    #[inline]
    #[must_use]
    pub fn range_end_ms(self, timestamp_ms: i64) -> i64 {
        (timestamp_ms / self.chunk_range_ms)
            .wrapping_mul(self.chunk_range_ms)
            .wrapping_add(self.chunk_range_ms)
    }

    /// Whether `chunk` ends before a float at `timestamp_ms`. `next_at_ms` is the predicted end of the chunk: at first
    /// [`Self::range_end_ms`] of its first sample, once refined here at a quarter of the target.
    #[inline]
    #[must_use]
    pub fn must_cut(self, chunk: OpenChunk, next_at_ms: &mut i64, timestamp_ms: i64) -> bool {
        if chunk.len_bytes > MAX_FLOAT_CHUNK_BYTES {
            return true;
        }
        if chunk.num_samples == self.samples_per_chunk / 4 {
            *next_at_ms = end_time(chunk.min_ms, chunk.max_ms, *next_at_ms, 4.0);
        }
        timestamp_ms >= *next_at_ms || chunk.num_samples >= 2 * self.samples_per_chunk
    }
}

/// Spreads the rest of the range evenly over the chunks that will fit, given that the samples so far are one
/// `ratio_to_full`th of a chunk.
#[must_use]
pub fn end_time(start_ms: i64, now_ms: i64, end_ms: i64, ratio_to_full: f64) -> i64 {
    let span = end_ms.wrapping_sub(start_ms) as f64;
    let chunks = span / (now_ms.wrapping_sub(start_ms).wrapping_add(1) as f64 * ratio_to_full);
    if chunks <= 1.0 { end_ms } else { (start_ms as f64 + span / chunks.floor()) as i64 }
}

#[cfg(test)]
mod tests;
