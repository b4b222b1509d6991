//! From the label bytes of a series to its reference. Keyed by 84 bits of seeded hash, so that a wrong answer is
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
const REF_BITS: u32 = 40;
const EPOCH_BITS: u32 = 4;
const EPOCH_MASK: u64 = (1 << EPOCH_BITS) - 1;
const CHECK_SHIFT: u32 = REF_BITS + EPOCH_BITS;

/// Sixteen bytes, since there is one for each series that is written to.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    /// Reference in the low 40 bits, then the epoch of its last use, then 20 bits of another hash.
    series: u64,
}

impl Entry {
    fn reference(self) -> u64 {
        self.series & ((1 << REF_BITS) - 1)
    }

    fn is(&self, key: &Key) -> bool {
        self.hash == key.hash && self.series >> CHECK_SHIFT == key.check
    }

    fn touch(&mut self, epoch: u64) {
        self.series = self.series & !(EPOCH_MASK << REF_BITS) | epoch << REF_BITS;
    }

    fn age(self, epoch: u64) -> u64 {
        epoch.wrapping_sub(self.series >> REF_BITS) & EPOCH_MASK
    }
}

/// What stands for the label bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) hash: u64,
    pub(super) check: u64,
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

    /// The key of these bytes.
    pub(super) fn key(&self, span: &[u8]) -> Key {
        let [hash, check] = [&self.hashers[0], &self.hashers[1]].map(|h| h.hash_one(span));
        Key { hash, check: check >> CHECK_SHIFT }
    }

    /// The tables choose buckets by the low bits of the hash and tell entries apart by the highest.
    fn shard(&self, key: Key) -> &Mutex<HashTable<Entry>> {
        &self.shards[(key.hash >> 40) as usize % NUM_SHARDS]
    }

    /// The reference last stored for this key.
    pub(super) fn get(&self, key: Key) -> Option<SeriesRef> {
        let epoch = self.epoch.load(Ordering::Relaxed);
        let mut shard = self.shard(key).lock();
        let entry = shard.find_mut(key.hash, |entry| entry.is(&key))?;
        entry.touch(epoch);
        SeriesRef::new(entry.reference())
    }

    /// Remembers a reference. One that does not fit is not remembered.
    pub(super) fn insert(&self, key: Key, series: SeriesRef) {
        if series.get() >> REF_BITS != 0 {
            return;
        }
        let epoch = self.epoch.load(Ordering::Relaxed);
        let series = key.check << CHECK_SHIFT | epoch << REF_BITS | series.get();
        let entry = Entry { hash: key.hash, series };
        let mut shard = self.shard(key).lock();
        match shard.find_mut(key.hash, |entry| entry.is(&key)) {
            Some(old) => *old = entry,
            None => {
                shard.insert_unique(key.hash, entry, |entry| entry.hash);
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
        let epoch = (self.epoch.load(Ordering::Relaxed) + 1) & EPOCH_MASK;
        self.epoch.store(epoch, Ordering::Relaxed);
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.retain(|entry| entry.age(epoch) <= 1);
            if shard.len() < shard.capacity() / 4 {
                shard.shrink_to_fit(|entry| entry.hash);
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
