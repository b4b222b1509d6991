//! Matchers to slots within one shard: the shortest list first, the rest checked on the labels of what is left.
//! A regular expression sees each distinct value once, also over many queries. Long work lets writers in between, and starts over in the rare
//! case that something was freed meanwhile.

use super::dictionary::{LabelHasher, PairId};
use super::postings::intersect;
use super::shard::Shard;
use crate::sync;
use model::hash::HashMap;
use model::{MatchOp, Matcher};
use parking_lot::RwLockReadGuard;
use std::sync::Arc;

/// How much is done before a waiting writer gets its turn. Little in the tests, whose heads are small.
const SLICE: usize = if cfg!(test) { 2 } else { 4096 };

/// Slots or label pairs were freed while the lock was not held.
struct Outdated;

/// The slots of the series that satisfy all `matchers`, ascending.
pub(super) fn select(
    hasher: &LabelHasher,
    shard: &mut RwLockReadGuard<'_, Shard>,
    matchers: &[Matcher],
) -> Vec<u32> {
    loop {
        if let Ok(slots) = try_select(hasher, shard, matchers) {
            return slots;
        }
    }
}

/// Lets a waiting writer in.
fn pause(shard: &mut RwLockReadGuard<'_, Shard>) -> Result<(), Outdated> {
    let generation = shard.generation;
    sync::bump_read(shard);
    if shard.generation == generation { Ok(()) } else { Err(Outdated) }
}

fn try_select(
    hasher: &LabelHasher,
    shard: &mut RwLockReadGuard<'_, Shard>,
    matchers: &[Matcher],
) -> Result<Vec<u32>, Outdated> {
    let Some(mut plan) = Plan::new(hasher, shard, matchers) else { return Ok(Vec::new()) };
    if plan.sets.is_empty()
        && let Some(matcher) = plan.take_narrowest(shard)
    {
        plan.sets.push(matching_pairs(shard, matcher)?);
    }
    let Some(first) = (0..plan.sets.len()).min_by_key(|&i| num_slots(shard, &plan.sets[i])) else {
        let all = (0..shard.cold.len()).filter(|&slot| shard.cold[slot].number != 0).collect();
        return filter(shard, &plan.rest, all);
    };
    let mut slots = union(shard, &plan.sets.swap_remove(first));
    for set in &plan.sets {
        if let [pair] = set[..] {
            intersect(&mut slots, shard.labels.postings(pair));
        } else {
            let other = union(shard, set);
            intersect(&mut slots, &other);
        }
    }
    filter(shard, &plan.rest, slots)
}

/// Which matchers come from lists and which are checked on labels.
struct Plan<'m> {
    /// For each matcher that names its values, the pairs in use.
    sets: Vec<Vec<PairId>>,
    rest: Vec<&'m Matcher>,
}

impl<'m> Plan<'m> {
    /// `None` if nothing can match.
    fn new(hasher: &LabelHasher, shard: &Shard, matchers: &'m [Matcher]) -> Option<Self> {
        let mut plan = Self { sets: Vec::new(), rest: Vec::new() };
        for matcher in matchers {
            let values = match matcher.op() {
                MatchOp::Equal | MatchOp::Regex if !matcher.matches("") => matcher.set_matches(),
                _ => None,
            };
            let Some(values) = values else {
                plan.rest.push(matcher);
                continue;
            };
            let find = |value: &str| shard.labels.find_pair(hasher.label(matcher.name(), value));
            let mut pairs: Vec<PairId> = values.iter().filter_map(|value| find(value)).collect();
            pairs.sort_unstable();
            pairs.dedup();
            if pairs.is_empty() {
                return None;
            }
            plan.sets.push(pairs);
        }
        Some(plan)
    }

    /// Of the matchers that want their label present, the one whose label has the fewest values.
    fn take_narrowest(&mut self, shard: &Shard) -> Option<&'m Matcher> {
        let num_values = |matcher: &Matcher| {
            let name = shard.labels.find_text(matcher.name());
            name.map_or(0, |name| shard.labels.pairs_of(name).len())
        };
        let present = self.rest.iter().enumerate().filter(|(_, matcher)| !matcher.matches(""));
        let (index, _) = present.min_by_key(|(_, matcher)| num_values(matcher))?;
        Some(self.rest.swap_remove(index))
    }
}

/// The pairs in use whose value satisfies `matcher`. Values that were tried before are not tried again: they stay in
/// their places as long as the generation does.
fn matching_pairs(
    shard: &mut RwLockReadGuard<'_, Shard>,
    matcher: &Matcher,
) -> Result<Vec<PairId>, Outdated> {
    let Some(name) = shard.labels.find_text(matcher.name()) else { return Ok(Vec::new()) };
    let mut answers = shard.answers.get(matcher, shard.generation).unwrap_or_default();
    let num_known = answers.len();
    while answers.len() < shard.labels.pairs_of(name).len() {
        if answers.len() > num_known {
            pause(shard)?;
        }
        let answers = Arc::make_mut(&mut answers);
        for &pair in shard.labels.pairs_of(name)[answers.len()..].iter().take(SLICE) {
            answers.push(matcher.matches(shard.labels.value(pair)));
        }
    }
    if answers.len() > num_known {
        shard.answers.put(matcher, shard.generation, Arc::clone(&answers));
    }
    let pairs = shard.labels.pairs_of(name);
    Ok(answers.matching().map(|place| pairs[place]).collect())
}

fn num_slots(shard: &Shard, pairs: &[PairId]) -> usize {
    pairs.iter().map(|&pair| shard.labels.postings(pair).len()).sum()
}

/// The slots of all `pairs`, ascending. They have one label name, so no slot comes twice.
fn union(shard: &Shard, pairs: &[PairId]) -> Vec<u32> {
    let total = num_slots(shard, pairs);
    if pairs.len() > 1 && total > shard.cold.len() as usize / 16 {
        return union_by_bits(shard, pairs);
    }
    let mut slots = Vec::with_capacity(total);
    for &pair in pairs {
        slots.extend_from_slice(shard.labels.postings(pair));
    }
    if pairs.len() > 1 {
        slots.sort_unstable();
    }
    slots
}

fn union_by_bits(shard: &Shard, pairs: &[PairId]) -> Vec<u32> {
    let mut bits = vec![0u64; shard.cold.len() as usize / 64 + 1];
    for &pair in pairs {
        for &slot in shard.labels.postings(pair) {
            bits[slot as usize / 64] |= 1 << (slot % 64);
        }
    }
    let mut slots = Vec::new();
    for (index, mut word) in bits.into_iter().enumerate() {
        while word != 0 {
            slots.push(index as u32 * 64 + word.trailing_zeros());
            word &= word - 1;
        }
    }
    slots
}

/// Keeps the slots whose labels satisfy all `matchers`.
fn filter(
    shard: &mut RwLockReadGuard<'_, Shard>,
    matchers: &[&Matcher],
    mut slots: Vec<u32>,
) -> Result<Vec<u32>, Outdated> {
    for &matcher in matchers {
        let matches_absent = matcher.matches("");
        let Some(name) = shard.labels.find_text(matcher.name()) else {
            if matches_absent {
                continue;
            }
            return Ok(Vec::new());
        };
        let mut memo: HashMap<PairId, bool> = HashMap::default();
        let (mut read, mut kept) = (0, 0);
        while read < slots.len() {
            let end = slots.len().min(read + SLICE);
            for index in read..end {
                let mut pairs = shard.pairs(slots[index]).iter();
                let pair = pairs.find(|&pair| shard.labels.name(pair) == name);
                let keeps = pair.map_or(matches_absent, |pair| {
                    *memo.entry(pair).or_insert_with(|| matcher.matches(shard.labels.value(pair)))
                });
                slots[kept] = slots[index];
                kept += usize::from(keeps);
            }
            read = end;
            if read < slots.len() {
                pause(shard)?;
            }
        }
        slots.truncate(kept);
    }
    Ok(slots)
}

#[cfg(test)]
mod tests;
