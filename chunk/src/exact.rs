//! Samples of any kind on their way from chunk to chunk: decoded without loss, encoded anew. Whoever only reads decodes
//! to columns, which is faster and has float counts only.

use crate::append::Encodings;
use crate::histogram::{self, HistogramChunk, Join};
use crate::xor::XorAppender;
use crate::xor2::Xor2Appender;
use crate::{ChunkMeta, DecodeError, Encoding, SampleColumns};
use model::histogram::Histogram;

/// The value of a sample.
#[derive(Clone, Debug)]
pub enum ExactValue {
    /// A float.
    Float(f64),
    /// A native histogram, its counts as they are.
    Histogram(Histogram),
}

/// A sample.
#[derive(Clone, Debug)]
pub struct ExactSample {
    /// Its time in milliseconds.
    pub timestamp_ms: i64,
    /// Since when it counts, in milliseconds; zero if that is not known.
    pub start_ms: i64,
    /// Its value.
    pub value: ExactValue,
}

impl ExactSample {
    /// A sample of which it is not known since when it counts.
    #[must_use]
    pub fn new(timestamp_ms: i64, value: ExactValue) -> Self {
        Self { timestamp_ms, start_ms: 0, value }
    }

    /// The encoding of the chunk that this sample begins or goes on with, after one in a chunk of encoding `last`. Floats
    /// stay in an encoding with starts once they are there.
    fn encoding(&self, last: Option<Encoding>, encodings: Encodings) -> Encoding {
        let has_start = encodings.keep_starts && self.start_ms != 0;
        match self.value.encoding() {
            Encoding::Xor if has_start || encodings.xor2 || last == Some(Encoding::Xor2) => {
                Encoding::Xor2
            }
            Encoding::Histogram if has_start || encodings.started_histograms => {
                Encoding::StartedHistogram
            }
            Encoding::FloatHistogram if has_start || encodings.started_histograms => {
                Encoding::StartedFloatHistogram
            }
            plain => plain,
        }
    }
}

impl ExactValue {
    /// The encoding of the chunks that hold such values and no start timestamps.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        match self {
            Self::Float(_) => Encoding::Xor,
            Self::Histogram(Histogram::Int(_)) => Encoding::Histogram,
            Self::Histogram(Histogram::Float(_)) => Encoding::FloatHistogram,
        }
    }
}

/// Appends the samples of a chunk to `out`.
pub fn decode(meta: ChunkMeta, data: &[u8], out: &mut Vec<ExactSample>) -> Result<(), DecodeError> {
    if !meta.encoding.is_float() && meta.encoding != Encoding::RawHistogram {
        return histogram::decode_exact(meta.encoding, meta.num_samples as usize, data, out);
    }
    let mut columns = SampleColumns::default();
    crate::decode(meta, data, &mut columns)?;
    out.extend((0..columns.len()).map(|row| ExactSample {
        timestamp_ms: columns.timestamps_ms[row],
        start_ms: columns.start_ms(row),
        value: ExactValue::Float(columns.values[row]),
    }));
    let histograms = &columns.histograms;
    out.extend((0..histograms.len()).map(|row| ExactSample {
        timestamp_ms: histograms.timestamps_ms()[row],
        start_ms: histograms.start_ms(row),
        value: ExactValue::Histogram(Histogram::Float(histograms.get(row).to_owned())),
    }));
    Ok(())
}

/// Encodes samples in time order as chunks of at most `most` samples each, handed to `emit` one after the other. A chunk
/// ends, too, where the encoding of the samples changes, which is where start timestamps come and those of histograms go
/// if they are kept, or where a histogram cannot join the ones before.
pub fn encode(
    samples: &[ExactSample],
    most: usize,
    encodings: Encodings,
    emit: &mut dyn FnMut(ChunkMeta, &[u8]),
) {
    let mut rest = samples;
    while let Some(first) = rest.first() {
        let encoding = first.encoding(None, encodings);
        let joins = |sample: &&ExactSample| sample.encoding(Some(encoding), encodings) == encoding;
        let longest = if encoding.is_float() { most } else { rest.len() };
        let (run, others) = rest.split_at(rest.iter().take(longest).take_while(joins).count());
        if encoding.is_float() {
            encode_floats(run, encoding, emit);
        } else {
            encode_histograms(run, most, encoding, emit);
        }
        rest = others;
    }
}

fn encode_floats(run: &[ExactSample], encoding: Encoding, emit: &mut dyn FnMut(ChunkMeta, &[u8])) {
    let mut bytes = Vec::new();
    let mut xor = XorAppender::default();
    let mut xor2 = Xor2Appender::default();
    for sample in run {
        let ExactValue::Float(value) = sample.value else { continue };
        if encoding == Encoding::Xor2 {
            xor2.append(&mut bytes, sample.timestamp_ms, value, sample.start_ms);
        } else {
            xor.append(&mut bytes, sample.timestamp_ms, value);
        }
    }
    let meta = ChunkMeta {
        min_ms: run[0].timestamp_ms,
        max_ms: run[run.len() - 1].timestamp_ms,
        num_samples: run.len() as u32,
        encoding,
    };
    emit(meta, &bytes);
}

fn encode_histograms(
    run: &[ExactSample],
    most: usize,
    encoding: Encoding,
    emit: &mut dyn FnMut(ChunkMeta, &[u8]),
) {
    let most = u16::try_from(most).unwrap_or(u16::MAX);
    let mut open: Option<HistogramChunk> = None;
    let mut finish = |chunk: &HistogramChunk| emit(chunk.meta(), chunk.bytes());
    for &ExactSample { timestamp_ms, start_ms, ref value } in run {
        let ExactValue::Histogram(value) = value else { continue };
        let Some(chunk) = open.as_mut().filter(|chunk| chunk.num_samples() < most) else {
            let starts = encoding.has_starts().then_some(start_ms);
            if let Some(full) = open.replace(HistogramChunk::alone(timestamp_ms, starts, value)) {
                finish(&full);
            }
            continue;
        };
        match chunk.append(timestamp_ms, start_ms, value) {
            Join::Appended | Join::Recoded => {}
            Join::Began(next) => finish(&std::mem::replace(chunk, *next)),
        }
    }
    if let Some(last) = open {
        finish(&last);
    }
}

#[cfg(test)]
mod tests;
