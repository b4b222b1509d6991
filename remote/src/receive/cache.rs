//! From the raw label bytes of a series to its reference. Keyed by 128 bits of seeded hash, so that a wrong answer is
//! out of reach even for a sender who tries; a reference that dangles is found out by the storage.
//! Entries that nobody asked for since two sweeps are dropped: churned series do not pile up.

use hashbrown::HashTable;
use model::SeriesRef;
use model::hash::BuildHasher as SeededHasher;
use parking_lot::Mutex;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

const NUM_SHARDS: usize = 16;
/// How often unused entries are looked for.
const SWEEP_MS: i64 = 20 * 60 * 1000;
const REF_BITS: u32 = 48;

#[derive(Clone, Copy, Debug)]
struct Entry {
    low: u64,
    high: u64,
    /// Reference in the low 48 bits, the epoch of its last use above.
    series: u64,
}

impl Entry {
    fn reference(self) -> u64 {
        self.series & ((1 << REF_BITS) - 1)
    }

    fn age(self, epoch: u64) -> u64 {
        epoch.wrapping_sub(self.series >> REF_BITS) & 0xFFFF
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct SeriesCache {
    shards: [Mutex<HashTable<Entry>>; NUM_SHARDS],
    hashers: [SeededHasher; 2],
    epoch: AtomicU64,
    swept_ms: AtomicI64,
}

impl SeriesCache {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hashers: std::array::from_fn(|_| SeededHasher::default()),
            epoch: AtomicU64::new(0),
            swept_ms: AtomicI64::new(i64::MIN),
        }
    }

    fn hashes(&self, span: &[u8]) -> (u64, u64) {
        (self.hashers[0].hash_one(span), self.hashers[1].hash_one(span))
    }

    fn shard(&self, high: u64) -> &Mutex<HashTable<Entry>> {
        &self.shards[high as usize % NUM_SHARDS]
    }

    fn stamp(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed) << REF_BITS
    }

    /// The reference last stored for these label bytes.
    pub(super) fn get(&self, span: &[u8]) -> Option<SeriesRef> {
        let (low, high) = self.hashes(span);
        let stamp = self.stamp();
        let mut shard = self.shard(high).lock();
        let entry = shard.find_mut(low, |entry| entry.low == low && entry.high == high)?;
        entry.series = entry.reference() | stamp;
        SeriesRef::new(entry.reference())
    }

    /// Remembers a reference. One that does not fit is not remembered.
    pub(super) fn insert(&self, span: &[u8], series: SeriesRef) {
        if series.get() >> REF_BITS != 0 {
            return;
        }
        let (low, high) = self.hashes(span);
        let entry = Entry { low, high, series: series.get() | self.stamp() };
        let mut shard = self.shard(high).lock();
        match shard.find_mut(low, |entry| entry.low == low && entry.high == high) {
            Some(old) => *old = entry,
            None => {
                shard.insert_unique(low, entry, |entry| entry.low);
            }
        }
    }

    /// Drops what leads to a dangling reference. Rare, so it looks everywhere.
    pub(super) fn forget(&self, series: SeriesRef) {
        for shard in &self.shards {
            shard.lock().retain(|entry| entry.reference() != series.get());
        }
    }

    /// Drops entries that were not used between the last two sweeps, if it is time.
    pub(super) fn sweep(&self, now_ms: i64) {
        let last = self.swept_ms.load(Ordering::Relaxed);
        if last != i64::MIN && now_ms.saturating_sub(last) < SWEEP_MS {
            return;
        }
        let won =
            self.swept_ms.compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed);
        if won.is_err() || last == i64::MIN {
            return;
        }
        let epoch = (self.epoch.load(Ordering::Relaxed) + 1) & 0xFFFF;
        self.epoch.store(epoch, Ordering::Relaxed);
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.retain(|entry| entry.age(epoch) <= 1);
            if shard.len() < shard.capacity() / 4 {
                shard.shrink_to_fit(|entry| entry.low);
            }
        }
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

#[cfg(test)]
mod tests;
