//! Letting go of the past: chunks before a time, series without chunks, their labels. Shard by shard and slice by
//! slice, so that no writer waits long.

use super::dictionary::{PairId, shrink_table};
use super::ooo::Ooo;
use super::refs::Target;
#[cfg(test)]
use super::series::FullChunk;
use super::series::{Cold, Hot, Place};
use super::shard::Shard;
use super::slab::{Buffer, give_back, trim_end};
use super::{Head, Padded, Shared};
use crate::sync;
use metrics::Stopwatch;
use model::hash::HashSet;
use parking_lot::RwLockWriteGuard;
use std::sync::atomic::Ordering;
use storage::{Error, Result};

/// Slots or label pairs that are looked at before waiting readers and writers get their turn. Few in the tests, whose
/// heads are small.
const SLICE: usize = if cfg!(test) { 2 } else { 1024 };

/// What a collection found and did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Collected {
    /// Earliest sample that is left.
    min_ms: i64,
    /// First chunk file that is still needed.
    first_file: Option<u32>,
    pub(super) num_chunks: u64,
    num_series: u64,
    pub(super) num_stale: i64,
}

impl Collected {
    pub(super) const NOTHING: Self =
        Self { min_ms: i64::MAX, first_file: None, num_chunks: 0, num_series: 0, num_stale: 0 };
}

impl Head {
    /// Drops what is before `min_ms`: it is in a block now, which must be listed for queries before this is called.
    /// Waits for the queries that still read there. Later samples before `min_ms` are refused.
    ///
    /// On a head without samples this only sets the bound.
    pub fn truncate_before(&self, min_ms: i64) -> Result<()> {
        let head = &*self.0;
        let _alone = head.maintenance.lock();
        let is_empty = !head.is_initialized();
        if self.min_time() >= min_ms && !is_empty {
            return Ok(());
        }
        head.metrics.truncations.inc();
        head.truncating_to_ms.store(min_ms, Ordering::Release);
        head.is_truncating.store(true, Ordering::Release);
        if !is_empty {
            head.isolation.wait_for_readers(self.min_time(), min_ms - 1);
        }
        head.min_ms.store(min_ms, Ordering::Relaxed);
        head.min_valid_ms.store(min_ms, Ordering::Relaxed);
        head.max_ms.fetch_max(min_ms, Ordering::Relaxed);
        let outcome = if is_empty { Ok(()) } else { head.truncate(min_ms) };
        head.is_truncating.store(false, Ordering::Release);
        head.metrics.truncations_failed.inc_by(u64::from(outcome.is_err()));
        outcome
    }

    /// Logs series that no commit has logged yet. To be called before the log is cut for a checkpoint.
    pub fn flush_new_series(&self) -> Result<()> {
        self.0.log_new_series()
    }
}

impl Shared {
    /// Collects what is before `min_ms`, moves the bounds to what is left and deletes chunk files.
    fn truncate(&self, min_ms: i64) -> Result<()> {
        let (new_file, synced) = self.chunks.begin_file();
        let all = self.collect(min_ms);
        if all.min_ms > min_ms {
            let appendable_ms = self.appendable_min_valid_ms();
            if all.min_ms < appendable_ms {
                self.min_ms.store(all.min_ms, Ordering::Relaxed);
                self.min_valid_ms.store(all.min_ms, Ordering::Relaxed);
            } else {
                self.min_ms.store(appendable_ms, Ordering::Relaxed);
            }
        }
        let outcome = self.chunks.truncate(all.first_file, new_file).and(synced);
        outcome.map_err(|source| Error::Io { op: "end and delete head chunk files".into(), source })
    }

    /// After a replay: drops what the log repeats although blocks have it, and series without samples.
    pub(super) fn collect_replayed(&self) {
        let min_valid_ms = self.min_valid_ms.load(Ordering::Relaxed);
        if !self.is_initialized() {
            return;
        }
        // Chunks on disk may reach back behind the end of the blocks.
        self.min_ms.fetch_max(min_valid_ms, Ordering::Relaxed);
        self.collect(self.min_ms.load(Ordering::Relaxed));
    }

    fn collect(&self, min_ms: i64) -> Collected {
        let watch = Stopwatch::start();
        let mut all = Collected::NOTHING;
        let mut gone = Vec::new();
        for shard in &self.shards {
            self.collect_shard(shard, min_ms, &mut all, &mut gone);
        }
        self.metrics.chunks.add(-(all.num_chunks as f64));
        self.metrics.chunks_removed.inc_by(all.num_chunks);
        self.metrics.series.add(-(all.num_series as f64));
        self.metrics.series_removed.inc_by(all.num_series);
        self.metrics.add_stale(-all.num_stale);
        gone.sort_unstable();
        self.forget_tombstones(min_ms, &gone);
        self.forget_metadata(&gone);
        // Samples of the dropped series from the earliest time on may still be in later segments.
        let mut expired = self.expired.lock();
        expired.extend(gone.into_iter().map(|number| (number, all.min_ms)));
        drop(expired);
        self.metrics.gc_seconds.observe(watch.elapsed_seconds());
        all
    }

    fn collect_shard(
        &self,
        padded: &Padded,
        min_ms: i64,
        all: &mut Collected,
        gone: &mut Vec<u64>,
    ) {
        let mut shard = padded.0.write();
        let mut dead = Vec::new();
        let mut touched: HashSet<PairId> = HashSet::default();
        let mut slot = 0;
        while slot < shard.cold.len() {
            for _ in 0..SLICE {
                if slot == shard.cold.len() {
                    break;
                }
                if shard.cold[slot].number != 0 && !shard.drop_before(slot, min_ms, all) {
                    gone.push(shard.cold[slot].number);
                    self.remove_series(&mut shard, slot, &mut dead, &mut touched);
                }
                slot += 1;
            }
            sync::bump_write(&mut shard);
        }
        shard.echoes.retain(|_, echo| echo.max_ms >= min_ms);
        all.num_series += dead.len() as u64;
        free_slots(&mut shard, dead, touched);
    }

    /// Removes a series without chunks; [`free_slots`] ends what this begins.
    pub(super) fn remove_series(
        &self,
        shard: &mut Shard,
        slot: u32,
        dead: &mut Vec<u32>,
        touched: &mut HashSet<PairId>,
    ) {
        touched.extend(shard.pairs(slot).iter());
        dead.push(slot);
        self.refs.write().remove(shard.cold[slot].number);
        shard.forget(slot);
    }

    /// Removes series of which nothing is to stay, for a replay. Answers how many there were.
    pub(super) fn remove_whole(&self, numbers: &[u64]) -> u64 {
        let mut targets: Vec<Target> = Vec::new();
        self.refs.read().get_all(numbers.iter().copied(), &mut targets);
        targets.retain(|&target| target != Target::NONE);
        targets.sort_unstable_by_key(|&target| self.place(target));
        let mut all = Collected::NOTHING;
        let mut newest = Vec::new();
        for of_shard in targets.chunk_by(|a, b| self.place(*a).0 == self.place(*b).0) {
            let mut shard = self.shards[self.place(of_shard[0]).0].0.write();
            // Rows that were looked up are looked at again from here on.
            shard.generation += 1;
            let (mut dead, mut touched) = (Vec::new(), HashSet::default());
            for &target in of_shard {
                let (_, slot) = self.place(target);
                // A series that is named twice is gone the second time.
                if shard.cold[slot].number != 0 {
                    let span = shard.span(slot);
                    newest.extend(span.map(|span| (shard.cold[slot].number, span.max_ms)));
                    shard.drop_chunks(slot, &mut all);
                    self.remove_series(&mut shard, slot, &mut dead, &mut touched);
                }
            }
            all.num_series += dead.len() as u64;
            free_slots(&mut shard, dead, touched);
        }
        // Their samples may be in the log for long: a checkpoint keeps their names as long as it keeps those.
        self.expired.lock().extend(newest);
        self.metrics.chunks.add(-(all.num_chunks as f64));
        self.metrics.add_stale(-all.num_stale);
        all.num_series
    }
}

/// Makes the slots of removed series free for others, once no posting list names them any more.
pub(super) fn free_slots(
    shard: &mut RwLockWriteGuard<'_, Shard>,
    mut dead: Vec<u32>,
    touched: HashSet<PairId>,
) {
    let touched: Vec<PairId> = touched.into_iter().collect();
    for pairs in touched.chunks(SLICE) {
        shard.drop_postings(pairs);
        // What is freed may get another meaning as soon as others have their turn.
        shard.generation += 1;
        sync::bump_write(shard);
    }
    if !dead.is_empty() {
        shard.generation += 1;
        shard.free.append(&mut dead);
        shard.shrink();
    }
}

impl Shard {
    /// Drops the chunks of a series that end before `min_ms`; `false` if nothing keeps the series.
    fn drop_before(&mut self, slot: u32, min_ms: i64, all: &mut Collected) -> bool {
        let hot = self.hot[slot];
        let is_open_gone = self.has_open(slot) && self.open_last_ms(slot) < min_ms;
        let full = self.full_chunks(slot);
        // A chunk that is still open but too old has only older ones before it.
        let num_gone = if is_open_gone {
            full.len()
        } else {
            full.iter().take_while(|chunk| chunk.max_ms < min_ms).count()
        };
        all.num_chunks += num_gone as u64 + u64::from(is_open_gone);
        self.num_chunks -= num_gone + usize::from(is_open_gone);
        if num_gone > 0 {
            self.drop_full(slot, num_gone);
        }
        if is_open_gone {
            self.drop_open(slot, all);
        }
        let late_file = self.ooo.get(&slot).and_then(Ooo::first_file);
        all.first_file = all.first_file.into_iter().chain(late_file).min();
        let full = self.full_chunks(slot);
        if let Some(first) = full.first() {
            all.min_ms = all.min_ms.min(first.min_ms);
            for chunk in full {
                if let Place::Disk(place) = chunk.place() {
                    let file = (place >> 32) as u32;
                    all.first_file = Some(all.first_file.map_or(file, |first| first.min(file)));
                    break;
                }
            }
        } else if self.has_open(slot) {
            all.min_ms = all.min_ms.min(self.open_min_ms(slot));
        } else {
            return hot.is_pending() || self.ooo.contains_key(&slot);
        }
        true
    }

    fn drop_open(&mut self, slot: u32, all: &mut Collected) {
        let hot = self.hot[slot];
        all.num_stale += i64::from(hot.is_stale()) + i64::from(self.drop_native(slot));
        self.buffers.free(hot.buffer);
        self.forget_starts(slot);
        self.hot[slot] = Hot { num_pending: hot.num_pending, ..Hot::EMPTY };
    }

    /// Drops all chunks of a series.
    pub(super) fn drop_chunks(&mut self, slot: u32, all: &mut Collected) {
        let (num_full, has_open) = (self.full_chunks(slot).len(), self.has_open(slot));
        all.num_chunks += num_full as u64 + u64::from(has_open);
        self.num_chunks -= num_full + usize::from(has_open);
        if num_full > 0 {
            self.drop_full(slot, num_full);
        }
        if has_open {
            self.drop_open(slot, all);
        }
    }

    fn drop_full(&mut self, slot: u32, num_gone: usize) {
        let index = self.cold[slot].full;
        let list = &mut self.full[index as usize];
        for chunk in list.drain(..num_gone) {
            if let Place::Memory(buffer, _) = chunk.place() {
                self.buffers.free(buffer);
            }
        }
        if list.is_empty() {
            *list = Vec::new();
            self.free_full.push(index);
            self.cold[slot].full = 0;
            self.sealed.retain(|&sealed| sealed != slot);
        } else {
            list.shrink_to(4);
        }
    }

    /// Gives memory back that the series held that are gone.
    fn shrink(&mut self) {
        let len = trim_end(&mut self.free, self.cold.len() as usize) as u32;
        self.hot.truncate(len);
        self.cold.truncate(len);
        let num_full = trim_end(&mut self.free_full, self.full.len());
        self.full.truncate(num_full);
        give_back(&mut self.full);
        self.labels.shrink();
        self.sets.shrink();
        let cold = &self.cold;
        shrink_table(&mut self.table, |&slot| cold[slot].hash);
    }

    /// Bytes that are held, in use or not.
    #[cfg(test)]
    fn held_bytes(&self) -> usize {
        let tables = self.free.capacity() * 4 + self.table.capacity() * 5;
        let pages = self.hot.held_bytes() + self.cold.held_bytes() + self.buffers.held_bytes();
        let full = self.full.capacity() * size_of::<Vec<FullChunk>>();
        tables + pages + full + self.labels.held_bytes() + self.sets.held_bytes()
    }

    /// Forgets a series without chunks; its slot stays taken until no posting list names it.
    fn forget(&mut self, slot: u32) {
        let cold = self.cold[slot];
        if let Ok(entry) = self.table.find_entry(cold.hash, |&other| other == slot) {
            entry.remove();
        }
        self.sets.free(cold.labels);
        self.forget_groups(slot);
        debug_assert_eq!(self.hot[slot].buffer, Buffer::NONE, "the open chunk was dropped");
        self.hot[slot] = Hot::EMPTY;
        self.cold[slot] = Cold::FREE;
    }

    fn drop_postings(&mut self, pairs: &[PairId]) {
        let cold = &self.cold;
        self.labels.remove_dead(pairs, |slot| cold[slot].number != 0);
    }
}

#[cfg(test)]
mod tests;
