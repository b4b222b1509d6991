//! Series of an image: labels by the numbers of their section, chunks that are in no file, the open chunk as it can be
//! continued.

use super::cursor::Cursor;
use super::{NO_OPEN, OPEN_CHUNK, OPEN_STATE};
use crate::head::dictionary::{LabelHash, PairId};
use crate::head::native::Native;
use crate::head::refs::Target;
use crate::head::replay::FoundChunks;
use crate::head::series::{FullChunk, OpenFloats, Place};
use crate::head::shard::Shard;
use crate::head::{Replay, Shared};
use chunk::histogram::HistogramChunk;
use chunk::xor::XorAppender;
use chunk::{ChunkMeta, Encoding, Starts};
use parking_lot::RwLockWriteGuard;
use std::sync::atomic::Ordering;

/// No section has more labels; their numbers are those that a shard gave them.
const MAX_LABELS: usize = 1 << 28;

/// The labels of a section.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// Names and values, back to back.
    text: String,
    /// By number; numbers that were not told have no name.
    rows: Vec<Label>,
}

#[derive(Clone, Copy, Debug)]
struct Label {
    begin: usize,
    name_len: u32,
    value_len: u32,
    hash: LabelHash,
}

impl Label {
    const UNTOLD: Self =
        Self { begin: 0, name_len: 0, value_len: 0, hash: LabelHash { hash: 0, print: 0 } };
}

impl Labels {
    /// Takes in the next label of a record.
    pub(super) fn add(&mut self, head: &Shared, cursor: &mut Cursor<'_>) -> Option<()> {
        let number = cursor.len().filter(|&number| number < MAX_LABELS)?;
        let (name, value) = (cursor.text()?, cursor.text()?);
        if self.rows.len() <= number {
            self.rows.resize(number + 1, Label::UNTOLD);
        }
        self.rows[number] = Label {
            begin: self.text.len(),
            name_len: u32::try_from(name.len()).ok().filter(|&len| len > 0)?,
            value_len: u32::try_from(value.len()).ok()?,
            hash: head.hasher.label(name, value),
        };
        self.text.push_str(name);
        self.text.push_str(value);
        Some(())
    }

    fn get(&self, number: usize) -> Option<((&str, &str), LabelHash)> {
        let label = self.rows.get(number).filter(|label| label.name_len > 0)?;
        let (name, rest) = self.text[label.begin..].split_at(label.name_len as usize);
        Some(((name, &rest[..label.value_len as usize]), label.hash))
    }
}

/// What was read of an image.
#[derive(Clone, Copy, Debug)]
pub(in crate::head) struct Part {
    pub(super) num_series: u64,
    max_ref: u64,
    /// Chunks that are in no file.
    num_chunks: u64,
    num_stale: i64,
    min_ms: i64,
    max_ms: i64,
}

impl Default for Part {
    fn default() -> Self {
        let (min_ms, max_ms) = (i64::MAX, i64::MIN);
        Self { num_series: 0, max_ref: 0, num_chunks: 0, num_stale: 0, min_ms, max_ms }
    }
}

impl Part {
    /// Both together.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            num_series: self.num_series + other.num_series,
            max_ref: self.max_ref.max(other.max_ref),
            num_chunks: self.num_chunks + other.num_chunks,
            num_stale: self.num_stale + other.num_stale,
            min_ms: self.min_ms.min(other.min_ms),
            max_ms: self.max_ms.max(other.max_ms),
        }
    }

    fn add_chunk(&mut self, meta: ChunkMeta) {
        self.num_chunks += 1;
        self.min_ms = self.min_ms.min(meta.min_ms);
        self.max_ms = self.max_ms.max(meta.max_ms);
    }
}

impl Replay {
    /// Counts what was read of an image.
    pub(super) fn take_part(&mut self, part: Part) {
        let head = &self.head;
        self.stats.num_series += part.num_series;
        self.max_ref = self.max_ref.max(part.max_ref);
        head.metrics.chunks.add(part.num_chunks as f64);
        head.metrics.add_stale(part.num_stale);
        head.min_ms.fetch_min(part.min_ms, Ordering::Relaxed);
        head.max_ms.fetch_max(part.max_ms, Ordering::Relaxed);
    }
}

/// The open chunk of a series as it can be continued.
enum Open<'r> {
    Float(OpenFloats, &'r [u8]),
    Native(Box<HistogramChunk>),
}

impl Open<'_> {
    fn meta(&self) -> Option<ChunkMeta> {
        match self {
            Self::Float(state, data) => state.meta(data).filter(|meta| meta.min_ms <= meta.max_ms),
            Self::Native(chunk) => Some(chunk.meta()),
        }
    }
}

fn resume((meta, data): (ChunkMeta, &[u8])) -> Option<Open<'_>> {
    match meta.encoding {
        Encoding::Raw | Encoding::RawHistogram => None,
        Encoding::Xor | Encoding::Xor2 => {
            let state = OpenFloats::resume(meta.encoding, data).ok()?;
            let fits = state.open.last_ms() == meta.max_ms && state.open.len_bytes() == data.len();
            fits.then_some(Open::Float(state, data))
        }
        _ => {
            let chunk = HistogramChunk::resume(meta, data).ok()?;
            (chunk.last_ms() == meta.max_ms).then(|| Open::Native(Box::new(chunk)))
        }
    }
}

fn open_chunk<'r>(cursor: &mut Cursor<'r>) -> Option<Option<(i64, Open<'r>)>> {
    let [kind] = cursor.array()?;
    if kind == NO_OPEN {
        return Some(None);
    }
    let next_at_ms = cursor.i64()?;
    let open = match kind {
        OPEN_STATE => {
            let (state, data) = (cursor.array()?, cursor.bytes()?);
            let open = XorAppender::from_state(&state, data.len())?;
            let (is_marked_stale, encoding) = (false, Encoding::Xor);
            Open::Float(OpenFloats { open, is_marked_stale, starts: Starts::new(), encoding }, data)
        }
        OPEN_CHUNK => resume(cursor.chunk()?)?,
        _ => return None,
    };
    Some(Some((next_at_ms, open)))
}

/// The series of a record on their way into their shards.
pub(super) struct Taken<'h> {
    head: &'h Shared,
    found: &'h FoundChunks,
    labels: &'h Labels,
    part: &'h mut Part,
    /// The shard of the last series: nearly always that of the next.
    locked: Option<(usize, RwLockWriteGuard<'h, Shard>)>,
    created: Vec<(u64, Target)>,
    set: Vec<(&'h str, &'h str)>,
    hashes: Vec<LabelHash>,
    pairs: Vec<PairId>,
}

impl<'h> Taken<'h> {
    pub(super) fn new(
        head: &'h Shared,
        found: &'h FoundChunks,
        labels: &'h Labels,
        part: &'h mut Part,
    ) -> Self {
        let (created, set) = (Vec::new(), Vec::new());
        let (hashes, pairs) = (Vec::new(), Vec::new());
        Self { head, found, labels, part, locked: None, created, set, hashes, pairs }
    }

    /// Takes in the next series; `None` if it breaks a rule, or chunk files that it relies on are not there.
    pub(super) fn series(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let (number, on_disk) = (cursor.number()?, cursor.number()?);
        let labels = self.labels;
        self.set.clear();
        self.hashes.clear();
        for _ in 0..cursor.len()? {
            let (label, hash) = labels.get(cursor.len()?)?;
            self.set.push(label);
            self.hashes.push(hash);
        }
        let is_sorted = self.set.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if number == 0 || self.set.is_empty() || !is_sorted {
            return None;
        }
        let (head, set) = (self.head, &self.set);
        let metric_name = set.iter().position(|(name, _)| *name == model::METRIC_NAME);
        let id = head.hasher.set(&self.hashes, metric_name);
        let index = head.shard_of(id);
        let shard = match self.locked.take() {
            Some((of, shard)) if of == index => shard,
            other => {
                drop(other);
                head.shards[index].0.write()
            }
        };
        let (_, shard) = self.locked.insert((index, shard));
        if shard.find(id).is_some() || head.refs.read().get(number) != Target::NONE {
            return None;
        }
        let slot = shard.create(number, id, set, &self.hashes, &mut self.pairs);
        self.found.hand_over(head, shard, slot);
        self.created.push((number, head.target(index, slot)));
        self.part.num_series += 1;
        self.part.max_ref = self.part.max_ref.max(number);
        take_chunks(shard, slot, on_disk, cursor, self.part)
    }

    /// Makes them known by their references.
    pub(super) fn publish(self) {
        drop(self.locked);
        let mut refs = self.head.refs.write();
        for (number, target) in self.created {
            refs.insert(number, target);
        }
    }
}

/// Gives a series its chunks that are in memory only.
fn take_chunks(
    shard: &mut Shard,
    slot: u32,
    on_disk: u64,
    cursor: &mut Cursor<'_>,
    part: &mut Part,
) -> Option<()> {
    let loaded = shard.full_chunks(slot);
    let has_place = |chunk: &FullChunk| matches!(chunk.place(), Place::Disk(at) if at == on_disk);
    if on_disk != 0 && !loaded.iter().any(has_place) {
        return None;
    }
    // What was put on disk since the image was taken is there twice.
    let mut newest_ms = loaded.last().map(|chunk| chunk.max_ms);
    for _ in 0..cursor.number()? {
        let (meta, data) = cursor.chunk()?;
        if newest_ms.is_none_or(|newest| newest < meta.min_ms) {
            shard.restore_full(slot, meta, data);
            newest_ms = Some(meta.max_ms);
            part.add_chunk(meta);
        }
    }
    let Some((next_at_ms, open)) = open_chunk(cursor)? else { return Some(()) };
    let meta = open.meta()?;
    if newest_ms.is_none_or(|newest| newest < meta.min_ms) {
        match open {
            Open::Float(state, data) => {
                shard.restore_open(slot, state, data, next_at_ms);
                part.num_stale += i64::from(shard.hot[slot].is_stale());
            }
            Open::Native(chunk) => {
                let native = Native::resumed(*chunk, next_at_ms);
                part.num_stale += i64::from(native.is_stale());
                shard.put_native(slot, native);
                shard.num_chunks += 1;
            }
        }
        part.add_chunk(meta);
    }
    Some(())
}
