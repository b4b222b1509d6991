//! Floats of a shard: the open chunk of each series that has one, its bytes in the slab of the shard. Appending, cutting,
//! encoding; when a chunk ends is in `chunk::append`.

use super::ahead::{Ahead, GROUP, ask_state};
use super::ooo::Late;
use super::series::{FullChunk, Hot, OpenFloats, Place, When};
use super::shard::{Commit, Shard, Tally};
use super::slab::ByteSlab;
use chunk::append::{MAX_FLOAT_CHUNK_BYTES, OpenChunk};
use chunk::prefetch::prefetch;
use chunk::xor::XorPiece;
use chunk::{Encoding, Starts, xor2};
use model::is_stale_nan;

/// Where a sample goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    InOrder,
    OutOfOrder,
    None,
}

impl Shard {
    /// Hands rows to `append` group by group; what appending to their series reads and writes is asked for ahead of time.
    #[inline]
    pub(super) fn append_in_groups<R>(
        &mut self,
        rows: &[R],
        slot_of: impl Fn(&R) -> u32,
        mut append: impl FnMut(&mut Self, &[R]),
    ) {
        let mut ahead = Ahead::new(rows);
        for group in rows.chunks(GROUP) {
            let ask_end = |row: &R| {
                if let Some(byte) = end_of_chunk(&self.hot[slot_of(row)], &self.buffers) {
                    prefetch(byte);
                }
            };
            ahead.ask(|row| ask_state(self, slot_of(row)), ask_end);
            append(self, group);
        }
    }

    /// Applies one sample of a commit; returns it if it came out of order and has to be taken by `ooo`.
    #[inline]
    pub(super) fn append(
        &mut self,
        slot: u32,
        when: When,
        value: f64,
        commit: &Commit,
        tally: &mut Tally,
    ) -> Option<Late> {
        let timestamp_ms = when.timestamp_ms;
        let hot = &mut self.hot[slot];
        hot.unstage();
        let num_samples = u32::from(hot.open.num_samples());
        // Nearly every sample joins an open chunk that is neither full nor at the point where its end is predicted.
        let is_plain = num_samples > 0
            && timestamp_ms > hot.open.last_ms()
            && timestamp_ms >= commit.min_valid_ms
            && timestamp_ms < hot.next_at_ms
            && num_samples < 2 * commit.rule.samples_per_chunk
            && num_samples != commit.rule.samples_per_chunk / 4
            && hot.open.len_bytes() <= MAX_FLOAT_CHUNK_BYTES
            && !commit.ends(hot.encoding);
        if !is_plain {
            if is_stale_nan(value)
                && let Some(marker) = self.stale_marker(slot)
            {
                // Counted off there.
                self.hot[slot].stage();
                let is_late = self.append_histogram(slot, when, &marker, commit, tally);
                return is_late.then(|| Late::histogram(marker, when.start_ms));
            }
            match self.make_way(slot, timestamp_ms, value, commit, tally) {
                Way::InOrder => {}
                Way::OutOfOrder => {
                    // Until it is inserted.
                    self.hot[slot].stage();
                    return Some(Late::float(value, when.start_ms));
                }
                Way::None => return None,
            }
        }
        if self.hot[slot].epoch != commit.epoch {
            self.enter_epoch(slot, commit);
        }
        self.put(slot, when, value, tally);
        None
    }

    /// Encodes a sample that passed all checks.
    #[inline]
    fn put(&mut self, slot: u32, when: When, value: f64, tally: &mut Tally) {
        if self.hot[slot].encoding == Encoding::Xor2 {
            return self.put_xor2(slot, when, value, tally);
        }
        let hot = &mut self.hot[slot];
        let was_stale = hot.is_stale();
        let piece = hot.open.encode(when.timestamp_ms, value, hot.last_byte as u8);
        store(hot, &mut self.buffers, &piece);
        hot.tail = hot.tail.saturating_add(1);
        tally.take(when.timestamp_ms, value, was_stale);
    }

    fn put_xor2(&mut self, slot: u32, when: When, value: f64, tally: &mut Tally) {
        let before = self.starts(slot);
        let hot = &mut self.hot[slot];
        let was_stale = hot.is_stale();
        let mut starts = before;
        let piece = hot.encode_xor2(&mut starts, when, value);
        store(hot, &mut self.buffers, &piece);
        self.buffers.get_mut(hot.buffer)[xor2::HEADER_BYTES - 1] = starts.header();
        hot.tail = hot.tail.saturating_add(1);
        tally.take(when.timestamp_ms, value, was_stale);
        if starts != before {
            self.set_starts(slot, starts);
        }
    }

    /// Checks a sample and cuts the open chunk where it ends.
    #[cold]
    fn make_way(
        &mut self,
        slot: u32,
        timestamp_ms: i64,
        value: f64,
        commit: &Commit,
        tally: &mut Tally,
    ) -> Way {
        let has_open = self.has_open(slot);
        match self.check_float(slot, timestamp_ms, value, commit.min_valid_ms) {
            Ok(()) if has_open && timestamp_ms == self.open_last_ms(slot) => return Way::None,
            Ok(()) => {}
            Err(reason) => {
                let is_late = commit.is_late(timestamp_ms, reason, tally);
                return if is_late { Way::OutOfOrder } else { Way::None };
            }
        }
        if !has_open {
            if self.full_chunks(slot).last().is_some_and(|last| timestamp_ms <= last.max_ms) {
                tally.out_of_order += 1;
                return Way::None;
            }
            self.begin_chunk(slot, timestamp_ms, commit, tally);
        } else if self.native(slot).is_some() {
            tally.newly_stale -= i64::from(self.end_native(slot));
            self.begin_chunk(slot, timestamp_ms, commit, tally);
        } else if self.is_chunk_over(slot, timestamp_ms, commit) {
            self.seal(slot);
            self.begin_chunk(slot, timestamp_ms, commit, tally);
        }
        Way::InOrder
    }

    fn is_chunk_over(&mut self, slot: u32, timestamp_ms: i64, commit: &Commit) -> bool {
        if commit.ends(self.hot[slot].encoding) {
            return true;
        }
        let rule = commit.rule;
        let open = &self.hot[slot].open;
        let num_samples = u32::from(open.num_samples());
        let (max_ms, len_bytes) = (open.last_ms(), open.len_bytes());
        // The rule looks at the first timestamp only where it predicts; elsewhere it is not worth a cache line.
        let min_ms =
            if num_samples == rule.samples_per_chunk / 4 { self.open_min_ms(slot) } else { 0 };
        let open = OpenChunk { min_ms, max_ms, num_samples, len_bytes };
        rule.must_cut(open, &mut self.hot[slot].next_at_ms, timestamp_ms)
    }

    fn begin_chunk(&mut self, slot: u32, timestamp_ms: i64, commit: &Commit, tally: &mut Tally) {
        let was_stale = self.hot[slot].is_stale();
        let next_at_ms = commit.rule.range_end_ms(timestamp_ms);
        self.hot[slot].begin(commit.encodings.floats(), next_at_ms);
        // The fresh state has forgotten the value that `put` compares with.
        tally.newly_stale -= i64::from(was_stale);
        tally.chunks_created += 1;
        self.num_chunks += 1;
    }

    /// Ends the open chunk: it joins the full ones and waits in its buffer to be mapped.
    pub(super) fn seal(&mut self, slot: u32) {
        let meta = self.open_meta(slot);
        let hot = &self.hot[slot];
        let (buffer, len) = (hot.buffer, hot.open.len_bytes());
        let num_samples = hot.open.num_samples();
        hot.encoding.set_num_samples(self.buffers.get_mut(buffer), num_samples);
        self.forget_starts(slot);
        self.push_full(slot, FullChunk::new(meta, Place::Memory(buffer, len)));
        if self.sealed.last() != Some(&slot) {
            self.sealed.push(slot);
        }
    }

    /// Puts back an open chunk of floats.
    pub(super) fn restore_open(
        &mut self,
        slot: u32,
        state: OpenFloats,
        data: &[u8],
        next_at_ms: i64,
    ) {
        let OpenFloats { open, is_marked_stale, starts, encoding } = state;
        let buffer = self.buffers.alloc(data.len());
        self.buffers.get_mut(buffer)[..data.len()].copy_from_slice(data);
        let last_byte = data.last().copied().map_or(0, u32::from);
        self.hot[slot] =
            Hot { open, buffer, next_at_ms, last_byte, encoding, is_marked_stale, ..Hot::EMPTY };
        self.set_starts(slot, starts);
        self.num_chunks += 1;
    }

    /// What is known of start timestamps in the open chunk of floats.
    #[inline]
    pub(super) fn starts(&self, slot: u32) -> Starts {
        if self.starts.is_empty() {
            return Starts::new();
        }
        self.starts.get(&slot).copied().unwrap_or_default()
    }

    #[inline]
    fn set_starts(&mut self, slot: u32, starts: Starts) {
        if starts != Starts::new() {
            self.starts.insert(slot, starts);
        }
    }

    /// To be called when the open chunk of floats ends.
    pub(super) fn forget_starts(&mut self, slot: u32) {
        if !self.starts.is_empty() {
            self.starts.remove(&slot);
        }
    }
}

/// A byte from where the next sample is written to.
#[inline]
fn end_of_chunk<'b>(hot: &Hot, buffers: &'b ByteSlab) -> Option<&'b u8> {
    if hot.has_open() { buffers.get(hot.buffer).get(hot.open.len_bytes() - 1) } else { None }
}

/// Brings the bytes of the sample that was just encoded into the buffer of the open chunk, which grows if need be.
#[inline]
fn store(hot: &mut Hot, buffers: &mut ByteSlab, piece: &XorPiece) {
    let end = piece.at + piece.len;
    if hot.open.num_samples() == 1 {
        hot.buffer = buffers.alloc(end);
    } else if buffers.len_bytes(hot.buffer) < end {
        // Of the byte at `at` the piece has all bits.
        hot.buffer = buffers.grow(hot.buffer, piece.at, end);
    }
    hot.last_byte = u32::from(piece.bytes[piece.len - 1]);
    let bytes = buffers.get_mut(hot.buffer);
    if let Some(room) = bytes[piece.at..].first_chunk_mut() {
        *room = piece.bytes;
    } else {
        bytes[piece.at..end].copy_from_slice(&piece.bytes[..piece.len]);
    }
}

#[cfg(test)]
mod tests;
