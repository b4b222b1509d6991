//! Queries on the head: a snapshot by watermark, series in label order or in that of their creation, their chunks
//! copied or pinned some hundred series at a time. An instant selector gets the newest sample straight from the series.

use super::ahead::{Ahead, GROUP, ask_state};
use super::chunks::{Views, begin_of, locate};
use super::found::{Found, Row};
use super::idle::IdleSeries;
use super::isolation::ReaderId;
use super::ooo::{OooCut, push_merged, push_open};
use super::series::{FullChunk, Place};
use super::shard::Shard;
use super::{Head, Shared, labels};
use crate::block::Tombstones;
use chunk::prefetch::prefetch_all;
use chunk::{ChunkMeta, Encoding, SampleColumns};
use model::{Matcher, Symbols, TimeRange};
use parking_lot::RwLockReadGuard;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::{Cancel, Error, Querier, Queryable, Result, SelectHints, SeriesBatch, SeriesSet};

/// Which samples of the head are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    All,
    InOrder,
    /// What came out of order and is on disk, up to this place.
    OutOfOrder(u64),
}

struct HeadQuerier {
    head: Arc<Shared>,
    range: TimeRange,
    /// Samples in order before this are in blocks.
    in_order_min_ms: i64,
    part: Part,
    /// The references of the series that are asked for, sorted; `None` for all.
    only: Option<Arc<[u64]>>,
    reader: ReaderId,
    tombstones: Arc<Tombstones>,
}

impl Queryable for Head {
    /// While the head is truncated, its querier begins where the truncation ends: what is before is in blocks, which
    /// therefore have to be listed after this returned.
    fn querier(&self, range: TimeRange) -> Result<Box<dyn Querier>> {
        Ok(Box::new(HeadQuerier::open(self, range, Part::All)))
    }
}

impl Head {
    /// A querier for the samples that came in order, for a block of them.
    #[must_use]
    pub fn in_order_querier(&self, range: TimeRange) -> Box<dyn Querier> {
        Box::new(HeadQuerier::open(self, range, Part::InOrder))
    }

    /// A querier for the samples of these series, for a block of them.
    #[must_use]
    pub fn idle_querier(&self, range: TimeRange, idle: &IdleSeries) -> Box<dyn Querier> {
        let mut querier = HeadQuerier::open(self, range, Part::InOrder);
        querier.only = Some(idle.numbers());
        Box::new(querier)
    }

    /// A querier for the samples that a compaction of those out of order takes.
    #[must_use]
    pub fn ooo_querier(&self, range: TimeRange, cut: &OooCut) -> Box<dyn Querier> {
        Box::new(HeadQuerier::open(self, range, Part::OutOfOrder(cut.last_place)))
    }
}

impl HeadQuerier {
    fn open(head: &Head, range: TimeRange, part: Part) -> Self {
        let head = Arc::clone(&head.0);
        let mut in_order_min_ms = range.min_ms;
        let mut reader = head.isolation.open_reader(range.min_ms, range.max_ms);
        // A truncation sets its flag, then looks at the readers: it either waits for this one or is seen here.
        let end_ms = head.truncating_to_ms.load(Ordering::Acquire);
        if head.is_truncating.load(Ordering::Acquire) && range.min_ms < end_ms {
            head.isolation.close_reader(reader);
            in_order_min_ms = end_ms;
            reader = head.isolation.open_reader(end_ms, range.max_ms);
        }
        let tombstones = head.tombstones.load_full();
        Self { head, range, in_order_min_ms, part, only: None, reader, tombstones }
    }
}

impl Drop for HeadQuerier {
    fn drop(&mut self) {
        self.head.isolation.close_reader(self.reader);
    }
}

impl HeadQuerier {
    fn overlaps_head(&self) -> bool {
        let min_ms = self.head.min_ms.load(Ordering::Relaxed);
        let max_ms = self.head.max_ms.load(Ordering::Relaxed);
        let in_order = TimeRange::new(self.in_order_min_ms, self.range.max_ms);
        in_order.min_ms <= max_ms && min_ms <= in_order.max_ms
            || self.head.ooo_range().is_some_and(|late| late.overlaps(self.range))
    }
}

impl Querier for HeadQuerier {
    fn select<'q>(
        &'q self,
        matchers: &[Matcher],
        hints: &SelectHints,
        symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> Result<Box<dyn SeriesSet + 'q>> {
        let mut range = self.range;
        if let Some(hint) = hints.range {
            range.min_ms = range.min_ms.max(hint.min_ms);
            range.max_ms = range.max_ms.min(hint.max_ms);
        }
        let wanted = (matchers, self.only.as_deref(), hints);
        let mut found = Found::of(&self.head, wanted, range, (symbols, cancel))?;
        if hints.any_order {
            found.sort_by_creation();
        } else {
            found.sort_by_labels(symbols);
        }
        Ok(Box::new(HeadSeriesSet {
            head: &self.head,
            cancel,
            found,
            next: 0,
            left: if hints.limit == 0 { usize::MAX } else { hints.limit },
            access: Access {
                range,
                in_order: TimeRange::new(range.min_ms.max(self.in_order_min_ms), range.max_ms),
                part: self.part,
                scratch: SeriesBatch::default(),
                watermark: self.reader.watermark,
                is_newest_only: hints.newest_only,
                is_labels_only: hints.labels_only,
                tombstones: Arc::clone(&self.tombstones),
                bytes: Vec::new(),
                samples: SampleColumns::default(),
            },
        }))
    }

    fn label_names(&self, matchers: &[Matcher], limit: usize) -> Result<Vec<Box<str>>> {
        Ok(if self.overlaps_head() {
            labels::names(&self.head, matchers, limit)
        } else {
            Vec::new()
        })
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        limit: usize,
    ) -> Result<Vec<Box<str>>> {
        Ok(if self.overlaps_head() {
            labels::values(&self.head, name, matchers, limit)
        } else {
            Vec::new()
        })
    }
}

struct HeadSeriesSet<'q> {
    head: &'q Shared,
    cancel: &'q Cancel,
    found: Found,
    next: usize,
    left: usize,
    access: Access,
}

impl SeriesSet for HeadSeriesSet<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> Result<bool> {
        out.clear();
        while out.is_empty() && self.next < self.found.rows.len() && self.left > 0 {
            self.cancel.check()?;
            self.fill(out)?;
        }
        Ok(!out.is_empty())
    }
}

impl HeadSeriesSet<'_> {
    fn fill(&mut self, out: &mut SeriesBatch) -> Result<()> {
        let begin = self.next;
        let end = self.found.rows.len().min(begin + SeriesBatch::TARGET_SERIES);
        self.next = end;
        let rows = &self.found.rows[begin..end];
        let mut guards: Vec<Option<RwLockReadGuard<'_, Shard>>> = Vec::new();
        guards.resize_with(self.head.shards.len(), || None);
        for (index, guard) in guards.iter_mut().enumerate() {
            if rows.iter().any(|row| row.shard as usize == index) {
                *guard = Some(self.head.shards[index].0.read());
            }
        }
        // Taken after the locks: a place on disk is entered under them, when its file is mapped.
        let views = self.head.chunks.views();
        let mut ahead = Ahead::new(rows);
        let shard_of = |row: &Row| guards[row.shard as usize].as_deref().expect("locked above");
        for (index, row) in rows.iter().enumerate() {
            if index % GROUP == 0 {
                let access = &self.access;
                ahead.ask(
                    |row| ask_state(shard_of(row), row.slot),
                    |row| access.ask_chunks(shard_of(row), row, &views),
                );
            }
            let shard = shard_of(row);
            if self.left == 0 || shard.cold[row.slot].number != row.number {
                continue;
            }
            if self.access.push(shard, row.slot, &views, out)? {
                let keys = &self.found.keys[row.begin as usize..(row.begin + row.len) as usize];
                out.finish_series_of(keys.iter().map(|&key| self.found.distinct[key as usize]));
                self.left -= 1;
            }
        }
        Ok(())
    }
}

/// How the chunks of a series are read.
struct Access {
    range: TimeRange,
    in_order: TimeRange,
    part: Part,
    /// The chunks of a series that are to be merged.
    scratch: SeriesBatch,
    watermark: u64,
    is_newest_only: bool,
    is_labels_only: bool,
    tombstones: Arc<Tombstones>,
    bytes: Vec<u8>,
    samples: SampleColumns,
}

impl Access {
    /// Asks for the chunks of a series.
    fn ask_chunks(&self, shard: &Shard, row: &Row, views: &Views) {
        // A series that is gone has nothing.
        let is_gone = shard.cold[row.slot].number != row.number;
        if is_gone || self.is_labels_only || self.is_newest_only {
            return;
        }
        prefetch_all(shard.open_bytes(row.slot));
        for chunk in shard.full_chunks(row.slot).iter().filter(|chunk| self.touches(chunk.meta())) {
            if let Place::Disk(place) = chunk.place() {
                begin_of(views, place).into_iter().for_each(prefetch_all);
            }
        }
    }

    /// Pushes what is wanted of a series; `false` if it has nothing in the range.
    fn push(
        &mut self,
        shard: &Shard,
        slot: u32,
        views: &Views,
        out: &mut SeriesBatch,
    ) -> Result<bool> {
        let ooo = shard.ooo.get(&slot).filter(|ooo| ooo.touches(self.range));
        let Some(ooo) = ooo.filter(|_| self.part != Part::InOrder) else {
            return match self.part {
                Part::OutOfOrder(_) => Ok(false),
                _ => self.push_in_order(shard, slot, self.is_newest_only, views, out),
            };
        };
        if self.is_labels_only {
            return Ok(true);
        }
        let mut all = std::mem::take(&mut self.scratch);
        all.clear();
        if self.part == Part::All {
            self.push_in_order(shard, slot, false, views, &mut all)?;
        }
        let range = self.range;
        let touches =
            |chunk: &FullChunk| TimeRange::new(chunk.min_ms, chunk.max_ms).overlaps(range);
        for chunk in ooo.chunks.iter().filter(|chunk| touches(chunk)) {
            let is_wanted = match self.part {
                Part::OutOfOrder(last) => chunk.is_upto(last),
                _ => true,
            };
            if is_wanted {
                self.push_full(shard, *chunk, None, views, &mut all)?;
            }
        }
        if self.part == Part::All {
            push_open(ooo, &mut all);
        }
        all.finish_series(&[]);
        push_merged(&all, out)?;
        self.scratch = all;
        self.push_deleted(shard, slot, out);
        Ok(out.has_pending_chunks())
    }

    /// Pushes what is deleted of a series that has chunks in `out`; without any the next series would get it.
    fn push_deleted(&self, shard: &Shard, slot: u32, out: &mut SeriesBatch) {
        if self.tombstones.is_empty() || !out.has_pending_chunks() {
            return;
        }
        let deleted = self.tombstones.of(shard.cold[slot].number).iter();
        for range in deleted.filter(|range| range.overlaps(self.range)) {
            out.push_deleted(*range);
        }
    }

    /// Pushes the chunks of a series that are visible and touch the range; `false` if it has none.
    fn push_in_order(
        &mut self,
        shard: &Shard,
        slot: u32,
        is_newest_only: bool,
        views: &Views,
        out: &mut SeriesBatch,
    ) -> Result<bool> {
        // The newest sample may be a deleted one, so all chunks are needed to find the one that counts.
        let has_deleted = || !self.tombstones.of(shard.cold[slot].number).is_empty();
        let is_newest_only = is_newest_only && (self.tombstones.is_empty() || !has_deleted());
        let hot = &shard.hot[slot];
        let hidden = shard.num_hidden(slot, self.watermark);
        if is_newest_only
            && hidden == 0
            && hot.has_open()
            && self.in_order.contains(hot.open.last_ms())
            && !self.is_labels_only
        {
            push_raw(hot.open.last_ms(), hot.last_value(), shard.starts(slot).last_ms(), out);
            return Ok(true);
        }
        let num_open =
            if shard.has_open(slot) { u64::from(shard.open_meta(slot).num_samples) } else { 0 };
        let full = shard.full_chunks(slot);
        let (end, partial) = visible(full, hidden.saturating_sub(num_open));
        let mut open = None;
        if hidden < num_open {
            let meta = shard.open_meta(slot);
            let meta = ChunkMeta { num_samples: meta.num_samples - hidden as u32, ..meta };
            if hidden == 0 {
                open = Some(meta);
            } else if meta.min_ms <= self.in_order.max_ms {
                self.bytes.clear();
                self.bytes.extend_from_slice(shard.open_bytes(slot));
                meta.encoding.set_num_samples(&mut self.bytes, meta.num_samples as u16);
                open = Some(self.cut_short(meta)?);
            }
        }
        let open = open.filter(|meta| self.touches(*meta));
        let mut found = open.is_some();
        if !(found && is_newest_only) {
            for (index, chunk) in full[..end].iter().enumerate() {
                if !self.touches(chunk.meta()) {
                    continue;
                }
                let is_newest =
                    full[..end].get(index + 1).is_none_or(|next| !self.touches(next.meta()));
                if is_newest_only && !is_newest {
                    continue;
                }
                found = true;
                if !self.is_labels_only {
                    let num_samples = partial.filter(|_| index + 1 == end);
                    self.push_full(shard, *chunk, num_samples, views, out)?;
                }
            }
        }
        if let Some(meta) = open
            && !self.is_labels_only
        {
            let bytes = if hidden == 0 { shard.open_bytes(slot) } else { &self.bytes };
            let copy = out.push_copied(meta, bytes);
            meta.encoding.set_num_samples(copy, meta.num_samples as u16);
        }
        self.push_deleted(shard, slot, out);
        Ok(if self.is_labels_only { found } else { out.has_pending_chunks() })
    }

    fn touches(&self, meta: ChunkMeta) -> bool {
        TimeRange::new(meta.min_ms, meta.max_ms).overlaps(self.in_order)
    }

    /// The chunk in `bytes` when only its first samples are visible: its end has to be decoded.
    fn cut_short(&mut self, meta: ChunkMeta) -> Result<ChunkMeta> {
        self.samples.clear();
        chunk::decode(meta, &self.bytes, &mut self.samples).map_err(|error| corrupt(&error))?;
        let float = self.samples.timestamps_ms.last();
        let newest = float.max(self.samples.histograms.timestamps_ms().last());
        let max_ms = newest.copied().unwrap_or(meta.min_ms);
        Ok(ChunkMeta { max_ms, ..meta })
    }

    fn push_full(
        &mut self,
        shard: &Shard,
        chunk: FullChunk,
        num_samples: Option<u32>,
        views: &Views,
        out: &mut SeriesBatch,
    ) -> Result<()> {
        let meta = chunk.meta();
        let (bytes, begin, end) = match chunk.place() {
            Place::Memory(buffer, len) => {
                let data = &shard.buffers.get(buffer)[..len];
                return self.push_bytes(meta, num_samples, data, out);
            }
            Place::Disk(place) => locate(views, place).ok_or_else(|| Error::Corrupt {
                place: format!("chunks_head/{:06} at {}", place >> 32, place & 0xFFFF_FFFF).into(),
                what: "the chunk does not fit its file: restart to rebuild it from the log".into(),
            })?,
        };
        if num_samples.is_some() {
            return self.push_bytes(meta, num_samples, &bytes[begin..end], out);
        }
        let pin = out.pin(bytes);
        out.push_pinned(meta, pin, begin, end - begin);
        Ok(())
    }

    fn push_bytes(
        &mut self,
        meta: ChunkMeta,
        num_samples: Option<u32>,
        data: &[u8],
        out: &mut SeriesBatch,
    ) -> Result<()> {
        let Some(num_samples) = num_samples else {
            out.push_copied(meta, data);
            return Ok(());
        };
        // The buffer holds the open chunk only when that is visible, and then nothing of a full chunk is hidden.
        self.bytes.clear();
        self.bytes.extend_from_slice(data);
        meta.encoding.set_num_samples(&mut self.bytes, num_samples as u16);
        let meta = self.cut_short(ChunkMeta { num_samples, ..meta })?;
        if self.touches(meta) {
            out.push_copied(meta, &self.bytes);
        }
        Ok(())
    }
}

/// How many full chunks are visible if the newest `hidden` samples are not, and how many samples of the last of them
/// if not all.
fn visible(full: &[FullChunk], mut hidden: u64) -> (usize, Option<u32>) {
    let mut end = full.len();
    while hidden > 0 && end > 0 {
        let num_samples = u64::from(full[end - 1].num_samples);
        if hidden < num_samples {
            return (end, Some((num_samples - hidden) as u32));
        }
        hidden -= num_samples;
        end -= 1;
    }
    (end, None)
}

pub(super) fn corrupt(error: &chunk::DecodeError) -> Error {
    Error::Corrupt { place: "chunk of the head".into(), what: error.to_string().into() }
}

/// Adds one sample; a start of zero is not known.
fn push_raw(timestamp_ms: i64, value: f64, start_ms: i64, out: &mut SeriesBatch) {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&timestamp_ms.to_le_bytes());
    bytes[8..16].copy_from_slice(&value.to_le_bytes());
    bytes[16..].copy_from_slice(&start_ms.to_le_bytes());
    let len = if start_ms == 0 { 16 } else { 24 };
    let meta = ChunkMeta {
        min_ms: timestamp_ms,
        max_ms: timestamp_ms,
        num_samples: 1,
        encoding: Encoding::Raw,
    };
    out.push_copied(meta, &bytes[..len]);
}
