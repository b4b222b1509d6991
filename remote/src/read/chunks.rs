//! A query to frames with encoded chunks. A chunk that lies within the range goes out as it is stored; what is cut by
//! the range, by deletions or by overlaps is encoded anew.

use super::{Asked, Error, labels};
use crate::proto::write;
use chunk::Encoding;
use chunk::append::Encodings;
use chunk::exact::{self, ExactSample};
use model::{Symbols, TimeRange};
use storage::{Cancel, ChunkRef, Queryable, SelectHints, SeriesBatch};

/// How many samples a chunk gets that is encoded anew.
const SAMPLES_PER_CHUNK: usize = 120;

/// Writes the frames of one query.
pub(super) struct Stream<'s> {
    query: usize,
    max_frame_bytes: usize,
    out: &'s mut Vec<u8>,
    hand_on: HandOn<'s>,
    /// The labels of the series at hand, encoded.
    labels: Vec<u8>,
    /// Its chunks that wait for their frame, encoded.
    waiting: Vec<u8>,
    /// What of a chunk stands before its samples, encoded.
    head: Vec<u8>,
}

/// What may take the frames that are ready.
type HandOn<'s> = &'s mut dyn FnMut(&mut Vec<u8>) -> Result<(), Error>;

impl<'s> Stream<'s> {
    pub(super) fn new(
        query: usize,
        max_frame_bytes: usize,
        (out, hand_on): (&'s mut Vec<u8>, HandOn<'s>),
    ) -> Self {
        let (labels, waiting, head) = (Vec::new(), Vec::new(), Vec::new());
        Self { query, max_frame_bytes, out, hand_on, labels, waiting, head }
    }

    pub(super) fn run(
        &mut self,
        queryable: &dyn Queryable,
        asked: &Asked,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let Some(range) = asked.range else { return Ok(()) };
        if asked.matchers.is_empty() || asked.labels_only {
            return Ok(());
        }
        let querier = queryable.querier(range)?;
        let symbols = Symbols::new();
        let hints = SelectHints { range: Some(range), ..SelectHints::default() };
        let mut set = querier.select(&asked.matchers, &hints, &symbols, cancel)?;
        let mut batch = SeriesBatch::default();
        while set.next_batch(&mut batch)? {
            for series in 0..batch.len() {
                cancel.check()?;
                self.labels.clear();
                let pairs = batch.labels().get(series);
                labels::push(&mut self.labels, pairs, &symbols, &asked.external_labels);
                self.series(&batch, series, range)?;
            }
        }
        Ok(())
    }

    fn series(
        &mut self,
        batch: &SeriesBatch,
        series: usize,
        range: TimeRange,
    ) -> Result<(), Error> {
        if overlap(batch, series) {
            let mut samples = Vec::new();
            batch.read_exact(series, range, &mut samples)?;
            self.encode(&samples, SAMPLES_PER_CHUNK)?;
            return self.flush();
        }
        for chunk in batch.chunks(series) {
            let span = TimeRange::new(chunk.meta.min_ms, chunk.meta.max_ms);
            if !range.overlaps(span) {
                continue;
            }
            if is_whole(chunk, range)
                && !batch.deleted_in(series, chunk.source).any(|gone| gone.overlaps(span))
            {
                self.push(span, chunk.meta.encoding, chunk.data)?;
                continue;
            }
            let mut samples = Vec::new();
            exact::decode(chunk.meta, chunk.data, &mut samples)
                .map_err(|error| corrupt(span, &error))?;
            let deleted = batch.deleted_in(series, chunk.source);
            samples.retain(|sample| {
                let time = sample.timestamp_ms;
                range.contains(time) && !deleted.clone().any(|gone| gone.contains(time))
            });
            // What was one chunk stays one.
            self.encode(&samples, usize::from(u16::MAX))?;
        }
        self.flush()
    }

    /// Encodes samples anew, at most so many in a chunk.
    fn encode(&mut self, samples: &[ExactSample], most: usize) -> Result<(), Error> {
        let mut outcome = Ok(());
        exact::encode(samples, most, Encodings::PLAIN, &mut |meta, bytes| {
            if outcome.is_ok() {
                let span = TimeRange::new(meta.min_ms, meta.max_ms);
                outcome = self.push(span, meta.encoding, bytes);
            }
        });
        outcome
    }

    /// Adds a chunk to the frame at hand, and sends it once it is full.
    fn push(&mut self, span: TimeRange, encoding: Encoding, data: &[u8]) -> Result<(), Error> {
        let head = &mut self.head;
        head.clear();
        write::int(head, 1, span.min_ms);
        write::int(head, 2, span.max_ms);
        write::uint(head, 3, encoding as u64);
        write::prefix(head, 4, data.len());
        write::prefix(&mut self.waiting, 2, head.len() + data.len());
        self.waiting.extend_from_slice(head);
        self.waiting.extend_from_slice(data);
        if self.labels.len() + self.waiting.len() >= self.max_frame_bytes {
            return self.flush();
        }
        Ok(())
    }

    /// Sends the chunks that wait, if any: length, checksum, message.
    fn flush(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let series_len = self.labels.len() + self.waiting.len();
        // The message: the series behind its prefix, then the number of the query, in a buffer that is at hand.
        let head = &mut self.head;
        head.clear();
        write::prefix(head, 1, series_len);
        let prefix_len = head.len();
        write::uint(head, 2, self.query as u64);
        let out = &mut *self.out;
        write::varint(out, (head.len() + series_len) as u64);
        let checksum = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&head[..prefix_len]);
        out.extend_from_slice(&self.labels);
        out.extend_from_slice(&self.waiting);
        out.extend_from_slice(&head[prefix_len..]);
        self.waiting.clear();
        let crc = crc32c::crc32c(&out[checksum + 4..]).to_be_bytes();
        out[checksum..checksum + 4].copy_from_slice(&crc);
        (self.hand_on)(out)
    }
}

fn corrupt(span: TimeRange, error: &chunk::DecodeError) -> Error {
    Error::Storage(storage::Error::Corrupt {
        place: format!("chunk {}..={} ms", span.min_ms, span.max_ms).into(),
        what: error.to_string().into(),
    })
}

/// Whether chunks of a series overlap: they come from several sources.
fn overlap(batch: &SeriesBatch, series: usize) -> bool {
    let mut last_ms = None;
    batch.chunks(series).any(|chunk| {
        let overlaps = last_ms.is_some_and(|last| chunk.meta.min_ms <= last);
        last_ms = Some(chunk.meta.max_ms);
        overlaps
    })
}

/// Whether a chunk may go out as it is: within the range, in an encoding that others know, without samples that are
/// not visible yet.
fn is_whole(chunk: ChunkRef<'_>, range: TimeRange) -> bool {
    let meta = chunk.meta;
    let is_within = range.min_ms <= meta.min_ms && meta.max_ms <= range.max_ms;
    is_within && meta.encoding.num_samples(chunk.data) == Some(meta.num_samples)
}
