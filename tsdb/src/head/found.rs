//! The series that a query selected, in the order they are handed out: their labels as ids of the query.

use super::Shared;
use super::ahead::{Ahead, GROUP, ask_state};
use super::dictionary::PairId;
use super::label_sets::Pairs;
use super::select::select;
use super::shard::Shard;
use crate::sync;
use chunk::prefetch::prefetch;
use model::hash::HashMap;
use model::{LabelPair, Matcher, Symbols, TimeRange};
use std::sync::Arc;
use storage::{Cancel, NAME_LABELS, Result, SelectHints};

/// Series whose labels are looked up before a waiting writer gets its turn. Few in the tests, whose heads are small.
const SLICE: usize = if cfg!(test) { 2 } else { 1024 };

/// Asks for the labels of a series.
fn ask_labels(shard: &Shard, &(slot, number): &(u32, u64)) {
    // A series that is gone has none.
    if shard.cold[slot].number == number {
        shard.pairs(slot).lists().filter_map(<[PairId]>::first).for_each(prefetch);
    }
}

/// One selected series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) slot: u32,
    pub(super) shard: u32,
    /// Its labels are `keys[begin..begin + len]`.
    pub(super) begin: u32,
    pub(super) len: u32,
}

/// The keys of the pairs of one shard that were met.
#[derive(Debug)]
enum Memo {
    Few(HashMap<PairId, u32>),
    /// By pair; those that were not met have no key.
    Many(Vec<u32>),
}

impl Memo {
    const NO_KEY: u32 = u32::MAX;
    /// Nobody looks at the label.
    const LEFT_OUT: u32 = u32::MAX - 1;

    fn new(num_series: usize, num_pairs: usize) -> Self {
        // Clearing a place takes less than finding one by its hash.
        if num_series * 4 < num_pairs {
            return Self::Few(HashMap::default());
        }
        Self::Many(vec![Self::NO_KEY; num_pairs])
    }

    #[inline]
    fn get(&self, pair: PairId) -> Option<u32> {
        match self {
            Self::Few(keys) => keys.get(&pair).copied(),
            Self::Many(keys) => keys.get(pair as usize).copied().filter(|&key| key != Self::NO_KEY),
        }
    }

    fn insert(&mut self, pair: PairId, key: u32) {
        match self {
            Self::Few(keys) => {
                keys.insert(pair, key);
            }
            Self::Many(keys) => {
                let at = pair as usize;
                if keys.len() <= at {
                    keys.resize(at + 1, Self::NO_KEY);
                }
                keys[at] = key;
            }
        }
    }
}

/// The selected series; their labels as indices into the distinct pairs.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rows: Vec<Row>,
    pub(super) keys: Vec<u32>,
    pub(super) distinct: Vec<LabelPair>,
    by_pair: HashMap<LabelPair, u32>,
    /// The labels that somebody looks at; `None` for all.
    wanted: Option<Arc<[Box<str>]>>,
    /// There are labels which forbid to leave out others.
    needs_all: bool,
}

impl Found {
    /// The series of all shards that may have samples in `range`, in no order yet.
    pub(super) fn of(
        head: &Shared,
        (matchers, only, hints): (&[Matcher], Option<&[u64]>, &SelectHints),
        range: TimeRange,
        (symbols, cancel): (&Symbols, &Cancel),
    ) -> Result<Self> {
        let mut found = Self { wanted: hints.enough_labels().cloned(), ..Self::default() };
        if range.min_ms > range.max_ms {
            return Ok(found);
        }
        loop {
            for shard in 0..head.shards.len() {
                cancel.check()?;
                found.collect(head, shard, (matchers, only), range, symbols);
            }
            if !found.needs_all {
                return Ok(found);
            }
            found = Self::default();
        }
    }

    /// Adds the series of one shard that may have samples in `range`; where `only` names references, sorted, no others.
    fn collect(
        &mut self,
        head: &Shared,
        index: usize,
        (matchers, only): (&[Matcher], Option<&[u64]>),
        range: TimeRange,
        symbols: &Symbols,
    ) {
        let mut shard = head.shards[index].0.read();
        let slots = select(&head.hasher, &mut shard, matchers);
        let mut generation = shard.generation;
        let mut memo = Memo::new(slots.len(), shard.labels.num_pairs());
        let mut slots: Vec<(u32, u64)> =
            slots.into_iter().map(|slot| (slot, shard.cold[slot].number)).collect();
        let is_asked = |number| only.is_none_or(|only| only.binary_search(&number).is_ok());
        slots.retain(|&(_, number)| number != 0 && is_asked(number));
        for slice in slots.chunks(SLICE) {
            sync::bump_read(&mut shard);
            if shard.generation != generation {
                // Pair ids may stand for other labels now.
                generation = shard.generation;
                memo = Memo::new(slots.len(), shard.labels.num_pairs());
            }
            let mut ahead = Ahead::new(slice);
            for (place, &(slot, number)) in slice.iter().enumerate() {
                if place % GROUP == 0 {
                    ahead.ask(|&(slot, _)| ask_state(&shard, slot), |row| ask_labels(&shard, row));
                }
                if shard.cold[slot].number == number && reaches(&shard, slot, range) {
                    let begin = self.keys.len() as u32;
                    self.push_labels(&shard, shard.pairs(slot), symbols, &mut memo);
                    let len = self.keys.len() as u32 - begin;
                    self.rows.push(Row { number, slot, shard: index as u32, begin, len });
                }
            }
        }
    }

    fn push_labels(&mut self, shard: &Shard, pairs: Pairs<'_>, symbols: &Symbols, memo: &mut Memo) {
        for pair in pairs.iter() {
            let known = memo.get(pair);
            let key = known.unwrap_or_else(|| {
                let (name, value) = shard.labels.label(pair);
                if let Some(wanted) = &self.wanted {
                    self.needs_all |= NAME_LABELS.contains(&name);
                    if !wanted.iter().any(|wanted| **wanted == *name) {
                        memo.insert(pair, Memo::LEFT_OUT);
                        return Memo::LEFT_OUT;
                    }
                }
                let label = LabelPair { name: symbols.intern(name), value: symbols.intern(value) };
                let key = *self.by_pair.entry(label).or_insert_with(|| {
                    self.distinct.push(label);
                    self.distinct.len() as u32 - 1
                });
                memo.insert(pair, key);
                key
            });
            if key != Memo::LEFT_OUT {
                self.keys.push(key);
            }
        }
    }

    /// Sorts the rows by number. What is sorted is small: the number and the place of each row in one word, then every row
    /// moves once.
    pub(super) fn sort_by_creation(&mut self) {
        const PLACE_BITS: u32 = 24;
        let fits = |row: &Row| row.number >> (u64::BITS - PLACE_BITS) == 0;
        if self.rows.len() >> PLACE_BITS != 0 || !self.rows.iter().all(fits) {
            self.rows.sort_unstable_by_key(|row| row.number);
            return;
        }
        let places = self.rows.iter().zip(0..);
        let mut order: Vec<u64> =
            places.map(|(row, place)| row.number << PLACE_BITS | place).collect();
        order.sort_unstable();
        let place = |word: &u64| (word & ((1 << PLACE_BITS) - 1)) as usize;
        self.rows = order.iter().map(|word| self.rows[place(word)]).collect();
    }

    /// Sorts the rows by label text. With many rows to a distinct pair, the pairs are ranked once and rows compare as
    /// integers; otherwise only the first pairs that differ are compared as text.
    pub(super) fn sort_by_labels(&mut self, symbols: &Symbols) {
        let text = |pair: &LabelPair| (symbols.text(pair.name), symbols.text(pair.value));
        let texts: Vec<(&str, &str)> = self.distinct.iter().map(text).collect();
        if texts.len() * 4 < self.rows.len() {
            self.rank_keys(&texts);
        }
        let keys = &self.keys;
        let is_ranked = texts.len() * 4 < self.rows.len();
        let labels = |row: &Row| &keys[row.begin as usize..(row.begin + row.len) as usize];
        self.rows.sort_unstable_by(|a, b| {
            let (a, b) = (labels(a), labels(b));
            if is_ranked {
                return a.cmp(b);
            }
            match a.iter().zip(b).find(|(x, y)| x != y) {
                Some((&x, &y)) => texts[x as usize].cmp(&texts[y as usize]),
                None => a.len().cmp(&b.len()),
            }
        });
    }

    /// Replaces the keys by ranks: pairs in the order of their text.
    fn rank_keys(&mut self, texts: &[(&str, &str)]) {
        let mut order: Vec<u32> = (0..texts.len() as u32).collect();
        order.sort_unstable_by_key(|&key| texts[key as usize]);
        let mut ranks = vec![0; order.len()];
        for (rank, &key) in order.iter().enumerate() {
            ranks[key as usize] = rank as u32;
        }
        for key in &mut self.keys {
            *key = ranks[*key as usize];
        }
        self.distinct = order.iter().map(|&key| self.distinct[key as usize]).collect();
    }
}

/// Whether the newest sample of a series in order is not before `range`, or it has some out of order there.
fn reaches(shard: &Shard, slot: u32, range: TimeRange) -> bool {
    let reaches = if shard.has_open(slot) {
        shard.open_last_ms(slot) >= range.min_ms
    } else {
        shard.full_chunks(slot).last().is_some_and(|last| last.max_ms >= range.min_ms)
    };
    reaches || shard.ooo.get(&slot).is_some_and(|ooo| ooo.touches(range))
}
