//! Series references to places: references are dense numbers that only grow, so they index small pages directly.
//! Pages are found by hash, so that a foreign log with wild references costs no more than it has series.

use model::hash::HashMap;

const PAGE: usize = 256;

/// Where a series lives: shard in the low bits, slot above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target(pub(super) u32);

impl Target {
    /// Nowhere.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// How targets are taken apart. A value of its own: a loop that asks the head would load it for each row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) shard_mask: usize,
    pub(super) shard_bits: u32,
}

impl Places {
    /// The shard of a target, and its slot there.
    #[inline]
    pub(super) fn of(self, target: Target) -> (usize, u32) {
        (target.0 as usize & self.shard_mask, target.0 >> self.shard_bits)
    }
}

/// Four bytes per reference, plus a page in the table per 256.
#[derive(Debug, Default)]
pub(super) struct RefMap {
    pages: HashMap<u64, Page>,
}

/// Allocated in a length that allocators have: the count is not in the box.
#[derive(Debug)]
struct Page {
    targets: Box<[Target; PAGE]>,
    used: u32,
}

impl RefMap {
    /// The place of one reference.
    pub(super) fn get(&self, number: u64) -> Target {
        let page = self.pages.get(&(number / PAGE as u64));
        page.map_or(Target::NONE, |page| page.targets[number as usize % PAGE])
    }

    /// Appends to `out` the places of `numbers`; runs on one page look it up once.
    pub(super) fn get_all(&self, numbers: impl Iterator<Item = u64>, out: &mut Vec<Target>) {
        let mut finder = self.finder();
        out.extend(numbers.map(|number| finder.get(number)));
    }

    /// Looks up many references, one after the other; runs on one page look it up once.
    pub(super) fn finder(&self) -> Finder<'_> {
        Finder { map: self, at: u64::MAX, page: None }
    }

    /// Enters a reference.
    pub(super) fn insert(&mut self, number: u64, target: Target) {
        let new = || Page { targets: Box::new([Target::NONE; PAGE]), used: 0 };
        let page = self.pages.entry(number / PAGE as u64).or_insert_with(new);
        let slot = &mut page.targets[number as usize % PAGE];
        page.used += u32::from(*slot == Target::NONE);
        *slot = target;
    }

    /// Forgets a reference.
    pub(super) fn remove(&mut self, number: u64) {
        let key = number / PAGE as u64;
        let Some(page) = self.pages.get_mut(&key) else { return };
        let slot = &mut page.targets[number as usize % PAGE];
        page.used -= u32::from(*slot != Target::NONE);
        *slot = Target::NONE;
        if page.used == 0 {
            self.pages.remove(&key);
            if self.pages.capacity() > 64 && self.pages.capacity() / 8 > self.pages.len() {
                self.pages.shrink_to(2 * self.pages.len());
            }
        }
    }
}

/// Looks up references; remembers the page of the last one.
pub(super) struct Finder<'m> {
    map: &'m RefMap,
    at: u64,
    page: Option<&'m [Target; PAGE]>,
}

impl Finder<'_> {
    /// The place of one reference.
    #[inline]
    pub(super) fn get(&mut self, number: u64) -> Target {
        if number / PAGE as u64 != self.at {
            self.at = number / PAGE as u64;
            self.page = self.map.pages.get(&self.at).map(|page| &*page.targets);
        }
        self.page.map_or(Target::NONE, |page| page[number as usize % PAGE])
    }
}

#[cfg(test)]
mod tests;
