//! The line cache of one target: the exact text of a series to what became of it. In the usual case, the same lines in
//! the same order as last time, a line costs one comparison of bytes: labels are read and relabelled only once.
//! Knows neither parser nor storage.

use crate::starts::{HistogramStart, Start};
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

#[derive(Clone, Debug)]
struct Line {
    text_begin: u32,
    text_len: u32,
    state: State,
    /// The last scrape that had this line; zero for a free place.
    seen: u32,
    /// The last scrape after which its disappearance leaves a staleness marker.
    tracked: u32,
    /// Where it stood in the last body.
    position: u32,
    /// What was declared when it was first read: its labels depend on it.
    metric_type: MetricType,
    /// Place of the unit among those of the cache; none if type and unit are no labels.
    unit: Option<u16>,
}

/// The lines of one target.
#[derive(Debug)]
pub(crate) struct Cache {
    texts: Vec<u8>,
    /// Bytes of `texts` that no line uses any more.
    garbage: usize,
    lines: Vec<Line>,
    free: Vec<u32>,
    by_text: hashbrown::HashTable<u32>,
    hasher: model::hash::BuildHasher,
    /// The lines of the last body in their order, and of the one that is being read.
    order: Vec<u32>,
    next_order: Vec<u32>,
    /// Where the next line is expected in `order`.
    expected: usize,
    tracked_before: Vec<u32>,
    tracked_now: Vec<u32>,
    scrape: u32,
    num_seen: usize,
    /// Whether lines of `next_order` were removed again.
    removed: bool,
    num_after_success: usize,
    units: Vec<Box<[u8]>>,
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
            texts: Vec::new(),
            garbage: 0,
            lines: Vec::new(),
            free: Vec::new(),
            by_text: hashbrown::HashTable::new(),
            hasher: model::hash::BuildHasher::default(),
            order: Vec::new(),
            next_order: Vec::new(),
            expected: 0,
            tracked_before: Vec::new(),
            tracked_now: Vec::new(),
            scrape: 1,
            num_seen: 0,
            removed: false,
            num_after_success: 0,
            units: Vec::new(),
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
        let is_series = |line: &&Line| {
            line.seen != 0 && matches!(line.state, State::Series(_) | State::Pending)
        };
        self.lines.iter().filter(is_series).count()
    }

    /// The line expected next, by the order of the last body.
    #[inline]
    pub(crate) fn expected(&self) -> Option<(Slot, &[u8])> {
        let &slot = self.order.get(self.expected)?;
        Some((Slot(slot), self.text(Slot(slot))))
    }

    /// The line of this text.
    pub(crate) fn find(&self, text: &[u8]) -> Option<Slot> {
        let hash = self.hasher.hash_one(text);
        self.by_text.find(hash, |&slot| self.text(Slot(slot)) == text).map(|&slot| Slot(slot))
    }

    /// Notes that the body has this line. Returns whether it had it before in the same body.
    #[inline]
    pub(crate) fn see(&mut self, slot: Slot) -> bool {
        let line = &mut self.lines[slot.0 as usize];
        self.expected = line.position.wrapping_add(1) as usize;
        self.next_order.push(slot.0);
        let again = line.seen == self.scrape;
        self.num_seen += usize::from(!again);
        line.seen = self.scrape;
        again
    }

    /// Adds a line, as seen. Lines are never many enough to overflow: a body is far smaller than 4 GiB.
    /// `unit` is set if type and unit are labels.
    pub(crate) fn insert(
        &mut self,
        text: &[u8],
        state: State,
        metric_type: MetricType,
        unit: Option<&[u8]>,
    ) -> Slot {
        let unit = unit.map(|unit| self.unit(unit));
        let text_begin = u32::try_from(self.texts.len()).expect("cached text stays below 4 GiB");
        let text_len = u32::try_from(text.len()).expect("a line is shorter than 4 GiB");
        self.texts.extend_from_slice(text);
        // Its neighbours are where they were: the line expected next does not change.
        let position = u32::try_from(self.expected).map_or(u32::MAX, |at| at.wrapping_sub(1));
        let seen = self.scrape;
        let line =
            Line { text_begin, text_len, state, seen, tracked: 0, position, metric_type, unit };
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
        let (texts, lines, hasher) = (&self.texts, &self.lines, &self.hasher);
        self.by_text.insert_unique(hash, slot, |&slot| {
            hasher.hash_one(text_of(texts, &lines[slot as usize]))
        });
        self.next_order.push(slot);
        self.num_seen += 1;
        Slot(slot)
    }

    /// The text of a line.
    #[inline]
    pub(crate) fn text(&self, slot: Slot) -> &[u8] {
        text_of(&self.texts, &self.lines[slot.0 as usize])
    }

    /// What became of a line.
    #[inline]
    pub(crate) fn state(&self, slot: Slot) -> State {
        self.lines[slot.0 as usize].state
    }

    /// What was declared when the line was first read: type, unit, and whether they are labels.
    pub(crate) fn declared(&self, slot: Slot) -> (MetricType, &[u8], bool) {
        let line = &self.lines[slot.0 as usize];
        let unit = line.unit.map_or(&[][..], |unit| &self.units[unit as usize]);
        (line.metric_type, unit, line.unit.is_some())
    }

    /// The place of a unit; there are few.
    fn unit(&mut self, unit: &[u8]) -> u16 {
        let known = self.units.iter().position(|known| **known == *unit);
        let place = known.unwrap_or_else(|| {
            self.units.push(unit.into());
            self.units.len() - 1
        });
        u16::try_from(place).expect("a target has fewer than 2^16 units")
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
        self.lines[slot.0 as usize].state = state;
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
            line.tracked = self.scrape;
            self.tracked_now.push(slot.0);
        }
    }

    /// Appends to `out` a line for each series that was tracked in the last scrape and is not in this one. Several
    /// texts may mean one series: what counts is the series.
    pub(crate) fn vanished(&self, out: &mut Vec<(Slot, SeriesRef)>) {
        if self.tracked_before == self.tracked_now {
            return;
        }
        let gone =
            self.tracked_before.iter().filter(|&&s| self.lines[s as usize].tracked != self.scrape);
        let gone: Vec<(Slot, SeriesRef)> =
            gone.filter_map(|&slot| Some((Slot(slot), self.series(slot)?))).collect();
        if gone.is_empty() {
            return;
        }
        let mut here: model::hash::HashSet<SeriesRef> =
            self.tracked_now.iter().filter_map(|&slot| self.series(slot)).collect();
        out.extend(gone.into_iter().filter(|&(_, series)| here.insert(series)));
    }

    fn series(&self, slot: u32) -> Option<SeriesRef> {
        match self.lines[slot as usize].state {
            State::Series(series) => Some(series),
            State::Dropped | State::Limited | State::Refused | State::Pending => None,
        }
    }

    /// Ends a scrape. After a `success`, a body read to its end, lines that were not in it are dropped. Otherwise they
    /// stay, unless failing bodies made the cache grow beyond twice `num_others` and itself: then `true` is returned.
    pub(crate) fn finish(&mut self, success: bool, num_others: usize) -> bool {
        let num_all = self.len() + num_others;
        let forced = !success && num_all > self.num_after_success * 2 + 1000;
        if success {
            self.num_after_success = num_all;
            if self.removed {
                let lines = &self.lines;
                self.next_order.retain(|&slot| lines[slot as usize].seen != 0);
            }
            if self.order != self.next_order {
                std::mem::swap(&mut self.order, &mut self.next_order);
                self.note_positions();
            }
        }
        if (success || forced) && self.num_seen < self.len() {
            self.evict();
        }
        std::mem::swap(&mut self.tracked_before, &mut self.tracked_now);
        self.tracked_now.clear();
        self.expected = 0;
        self.next_order.clear();
        self.removed = false;
        self.num_seen = 0;
        self.scrape += 1;
        forced
    }

    fn note_positions(&mut self) {
        for (position, &slot) in self.order.iter().enumerate() {
            self.lines[slot as usize].position = position as u32;
        }
    }

    fn evict(&mut self) {
        for slot in 0..self.lines.len() as u32 {
            let line = &self.lines[slot as usize];
            if line.seen != 0 && line.seen != self.scrape {
                self.release(slot);
            }
        }
        let lines = &self.lines;
        self.order.retain(|&slot| lines[slot as usize].seen != 0);
        self.note_positions();
        if self.garbage > self.texts.len() / 2 {
            self.compact();
        }
    }

    fn release(&mut self, slot: u32) {
        let hash = self.hasher.hash_one(self.text(Slot(slot)));
        if let Ok(entry) = self.by_text.find_entry(hash, |&other| other == slot) {
            entry.remove();
        }
        let line = &mut self.lines[slot as usize];
        self.garbage += line.text_len as usize;
        (line.seen, line.tracked) = (0, 0);
        self.starts.remove(&slot);
        self.histogram_starts.remove(&slot);
        self.undated_exemplars.remove(&slot);
        self.free.push(slot);
    }

    /// Moves the texts together, in the order of the last body.
    fn compact(&mut self) {
        let mut texts = Vec::with_capacity(self.texts.len() - self.garbage);
        let in_order = self.order.iter().copied();
        let others = (0..self.lines.len() as u32).collect::<Vec<_>>();
        let mut moved = vec![false; self.lines.len()];
        for slot in in_order.chain(others) {
            let line = &mut self.lines[slot as usize];
            if line.seen == 0 || std::mem::replace(&mut moved[slot as usize], true) {
                continue;
            }
            let begin = texts.len() as u32;
            texts.extend_from_slice(text_of(&self.texts, line));
            line.text_begin = begin;
        }
        self.texts = texts;
        self.garbage = 0;
    }
}

#[inline]
fn text_of<'a>(texts: &'a [u8], line: &Line) -> &'a [u8] {
    let begin = line.text_begin as usize;
    &texts[begin..begin + line.text_len as usize]
}

#[cfg(test)]
mod tests;
