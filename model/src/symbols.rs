//! Interned strings of one query and label sets made of their ids: equality is an integer compare, grouping and
//! joining never touch text. Append-only and shared by all threads of a query; dropped with it.

use crate::Labels;
use parking_lot::Mutex;
use std::cmp::Ordering;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering as Atomic};

/// The id of a string within one [`Symbols`]. [`Sym::EMPTY`] is the empty string everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sym(pub u32);

impl Sym {
    /// The empty string.
    pub const EMPTY: Self = Self(0);
}

/// One label as ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LabelPair {
    /// The label name.
    pub name: Sym,
    /// The label value; never [`Sym::EMPTY`].
    pub value: Sym,
}

const FIRST_PAGE: usize = 64;
const NUM_PAGES: usize = 27;
const NUM_SHARDS: usize = 16;
/// What a string takes besides its text: its slot and its place in the hash table.
const ENTRY_BYTES: usize = 32;

type Page = OnceLock<Box<[OnceLock<Box<str>>]>>;

/// An append-only table of distinct strings. Looking up an id takes no lock.
pub struct Symbols {
    pages: [Page; NUM_PAGES],
    shards: [Mutex<hashbrown::HashTable<u32>>; NUM_SHARDS],
    next: AtomicU32,
    text_bytes: AtomicUsize,
    hasher: crate::hash::BuildHasher,
}

impl Default for Symbols {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols").field("len", &self.len()).finish()
    }
}

/// Page and slot of an id: page `p` holds `64 << p` strings.
fn place(id: u32) -> (usize, usize) {
    let shifted = id as usize + FIRST_PAGE;
    let page = (shifted.ilog2() - FIRST_PAGE.ilog2()) as usize;
    (page, shifted - (FIRST_PAGE << page))
}

impl Symbols {
    /// A table that holds the empty string only.
    #[must_use]
    pub fn new() -> Self {
        let symbols = Self {
            pages: [const { OnceLock::new() }; NUM_PAGES],
            shards: std::array::from_fn(|_| Mutex::default()),
            next: AtomicU32::new(0),
            text_bytes: AtomicUsize::new(0),
            hasher: crate::hash::BuildHasher::default(),
        };
        symbols.intern("");
        symbols
    }

    /// Number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.next.load(Atomic::Relaxed) as usize
    }

    /// Bytes of memory that the strings take, about.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.text_bytes.load(Atomic::Relaxed) + self.len() * ENTRY_BYTES
    }

    /// Never true: the empty string is always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of `text`, new if it was not there.
    pub fn intern(&self, text: &str) -> Sym {
        let hash = self.hasher.hash_one(text);
        let mut shard = self.shards[hash as usize % NUM_SHARDS].lock();
        if let Some(&id) = shard.find(hash, |&id| self.text(Sym(id)) == text) {
            return Sym(id);
        }
        let id = self.next.fetch_add(1, Atomic::Relaxed);
        self.text_bytes.fetch_add(text.len(), Atomic::Relaxed);
        let (page, slot) = place(id);
        let slots = self.pages[page]
            .get_or_init(|| (0..FIRST_PAGE << page).map(|_| OnceLock::new()).collect());
        slots[slot].set(Box::from(text)).expect("each id is handed out once");
        shard.insert_unique(hash, id, |&id| self.hasher.hash_one(self.text(Sym(id))));
        Sym(id)
    }

    /// The id of `text` if it is there.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Sym> {
        let hash = self.hasher.hash_one(text);
        let shard = self.shards[hash as usize % NUM_SHARDS].lock();
        shard.find(hash, |&id| self.text(Sym(id)) == text).map(|&id| Sym(id))
    }

    /// The string with this id. Panics on an id of another table: mixing them is a bug of the caller.
    #[must_use]
    pub fn text(&self, id: Sym) -> &str {
        let (page, slot) = place(id.0);
        self.pages[page].get().and_then(|slots| slots[slot].get()).expect("id of this table")
    }

    /// Appends the ids of `labels` to `out`.
    pub fn intern_labels(&self, labels: &Labels, out: &mut Vec<LabelPair>) {
        out.extend(
            labels.iter().map(|(n, v)| LabelPair { name: self.intern(n), value: self.intern(v) }),
        );
    }

    /// The owned form of a label set.
    #[must_use]
    pub fn labels(&self, pairs: &[LabelPair]) -> Labels {
        Labels::from_pairs(pairs.iter().map(|p| (self.text(p.name), self.text(p.value))))
    }

    /// Compares two label sets by text, as Prometheus sorts series.
    #[must_use]
    pub fn compare(&self, a: &[LabelPair], b: &[LabelPair]) -> Ordering {
        for (x, y) in a.iter().zip(b) {
            if x.name != y.name {
                return self.text(x.name).cmp(self.text(y.name));
            }
            if x.value != y.value {
                return self.text(x.value).cmp(self.text(y.value));
            }
        }
        a.len().cmp(&b.len())
    }
}

/// Many label sets, back to back. Each set is sorted by the text of its names and has no empty values.
#[derive(Clone, Debug, Default)]
pub struct LabelsColumn {
    pairs: Vec<LabelPair>,
    ends: Vec<u32>,
}

impl LabelsColumn {
    /// Forgets the sets and keeps the memory.
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.ends.clear();
    }

    /// Number of label sets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no sets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds one set, already sorted.
    pub fn push(&mut self, pairs: impl IntoIterator<Item = LabelPair>) {
        self.pairs.extend(pairs);
        self.ends.push(u32::try_from(self.pairs.len()).expect("a batch holds under 2^32 labels"));
    }

    /// Drops all sets but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.ends.truncate(len);
            self.pairs.truncate(self.ends.last().map_or(0, |&end| end as usize));
        }
    }

    /// The set of row `index`.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> &[LabelPair] {
        let begin = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.pairs[begin..self.ends[index] as usize]
    }

    /// Bytes of memory that the sets take.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of_val(&self.pairs[..]) + size_of_val(&self.ends[..])
    }

    /// All sets in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[LabelPair]> {
        (0..self.len()).map(|index| self.get(index))
    }
}
