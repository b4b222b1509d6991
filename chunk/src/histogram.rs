//! Chunks of native histograms, encodings 2, 3, 5 and 6, byte for byte as Prometheus writes them: an open chunk that takes one
//! sample after the other. Whether a sample may join is decided in `join`, reading is in `decode`.
//!
//! Layout: `u16` number of samples, a byte with the counter reset header, then bits: the layout of the buckets once,
//! then the samples column by column, each against the sample before. In encodings 5 and 6 the reset header is in the
//! top two bits of the number, the byte is about start timestamps, and behind each sample may be its start.

mod decode;
mod join;

pub use decode::{decode, decode_exact, decode_totals, reset_header};
pub use join::Join;

use crate::bits::{BitWriter, XorColumn};
use crate::layout::{self, ResetHeader};
use crate::start::Starts;
use crate::{ChunkMeta, DecodeError, Encoding};
use model::histogram::{CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout};
use model::is_stale_nan;
use std::sync::Arc;

/// Bytes of count and reset header in front of the bits.
pub const HEADER_BYTES: usize = 3;

/// Room that a chunk gets at once; from then on it doubles.
const FIRST_BYTES: usize = 64;

/// A chunk with start timestamps has fourteen bits for the number of its samples.
const MAX_STARTED: u16 = 0x3FFF;

/// An integer column: the last value and the last difference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Delta {
    last: i64,
    delta: i64,
}

impl Delta {
    /// Writes the difference of differences.
    fn put(&mut self, value: i64, out: &mut BitWriter) {
        let delta = value.wrapping_sub(self.last);
        out.put_int(delta.wrapping_sub(self.delta));
        *self = Self { last: value, delta };
    }

    /// Repeats the last difference on paper: what is written for a value that does not matter.
    fn skip(&mut self, out: &mut BitWriter) {
        out.put_int(0);
    }
}

/// What an open chunk remembers of its newest sample.
#[derive(Clone, Debug)]
enum Columns {
    Int { count: Delta, zero_count: Delta, sum: XorColumn, buckets: Vec<Delta> },
    Float { count: XorColumn, zero_count: XorColumn, sum: XorColumn, buckets: Vec<XorColumn> },
}

/// An open chunk of native histograms: bytes and what continuing them takes.
#[derive(Clone, Debug)]
pub struct HistogramChunk {
    bits: BitWriter,
    layout: Arc<Layout>,
    num_samples: u16,
    time: Delta,
    min_ms: i64,
    header: ResetHeader,
    /// In encodings 5 and 6.
    starts: Option<Starts>,
    columns: Columns,
}

impl HistogramChunk {
    /// A chunk that begins with a sample. `start_ms` is since when it counts, zero if that is not known; without it the
    /// chunk keeps no start timestamps.
    #[must_use]
    pub fn begin(
        timestamp_ms: i64,
        start_ms: Option<i64>,
        histogram: &Histogram,
        header: ResetHeader,
    ) -> Self {
        let mut bytes = Vec::with_capacity(FIRST_BYTES);
        bytes.resize(HEADER_BYTES, 0);
        let mut bits = BitWriter::after(bytes);
        let is_stale = is_stale_nan(histogram.sum());
        let empty = Arc::new(Layout::default());
        let layout = if is_stale { empty } else { Arc::clone(histogram.layout()) };
        layout::put(&layout, &mut bits);
        bits.put_int(timestamp_ms);
        let columns = match histogram {
            Histogram::Int(histogram) => first_int(histogram, is_stale, &mut bits),
            Histogram::Float(histogram) => first_float(histogram, is_stale, &mut bits),
        };
        let time = Delta { last: timestamp_ms, delta: 0 };
        let starts = start_ms.map(|_| Starts::new());
        let min_ms = timestamp_ms;
        let mut chunk =
            Self { bits, layout, num_samples: 0, time, min_ms, header, starts, columns };
        chunk.end_sample(timestamp_ms, start_ms.unwrap_or(0));
        chunk
    }

    /// Writes the start behind a sample and counts it.
    fn end_sample(&mut self, previous_ms: i64, start_ms: i64) {
        let field = self.starts.as_mut().and_then(|starts| {
            starts.next(self.num_samples, self.time.last, previous_ms, start_ms)
        });
        if let Some(field) = field {
            field.put(|bits, width| self.bits.put(bits, width));
        }
        self.bits.settle();
        self.num_samples += 1;
        let [high, low] = self.num_samples.to_be_bytes();
        let header = self.header.to_byte();
        let head = match self.starts {
            None => [high, low, header],
            Some(starts) => [high | header, low, starts.header()],
        };
        self.bits.bytes_mut()[..HEADER_BYTES].copy_from_slice(&head);
    }

    /// A chunk that begins with a sample of which nothing else is known: only an explicit hint tells of the counter.
    #[must_use]
    pub fn alone(timestamp_ms: i64, start_ms: Option<i64>, histogram: &Histogram) -> Self {
        let header = match histogram.hint() {
            CounterResetHint::Gauge => ResetHeader::Gauge,
            CounterResetHint::CounterReset => ResetHeader::Reset,
            CounterResetHint::Unknown | CounterResetHint::NotCounterReset => ResetHeader::Unknown,
        };
        Self::begin(timestamp_ms, start_ms, histogram, header)
    }

    /// Takes up a chunk that was read back, so that it can be continued. An error means that its bytes are damaged.
    pub fn resume(meta: ChunkMeta, data: &[u8]) -> Result<Self, DecodeError> {
        let mut samples = Vec::new();
        decode::read_all(meta.encoding, meta.num_samples as usize, data, &mut samples)?;
        let header = reset_header(meta.encoding, data);
        let mut samples = samples.into_iter();
        let (when, first) = samples.next().ok_or(DecodeError::Truncated)?;
        let starts = meta.encoding.has_starts().then_some(when.start_ms);
        let mut chunk = Self::begin(when.timestamp_ms, starts, &first, header);
        for (when, histogram) in samples {
            chunk.push(when.timestamp_ms, when.start_ms, &histogram);
        }
        if chunk.bytes() == data { Ok(chunk) } else { Err(DecodeError::Truncated) }
    }

    /// The newest sample; `None` if the chunk is damaged.
    #[must_use]
    pub fn last_sample(&self) -> Option<Histogram> {
        let mut samples = Vec::new();
        let count = usize::from(self.num_samples);
        decode::read_all(self.meta().encoding, count, self.bytes(), &mut samples).ok()?;
        samples.pop().map(|(_, histogram)| histogram)
    }

    /// What is to be known of the chunk without decoding it.
    #[must_use]
    pub fn meta(&self) -> ChunkMeta {
        ChunkMeta {
            min_ms: self.min_ms,
            max_ms: self.last_ms(),
            num_samples: u32::from(self.num_samples),
            encoding: match (self.is_integer(), self.starts) {
                (true, None) => Encoding::Histogram,
                (false, None) => Encoding::FloatHistogram,
                (true, Some(_)) => Encoding::StartedHistogram,
                (false, Some(_)) => Encoding::StartedFloatHistogram,
            },
        }
    }

    /// The whole chunk.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bits.bytes()
    }

    /// Number of samples.
    #[must_use]
    pub fn num_samples(&self) -> u16 {
        self.num_samples
    }

    /// Timestamp of the first sample.
    #[must_use]
    pub fn min_ms(&self) -> i64 {
        self.min_ms
    }

    /// Timestamp of the newest sample.
    #[must_use]
    pub fn last_ms(&self) -> i64 {
        self.time.last
    }

    /// Whether counts are integers.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(self.columns, Columns::Int { .. })
    }

    /// Whether the newest sample is a staleness marker.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        is_stale_nan(self.sum())
    }

    /// What the chunk says of the counter at its first sample.
    #[must_use]
    pub fn header(&self) -> ResetHeader {
        self.header
    }

    /// Since when the newest sample counts; zero if that is not known.
    #[must_use]
    pub fn last_start_ms(&self) -> i64 {
        self.starts.map_or(0, Starts::last_ms)
    }

    /// Whether the chunk keeps start timestamps.
    #[must_use]
    pub fn has_starts(&self) -> bool {
        self.starts.is_some()
    }

    /// Whether it takes no further sample.
    fn is_full(&self) -> bool {
        self.num_samples == if self.starts.is_some() { MAX_STARTED } else { u16::MAX }
    }

    fn sum(&self) -> f64 {
        match &self.columns {
            Columns::Int { sum, .. } | Columns::Float { sum, .. } => sum.value(),
        }
    }

    /// Adds a sample of the same kind whose buckets are those of the chunk, or a staleness marker.
    fn push(&mut self, timestamp_ms: i64, start_ms: i64, histogram: &Histogram) {
        let previous_ms = self.time.last;
        self.time.put(timestamp_ms, &mut self.bits);
        let bits = &mut self.bits;
        match (&mut self.columns, histogram) {
            (Columns::Int { count, zero_count, sum, buckets }, Histogram::Int(next)) => {
                if is_stale_nan(next.sum) {
                    count.skip(bits);
                    zero_count.skip(bits);
                    sum.put(next.sum, bits);
                } else {
                    count.put(next.count as i64, bits);
                    zero_count.put(next.zero_count as i64, bits);
                    sum.put(next.sum, bits);
                    let deltas = next.positive_deltas.iter().chain(&next.negative_deltas);
                    buckets.iter_mut().zip(deltas).for_each(|(column, &v)| column.put(v, bits));
                }
            }
            (Columns::Float { count, zero_count, sum, buckets }, Histogram::Float(next)) => {
                let is_stale = is_stale_nan(next.sum);
                count.put(if is_stale { 0.0 } else { next.count }, bits);
                zero_count.put(if is_stale { 0.0 } else { next.zero_count }, bits);
                sum.put(next.sum, bits);
                if !is_stale {
                    let counts = next.positive.iter().chain(&next.negative);
                    buckets.iter_mut().zip(counts).for_each(|(column, &v)| column.put(v, bits));
                }
            }
            _ => unreachable!("a sample of the other kind does not join"),
        }
        self.end_sample(previous_ms, start_ms);
    }
}

fn first_int(histogram: &IntHistogram, is_stale: bool, bits: &mut BitWriter) -> Columns {
    let empty = IntHistogram { sum: histogram.sum, ..IntHistogram::default() };
    let histogram = if is_stale { &empty } else { histogram };
    bits.put_uint(histogram.count);
    bits.put_uint(histogram.zero_count);
    bits.put(histogram.sum.to_bits(), 64);
    let column = |last| Delta { last, delta: 0 };
    let deltas = histogram.positive_deltas.iter().chain(&histogram.negative_deltas);
    let buckets = deltas.map(|&delta| {
        bits.put_int(delta);
        column(delta)
    });
    let buckets = buckets.collect();
    Columns::Int {
        count: column(histogram.count as i64),
        zero_count: column(histogram.zero_count as i64),
        sum: XorColumn::new(histogram.sum),
        buckets,
    }
}

fn first_float(histogram: &FloatHistogram, is_stale: bool, bits: &mut BitWriter) -> Columns {
    let empty = FloatHistogram { sum: histogram.sum, ..FloatHistogram::default() };
    let histogram = if is_stale { &empty } else { histogram };
    let mut column = |value: f64| {
        bits.put(value.to_bits(), 64);
        XorColumn::new(value)
    };
    Columns::Float {
        count: column(histogram.count),
        zero_count: column(histogram.zero_count),
        sum: column(histogram.sum),
        buckets: histogram.positive.iter().chain(&histogram.negative).map(|&v| column(v)).collect(),
    }
}
