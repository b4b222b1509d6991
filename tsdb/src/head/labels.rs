//! Label names and values of the head. The shards are asked one by one, the answers sorted and merged.

use super::Shared;
use super::select::select;
use model::Matcher;
use model::hash::HashSet;

fn finish(mut texts: Vec<Box<str>>, limit: usize) -> Vec<Box<str>> {
    texts.sort_unstable();
    texts.dedup();
    if limit > 0 {
        texts.truncate(limit);
    }
    texts
}

/// Sorted names of the labels that series satisfying `matchers` carry.
pub(super) fn names(head: &Shared, matchers: &[Matcher], limit: usize) -> Vec<Box<str>> {
    let mut texts = Vec::new();
    for shard in &head.shards {
        let mut shard = shard.0.read();
        if matchers.is_empty() {
            texts.extend(shard.labels.names().map(|(name, _)| Box::from(shard.labels.text(name))));
            continue;
        }
        let slots = select(&head.hasher, &mut shard, matchers);
        let mut seen = HashSet::default();
        for &slot in &slots {
            seen.extend(shard.pairs(slot).iter().map(|pair| shard.labels.name(pair)));
        }
        texts.extend(seen.into_iter().map(|name| Box::from(shard.labels.text(name))));
    }
    finish(texts, limit)
}

/// Sorted values of label `name` among the series that satisfy `matchers`.
pub(super) fn values(
    head: &Shared,
    name: &str,
    matchers: &[Matcher],
    limit: usize,
) -> Vec<Box<str>> {
    let mut texts = Vec::new();
    for shard in &head.shards {
        let mut shard = shard.0.read();
        if matchers.is_empty() {
            let id = shard.labels.find_text(name);
            let pairs = id.map_or(&[][..], |id| shard.labels.pairs_of(id));
            texts.extend(pairs.iter().map(|&pair| Box::from(shard.labels.value(pair))));
            continue;
        }
        let slots = select(&head.hasher, &mut shard, matchers);
        // Looked up after the selection, which may have let writers in.
        let Some(id) = shard.labels.find_text(name) else { continue };
        let mut seen = HashSet::default();
        for &slot in &slots {
            let mut pairs = shard.pairs(slot).iter();
            seen.extend(pairs.find(|&pair| shard.labels.name(pair) == id));
        }
        texts.extend(seen.into_iter().map(|pair| Box::from(shard.labels.value(pair))));
    }
    finish(texts, limit)
}

impl Shared {
    /// The reference of a label set, sorted by name, if a series has it.
    pub(super) fn number_of(&self, labels: &[(&str, &str)]) -> Option<u64> {
        let id = self.hasher.labels(labels, &mut Vec::new());
        let shard = self.shards[self.shard_of(id)].0.read();
        shard.find(id).map(|slot| shard.cold[slot].number)
    }
}
