//! From the label bytes of a series to its reference. Keyed by 84 bits of seeded hash, so that a wrong answer is
//! out of reach even for a sender who tries; a reference that dangles is found out by the storage.
//! Senders repeat their series in the same order, and places are given in the order of first sight: the place behind
//! the last one found is tried first, which reads memory from front to back. Entries that nobody asked for since two
//! sweeps are dropped: churned series do not pile up. How places are kept lives in `places`.

mod places;

use hashbrown::HashTable;
use model::SeriesRef;
use model::hash::BuildHasher as SeededHasher;
use parking_lot::{Mutex, RwLock};
use places::{Entry, Places};
use std::cell::Cell;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

const NUM_SHARDS: usize = 16;
/// How often unused entries are looked for.
const SWEEP_MS: i64 = 20 * 60 * 1000;
const REF_BITS: u32 = 40;
const EPOCH_BITS: u32 = 4;
const EPOCH_MASK: u64 = (1 << EPOCH_BITS) - 1;
const CHECK_SHIFT: u32 = REF_BITS + EPOCH_BITS;

/// What stands for bytes, or for a list of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) hash: u64,
    pub(crate) check: u64,
}

/// A key in the making: that of a list of keys, in their order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joint {
    hash: u64,
    check: u64,
    seeds: [u64; 2],
}

impl Joint {
    /// Adds the next one. The keys are hashes under secret seeds: nobody can choose what is multiplied here.
    #[inline]
    pub(crate) fn add(&mut self, key: Key) {
        self.hash = fold(self.hash ^ key.hash, self.seeds[0]);
        self.check = fold(self.check ^ key.hash.rotate_left(32) ^ key.check, self.seeds[1]);
    }

    /// Adds the next two, which is faster than one after the other and leads to another key.
    #[inline]
    pub(crate) fn add_pair(&mut self, name: Key, value: Key) {
        let [hash, check] = self.seeds;
        self.hash = fold(self.hash ^ name.hash, value.hash ^ hash);
        self.check = fold(
            self.check ^ name.hash.rotate_left(32) ^ name.check,
            value.hash.rotate_left(32) ^ value.check ^ check,
        );
    }

    /// Adds a number.
    #[inline]
    pub(crate) fn add_number(&mut self, number: u64) {
        self.add(Key { hash: number, check: 0 });
    }

    /// The key of all that was added.
    #[inline]
    pub(crate) fn key(&self) -> Key {
        Key { hash: self.hash, check: self.check >> CHECK_SHIFT }
    }
}

/// Both halves of a product.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SeriesCache {
    /// Numbers of places by hash. Taken before `places` where both are.
    shards: [Mutex<HashTable<u32>>; NUM_SHARDS],
    places: RwLock<Arc<Places>>,
    hashers: [SeededHasher; 2],
    /// Where joints begin, and what they multiply by.
    seeds: [u64; 4],
    epoch: AtomicU64,
    swept_ms: AtomicI64,
}

/// The cache as one request reads it.
pub(crate) struct Lookup<'c> {
    cache: &'c SeriesCache,
    places: Arc<Places>,
    epoch: u64,
    /// The place behind the last one found.
    next: Cell<u32>,
}

impl Lookup<'_> {
    /// The reference last stored for this key.
    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<SeriesRef> {
        let next = self.next.get();
        if let Some(entry) = self.places.get(next)
            && let Some(series) = entry.find(key)
        {
            return self.found(next, entry, series);
        }
        self.search(key)
    }

    fn search(&self, key: Key) -> Option<SeriesRef> {
        let place = {
            let shard = self.cache.shard(key.hash).lock();
            *shard.find(key.hash, |&place| self.places.holds(place, key))?
        };
        let entry = self.places.get(place)?;
        self.found(place, entry, entry.find(key)?)
    }

    #[inline]
    fn found(&self, place: u32, entry: &Entry, series: u64) -> Option<SeriesRef> {
        self.next.set(place + 1);
        entry.touch(series, self.epoch);
        SeriesRef::new(places::reference(series))
    }
}

impl SeriesCache {
    pub(crate) fn new() -> Self {
        let hashers: [SeededHasher; 2] = std::array::from_fn(|_| SeededHasher::default());
        let seed = |number: usize| hashers[number % 2].hash_one(number) | 1;
        Self {
            seeds: std::array::from_fn(seed),
            shards: std::array::from_fn(|_| Mutex::default()),
            places: RwLock::default(),
            hashers,
            epoch: AtomicU64::new(0),
            swept_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// The key of an empty list, to be added to.
    #[inline]
    pub(crate) fn joint(&self) -> Joint {
        let [hash, check, seeds @ ..] = self.seeds;
        Joint { hash, check, seeds }
    }

    /// The key of these bytes.
    #[inline]
    pub(crate) fn key(&self, span: &[u8]) -> Key {
        let [hash, check] = [&self.hashers[0], &self.hashers[1]].map(|h| h.hash_one(span));
        Key { hash, check: check >> CHECK_SHIFT }
    }

    /// The tables choose buckets by the low bits of the hash and tell entries apart by the highest.
    fn shard(&self, hash: u64) -> &Mutex<HashTable<u32>> {
        &self.shards[(hash >> 40) as usize % NUM_SHARDS]
    }

    /// What a request asks for its series, one after the other.
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        let places = Arc::clone(&self.places.read());
        let epoch = self.epoch.load(Ordering::Relaxed);
        Lookup { cache: self, places, epoch, next: Cell::new(0) }
    }

    /// The reference last stored for this key.
    pub(crate) fn get(&self, key: Key) -> Option<SeriesRef> {
        self.lookup().get(key)
    }

    /// Remembers a reference. One that does not fit is not remembered.
    pub(crate) fn insert(&self, key: Key, series: SeriesRef) {
        if series.get() >> REF_BITS != 0 {
            return;
        }
        let epoch = self.epoch.load(Ordering::Relaxed);
        let series = key.check << CHECK_SHIFT | epoch << REF_BITS | series.get();
        let mut shard = self.shard(key.hash).lock();
        let places = self.places.read();
        match shard.find(key.hash, |&place| places.holds(place, key)) {
            Some(&place) => places.set(place, key.hash, series),
            None => {
                if let Some(place) = places.add(key.hash, series) {
                    shard.insert_unique(key.hash, place, |&place| places.hash(place));
                }
            }
        }
    }

    /// Drops what leads to a dangling reference. Rare, so it looks everywhere.
    pub(crate) fn forget(&self, series: SeriesRef) {
        self.retain(|held| places::reference(held) != series.get());
    }

    fn retain(&self, keep: impl Fn(u64) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let places = self.places.read();
            shard.retain(|&mut place| {
                let is_kept = keep(places.series(place));
                if !is_kept {
                    places.vacate(place);
                }
                is_kept
            });
            if shard.len() < shard.capacity() / 4 {
                shard.shrink_to_fit(|&place| places.hash(place));
            }
        }
    }

    /// Drops entries that were not used between the last two sweeps, if it is time.
    pub(crate) fn sweep(&self, now_ms: i64) {
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
        self.retain(|series| places::age(series, epoch) <= 1);
        if self.places.read().is_sparse() {
            self.rebuild();
        }
    }

    /// Moves all entries to as many places as there are entries, in their order. Who looks meanwhile finds nothing and
    /// asks the storage.
    fn rebuild(&self) {
        let mut shards: Vec<_> = self.shards.iter().map(Mutex::lock).collect();
        let mut held = self.places.write();
        let fresh = Places::default();
        shards.iter_mut().for_each(|shard| shard.clear());
        for (hash, series) in held.in_order() {
            if let Some(place) = fresh.add(hash, series) {
                let shard = &mut shards[(hash >> 40) as usize % NUM_SHARDS];
                shard.insert_unique(hash, place, |&place| fresh.hash(place));
            }
        }
        *held = Arc::new(fresh);
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

#[cfg(test)]
mod tests;
