//! Numbered places for entries of sixteen bytes: given in order, read without a lock, never moved. Which entry stands
//! where is known to `cache`, whose locks keep writers of one entry apart; a reader that comes across a change finds
//! nothing. No hash table.

use super::{CHECK_SHIFT, EPOCH_MASK, Key, REF_BITS};
use parking_lot::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Places of the first page; every further page has as many as all before it and this.
const FIRST_PAGE: u32 = 1 << 10;
const NUM_PAGES: usize = 22;

/// One series.
#[derive(Debug, Default)]
pub(super) struct Entry {
    hash: AtomicU64,
    /// Reference in the low 40 bits, then the epoch of its last use, then 20 bits of another hash; zero if vacant.
    series: AtomicU64,
}

/// The reference in what an entry holds.
pub(super) fn reference(series: u64) -> u64 {
    series & ((1 << REF_BITS) - 1)
}

/// How many sweeps ago an entry was used last.
pub(super) fn age(series: u64, epoch: u64) -> u64 {
    epoch.wrapping_sub(series >> REF_BITS) & EPOCH_MASK
}

impl Entry {
    /// What it holds, if that is of this key.
    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<u64> {
        let series = self.series.load(Ordering::Acquire);
        let hash = self.hash.load(Ordering::Acquire);
        let is_same = hash == key.hash && series >> CHECK_SHIFT == key.check && series != 0;
        // An entry that changes hands is vacant in between.
        (is_same && reference(self.series.load(Ordering::Relaxed)) == reference(series))
            .then_some(series)
    }

    /// Notes that it was used; not if it changed since `series` was read.
    #[inline]
    pub(super) fn touch(&self, series: u64, epoch: u64) {
        let touched = series & !(EPOCH_MASK << REF_BITS) | epoch << REF_BITS;
        if touched != series {
            let order = Ordering::Relaxed;
            // Somebody else touched it, or it is gone: both are fine.
            let _lost = self.series.compare_exchange(series, touched, order, order).is_err();
        }
    }

    fn set(&self, hash: u64, series: u64) {
        self.series.store(0, Ordering::Release);
        self.hash.store(hash, Ordering::Release);
        self.series.store(series, Ordering::Release);
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Places {
    pages: [OnceLock<Box<[Entry]>>; NUM_PAGES],
    /// How many places were given.
    len: AtomicU32,
    vacant: Mutex<Vec<u32>>,
}

/// Page and index in it.
#[inline]
fn locate(place: u32) -> (usize, usize) {
    let from_first = u64::from(place) + u64::from(FIRST_PAGE);
    let page = from_first.ilog2() - FIRST_PAGE.ilog2();
    (page as usize, (from_first - (u64::from(FIRST_PAGE) << page)) as usize)
}

impl Places {
    /// The entry at a place, if there is such a place.
    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&Entry> {
        let (page, index) = locate(place);
        self.pages.get(page)?.get()?.get(index)
    }

    /// Whether there is an entry of this key.
    pub(super) fn holds(&self, place: u32, key: Key) -> bool {
        self.get(place).is_some_and(|entry| entry.find(key).is_some())
    }

    /// The hash of the entry at a place.
    pub(super) fn hash(&self, place: u32) -> u64 {
        self.get(place).map_or(0, |entry| entry.hash.load(Ordering::Relaxed))
    }

    /// What the entry at a place holds.
    pub(super) fn series(&self, place: u32) -> u64 {
        self.get(place).map_or(0, |entry| entry.series.load(Ordering::Relaxed))
    }

    /// Replaces what an entry holds.
    pub(super) fn set(&self, place: u32, hash: u64, series: u64) {
        if let Some(entry) = self.get(place) {
            entry.set(hash, series);
        }
    }

    /// Puts an entry to a free place; `None` if there is none left.
    pub(super) fn add(&self, hash: u64, series: u64) -> Option<u32> {
        let vacant = self.vacant.lock().pop();
        let place = match vacant {
            Some(place) => place,
            None => {
                let next = |len: u32| len.checked_add(1);
                self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?
            }
        };
        let (page, index) = locate(place);
        let size = (FIRST_PAGE as usize) << page;
        let fresh = || std::iter::repeat_with(Entry::default).take(size).collect();
        self.pages.get(page)?.get_or_init(fresh)[index].set(hash, series);
        Some(place)
    }

    /// Frees a place.
    pub(super) fn vacate(&self, place: u32) {
        self.set(place, 0, 0);
        self.vacant.lock().push(place);
    }

    /// Whether most places are vacant, in memory that is worth giving back.
    pub(super) fn is_sparse(&self) -> bool {
        let len = self.len.load(Ordering::Relaxed);
        len > FIRST_PAGE && self.vacant.lock().len() > len as usize / 4 * 3
    }

    /// Hash and content of all entries.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (u64, u64)> {
        let all = (0..self.len.load(Ordering::Relaxed)).map(|p| (self.hash(p), self.series(p)));
        all.filter(|&(_, series)| series != 0)
    }
}

#[cfg(test)]
mod tests;
