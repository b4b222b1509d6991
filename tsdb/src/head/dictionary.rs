//! The labels of one shard: distinct strings, distinct (name, value) pairs, the posting list of each pair. What no series
//! uses any more is freed, so churn does not pile up. Label sets are in `label_sets`.

use super::postings::Postings;
use super::slab::{give_back, trim_end};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use model::hash::{BuildHasher, HashMap};
use std::hash::{BuildHasher as _, Hasher};

/// The id of a (name, value) within one shard.
pub(super) type PairId = u32;
/// The id of a string within one shard.
pub(super) type TextId = u32;

/// Bits of a set's second hash that choose its shard.
const HOME_BITS: u32 = 12;

/// Two independent hashes of a label or a label set. Together they stand for its text: 128 bits under a secret seed.
/// Of a set the lowest bits of the second choose its shard, and the upper half of it is kept beside the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LabelHash {
    /// Key of hash tables.
    pub(super) hash: u64,
    /// What else has to agree.
    pub(super) print: u64,
}

impl LabelHash {
    /// What of the second hash is kept of a set.
    #[inline]
    pub(super) fn stored_print(self) -> u32 {
        (self.print >> 32) as u32
    }
}

/// The seeded hash functions of a head.
#[derive(Clone, Debug)]
pub(super) struct LabelHasher {
    states: [FixedState; 2],
    seed: u64,
}

impl LabelHasher {
    /// How many shards can be told apart.
    pub(super) const MAX_SHARDS: usize = 1 << HOME_BITS;

    /// Functions that only who knows `seed` can aim at.
    pub(super) fn new(seed: u64) -> Self {
        let second = seed.rotate_left(32) ^ 0x9E37_79B9_7F4A_7C15;
        Self { states: [seed, second].map(FixedState::with_seed), seed }
    }

    /// What it was made of.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The hashes of one label.
    #[inline]
    pub(super) fn label(&self, name: &str, value: &str) -> LabelHash {
        let lengths = (name.len() as u64) << 32 | value.len() as u64;
        let [hash, print] = self.states.each_ref().map(|state| {
            let mut hasher = state.build_hasher();
            hasher.write_u64(lengths);
            hasher.write(name.as_bytes());
            hasher.write(value.as_bytes());
            hasher.finish()
        });
        LabelHash { hash, print }
    }

    /// The hashes of a set of labels, of those of its labels in order. Sets that differ in nothing but the metric name,
    /// which is label number `metric_name`, get the same shard: what one target exposes has most of its label pairs in
    /// common, and each shard that meets a pair keeps a copy of it.
    #[inline]
    pub(super) fn set(&self, labels: &[LabelHash], metric_name: Option<usize>) -> LabelHash {
        let [mut hash, mut print] = self.states.each_ref().map(|state| state.build_hasher());
        let mut home = 0_u64;
        for (index, label) in labels.iter().enumerate() {
            hash.write_u64(label.hash);
            print.write_u64(label.print);
            if Some(index) != metric_name {
                home = home.wrapping_add(label.print);
            }
        }
        let mut home_hash = self.states[0].build_hasher();
        home_hash.write_u64(home);
        let mask = (1 << HOME_BITS) - 1;
        let print = print.finish() & !mask | home_hash.finish() >> 32 & mask;
        LabelHash { hash: hash.finish(), print }
    }

    /// The hashes of a set of labels.
    pub(super) fn labels(
        &self,
        labels: &[(&str, &str)],
        scratch: &mut Vec<LabelHash>,
    ) -> LabelHash {
        let begin = scratch.len();
        scratch.extend(labels.iter().map(|(name, value)| self.label(name, value)));
        let metric_name = labels.iter().position(|(name, _)| *name == model::METRIC_NAME);
        self.set(&scratch[begin..], metric_name)
    }

    /// Which of `num_shards`, a power of two, a set belongs to.
    #[inline]
    pub(super) fn home(id: LabelHash, num_shards: usize) -> usize {
        id.print as usize & (num_shards - 1)
    }
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    name: TextId,
    value: TextId,
    hash: LabelHash,
}

#[derive(Debug)]
struct Text {
    text: Box<str>,
    /// How many pairs name it.
    users: u32,
}

/// Strings, pairs and postings of a shard.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    hasher: BuildHasher,
    texts: Vec<Text>,
    text_table: HashTable<TextId>,
    free_texts: Vec<TextId>,
    pairs: Vec<Pair>,
    postings: Vec<Postings>,
    pair_table: HashTable<PairId>,
    free_pairs: Vec<PairId>,
    /// For each label name, its pairs, in no order.
    names: HashMap<TextId, Vec<PairId>>,
}

impl Dictionary {
    /// The string with this id.
    pub(super) fn text(&self, id: TextId) -> &str {
        &self.texts[id as usize].text
    }

    /// The id of a string in use.
    pub(super) fn find_text(&self, text: &str) -> Option<TextId> {
        let hash = self.hasher.hash_one(text);
        self.text_table.find(hash, |&id| self.text(id) == text).copied()
    }

    /// The label name of a pair.
    #[inline]
    pub(super) fn name(&self, pair: PairId) -> TextId {
        self.pairs[pair as usize].name
    }

    /// Name and value of a pair.
    pub(super) fn label(&self, pair: PairId) -> (&str, &str) {
        let Pair { name, value, .. } = self.pairs[pair as usize];
        (self.text(name), self.text(value))
    }

    /// The value of a pair.
    pub(super) fn value(&self, pair: PairId) -> &str {
        self.text(self.pairs[pair as usize].value)
    }

    /// One above the greatest id of a pair.
    pub(super) fn num_pairs(&self) -> usize {
        self.pairs.len()
    }

    /// The slots that carry a pair.
    pub(super) fn postings(&self, pair: PairId) -> &[u32] {
        self.postings[pair as usize].as_slice()
    }

    /// The names in use with their pairs.
    pub(super) fn names(&self) -> impl Iterator<Item = (TextId, &[PairId])> {
        self.names.iter().map(|(&name, pairs)| (name, pairs.as_slice()))
    }

    /// The pairs of a name.
    pub(super) fn pairs_of(&self, name: TextId) -> &[PairId] {
        self.names.get(&name).map_or(&[], Vec::as_slice)
    }

    /// The pair with these hashes, if in use.
    pub(super) fn find_pair(&self, hash: LabelHash) -> Option<PairId> {
        self.pair_table.find(hash.hash, |&pair| self.pairs[pair as usize].hash == hash).copied()
    }

    /// The pair of this text, new if need be, with `slot` added to its postings.
    pub(super) fn add(&mut self, name: &str, value: &str, hash: LabelHash, slot: u32) -> PairId {
        let pair = self.find_pair(hash).unwrap_or_else(|| self.add_pair(name, value, hash));
        self.postings[pair as usize].insert(slot);
        pair
    }

    fn add_pair(&mut self, name: &str, value: &str, hash: LabelHash) -> PairId {
        let new = Pair { name: self.intern(name), value: self.intern(value), hash };
        let id = if let Some(id) = self.free_pairs.pop() {
            self.pairs[id as usize] = new;
            id
        } else {
            self.pairs.push(new);
            self.postings.push(Postings::default());
            PairId::try_from(self.pairs.len() - 1).expect("under 2^32 label pairs")
        };
        self.names.entry(new.name).or_default().push(id);
        let pairs = &self.pairs;
        self.pair_table.insert_unique(hash.hash, id, |&id| pairs[id as usize].hash.hash);
        id
    }

    fn intern(&mut self, text: &str) -> TextId {
        if let Some(id) = self.find_text(text) {
            self.texts[id as usize].users += 1;
            return id;
        }
        let new = Text { text: text.into(), users: 1 };
        let id = if let Some(id) = self.free_texts.pop() {
            self.texts[id as usize] = new;
            id
        } else {
            self.texts.push(new);
            TextId::try_from(self.texts.len() - 1).expect("under 2^32 label strings")
        };
        let (texts, hasher) = (&self.texts, &self.hasher);
        let hash = hasher.hash_one(text);
        self.text_table.insert_unique(hash, id, |&id| hasher.hash_one(&*texts[id as usize].text));
        id
    }

    /// Drops dead slots from the postings of `pairs`; pairs that nobody carries any more are freed.
    pub(super) fn remove_dead(&mut self, pairs: &[PairId], alive: impl Fn(u32) -> bool) {
        let mut gone = Vec::new();
        for &pair in pairs {
            self.postings[pair as usize].retain(&alive);
            if self.postings(pair).is_empty() {
                gone.push(pair);
            }
        }
        let mut shrunk: Vec<TextId> = gone.iter().map(|&pair| self.name(pair)).collect();
        shrunk.sort_unstable();
        shrunk.dedup();
        for name in shrunk {
            let postings = &self.postings;
            let pairs = self.names.get_mut(&name).expect("a name of a pair in use");
            pairs.retain(|&pair| !postings[pair as usize].as_slice().is_empty());
            if pairs.is_empty() {
                self.names.remove(&name);
            }
        }
        for pair in gone {
            let Pair { name, value, hash } = self.pairs[pair as usize];
            if let Ok(entry) = self.pair_table.find_entry(hash.hash, |&id| id == pair) {
                entry.remove();
            }
            self.release(name);
            self.release(value);
            self.free_pairs.push(pair);
        }
    }

    fn release(&mut self, id: TextId) {
        let text = &mut self.texts[id as usize];
        text.users -= 1;
        if text.users > 0 {
            return;
        }
        let hash = self.hasher.hash_one(&*text.text);
        text.text = Box::default();
        if let Ok(entry) = self.text_table.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        self.free_texts.push(id);
    }

    /// Gives memory back that churn left behind. What freed pairs and strings were called must not be asked any more.
    pub(super) fn shrink(&mut self) {
        let num_texts = trim_end(&mut self.free_texts, self.texts.len());
        self.texts.truncate(num_texts);
        give_back(&mut self.texts);
        let num_pairs = trim_end(&mut self.free_pairs, self.pairs.len());
        self.pairs.truncate(num_pairs);
        self.postings.truncate(num_pairs);
        give_back(&mut self.pairs);
        give_back(&mut self.postings);
        let (texts, pairs, hasher) = (&self.texts, &self.pairs, &self.hasher);
        shrink_table(&mut self.text_table, |&id| hasher.hash_one(&*texts[id as usize].text));
        shrink_table(&mut self.pair_table, |&id| pairs[id as usize].hash.hash);
        self.names.values_mut().for_each(give_back);
    }

    /// Bytes that are held, in use or not.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let postings = self.postings.iter().map(|postings| postings.as_slice().len() * 4);
        self.text_bytes()
            + self.texts.capacity() * size_of::<Text>()
            + self.pairs.capacity() * size_of::<Pair>()
            + self.postings.capacity() * size_of::<Postings>()
            + postings.sum::<usize>()
            + (self.text_table.capacity() + self.pair_table.capacity()) * 5
            + self.names.values().map(|pairs| pairs.capacity() * 4).sum::<usize>()
            + (self.free_texts.capacity() + self.free_pairs.capacity()) * 4
    }

    /// Bytes of the strings in use.
    #[cfg(test)]
    pub(super) fn text_bytes(&self) -> usize {
        self.texts.iter().map(|text| text.text.len()).sum()
    }
}

/// Gives memory back that a table has too much of.
pub(super) fn shrink_table(table: &mut HashTable<u32>, hash: impl Fn(&u32) -> u64) {
    if table.capacity() > 64 && table.capacity() / 4 > table.len() {
        table.shrink_to(table.len() + table.len() / 4, hash);
    }
}

#[cfg(test)]
mod tests;
