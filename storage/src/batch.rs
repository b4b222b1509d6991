//! Series on their way from a storage to a reader: labels as ids, samples still encoded.
//! A batch pins each mapping once and copies small open chunks into its own arena; nothing here decodes but `read`.

use crate::Result;
use bytes::Bytes;
use chunk::exact::ExactSample;
use chunk::prefetch::prefetch_all;
use chunk::{ChunkMeta, SampleColumns};
use model::{LabelPair, LabelsColumn, TimeRange};

/// A mapping that a batch keeps alive; good until the batch is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin(u32);

/// The pin of chunks that were copied into the arena of the batch.
const ARENA: Pin = Pin(u32::MAX);

/// Of the chunks of a series so many are asked for ahead of time; while they are read there is time for the others.
const ASKED_CHUNKS: usize = 3;

#[derive(Clone, Copy, Debug)]
struct Slot {
    meta: ChunkMeta,
    pin: Pin,
    offset: u32,
    len: u32,
    source: u32,
}

/// One chunk of a batch: what is known of it and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct ChunkRef<'a> {
    /// Time span, number of samples, encoding.
    pub meta: ChunkMeta,
    /// Which of the merged sources it comes from, counted from zero within its series. Chunks of one source do not
    /// overlap; samples of several sources at one time are settled by [`crate::chain_samples`].
    pub source: u32,
    /// The encoded samples, without any framing of the file they lie in.
    pub data: &'a [u8],
}

/// Some hundred series with their chunks, in time order within each source, and in time order throughout where the
/// sources do not overlap. The ids are those of the query's [`model::Symbols`].
#[derive(Debug, Default)]
pub struct SeriesBatch {
    labels: LabelsColumn,
    chunk_ends: Vec<u32>,
    slots: Vec<Slot>,
    pins: Vec<Bytes>,
    arena: Vec<u8>,
    /// Series, source within it, range.
    deleted: Vec<(u32, u32, TimeRange)>,
    source: u32,
}

impl SeriesBatch {
    /// How many series a storage should put into one batch.
    pub const TARGET_SERIES: usize = 256;

    /// Forgets the series and keeps the memory.
    pub fn clear(&mut self) {
        self.labels.clear();
        self.chunk_ends.clear();
        self.slots.clear();
        self.pins.clear();
        self.arena.clear();
        self.deleted.clear();
        self.source = 0;
    }

    /// Bytes of chunks, and of places of chunks, that it has room for.
    #[must_use]
    pub fn room_bytes(&self) -> usize {
        self.arena.capacity() + self.slots.capacity() * size_of::<Slot>()
    }

    /// Number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunk_ends.len()
    }

    /// Whether there are no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunk_ends.is_empty()
    }

    /// Keeps `bytes` alive as long as this content of the batch; call it once per mapping and batch.
    pub fn pin(&mut self, bytes: &Bytes) -> Pin {
        let recent = self.pins.iter().rposition(|p| p.as_ptr() == bytes.as_ptr());
        let index = recent.unwrap_or_else(|| {
            self.pins.push(bytes.clone());
            self.pins.len() - 1
        });
        Pin(u32::try_from(index).expect("a batch pins few mappings"))
    }

    /// Adds a chunk to the series at hand whose bytes lie in a pinned mapping.
    pub fn push_pinned(&mut self, meta: ChunkMeta, pin: Pin, offset: usize, len: usize) {
        let offset = u32::try_from(offset).expect("mapped files are below 4 GiB");
        let len = u32::try_from(len).expect("chunks are below 4 GiB");
        self.slots.push(Slot { meta, pin, offset, len, source: self.source });
    }

    /// Adds a chunk to the series at hand by copying its bytes: open chunks of the head, raw samples. Returns the copy,
    /// for what has to be set right in it.
    pub fn push_copied(&mut self, meta: ChunkMeta, data: &[u8]) -> &mut [u8] {
        let begin = self.arena.len();
        let offset = u32::try_from(begin).expect("a batch copies less than 4 GiB");
        self.arena.extend_from_slice(data);
        let len = data.len() as u32;
        self.slots.push(Slot { meta, pin: ARENA, offset, len, source: self.source });
        &mut self.arena[begin..]
    }

    /// Marks a range of the source and series at hand as deleted; [`Self::read`] leaves its samples out. Samples that
    /// another source has in that range stay: they were written after the deletion.
    pub fn push_deleted(&mut self, range: TimeRange) {
        self.deleted.push((self.chunk_ends.len() as u32, self.source, range));
    }

    /// Whether chunks were pushed since the last [`Self::finish_series`].
    #[must_use]
    pub fn has_pending_chunks(&self) -> bool {
        self.slots.len() > self.chunk_ends.last().map_or(0, |&end| end as usize)
    }

    /// Chunks pushed from now on belong to another source of the series at hand: they may overlap the earlier ones.
    pub fn next_source(&mut self) {
        self.source += 1;
    }

    /// Ends the series at hand: the chunks pushed since the last call are its chunks, in time order per source.
    pub fn finish_series(&mut self, labels: &[LabelPair]) {
        self.finish_series_of(labels.iter().copied());
    }

    /// The same, with labels that do not lie side by side.
    pub fn finish_series_of(&mut self, labels: impl IntoIterator<Item = LabelPair>) {
        self.source = 0;
        self.labels.push(labels);
        self.chunk_ends.push(u32::try_from(self.slots.len()).expect("below 2^32 chunks a batch"));
    }

    /// Drops all series but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.labels.truncate(len);
            self.chunk_ends.truncate(len);
            self.slots.truncate(self.chunk_ends.last().map_or(0, |&end| end as usize));
            self.deleted.retain(|(series, ..)| (*series as usize) < len);
        }
    }

    /// The labels of every series.
    #[must_use]
    pub fn labels(&self) -> &LabelsColumn {
        &self.labels
    }

    fn slots(&self, series: usize) -> &[Slot] {
        let begin = if series == 0 { 0 } else { self.chunk_ends[series - 1] as usize };
        &self.slots[begin..self.chunk_ends[series] as usize]
    }

    /// The chunks of one series as stored: remote read and compaction stop here.
    pub fn chunks(&self, series: usize) -> impl ExactSizeIterator<Item = ChunkRef<'_>> {
        self.slots(series).iter().map(|slot| {
            let source =
                if slot.pin == ARENA { &self.arena[..] } else { &self.pins[slot.pin.0 as usize] };
            let begin = slot.offset as usize;
            let data = &source[begin..begin + slot.len as usize];
            ChunkRef { meta: slot.meta, source: slot.source, data }
        })
    }

    /// Asks memory for the chunks of a series that is read soon; nothing where there is none.
    pub fn ask(&self, series: usize) {
        if series < self.len() {
            self.chunks(series).take(ASKED_CHUNKS).for_each(|chunk| prefetch_all(chunk.data));
        }
    }

    /// The deleted ranges of one series, whichever of its sources they belong to.
    pub fn deleted(&self, series: usize) -> impl Iterator<Item = TimeRange> + Clone {
        let series = series as u32;
        self.deleted.iter().filter(move |(of, ..)| *of == series).map(|(_, _, range)| *range)
    }

    /// The deleted ranges of one source of a series; see [`ChunkRef::source`].
    pub fn deleted_in(
        &self,
        series: usize,
        source: u32,
    ) -> impl Iterator<Item = TimeRange> + Clone {
        let key = (series as u32, source);
        self.deleted
            .iter()
            .filter(move |(of, from, _)| (*of, *from) == key)
            .map(|(_, _, range)| *range)
    }

    /// Moves the chunks of a series of `other` into the series at hand, as further sources: merging.
    pub fn push_chunks_of(&mut self, other: &Self, series: usize) {
        let first_source = self.source + u32::from(self.has_pending_chunks());
        for slot in other.slots(series) {
            self.source = first_source + slot.source;
            if slot.pin == ARENA {
                let begin = slot.offset as usize;
                self.push_copied(slot.meta, &other.arena[begin..begin + slot.len as usize]);
            } else {
                let pin = self.pin(&other.pins[slot.pin.0 as usize]);
                self.slots.push(Slot { pin, source: self.source, ..*slot });
            }
        }
        let last_source = self.source;
        for &(of, source, range) in &other.deleted {
            if of as usize == series {
                self.source = first_source + source;
                self.push_deleted(range);
            }
        }
        self.source = last_source;
    }

    /// Replaces `out` with the samples of one series inside `range`, in time order, deleted ones left out.
    /// Chunks that overlap are merged as [`crate::chain_samples`] does.
    /// Takes `&self`, so that series decode in parallel.
    pub fn read(&self, series: usize, range: TimeRange, out: &mut SampleColumns) -> Result<()> {
        crate::read::read(self, series, range, out)
    }

    /// Replaces `out` with what [`Self::read`] reads of a series of native histograms, without their buckets. `false` if
    /// the chunks do not tell by themselves where the counter was reset between them: then nothing was read.
    pub fn read_totals(
        &self,
        series: usize,
        range: TimeRange,
        out: &mut SampleColumns,
    ) -> Result<bool> {
        crate::read::read_totals(self, series, range, out)
    }

    /// Appends to `out` what [`Self::read`] reads, without loss: for samples that are to be sent or encoded again.
    pub fn read_exact(
        &self,
        series: usize,
        range: TimeRange,
        out: &mut Vec<ExactSample>,
    ) -> Result<()> {
        crate::read::read_exact(self, series, range, out)
    }
}
