//! The chunks of one series from its sources to the block: as they are where possible, else decoded, cut, merged and
//! encoded anew. Which chunks merge, in which order and into how many pieces is as in Prometheus.

use crate::block::BlockWriter;
use chunk::append::Encodings;
use chunk::exact::{self, ExactSample, ExactValue};
use chunk::xor::XorAppender;
use chunk::{ChunkMeta, Encoding, SampleColumns};
use model::TimeRange;
use std::ops::Range;
use storage::{ChunkRef, Error, Result, SeriesBatch, SourceHeap, chain_exact, chain_samples};

/// Samples in a chunk that is encoded anew.
const SAMPLES_PER_CHUNK: usize = 120;

/// Where the bytes of a chunk are.
#[derive(Clone)]
enum Bytes<'b> {
    /// In the batch.
    Stored(&'b [u8]),
    /// In the arena of the rewriter.
    Written(Range<usize>),
}

#[derive(Clone)]
struct Piece<'b> {
    meta: ChunkMeta,
    bytes: Bytes<'b>,
}

/// Scratch memory for one series after the other.
#[derive(Debug)]
pub(super) struct Rewriter {
    range: TimeRange,
    encodings: Encodings,
    arena: Vec<u8>,
    columns: SampleColumns,
}

fn corrupt(meta: &ChunkMeta, error: &chunk::DecodeError) -> Error {
    Error::Corrupt {
        place: format!("chunk {}..={} ms", meta.min_ms, meta.max_ms).into(),
        what: error.to_string().into(),
    }
}

/// How many samples the bytes hold, which may be more than are to be read.
fn stored_count(chunk: &ChunkRef<'_>) -> Option<u32> {
    chunk.meta.encoding.num_samples(chunk.data)
}

fn decode_exact(meta: &ChunkMeta, data: &[u8]) -> Result<Vec<ExactSample>> {
    let mut samples = Vec::new();
    exact::decode(*meta, data, &mut samples).map_err(|error| corrupt(meta, &error))?;
    Ok(samples)
}

fn span(meta: &ChunkMeta) -> TimeRange {
    TimeRange::new(meta.min_ms, meta.max_ms)
}

impl Rewriter {
    /// Keeps the samples inside `range`; floats that are encoded anew get XOR2 or what their starts need.
    pub(super) fn new(range: TimeRange, xor2: bool) -> Self {
        let encodings = Encodings { xor2, ..Encodings::PLAIN };
        Self { range, encodings, arena: Vec::new(), columns: SampleColumns::default() }
    }

    /// Writes the chunks of one series of the batch.
    pub(super) fn write(
        &mut self,
        batch: &SeriesBatch,
        series: usize,
        writer: &mut BlockWriter<'_>,
    ) -> Result<()> {
        let mut last_ms = None;
        let is_plain = batch.deleted(series).next().is_none()
            && batch.chunks(series).all(|chunk| {
                let goes_on = last_ms.is_none_or(|last| last < chunk.meta.min_ms);
                last_ms = Some(chunk.meta.max_ms);
                goes_on && self.is_whole(&chunk)
            });
        if is_plain {
            for chunk in batch.chunks(series) {
                writer.push_chunk(chunk.meta, chunk.data)?;
            }
            return Ok(());
        }
        self.arena.clear();
        let sources = self.trimmed(batch, series)?;
        for piece in self.compacted(&sources)? {
            writer.push_chunk(piece.meta, self.bytes(&piece))?;
        }
        Ok(())
    }

    /// Whether a chunk can go into the block as it is.
    fn is_whole(&self, chunk: &ChunkRef<'_>) -> bool {
        self.range.min_ms <= chunk.meta.min_ms
            && chunk.meta.max_ms <= self.range.max_ms
            && stored_count(chunk) == Some(chunk.meta.num_samples)
    }

    /// The chunks source by source, cut to the range and freed of deleted samples.
    fn trimmed<'b>(
        &mut self,
        batch: &'b SeriesBatch,
        series: usize,
    ) -> Result<Vec<Vec<Piece<'b>>>> {
        let mut sources: Vec<Vec<Piece<'b>>> = Vec::new();
        let mut source = None;
        for chunk in batch.chunks(series) {
            if source.replace(chunk.source) != Some(chunk.source) {
                sources.push(Vec::new());
            }
            let pieces = sources.last_mut().expect("the first chunk begins a source");
            let chunk_span = span(&chunk.meta);
            let deleted = batch.deleted_in(series, chunk.source);
            let is_deleted = deleted
                .clone()
                .any(|r| r.contains(chunk_span.min_ms) && r.contains(chunk_span.max_ms));
            if !chunk_span.overlaps(self.range) || is_deleted {
                continue;
            }
            if self.is_whole(&chunk) && !deleted.clone().any(|r| r.overlaps(chunk_span)) {
                pieces.push(Piece { meta: chunk.meta, bytes: Bytes::Stored(chunk.data) });
                continue;
            }
            if !chunk.meta.encoding.is_float() {
                let mut samples = decode_exact(&chunk.meta, chunk.data)?;
                samples.retain(|sample| {
                    let time = sample.timestamp_ms;
                    self.range.contains(time) && !deleted.clone().any(|r| r.contains(time))
                });
                encode_exact(
                    &samples,
                    usize::from(u16::MAX),
                    self.encodings,
                    &mut self.arena,
                    pieces,
                );
                continue;
            }
            self.columns.clear();
            chunk::decode(chunk.meta, chunk.data, &mut self.columns)
                .map_err(|error| corrupt(&chunk.meta, &error))?;
            chunk::trim(&mut self.columns, self.range);
            for range in deleted {
                chunk::delete(&mut self.columns, range);
            }
            // A chunk that was cut stays one chunk; only samples that never were one are divided.
            let most = match chunk.meta.encoding {
                Encoding::Raw => SAMPLES_PER_CHUNK,
                _ => usize::from(u16::MAX),
            };
            encode(&self.columns, most, self.encodings, &mut self.arena, pieces);
        }
        Ok(sources)
    }

    /// The chunks of all sources as one run without overlaps.
    fn compacted<'b>(&mut self, sources: &[Vec<Piece<'b>>]) -> Result<Vec<Piece<'b>>> {
        let mut next = vec![0usize; sources.len()];
        let key = |next: &[usize], source: usize| {
            let meta = sources[source][next[source]].meta;
            (meta.min_ms, meta.max_ms)
        };
        let mut heap = SourceHeap::default();
        for (source, pieces) in sources.iter().enumerate() {
            if !pieces.is_empty() {
                heap.push(source, |a, b| key(&next, a) < key(&next, b));
            }
        }
        // Takes the chunk that begins first and leaves the heap in order.
        let mut take = |heap: &mut SourceHeap, limit_ms: i64| -> Option<Piece<'b>> {
            let top = heap.top().filter(|&top| key(&next, top).0 <= limit_ms)?;
            let piece = sources[top][next[top]].clone();
            heap.pop(|a, b| key(&next, a) < key(&next, b));
            next[top] += 1;
            if next[top] < sources[top].len() {
                heap.push(top, |a, b| key(&next, a) < key(&next, b));
            }
            Some(piece)
        };
        let mut out = Vec::new();
        while let Some(first) = take(&mut heap, i64::MAX) {
            let mut end_ms = first.meta.max_ms;
            let mut overlapping: Vec<Piece<'b>> = Vec::new();
            let mut previous = first.clone();
            while let Some(piece) = take(&mut heap, end_ms) {
                if !self.same(&piece, &previous) {
                    end_ms = end_ms.max(piece.meta.max_ms);
                    overlapping.push(piece.clone());
                    previous = piece;
                }
            }
            if overlapping.is_empty() {
                out.push(first);
                continue;
            }
            // The earliest chunk goes last: with two of them it wins a run of equal times.
            overlapping.push(first);
            self.merge(&overlapping, &mut out)?;
        }
        Ok(out)
    }

    fn bytes<'s>(&'s self, piece: &'s Piece<'_>) -> &'s [u8] {
        match &piece.bytes {
            Bytes::Stored(bytes) => bytes,
            Bytes::Written(range) => &self.arena[range.clone()],
        }
    }

    fn same(&self, a: &Piece<'_>, b: &Piece<'_>) -> bool {
        span(&a.meta) == span(&b.meta) && self.bytes(a) == self.bytes(b)
    }

    fn merge<'b>(&mut self, overlapping: &[Piece<'b>], out: &mut Vec<Piece<'b>>) -> Result<()> {
        if !overlapping.iter().all(|piece| piece.meta.encoding.is_float()) {
            let sources =
                overlapping.iter().map(|piece| decode_exact(&piece.meta, self.bytes(piece)));
            let mut samples = Vec::new();
            chain_exact(&sources.collect::<Result<Vec<_>>>()?, &mut samples);
            encode_exact(&samples, SAMPLES_PER_CHUNK, self.encodings, &mut self.arena, out);
            return Ok(());
        }
        let mut columns = Vec::with_capacity(overlapping.len());
        for piece in overlapping {
            let mut decoded = SampleColumns::default();
            chunk::decode(piece.meta, self.bytes(piece), &mut decoded)
                .map_err(|error| corrupt(&piece.meta, &error))?;
            columns.push(decoded);
        }
        self.columns.clear();
        chain_samples(&columns, &mut self.columns);
        encode(&self.columns, SAMPLES_PER_CHUNK, self.encodings, &mut self.arena, out);
        Ok(())
    }
}

/// Encodes samples of any kind into the arena.
fn encode_exact(
    samples: &[ExactSample],
    most: usize,
    encodings: Encodings,
    arena: &mut Vec<u8>,
    out: &mut Vec<Piece<'_>>,
) {
    exact::encode(samples, most, encodings, &mut |meta, bytes| {
        let begin = arena.len();
        arena.extend_from_slice(bytes);
        out.push(Piece { meta, bytes: Bytes::Written(begin..arena.len()) });
    });
}

/// Encodes float samples as chunks of at most `most` into the arena.
fn encode(
    columns: &SampleColumns,
    most: usize,
    encodings: Encodings,
    arena: &mut Vec<u8>,
    out: &mut Vec<Piece<'_>>,
) {
    if encodings.xor2 || !columns.start_timestamps_ms.is_empty() {
        let sample = |row: usize| ExactSample {
            timestamp_ms: columns.timestamps_ms[row],
            start_ms: columns.start_ms(row),
            value: ExactValue::Float(columns.values[row]),
        };
        let samples: Vec<ExactSample> = (0..columns.len()).map(sample).collect();
        return encode_exact(&samples, most, encodings, arena, out);
    }
    let times = columns.timestamps_ms.chunks(most);
    for (times, values) in times.zip(columns.values.chunks(most)) {
        let begin = arena.len();
        let mut encoded = Vec::new();
        let mut appender = XorAppender::default();
        for (&time, &value) in times.iter().zip(values) {
            appender.append(&mut encoded, time, value);
        }
        arena.extend_from_slice(&encoded);
        let meta = ChunkMeta {
            min_ms: times[0],
            max_ms: times[times.len() - 1],
            num_samples: times.len() as u32,
            encoding: Encoding::Xor,
        };
        out.push(Piece { meta, bytes: Bytes::Written(begin..arena.len()) });
    }
}
