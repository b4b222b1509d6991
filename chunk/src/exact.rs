//! Samples of any kind on their way from chunk to chunk: decoded without loss, encoded anew. Whoever only reads decodes
//! to columns, which is faster and has float counts only.

use crate::histogram::{self, HistogramChunk, Join};
use crate::xor::XorAppender;
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

/// A sample: its time in milliseconds, its value.
pub type ExactSample = (i64, ExactValue);

impl ExactValue {
    /// The encoding of the chunks that hold such values.
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
        let mut found = Vec::new();
        histogram::decode_exact(meta.encoding, meta.num_samples as usize, data, &mut found)?;
        out.extend(found.into_iter().map(|(time, value)| (time, ExactValue::Histogram(value))));
        return Ok(());
    }
    let mut columns = SampleColumns::default();
    crate::decode(meta, data, &mut columns)?;
    let floats = columns.timestamps_ms.iter().zip(&columns.values);
    out.extend(floats.map(|(&time, &value)| (time, ExactValue::Float(value))));
    let histograms = &columns.histograms;
    out.extend((0..histograms.len()).map(|place| {
        let value = Histogram::Float(histograms.get(place).to_owned());
        (histograms.timestamps_ms()[place], ExactValue::Histogram(value))
    }));
    Ok(())
}

/// Encodes samples in time order as chunks of at most `most` samples each, handed to `emit` one after the other. A chunk
/// ends, too, where the kind of the samples changes, or where a histogram cannot join the ones before.
pub fn encode(samples: &[ExactSample], most: usize, emit: &mut dyn FnMut(ChunkMeta, &[u8])) {
    let same_kind = |a: &ExactSample, b: &ExactSample| a.1.encoding() == b.1.encoding();
    for run in samples.chunk_by(same_kind) {
        match run[0].1 {
            ExactValue::Float(_) => run.chunks(most).for_each(|run| encode_floats(run, emit)),
            ExactValue::Histogram(_) => encode_histograms(run, most, emit),
        }
    }
}

fn encode_floats(run: &[ExactSample], emit: &mut dyn FnMut(ChunkMeta, &[u8])) {
    let mut bytes = Vec::new();
    let mut appender = XorAppender::default();
    for (time, value) in run {
        if let ExactValue::Float(value) = value {
            appender.append(&mut bytes, *time, *value);
        }
    }
    let meta = ChunkMeta {
        min_ms: run[0].0,
        max_ms: run[run.len() - 1].0,
        num_samples: run.len() as u32,
        encoding: Encoding::Xor,
    };
    emit(meta, &bytes);
}

fn encode_histograms(run: &[ExactSample], most: usize, emit: &mut dyn FnMut(ChunkMeta, &[u8])) {
    let most = u16::try_from(most).unwrap_or(u16::MAX);
    let mut open: Option<HistogramChunk> = None;
    let mut finish = |chunk: &HistogramChunk| emit(chunk.meta(), chunk.bytes());
    for (time, value) in run {
        let ExactValue::Histogram(value) = value else { continue };
        let Some(chunk) = open.as_mut().filter(|chunk| chunk.num_samples() < most) else {
            if let Some(full) = open.replace(HistogramChunk::alone(*time, value)) {
                finish(&full);
            }
            continue;
        };
        match chunk.append(*time, value) {
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
