//! One shard of the head: its series, their labels and their chunks, behind one lock. Finding, creating, what is known
//! of chunks; appending is in `floats` and `native`, selecting in `select`, reading in `read`, dropping in `gc`.

use super::dictionary::{Dictionary, LabelHash, PairId};
use super::label_sets::{LabelSets, Pairs};
use super::native::{Native, Natives};
use super::ooo::Ooo;
use super::series::{Cold, FullChunk, Hot, OooFloor, Place};
use super::slab::{ByteSlab, Paged};
use crate::postings::AnswerCache;
use chunk::append::{CutRule, Encodings};
use chunk::{ChunkMeta, Encoding, Starts};
use hashbrown::HashTable;
use model::hash::HashMap;
use model::{METRIC_NAME, TimeRange, is_stale_nan};
use storage::RejectReason;

/// Both hashes of a label set; together they stand for its text, and choose its shard.
pub(super) type LabelsId = LabelHash;

/// Samples of one epoch that were followed by samples of a later one while a reader may see neither.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    epoch: u64,
    len: u32,
}

/// What a commit brings to every sample it applies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commit {
    /// When chunks are cut.
    pub(super) rule: CutRule,
    /// Which encodings chunks get.
    pub(super) encodings: Encodings,
    /// Chunks of floats that have another encoding end; else they are continued as they are.
    pub(super) is_strict: bool,
    /// Samples before this are refused.
    pub(super) min_valid_ms: i64,
    /// Samples that are not in order are taken from here on.
    pub(super) ooo_floor: OooFloor,
    /// The epoch that the samples become visible with.
    pub(super) epoch: u64,
    /// The oldest epoch that an open reader stopped at; all ones if there are no readers.
    pub(super) oldest_reader: u64,
}

impl Commit {
    /// Whether an open chunk of floats in this encoding has to end.
    #[inline]
    pub(super) fn ends(&self, encoding: Encoding) -> bool {
        self.is_strict && encoding != self.encodings.floats()
    }

    /// Whether a sample that was refused is taken out of order; counts it if not.
    pub(super) fn is_late(
        &self,
        timestamp_ms: i64,
        reason: RejectReason,
        tally: &mut Tally,
    ) -> bool {
        match self.ooo_floor.judge(timestamp_ms, reason) {
            Ok(()) => return true,
            Err(RejectReason::OutOfBounds) => tally.out_of_bounds += 1,
            Err(RejectReason::OutOfOrder) => tally.out_of_order += 1,
            Err(RejectReason::TooOld) => tally.too_old += 1,
            Err(_) => {}
        }
        false
    }
}

/// What became of the samples of a commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    /// Float samples that were stored.
    pub(super) appended: u64,
    /// Native histograms that were stored.
    pub(super) histograms: u64,
    /// Refused at commit: older than the series by now.
    pub(super) out_of_order: u64,
    /// Refused at commit: before the bounds.
    pub(super) out_of_bounds: u64,
    /// Refused at commit: before the window of samples that come out of order.
    pub(super) too_old: u64,
    /// Chunks that were begun.
    pub(super) chunks_created: u64,
    /// Series that went stale, less those that came back.
    pub(super) newly_stale: i64,
    /// Timestamp of the earliest stored sample.
    pub(super) min_ms: i64,
    /// Timestamp of the latest stored sample.
    pub(super) max_ms: i64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            appended: 0,
            histograms: 0,
            out_of_order: 0,
            out_of_bounds: 0,
            too_old: 0,
            chunks_created: 0,
            newly_stale: 0,
            min_ms: i64::MAX,
            max_ms: i64::MIN,
        }
    }
}

impl Tally {
    /// Counts a float that was stored.
    #[inline]
    pub(super) fn take(&mut self, timestamp_ms: i64, value: f64, was_stale: bool) {
        self.newly_stale += i64::from(is_stale_nan(value)) - i64::from(was_stale);
        self.appended += 1;
        self.min_ms = self.min_ms.min(timestamp_ms);
        self.max_ms = self.max_ms.max(timestamp_ms);
    }

    /// Adds up the counts of two shards.
    pub(super) fn merge(&mut self, other: &Self) {
        self.appended += other.appended;
        self.histograms += other.histograms;
        self.out_of_order += other.out_of_order;
        self.out_of_bounds += other.out_of_bounds;
        self.too_old += other.too_old;
        self.chunks_created += other.chunks_created;
        self.newly_stale += other.newly_stale;
        self.min_ms = self.min_ms.min(other.min_ms);
        self.max_ms = self.max_ms.max(other.max_ms);
    }
}

/// A part of the series, chosen by their label hash.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) hot: Paged<Hot>,
    pub(super) cold: Paged<Cold>,
    /// Slots without series, greatest first.
    pub(super) free: Vec<u32>,
    pub(super) table: HashTable<u32>,
    pub(super) labels: Dictionary,
    pub(super) sets: LabelSets,
    pub(super) buffers: ByteSlab,
    /// Lists of full chunks; the first stays empty, it stands for no chunks.
    pub(super) full: Vec<Vec<FullChunk>>,
    pub(super) free_full: Vec<u32>,
    /// What came out of order, of the series that have any.
    pub(super) ooo: HashMap<u32, Ooo>,
    /// Where blocks have what came too late for its series to take it in order although it was newer than all there was:
    /// the log has it among what came in order, and the next replay will not know.
    pub(super) echoes: HashMap<u32, TimeRange>,
    /// Series with full chunks that still lie in buffers.
    pub(super) sealed: Vec<u32>,
    /// Open histogram chunks, of the series whose open chunk is one.
    pub(super) natives: Natives,
    /// What is known of start timestamps in open chunks of floats, of those that have any.
    pub(super) starts: HashMap<u32, Starts>,
    groups: HashMap<u32, Vec<Group>>,
    newest_group: u64,
    /// Number of chunks, open and full.
    pub(super) num_chunks: usize,
    /// Counts up when slots or label pairs are freed: whatever was looked up before without a lock must be checked
    /// again.
    pub(super) generation: u64,
    /// What patterns were found to match, by the places of values in their lists, in the current generation.
    pub(super) answers: AnswerCache,
}

impl Shard {
    /// The slot of a label set.
    pub(super) fn find(&self, id: LabelsId) -> Option<u32> {
        let found = self.table.find(id.hash, |&slot| {
            let cold = &self.cold[slot];
            cold.hash == id.hash && cold.print == id.stored_print()
        });
        found.copied()
    }

    /// A new series with these labels, which no series here has yet.
    pub(super) fn create(
        &mut self,
        number: u64,
        id: LabelsId,
        labels: &[(&str, &str)],
        hashes: &[LabelHash],
        scratch: &mut Vec<PairId>,
    ) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.cold.push(Cold::FREE);
            self.hot.push(Hot::EMPTY)
        });
        scratch.clear();
        let hashed = labels.iter().zip(hashes);
        scratch
            .extend(hashed.map(|((name, value), &hash)| self.labels.add(name, value, hash, slot)));
        let name_at = labels.iter().take_while(|(name, _)| *name < METRIC_NAME).count();
        let has_name = labels.get(name_at).is_some_and(|(name, _)| *name == METRIC_NAME);
        self.hot[slot] = Hot::EMPTY;
        self.cold[slot] = Cold {
            number,
            hash: id.hash,
            print: id.stored_print(),
            labels: self.sets.insert(scratch, name_at, has_name),
            full: 0,
        };
        let cold = &self.cold;
        self.table.insert_unique(id.hash, slot, |&slot| cold[slot].hash);
        slot
    }

    /// Number of series.
    pub(super) fn num_series(&self) -> usize {
        self.table.len()
    }

    /// The labels of a series, sorted by name; none in a slot without series.
    #[inline]
    pub(super) fn pairs(&self, slot: u32) -> Pairs<'_> {
        self.sets.get(self.cold[slot].labels)
    }

    /// The full chunks of a series, in time order.
    pub(super) fn full_chunks(&self, slot: u32) -> &[FullChunk] {
        self.full.get(self.cold[slot].full as usize).map_or(&[], Vec::as_slice)
    }

    /// The bytes of an open chunk, without a count in front that could be relied on.
    #[inline]
    pub(super) fn open_bytes(&self, slot: u32) -> &[u8] {
        if let Some(native) = self.native(slot) {
            return native.bytes();
        }
        let hot = &self.hot[slot];
        if hot.has_open() { &self.buffers.get(hot.buffer)[..hot.open.len_bytes()] } else { &[] }
    }

    /// Predicted end of the open chunk.
    pub(super) fn next_cut_ms(&self, slot: u32) -> i64 {
        self.native(slot).map_or(self.hot[slot].next_at_ms, Native::next_at_ms)
    }

    /// Adds a full chunk that was read back.
    pub(super) fn restore_full(&mut self, slot: u32, meta: ChunkMeta, data: &[u8]) {
        let buffer = self.buffers.alloc(data.len());
        self.buffers.get_mut(buffer)[..data.len()].copy_from_slice(data);
        self.push_full(slot, FullChunk::new(meta, Place::Memory(buffer, data.len())));
        self.sealed.push(slot);
        self.num_chunks += 1;
    }

    /// Timestamp of the first sample of the open chunk.
    pub(super) fn open_min_ms(&self, slot: u32) -> i64 {
        match self.native(slot) {
            Some(native) => native.meta().min_ms,
            None => {
                let bytes = self.open_bytes(slot);
                self.hot[slot].encoding.first_ms(bytes).expect("our own chunk")
            }
        }
    }

    /// What is known of the open chunk, which there must be.
    pub(super) fn open_meta(&self, slot: u32) -> ChunkMeta {
        if let Some(native) = self.native(slot) {
            return native.meta();
        }
        let hot = &self.hot[slot];
        ChunkMeta {
            min_ms: self.open_min_ms(slot),
            max_ms: hot.open.last_ms(),
            num_samples: u32::from(hot.open.num_samples()),
            encoding: hot.encoding,
        }
    }

    /// Adds a full chunk behind those of a series.
    pub(super) fn push_full(&mut self, slot: u32, chunk: FullChunk) {
        let list = self.full_list(slot);
        if list.len() == list.capacity() {
            // Doubling would leave half of the memory idle in series that live long.
            list.reserve_exact(2);
        }
        list.push(chunk);
    }

    /// Adds all full chunks of a series that has none, from a start.
    pub(super) fn push_all_full(
        &mut self,
        slot: u32,
        chunks: impl ExactSizeIterator<Item = FullChunk>,
    ) {
        self.num_chunks += chunks.len();
        let list = self.full_list(slot);
        list.reserve_exact(chunks.len());
        list.extend(chunks);
    }

    /// The list of full chunks of a series, from now on its own.
    fn full_list(&mut self, slot: u32) -> &mut Vec<FullChunk> {
        if self.cold[slot].full == 0 {
            self.cold[slot].full = self.free_full.pop().unwrap_or_else(|| {
                if self.full.is_empty() {
                    self.full.push(Vec::new());
                }
                self.full.push(Vec::new());
                u32::try_from(self.full.len() - 1).expect("under 2^32 series")
            });
        }
        &mut self.full[self.cold[slot].full as usize]
    }

    /// Remembers how many samples came before `commit.epoch` as long as some reader may see fewer still.
    pub(super) fn enter_epoch(&mut self, slot: u32, commit: &Commit) {
        let hot = &mut self.hot[slot];
        if hot.tail > 0 && hot.epoch > commit.oldest_reader {
            let group = Group { epoch: hot.epoch, len: hot.tail };
            self.groups.entry(slot).or_default().push(group);
            self.newest_group = self.newest_group.max(group.epoch);
        }
        hot.epoch = commit.epoch;
        hot.tail = 0;
    }

    /// Forgets groups that every open reader may see.
    pub(super) fn drop_groups(&mut self, oldest_reader: u64) {
        if !self.groups.is_empty() && self.newest_group <= oldest_reader {
            self.groups.clear();
        }
    }

    /// Forgets the groups of a slot that is freed, and what came out of order.
    pub(super) fn forget_groups(&mut self, slot: u32) {
        self.ooo.remove(&slot);
        self.echoes.remove(&slot);
        self.groups.remove(&slot);
    }

    /// How many of the newest samples of a series a reader with this watermark must not see.
    #[inline]
    pub(super) fn num_hidden(&self, slot: u32, watermark: u64) -> u64 {
        let hot = &self.hot[slot];
        if hot.epoch <= watermark {
            return 0;
        }
        let older = self.groups.get(&slot).map_or(&[][..], Vec::as_slice);
        let older = older.iter().filter(|group| group.epoch > watermark);
        u64::from(hot.tail) + older.map(|group| u64::from(group.len)).sum::<u64>()
    }
}
