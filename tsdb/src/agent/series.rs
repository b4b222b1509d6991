//! The series of an agent: labels to numbers, and to the time of the newest sample.

use model::Labels;
use model::hash::{BuildHasher, HashMap};
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// What is known of a series.
#[derive(Debug)]
pub(super) struct Series {
    labels: Labels,
    /// Of what was committed; the beginning of time before the first.
    newest_ms: AtomicI64,
    /// How many samples of open transactions there are: it stays as long.
    pending: AtomicU32,
}

impl Series {
    fn new(labels: Labels, newest_ms: i64) -> Self {
        Self { labels, newest_ms: AtomicI64::new(newest_ms), pending: AtomicU32::new(0) }
    }

    /// Whether a sample of this time may come now.
    pub(super) fn takes(&self, timestamp_ms: i64, window_ms: i64) -> bool {
        let newest_ms = self.newest_ms.load(Ordering::Relaxed);
        timestamp_ms > newest_ms.saturating_sub(window_ms) || newest_ms == i64::MIN
    }

    /// A sample is in an open transaction.
    pub(super) fn hold(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// It no longer is.
    pub(super) fn release(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// A sample of this time was stored; whether it is the newest.
    pub(super) fn advance(&self, timestamp_ms: i64) -> bool {
        self.newest_ms.fetch_max(timestamp_ms, Ordering::Relaxed) < timestamp_ms
    }
}

/// All series.
#[derive(Default)]
pub(super) struct Table {
    series: HashMap<u64, Series>,
    by_labels: hashbrown::HashTable<u64>,
    hasher: BuildHasher,
    last_number: u64,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("len", &self.series.len()).finish_non_exhaustive()
    }
}

fn hash<'a>(hasher: &BuildHasher, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut state = hasher.build_hasher();
    for pair in pairs {
        pair.hash(&mut state);
    }
    state.finish()
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    pub(super) fn knows(&self, number: u64) -> bool {
        self.series.contains_key(&number)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Series> {
        self.series.get(&number)
    }

    /// The number of the series with these labels.
    pub(super) fn find(&self, pairs: &[(&str, &str)]) -> Option<u64> {
        let hash = hash(&self.hasher, pairs.iter().copied());
        let is_it = |number: &u64| {
            self.series.get(number).is_some_and(|s| s.labels.iter().eq(pairs.iter().copied()))
        };
        self.by_labels.find(hash, is_it).copied()
    }

    /// Adds a series that is not there; its number.
    pub(super) fn create(&mut self, pairs: &[(&str, &str)]) -> u64 {
        let number = self.last_number + 1;
        self.insert(number, pairs, i64::MIN);
        number
    }

    /// Leaves a number out that the log has samples of although it names no series: a new one would get them.
    pub(super) fn avoid(&mut self, number: u64) {
        self.last_number = crate::head::avoid(self.last_number, number);
    }

    /// Takes a series from the log. A second number for the same labels is what new samples get.
    pub(super) fn restore(&mut self, number: u64, pairs: &[(&str, &str)]) {
        if self.series.contains_key(&number) {
            return;
        }
        let twin = self.find(pairs).and_then(|twin| self.series.get(&twin));
        let newest_ms = twin.map_or(i64::MIN, |twin| twin.newest_ms.load(Ordering::Relaxed));
        self.insert(number, pairs, newest_ms);
    }

    fn insert(&mut self, number: u64, pairs: &[(&str, &str)], newest_ms: i64) {
        let hash_of = hash(&self.hasher, pairs.iter().copied());
        if let Some(twin) = self.find(pairs)
            && let Ok(entry) = self.by_labels.find_entry(hash_of, |found| *found == twin)
        {
            entry.remove();
        }
        self.last_number = self.last_number.max(number);
        let labels = Labels::from_pairs(pairs.iter().copied());
        self.series.insert(number, Series::new(labels, newest_ms));
        let (series, hasher) = (&self.series, &self.hasher);
        let rehash = |number: &u64| {
            series.get(number).map_or(0, |series| hash(hasher, series.labels.iter()))
        };
        self.by_labels.insert_unique(hash_of, number, rehash);
    }

    /// Removes the series without a sample since `min_ms` and none under way; their numbers.
    pub(super) fn forget_before(&mut self, min_ms: i64) -> Vec<u64> {
        let is_over = |series: &Series| {
            series.newest_ms.load(Ordering::Relaxed) < min_ms
                && series.pending.load(Ordering::Relaxed) == 0
        };
        let over: Vec<u64> = self
            .series
            .iter()
            .filter(|(_, series)| is_over(series))
            .map(|(number, _)| *number)
            .collect();
        for number in &over {
            let Some(series) = self.series.get(number) else { continue };
            let hash = hash(&self.hasher, series.labels.iter());
            if let Ok(entry) = self.by_labels.find_entry(hash, |found| found == number) {
                entry.remove();
            }
            self.series.remove(number);
        }
        self.series.shrink_to(2 * self.series.len());
        over
    }
}
