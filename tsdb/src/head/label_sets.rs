//! The label sets of one shard, as lists of pair ids. What a target exposes differs in the metric name more than in
//! anything else: sets that differ in nothing but that share one list of the rest.

use super::dictionary::{PairId, shrink_table};
use super::slab::{give_back, trim_end};
use hashbrown::HashTable;
use model::hash::BuildHasher;
use std::hash::{BuildHasher as _, Hasher};

/// A label set: its pairs without that of the metric name, and that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SetId {
    rest: u32,
    /// [`NO_PAIR`] if there is no metric name.
    name: PairId,
}

impl SetId {
    /// A set without labels, which no series has.
    pub(super) const EMPTY: Self = Self { rest: u32::MAX, name: NO_PAIR };
}

const NO_PAIR: PairId = PairId::MAX;

/// The pairs of a set in the order of their label names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairs<'s> {
    before: &'s [PairId],
    name: Option<PairId>,
    behind: &'s [PairId],
}

impl<'s> Pairs<'s> {
    /// How many there are.
    pub(super) fn len(self) -> usize {
        self.before.len() + usize::from(self.name.is_some()) + self.behind.len()
    }

    /// The lists that they lie in.
    #[inline]
    pub(super) fn lists(self) -> impl Iterator<Item = &'s [PairId]> {
        [self.before, self.behind].into_iter()
    }

    /// One after the other.
    pub(super) fn iter(self) -> impl Iterator<Item = PairId> + Clone + 's {
        self.before.iter().copied().chain(self.name).chain(self.behind.iter().copied())
    }
}

/// A list that sets share.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    num_pairs: u32,
    /// Index among the lists of its length.
    index: u32,
    /// Where the metric name goes.
    name_at: u32,
    /// How many sets have it; none if the place is free.
    users: u32,
}

/// All sets of a shard.
#[derive(Debug, Default)]
pub(super) struct LabelSets {
    hasher: BuildHasher,
    lists: LabelLists,
    rests: Vec<Rest>,
    free: Vec<u32>,
    /// Rests in use by their pairs.
    table: HashTable<u32>,
}

impl LabelSets {
    /// Stores a set, given its pairs in the order of their label names and how many come before the metric name, which
    /// is there or not.
    pub(super) fn insert(&mut self, pairs: &[PairId], name_at: usize, has_name: bool) -> SetId {
        let (before, from_name) = pairs.split_at(name_at);
        let (name, behind) = match from_name.split_first() {
            Some((&name, behind)) if has_name => (name, behind),
            _ => (NO_PAIR, from_name),
        };
        let hash = self.hash(before, behind);
        let is_same = |&rest: &u32| self.rest(rest) == (before, behind);
        let rest = match self.table.find(hash, is_same) {
            Some(&rest) => rest,
            None => self.add_rest(before, behind, hash),
        };
        self.rests[rest as usize].users += 1;
        SetId { rest, name }
    }

    fn add_rest(&mut self, before: &[PairId], behind: &[PairId], hash: u64) -> u32 {
        let new = Rest {
            num_pairs: (before.len() + behind.len()) as u32,
            index: self.lists.insert(before, behind),
            name_at: before.len() as u32,
            users: 0,
        };
        let rest = if let Some(rest) = self.free.pop() {
            self.rests[rest as usize] = new;
            rest
        } else {
            self.rests.push(new);
            u32::try_from(self.rests.len() - 1).expect("under 2^32 label sets")
        };
        let Self { hasher, lists, rests, table, .. } = self;
        table.insert_unique(hash, rest, |&rest| hash_of(hasher, lists, rests[rest as usize]));
        rest
    }

    /// The pairs of a set.
    #[inline]
    pub(super) fn get(&self, set: SetId) -> Pairs<'_> {
        if set == SetId::EMPTY {
            return Pairs { before: &[], name: None, behind: &[] };
        }
        let (before, behind) = self.rest(set.rest);
        Pairs { before, name: Some(set.name).filter(|&name| name != NO_PAIR), behind }
    }

    #[inline]
    fn rest(&self, rest: u32) -> (&[PairId], &[PairId]) {
        self.lists.get(self.rests[rest as usize])
    }

    fn hash(&self, before: &[PairId], behind: &[PairId]) -> u64 {
        hash_pairs(&self.hasher, before, behind)
    }

    /// Takes a set back.
    pub(super) fn free(&mut self, set: SetId) {
        let rest = &mut self.rests[set.rest as usize];
        rest.users -= 1;
        if rest.users > 0 {
            return;
        }
        let gone = *rest;
        let hash = hash_of(&self.hasher, &self.lists, gone);
        if let Ok(entry) = self.table.find_entry(hash, |&other| other == set.rest) {
            entry.remove();
        }
        self.lists.free(gone.num_pairs as usize, gone.index);
        self.free.push(set.rest);
    }

    /// Gives memory back that churn left behind.
    pub(super) fn shrink(&mut self) {
        self.lists.shrink();
        let num_rests = trim_end(&mut self.free, self.rests.len());
        self.rests.truncate(num_rests);
        give_back(&mut self.rests);
        let Self { hasher, lists, rests, table, .. } = self;
        shrink_table(table, |&rest| hash_of(hasher, lists, rests[rest as usize]));
    }

    /// Bytes that are held, in use or not.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let rests = self.rests.capacity() * size_of::<Rest>() + self.free.capacity() * 4;
        self.lists.held_bytes() + rests + self.table.capacity() * 5
    }
}

fn hash_of(hasher: &BuildHasher, lists: &LabelLists, rest: Rest) -> u64 {
    let (before, behind) = lists.get(rest);
    hash_pairs(hasher, before, behind)
}

fn hash_pairs(hasher: &BuildHasher, before: &[PairId], behind: &[PairId]) -> u64 {
    let mut hasher = hasher.build_hasher();
    for &pair in before.iter().chain(behind) {
        hasher.write_u32(pair);
    }
    hasher.finish()
}

/// Lists of pair ids in slots of exact size.
#[derive(Debug, Default)]
struct LabelLists {
    by_len: Vec<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    pages: Vec<Box<[PairId]>>,
    len: u32,
    free: Vec<u32>,
}

/// How many lists of this length share a page: long ones are rare and get pages of their own.
fn lists_per_page(width: usize) -> u32 {
    if width <= 64 { 256 } else { 1 }
}

impl LabelLists {
    /// Stores the list of both and returns its index among those of its length.
    fn insert(&mut self, before: &[PairId], behind: &[PairId]) -> u32 {
        let width = before.len() + behind.len();
        if self.by_len.len() <= width {
            self.by_len.resize_with(width + 1, Lists::default);
        }
        let lists = &mut self.by_len[width];
        let per_page = lists_per_page(width);
        let index = lists.free.pop().unwrap_or_else(|| {
            if lists.len as usize == lists.pages.len() * per_page as usize {
                lists.pages.push(vec![0; width * per_page as usize].into_boxed_slice());
            }
            lists.len += 1;
            lists.len - 1
        });
        let begin = (index % per_page) as usize * width;
        let page = &mut lists.pages[(index / per_page) as usize];
        let (first, second) = page[begin..begin + width].split_at_mut(before.len());
        first.copy_from_slice(before);
        second.copy_from_slice(behind);
        index
    }

    /// What is before the metric name, and what behind.
    #[inline]
    fn get(&self, rest: Rest) -> (&[PairId], &[PairId]) {
        let (width, index) = (rest.num_pairs as usize, rest.index);
        let per_page = lists_per_page(width);
        let begin = (index % per_page) as usize * width;
        let page = &self.by_len[width].pages[(index / per_page) as usize];
        page[begin..begin + width].split_at(rest.name_at as usize)
    }

    /// Gives memory back that churn left behind.
    fn shrink(&mut self) {
        for (width, lists) in self.by_len.iter_mut().enumerate() {
            lists.len = trim_end(&mut lists.free, lists.len as usize) as u32;
            lists.pages.truncate(lists.len.div_ceil(lists_per_page(width)) as usize);
            give_back(&mut lists.pages);
        }
    }

    /// Bytes of all pages.
    #[cfg(test)]
    fn held_bytes(&self) -> usize {
        self.by_len.iter().flat_map(|lists| &lists.pages).map(|page| page.len() * 4).sum()
    }

    /// Takes a list back.
    fn free(&mut self, width: usize, index: u32) {
        self.by_len[width].free.push(index);
    }
}

#[cfg(test)]
mod tests;
