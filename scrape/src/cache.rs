//! The line cache of one target: what became of the series of each line, by the fingerprint of its text. In the usual
//! case, the same lines in the same order as last time, a line costs one fingerprint: labels are read and relabelled only
//! once. Knows neither parser nor storage.

use crate::starts::{HistogramStart, Start};
use expfmt::Fingerprint;
use model::SeriesRef;
use model::hash::HashMap;
use model::metadata::MetricType;
use std::hash::BuildHasher;

/// A line of the cache. Only good until the next [`Cache::finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot(u32);

/// What became of a series text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Relabelling dropped it.
    Dropped,
    /// A bound on labels leaves it out.
    Limited,
    /// It would be new, and the storage is at a bound; asked again in the next scrape.
    Refused,
    /// New in this scrape; not resolved yet.
    Pending,
    /// It is this series.
    Series(SeriesRef),
}

/// [`State`] beside its reference, which makes a line a quarter smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dropped,
    Limited,
    Refused,
    Pending,
    Series,
}

#[derive(Clone, Debug)]
struct Line {
    text: Fingerprint,
    /// Set if `kind` is a series.
    series: Option<SeriesRef>,
    /// The last scrape that had this line; zero for a free place.
    seen: u32,
    /// The last scrape after which its disappearance leaves a staleness marker.
    tracked: u32,
    /// Where it stood in the last body.
    position: u32,
    kind: Kind,
    /// What was declared when it was first read: its labels depend on it.
    metric_type: MetricType,
    /// Whether type and unit are labels.
    declared_as_labels: bool,
}

impl Line {
    fn state(&self) -> State {
        match (self.kind, self.series) {
            (Kind::Series, Some(series)) => State::Series(series),
            (Kind::Dropped, _) => State::Dropped,
            (Kind::Limited, _) => State::Limited,
            (Kind::Refused, _) => State::Refused,
            (Kind::Pending | Kind::Series, _) => State::Pending,
        }
    }

    fn set_state(&mut self, state: State) {
        (self.kind, self.series) = match state {
            State::Dropped => (Kind::Dropped, None),
            State::Limited => (Kind::Limited, None),
            State::Refused => (Kind::Refused, None),
            State::Pending => (Kind::Pending, None),
            State::Series(series) => (Kind::Series, Some(series)),
        };
    }

    fn is_free(&self) -> bool {
        self.seen == 0
    }
}

/// Lines that were tracked, by number.
#[derive(Clone, Copy, Debug, Default)]
struct Tracked {
    /// In the last scrape.
    before: usize,
    /// In this one.
    now: usize,
    /// In both.
    both: usize,
}

/// The lines of one target.
#[derive(Debug)]
pub(crate) struct Cache {
    lines: Vec<Line>,
    free: Vec<u32>,
    by_text: hashbrown::HashTable<u32>,
    hasher: model::hash::BuildHasher,
    /// The lines of the last body in their order.
    order: Vec<u32>,
    /// Those of the body that is being read, from where it begins to differ.
    next_order: Option<Vec<u32>>,
    /// Where the next line is expected in `order`.
    expected: usize,
    tracked: Tracked,
    scrape: u32,
    num_seen: usize,
    /// Whether lines of this scrape were removed again.
    removed: bool,
    num_after_success: usize,
    /// Units of lines whose units are labels.
    units: HashMap<u32, Box<[u8]>>,
    /// Of counters, where that matters.
    starts: HashMap<u32, Start>,
    /// Of native histograms among them.
    histogram_starts: HashMap<u32, HistogramStart>,
    /// The last exemplar of a line, as a hash, if it had no timestamp.
    undated_exemplars: HashMap<u32, u64>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            free: Vec::new(),
            by_text: hashbrown::HashTable::new(),
            hasher: model::hash::BuildHasher::default(),
            order: Vec::new(),
            next_order: None,
            expected: 0,
            tracked: Tracked::default(),
            // Neither zero nor behind it, so that lines which were never seen or tracked stand apart.
            scrape: 2,
            num_seen: 0,
            removed: false,
            num_after_success: 0,
            units: HashMap::default(),
            starts: HashMap::default(),
            histogram_starts: HashMap::default(),
            undated_exemplars: HashMap::default(),
        }
    }
}

impl Cache {
    /// Number of lines.
    pub(crate) fn len(&self) -> usize {
        self.lines.len() - self.free.len()
    }

    /// Number of lines that are series.
    pub(crate) fn num_series(&self) -> usize {
        let is_series =
            |line: &&Line| !line.is_free() && matches!(line.kind, Kind::Series | Kind::Pending);
        self.lines.iter().filter(is_series).count()
    }

    /// The line expected next, by the order of the last body.
    #[inline]
    pub(crate) fn expected(&self) -> Option<(Slot, Fingerprint)> {
        let &slot = self.order.get(self.expected)?;
        Some((Slot(slot), self.lines[slot as usize].text))
    }

    /// The line of this text.
    pub(crate) fn find(&self, text: Fingerprint) -> Option<Slot> {
        let hash = self.hasher.hash_one(text);
        let found = self.by_text.find(hash, |&slot| self.lines[slot as usize].text == text);
        found.map(|&slot| Slot(slot))
    }

    /// Notes that the body has this line. Returns whether it had it before in the same body.
    #[inline]
    pub(crate) fn see(&mut self, slot: Slot) -> bool {
        let line = &mut self.lines[slot.0 as usize];
        let again = line.seen == self.scrape;
        self.num_seen += usize::from(!again);
        line.seen = self.scrape;
        if self.next_order.is_none() && self.order.get(self.expected) == Some(&slot.0) {
            self.expected += 1;
        } else {
            let position = line.position;
            self.order_anew().push(slot.0);
            self.expected = position.wrapping_add(1) as usize;
        }
        again
    }

    /// The order of the body that is being read, which differs from the last one.
    fn order_anew(&mut self) -> &mut Vec<u32> {
        let same = self.expected.min(self.order.len());
        self.next_order.get_or_insert_with(|| {
            let mut order = Vec::with_capacity(self.order.len());
            order.extend_from_slice(&self.order[..same]);
            order
        })
    }

    /// Adds a line, as seen. Lines are never many enough to overflow: a body is far smaller than 4 GiB.
    /// `unit` is set if type and unit are labels.
    pub(crate) fn insert(
        &mut self,
        text: Fingerprint,
        state: State,
        metric_type: MetricType,
        unit: Option<&[u8]>,
    ) -> Slot {
        // Its neighbours are where they were: the line expected next does not change.
        let position = u32::try_from(self.expected).map_or(u32::MAX, |at| at.wrapping_sub(1));
        let seen = self.scrape;
        let mut line = Line {
            text,
            series: None,
            seen,
            tracked: 0,
            position,
            kind: Kind::Pending,
            metric_type,
            declared_as_labels: unit.is_some(),
        };
        line.set_state(state);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.lines[slot as usize] = line;
                slot
            }
            None => {
                self.lines.push(line);
                u32::try_from(self.lines.len() - 1).expect("fewer lines than bytes")
            }
        };
        let hash = self.hasher.hash_one(text);
        let (lines, hasher) = (&self.lines, &self.hasher);
        self.by_text.insert_unique(hash, slot, |&slot| hasher.hash_one(lines[slot as usize].text));
        if let Some(unit) = unit.filter(|unit| !unit.is_empty()) {
            self.units.insert(slot, unit.into());
        }
        self.order_anew().push(slot);
        self.num_seen += 1;
        Slot(slot)
    }

    /// What became of a line.
    #[inline]
    pub(crate) fn state(&self, slot: Slot) -> State {
        self.lines[slot.0 as usize].state()
    }

    /// What was declared when the line was first read: type, unit, and whether they are labels.
    pub(crate) fn declared(&self, slot: Slot) -> (MetricType, &[u8], bool) {
        let line = &self.lines[slot.0 as usize];
        let unit = self.units.get(&slot.0).map_or(&[][..], |unit| unit);
        (line.metric_type, unit, line.declared_as_labels)
    }

    /// What is known of the beginning of the counter of a line.
    pub(crate) fn start_mut(&mut self, slot: Slot) -> Option<&mut Start> {
        self.starts.get_mut(&slot.0)
    }

    /// What is known of the beginning of the native histogram of a line, if it is one whose beginning matters.
    pub(crate) fn histogram_start(&mut self, slot: Slot) -> Option<&mut HistogramStart> {
        self.starts.contains_key(&slot.0).then(|| self.histogram_starts.entry(slot.0).or_default())
    }

    /// Notes an exemplar of a line: a hash of what it says if it has no timestamp. Returns whether it is the one of the
    /// last scrape again.
    pub(crate) fn is_known_exemplar(&mut self, slot: Slot, undated: Option<u64>) -> bool {
        match undated {
            Some(hash) => self.undated_exemplars.insert(slot.0, hash) == Some(hash),
            None => {
                self.undated_exemplars.remove(&slot.0);
                false
            }
        }
    }

    /// Forgets exemplars: they may not have been stored.
    pub(crate) fn forget_exemplars(&mut self) {
        self.undated_exemplars.clear();
    }

    /// Notes the beginning of the counter of a line.
    pub(crate) fn set_start(&mut self, slot: Slot, start: Start) {
        self.starts.insert(slot.0, start);
    }

    /// Sets what became of a line.
    pub(crate) fn set_state(&mut self, slot: Slot, state: State) {
        self.lines[slot.0 as usize].set_state(state);
    }

    /// Forgets a line of this scrape that came to nothing.
    pub(crate) fn remove(&mut self, slot: Slot) {
        self.removed = true;
        self.num_seen -= 1;
        self.release(slot.0);
    }

    /// Forgets lines that the storage refused.
    pub(crate) fn forget_refused(&mut self, slots: &[Slot]) {
        for &Slot(slot) in slots {
            let seen = self.lines[slot as usize].seen;
            // A line may be named twice.
            if seen != 0 {
                self.num_seen -= usize::from(seen == self.scrape);
                self.release(slot);
            }
        }
        if !slots.is_empty() {
            self.removed = true;
            let lines = &self.lines;
            self.order.retain(|&slot| lines[slot as usize].seen != 0);
            self.note_positions();
        }
    }

    /// From now on the disappearance of this line leaves a marker.
    #[inline]
    pub(crate) fn track(&mut self, slot: Slot) {
        let line = &mut self.lines[slot.0 as usize];
        if line.tracked != self.scrape {
            self.tracked.both += usize::from(line.tracked == self.scrape - 1);
            self.tracked.now += 1;
            line.tracked = self.scrape;
        }
    }

    /// Appends to `out` a line for each series that was tracked in the last scrape and is not in this one. Several
    /// texts may mean one series: what counts is the series.
    pub(crate) fn vanished(&self, out: &mut Vec<(Slot, SeriesRef)>) {
        if self.tracked.both == self.tracked.before {
            return;
        }
        let tracked_in = |scrape: u32| {
            let lines = self.lines.iter().enumerate();
            lines.filter(move |(_, line)| line.tracked == scrape)
        };
        let gone = tracked_in(self.scrape - 1)
            .filter_map(|(slot, line)| Some((Slot(slot as u32), line.series?)));
        let gone: Vec<(Slot, SeriesRef)> = gone.collect();
        if gone.is_empty() {
            return;
        }
        let mut here: model::hash::HashSet<SeriesRef> =
            tracked_in(self.scrape).filter_map(|(_, line)| line.series).collect();
        out.extend(gone.into_iter().filter(|&(_, series)| here.insert(series)));
    }

    /// Ends a scrape. After a `success`, a body read to its end, lines that were not in it are dropped. Otherwise they
    /// stay, unless failing bodies made the cache grow beyond twice `num_others` and itself: then `true` is returned.
    pub(crate) fn finish(&mut self, success: bool, num_others: usize) -> bool {
        let num_all = self.len() + num_others;
        let forced = !success && num_all > self.num_after_success * 2 + 1000;
        if success {
            self.num_after_success = num_all;
            self.keep_order();
        }
        if (success || forced) && self.num_seen < self.len() {
            self.evict();
        }
        let before = std::mem::take(&mut self.tracked).now;
        self.tracked.before = before;
        self.expected = 0;
        self.next_order = None;
        self.removed = false;
        self.num_seen = 0;
        self.scrape += 1;
        forced
    }

    /// Takes over the order of the body that was just read.
    fn keep_order(&mut self) {
        let is_new = self.next_order.is_some();
        match self.next_order.take() {
            Some(order) => self.order = order,
            None => self.order.truncate(self.expected),
        }
        if self.removed {
            let lines = &self.lines;
            self.order.retain(|&slot| !lines[slot as usize].is_free());
        }
        if is_new || self.removed {
            trim(&mut self.order);
            trim(&mut self.lines);
            self.note_positions();
        }
    }

    fn note_positions(&mut self) {
        for (position, &slot) in self.order.iter().enumerate() {
            self.lines[slot as usize].position = position as u32;
        }
    }

    fn evict(&mut self) {
        for slot in 0..self.lines.len() as u32 {
            let line = &self.lines[slot as usize];
            if !line.is_free() && line.seen != self.scrape {
                self.release(slot);
            }
        }
        let lines = &self.lines;
        self.order.retain(|&slot| !lines[slot as usize].is_free());
        if self.free.len() > self.len() {
            self.compact();
        }
        self.note_positions();
    }

    fn release(&mut self, slot: u32) {
        let line = &mut self.lines[slot as usize];
        let hash = self.hasher.hash_one(line.text);
        (line.seen, line.tracked) = (0, 0);
        if let Ok(entry) = self.by_text.find_entry(hash, |&other| other == slot) {
            entry.remove();
        }
        self.units.remove(&slot);
        self.starts.remove(&slot);
        self.histogram_starts.remove(&slot);
        self.undated_exemplars.remove(&slot);
        self.free.push(slot);
    }

    /// Gives back the memory of free places.
    fn compact(&mut self) {
        let mut places = vec![u32::MAX; self.lines.len()];
        let mut lines = Vec::with_capacity(self.len());
        for (line, place) in self.lines.drain(..).zip(&mut places) {
            if !line.is_free() {
                *place = lines.len() as u32;
                lines.push(line);
            }
        }
        (self.lines, self.free) = (lines, Vec::new());
        for slot in &mut self.order {
            *slot = places[*slot as usize];
        }
        trim(&mut self.order);
        move_to(&places, &mut self.units);
        move_to(&places, &mut self.starts);
        move_to(&places, &mut self.histogram_starts);
        move_to(&places, &mut self.undated_exemplars);
        let (lines, hasher) = (&self.lines, &self.hasher);
        let hash_of = |&slot: &u32| hasher.hash_one(lines[slot as usize].text);
        self.by_text = hashbrown::HashTable::with_capacity(lines.len());
        for slot in 0..lines.len() as u32 {
            self.by_text.insert_unique(hash_of(&slot), slot, hash_of);
        }
    }
}

/// Gives lines their new places.
fn move_to<V>(places: &[u32], by_slot: &mut HashMap<u32, V>) {
    *by_slot = by_slot.drain().map(|(slot, value)| (places[slot as usize], value)).collect();
}

/// Gives back memory that was taken to grow, but for a little.
fn trim<T>(grown: &mut Vec<T>) {
    let spare = grown.len() / 8;
    if grown.capacity() > grown.len() + 2 * spare {
        grown.shrink_to(grown.len() + spare);
    }
}

#[cfg(test)]
mod tests;
