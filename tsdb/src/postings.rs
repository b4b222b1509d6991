//! Sorted sets of series ids: and, or, and not. Lists in mapped files are read in place, never decoded as a whole
//! unless their union is asked for. `select` finds them by matchers, `answers` remembers which values patterns match.

mod answers;
mod select;
#[cfg(test)]
mod tests;

pub(crate) use answers::{AnswerCache, Answers};
pub(crate) use select::{candidates_with, select};

use crate::index::PostingsList;

/// Sorted ids that can be searched.
pub(crate) trait Ids: Copy {
    /// The id at `index`.
    fn get(self, index: usize) -> Option<u32>;
    /// The index of the first id at or after `from` that is not below `id`.
    fn seek(self, from: usize, id: u32) -> usize;
}

impl Ids for PostingsList<'_> {
    #[inline]
    fn get(self, index: usize) -> Option<u32> {
        PostingsList::get(self, index)
    }

    #[inline]
    fn seek(self, from: usize, id: u32) -> usize {
        PostingsList::seek(self, from, id)
    }
}

impl Ids for &[u32] {
    #[inline]
    fn get(self, index: usize) -> Option<u32> {
        <[u32]>::get(self, index).copied()
    }

    #[inline]
    fn seek(self, from: usize, id: u32) -> usize {
        let mut step = 1;
        while self[from..].get(step).is_some_and(|&other| other < id) {
            step *= 2;
        }
        let begin = (from + step / 2).min(self.len());
        let end = (from + step).min(self.len());
        begin + self[begin..end].partition_point(|&other| other < id)
    }
}

/// Keeps the ids that are in `other` too.
pub(crate) fn intersect(ids: &mut Vec<u32>, other: impl Ids) {
    let mut position = 0;
    ids.retain(|&id| {
        position = other.seek(position, id);
        other.get(position) == Some(id)
    });
}

/// Drops the ids that are in `other`.
pub(crate) fn subtract(ids: &mut Vec<u32>, other: impl Ids) {
    let mut position = 0;
    ids.retain(|&id| {
        position = other.seek(position, id);
        other.get(position) != Some(id)
    });
}

/// Whether the two share an id.
pub(crate) fn intersects(ids: &[u32], list: PostingsList<'_>) -> bool {
    let (mut a, mut b) = (0, 0);
    while let (Some(&x), Some(y)) = (ids.get(a), list.get(b)) {
        match x.cmp(&y) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => a = Ids::seek(ids, a, y),
            std::cmp::Ordering::Greater => b = list.seek(b, x),
        }
    }
    false
}

/// The union of lists as a sorted vector; ids lie below `bound`.
pub(crate) fn union(lists: &[PostingsList<'_>], bound: u64) -> Vec<u32> {
    if let [list] = lists {
        return list.iter().collect();
    }
    let total: usize = lists.iter().map(|list| list.len()).sum();
    // A word of a bitmap costs about as much as an id in a sort of this size.
    if total as u64 >= bound / 256 {
        return union_by_bitmap(lists, total, bound);
    }
    let mut ids = Vec::with_capacity(total);
    for list in lists {
        ids.extend(list.iter());
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn union_by_bitmap(lists: &[PostingsList<'_>], total: usize, bound: u64) -> Vec<u32> {
    let last = |list: &PostingsList<'_>| list.get(list.len().checked_sub(1)?);
    let Some(largest) = lists.iter().filter_map(last).max() else { return Vec::new() };
    let mut words = vec![0u64; u64::from(largest).min(bound) as usize / 64 + 1];
    for list in lists {
        for id in list.iter() {
            // Ids beyond the section or above the last one of their list occur in damaged files only.
            if let Some(word) = words.get_mut(id as usize / 64) {
                *word |= 1 << (id % 64);
            }
        }
    }
    let mut ids = Vec::with_capacity(total);
    for (index, &word) in words.iter().enumerate() {
        let mut rest = word;
        while rest != 0 {
            ids.push(index as u32 * 64 + rest.trailing_zeros());
            rest &= rest - 1;
        }
    }
    ids
}
