//! Native histograms of a shard: the open chunk of each series that has one, beside the floats. A series has one open
//! chunk at most, of either kind; full ones of both kinds are in one list. Out of order they are not taken.

use super::series::{FullChunk, Hot, Place, When};
use super::shard::{Commit, Shard, Tally};
use super::slab::Buffer;
use chunk::append::{CutRule, end_time};
use chunk::histogram::{HistogramChunk, Join};
use chunk::xor::XorAppender;
use chunk::{ChunkMeta, Encoding};
use model::histogram::{FloatHistogram, Histogram, IntHistogram};
use model::is_stale_nan;
use storage::RejectReason;

/// How many bytes a histogram chunk should get.
pub(super) const TARGET_BYTES: usize = 1024;
/// How many samples a histogram chunk gets even where that is more.
const MIN_SAMPLES: u16 = 10;

/// The open histogram chunk of a series.
#[derive(Debug)]
pub(super) struct Native {
    open: HistogramChunk,
    /// Predicted end of the chunk.
    next_at_ms: i64,
    is_predicted: bool,
}

impl Native {
    fn new(open: HistogramChunk, rule: CutRule) -> Self {
        let next_at_ms = rule.range_end_ms(open.min_ms());
        Self { open, next_at_ms, is_predicted: false }
    }

    /// What is known of the chunk.
    pub(super) fn meta(&self) -> ChunkMeta {
        self.open.meta()
    }

    /// The bytes of the chunk.
    pub(super) fn bytes(&self) -> &[u8] {
        self.open.bytes()
    }

    /// Whether the newest sample is a staleness marker.
    pub(super) fn is_stale(&self) -> bool {
        self.open.is_stale()
    }

    /// The staleness marker that continues this chunk.
    fn stale_marker(&self) -> Histogram {
        stale_marker(self.open.meta().encoding).expect("a chunk of histograms")
    }

    /// An open chunk that was read back.
    pub(super) fn resumed(open: HistogramChunk, next_at_ms: i64) -> Self {
        // Whether the end was predicted follows from the length: the prediction is made once, at a quarter.
        let is_predicted = open.bytes().len() >= TARGET_BYTES / 4;
        Self { open, next_at_ms, is_predicted }
    }

    /// Predicted end of the chunk.
    pub(super) fn next_at_ms(&self) -> i64 {
        self.next_at_ms
    }

    /// Whether the chunk is full before a sample at `timestamp_ms`.
    fn must_cut(&mut self, timestamp_ms: i64, rule: CutRule) -> bool {
        let (num_bytes, min_ms) = (self.open.bytes().len(), self.open.min_ms());
        if !self.is_predicted && num_bytes >= TARGET_BYTES / 4 {
            let ratio = TARGET_BYTES as f64 / num_bytes as f64;
            self.next_at_ms = end_time(min_ms, self.open.last_ms(), self.next_at_ms, ratio);
            self.is_predicted = true;
        }
        let is_full = timestamp_ms >= self.next_at_ms || num_bytes >= 2 * TARGET_BYTES;
        let may_end =
            self.open.num_samples() >= MIN_SAMPLES || timestamp_ms >= rule.range_end_ms(min_ms);
        is_full && may_end
    }
}

/// Open histogram chunks by the number that stands in place of the buffer in the hot state of their series.
#[derive(Debug, Default)]
pub(super) struct Natives {
    pages: Vec<Vec<Option<Native>>>,
    free: Vec<u32>,
}

/// Chunks of a page, so that growing moves none of them.
const PAGE: usize = 64;

impl Natives {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        let full_pages = self.pages.len().saturating_sub(1);
        full_pages * PAGE + self.pages.last().map_or(0, Vec::len) - self.free.len()
    }

    #[inline]
    fn get(&self, of: Buffer) -> Option<&Native> {
        let index = of.native()? as usize;
        self.pages[index / PAGE][index % PAGE].as_ref()
    }

    #[inline]
    fn get_mut(&mut self, of: Buffer) -> Option<&mut Native> {
        let index = of.native()? as usize;
        self.pages[index / PAGE][index % PAGE].as_mut()
    }

    fn insert(&mut self, native: Native) -> Buffer {
        if let Some(index) = self.free.pop() {
            self.pages[index as usize / PAGE][index as usize % PAGE] = Some(native);
            return Buffer::of_native(index);
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let begin = (self.pages.len() - 1) * PAGE;
        let page = self.pages.last_mut().expect("pushed if there was none");
        page.push(Some(native));
        Buffer::of_native((begin + page.len() - 1) as u32)
    }

    fn remove(&mut self, of: Buffer) -> Option<Native> {
        let index = of.native()?;
        let native = self.pages[index as usize / PAGE][index as usize % PAGE].take();
        self.free.push(index);
        if self.len() == 0 {
            *self = Self::default();
        }
        native
    }
}

/// The staleness marker of the kind that chunks of this encoding hold, if those are histograms.
fn stale_marker(encoding: Encoding) -> Option<Histogram> {
    let sum = model::STALE_NAN;
    match encoding {
        Encoding::Histogram | Encoding::StartedHistogram => {
            Some(Histogram::Int(IntHistogram { sum, ..IntHistogram::default() }))
        }
        Encoding::FloatHistogram | Encoding::StartedFloatHistogram => {
            Some(Histogram::Float(FloatHistogram { sum, ..FloatHistogram::default() }))
        }
        _ => None,
    }
}

/// Whether writing `new` over `old` changes nothing.
fn repeats(old: &Histogram, new: &Histogram) -> bool {
    if is_stale_nan(old.sum()) || is_stale_nan(new.sum()) {
        return old.sum().to_bits() == new.sum().to_bits();
    }
    matches!(old, Histogram::Int(_)) == matches!(new, Histogram::Int(_))
        && old.to_float().view().equals(new.to_float().view())
}

impl Shard {
    /// The open histogram chunk of a series, if that is the kind of its open chunk.
    #[inline]
    pub(super) fn native(&self, slot: u32) -> Option<&Native> {
        self.natives.get(self.hot[slot].buffer)
    }

    /// Whether a series has an open chunk of either kind.
    #[inline]
    pub(super) fn has_open(&self, slot: u32) -> bool {
        self.hot[slot].has_open() || self.native(slot).is_some()
    }

    /// Timestamp of the newest sample of the open chunk, which there must be.
    #[inline]
    pub(super) fn open_last_ms(&self, slot: u32) -> i64 {
        match self.native(slot) {
            Some(native) => native.open.last_ms(),
            None => self.hot[slot].open.last_ms(),
        }
    }

    /// Whether a float sample may be taken; one that repeats the newest sample bit by bit may.
    #[inline]
    pub(super) fn check_float(
        &self,
        slot: u32,
        timestamp_ms: i64,
        value: f64,
        min_valid_ms: i64,
    ) -> Result<(), RejectReason> {
        let Some(native) = self.native(slot) else {
            let hot = &self.hot[slot];
            hot.check(timestamp_ms, value, min_valid_ms)?;
            return if hot.has_open() { Ok(()) } else { self.check_closed(slot, timestamp_ms) };
        };
        check_time(timestamp_ms, native.open.last_ms(), min_valid_ms)?;
        if timestamp_ms == native.open.last_ms() && !(is_stale_nan(value) && native.is_stale()) {
            return Err(RejectReason::DuplicateTimestamp);
        }
        Ok(())
    }

    /// Whether a series without an open chunk may get a sample: after a crash its newest samples may all be in full
    /// ones. One of the time of the newest is taken for a repetition.
    #[cold]
    fn check_closed(&self, slot: u32, timestamp_ms: i64) -> Result<(), RejectReason> {
        match self.full_chunks(slot).last() {
            Some(last) if timestamp_ms < last.max_ms => Err(RejectReason::OutOfOrder),
            _ => Ok(()),
        }
    }

    /// Whether a histogram may be taken; one that repeats the newest sample may.
    pub(super) fn check_histogram(
        &self,
        slot: u32,
        timestamp_ms: i64,
        histogram: &Histogram,
        min_valid_ms: i64,
    ) -> Result<(), RejectReason> {
        if !self.has_open(slot) {
            return if timestamp_ms < min_valid_ms {
                Err(RejectReason::OutOfBounds)
            } else {
                self.check_closed(slot, timestamp_ms)
            };
        }
        let last_ms = self.open_last_ms(slot);
        check_time(timestamp_ms, last_ms, min_valid_ms)?;
        let newest = || self.native(slot).and_then(|held| held.open.last_sample());
        let is_repeated = || newest().is_some_and(|newest| repeats(&newest, histogram));
        if timestamp_ms == last_ms && !is_repeated() {
            return Err(RejectReason::DuplicateTimestamp);
        }
        Ok(())
    }

    /// The staleness marker that ends a series of histograms, `None` where floats came last.
    #[cold]
    pub(super) fn stale_marker(&self, slot: u32) -> Option<Histogram> {
        if let Some(native) = self.native(slot) {
            return Some(native.stale_marker());
        }
        let last = self.full_chunks(slot).last().filter(|_| !self.hot[slot].has_open())?;
        stale_marker(last.encoding)
    }

    /// Applies one histogram of a commit. Answers whether it is to be taken out of order.
    #[must_use]
    pub(super) fn append_histogram(
        &mut self,
        slot: u32,
        when: When,
        histogram: &Histogram,
        commit: &Commit,
        tally: &mut Tally,
    ) -> bool {
        let timestamp_ms = when.timestamp_ms;
        self.hot[slot].unstage();
        if let Err(reason) =
            self.check_histogram(slot, timestamp_ms, histogram, commit.min_valid_ms)
        {
            let is_late = commit.is_late(timestamp_ms, reason, tally);
            if is_late {
                // Until it is inserted.
                self.hot[slot].stage();
            }
            return is_late;
        }
        let newest = if self.has_open(slot) {
            Some(self.open_last_ms(slot))
        } else {
            self.full_chunks(slot).last().map(|chunk| chunk.max_ms)
        };
        if let Some(newest) = newest.filter(|&newest| timestamp_ms <= newest) {
            tally.out_of_order += u64::from(timestamp_ms < newest || !self.has_open(slot));
            return false;
        }
        let was_stale =
            self.hot[slot].is_stale() || self.native(slot).is_some_and(Native::is_stale);
        if self.hot[slot].has_open() {
            self.seal(slot);
            self.hot[slot] = self.hot[slot].without_open();
        }
        self.push_histogram(slot, when, histogram, commit, tally);
        if self.hot[slot].epoch != commit.epoch {
            self.enter_epoch(slot, commit);
        }
        let hot = &mut self.hot[slot];
        hot.tail = hot.tail.saturating_add(1);
        let is_stale = is_stale_nan(histogram.sum());
        tally.newly_stale += i64::from(is_stale) - i64::from(was_stale);
        tally.histograms += 1;
        tally.min_ms = tally.min_ms.min(timestamp_ms);
        tally.max_ms = tally.max_ms.max(timestamp_ms);
        false
    }

    /// Adds a histogram that is newer than all samples of its series to the open chunk, or begins one.
    fn push_histogram(
        &mut self,
        slot: u32,
        when: When,
        histogram: &Histogram,
        commit: &Commit,
        tally: &mut Tally,
    ) {
        let (timestamp_ms, rule) = (when.timestamp_ms, commit.rule);
        let has_starts = commit.encodings.started_histograms;
        let starts = has_starts.then_some(when.start_ms);
        let Some(native) = self.natives.get_mut(self.hot[slot].buffer) else {
            let open = HistogramChunk::alone(timestamp_ms, starts, histogram);
            self.put_native(slot, Native::new(open, rule));
            self.begun(tally);
            return;
        };
        let is_other = native.open.has_starts() != has_starts;
        let next = if is_other || native.must_cut(timestamp_ms, rule) {
            Some(native.open.cut(timestamp_ms, starts, histogram))
        } else {
            match native.open.append(timestamp_ms, when.start_ms, histogram) {
                Join::Appended | Join::Recoded => None,
                Join::Began(next) => Some(*next),
            }
        };
        let Some(next) = next else { return };
        let full = std::mem::replace(native, Native::new(next, rule));
        self.seal_native(slot, &full);
        self.begun(tally);
    }

    /// Gives a series an open histogram chunk.
    pub(super) fn put_native(&mut self, slot: u32, native: Native) {
        drop(self.take_native(slot));
        self.hot[slot].buffer = self.natives.insert(native);
    }

    fn take_native(&mut self, slot: u32) -> Option<Native> {
        let native = self.natives.remove(self.hot[slot].buffer)?;
        self.hot[slot].buffer = Buffer::NONE;
        Some(native)
    }

    fn begun(&mut self, tally: &mut Tally) {
        tally.chunks_created += 1;
        self.num_chunks += 1;
    }

    /// Ends the open histogram chunk of a series because a float follows it; whether it was stale.
    pub(super) fn end_native(&mut self, slot: u32) -> bool {
        let Some(native) = self.take_native(slot) else { return false };
        self.seal_native(slot, &native);
        native.is_stale()
    }

    fn seal_native(&mut self, slot: u32, native: &Native) {
        let bytes = native.bytes();
        let buffer = self.buffers.alloc(bytes.len());
        self.buffers.get_mut(buffer)[..bytes.len()].copy_from_slice(bytes);
        let place = Place::Memory(buffer, bytes.len());
        self.push_full(slot, FullChunk::new(native.meta(), place));
        if self.sealed.last() != Some(&slot) {
            self.sealed.push(slot);
        }
    }

    /// Drops the open histogram chunk of a series; whether it was stale.
    pub(super) fn drop_native(&mut self, slot: u32) -> bool {
        self.take_native(slot).is_some_and(|native| native.is_stale())
    }
}

/// Whether a sample is not too early.
fn check_time(timestamp_ms: i64, last_ms: i64, min_valid_ms: i64) -> Result<(), RejectReason> {
    if timestamp_ms < min_valid_ms {
        Err(RejectReason::OutOfBounds)
    } else if timestamp_ms < last_ms {
        Err(RejectReason::OutOfOrder)
    } else {
        Ok(())
    }
}

impl Hot {
    /// Forgets the open float chunk, whose bytes are somebody else's now.
    pub(super) fn without_open(self) -> Self {
        Self { open: XorAppender::new(), buffer: Buffer::NONE, is_marked_stale: false, ..self }
    }
}
