//! Exemplars: a ring of the newest ones over all series, and a list of its places for each series in time order.
//! What a transaction does with them is here too; their records are the log's.

use super::append::HeadAppender;
use super::dictionary::LabelHash;
use super::refs::Target;
use super::{Head, Shared};
use ::metrics::{Counter, Gauge, Registry};
use model::hash::HashMap;
use model::{Labels, Matcher, TimeRange, stable_hash};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use storage::{
    Exemplar, ExemplarBatch, ExemplarQueryable, ExemplarRow, RejectReason, Rejected, Result,
    SeriesExemplars,
};

/// Characters that the labels of an exemplar may have together.
const MAX_LABEL_CHARS: usize = 128;

/// An exemplar of an open transaction.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) number: u64,
    target: Target,
    pub(super) exemplar: Exemplar,
}

/// The exemplars of a head.
#[derive(Debug)]
pub(super) struct ExemplarRing {
    places: Vec<Option<(LabelHash, Exemplar)>>,
    /// Where the next one goes: the place of the oldest, once all are taken.
    next: usize,
    series: HashMap<LabelHash, Owner>,
    window_ms: i64,
    metrics: ExemplarMetrics,
}

/// A series that has exemplars.
#[derive(Debug)]
struct Owner {
    labels: Labels,
    /// Places in the ring, by time; of equal times in the order they came.
    order: VecDeque<u32>,
}

#[derive(Debug)]
struct ExemplarMetrics {
    appended: Counter,
    out_of_order: Counter,
    stored: Gauge,
    series: Gauge,
    oldest_seconds: Gauge,
    capacity: Gauge,
}

impl ExemplarMetrics {
    fn new(registry: &Registry) -> Self {
        let counter =
            |name: &str, help| registry.counter(&format!("prometheus_tsdb_exemplar_{name}"), help);
        let gauge =
            |name: &str, help| registry.gauge(&format!("prometheus_tsdb_exemplar_{name}"), help);
        Self {
            appended: counter("exemplars_appended_total", "Total number of appended exemplars."),
            out_of_order: counter(
                "out_of_order_exemplars_total",
                "Total number of out of order exemplar ingestion failed attempts.",
            ),
            stored: gauge(
                "exemplars_in_storage",
                "Number of exemplars currently in circular storage.",
            ),
            series: gauge(
                "series_with_exemplars_in_storage",
                "Number of series with exemplars currently in circular storage.",
            ),
            oldest_seconds: gauge(
                "last_exemplars_timestamp_seconds",
                "The timestamp of the oldest exemplar stored in circular storage.",
            ),
            capacity: gauge(
                "max_exemplars",
                "Total number of exemplars the exemplar storage can store, resizeable.",
            ),
        }
    }
}

impl ExemplarRing {
    /// A ring without room.
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            places: Vec::new(),
            next: 0,
            series: HashMap::default(),
            window_ms: 0,
            metrics: ExemplarMetrics::new(registry),
        }
    }

    /// Makes room for `capacity` exemplars; the newest that came stay.
    fn resize(&mut self, capacity: usize) {
        if capacity == self.places.len() {
            return;
        }
        let num_old = self.places.len();
        let mut moved = vec![u32::MAX; num_old];
        let mut kept = Vec::with_capacity(capacity);
        let by_age = (self.next..num_old).chain(0..self.next);
        let taken: Vec<usize> = by_age.filter(|&at| self.places[at].is_some()).collect();
        for &at in &taken[taken.len().saturating_sub(capacity)..] {
            moved[at] = kept.len() as u32;
            kept.push(self.places[at].take());
        }
        self.next = if kept.len() == capacity { 0 } else { kept.len() };
        kept.resize_with(capacity, || None);
        self.places = kept;
        self.series.retain(|_, owner| {
            owner.order.retain_mut(|at| {
                *at = moved[*at as usize];
                *at != u32::MAX
            });
            !owner.order.is_empty()
        });
        self.metrics.capacity.set(capacity as f64);
        self.count();
    }

    fn at(&self, place: u32) -> &Exemplar {
        let (_, exemplar) = self.places[place as usize].as_ref().expect("lists name taken places");
        exemplar
    }

    /// What speaks against an exemplar of the series `id`.
    fn check<'a>(
        &'a self,
        id: LabelHash,
        timestamp_ms: i64,
        value: f64,
        labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<(), RejectReason> {
        let chars =
            labels.clone().map(|(name, value)| name.chars().count() + value.chars().count());
        if chars.sum::<usize>() > MAX_LABEL_CHARS {
            return Err(RejectReason::ExemplarLabelsTooLong);
        }
        let newest = self.series.get(&id).and_then(|owner| owner.order.back());
        let Some(newest) = newest.map(|&place| self.at(place)) else { return Ok(()) };
        if timestamp_ms == newest.timestamp_ms {
            if value < newest.value {
                return Err(RejectReason::OutOfOrderExemplar);
            }
            if value == newest.value {
                // Equal times and values are ordered by the hash of their labels, so that duplicates are found.
                return match stable_hash(labels.clone()).cmp(&newest.labels.stable_hash()) {
                    std::cmp::Ordering::Less => Err(RejectReason::OutOfOrderExemplar),
                    std::cmp::Ordering::Equal if Iterator::eq(labels, newest.labels.iter()) => {
                        Err(RejectReason::DuplicateExemplar)
                    }
                    _ => Ok(()),
                };
            }
        } else if timestamp_ms < newest.timestamp_ms
            && timestamp_ms <= newest.timestamp_ms.saturating_sub(self.window_ms)
        {
            return Err(RejectReason::OutOfOrderExemplar);
        }
        Ok(())
    }

    /// Takes an exemplar in, in place of the oldest. `labels_of` tells the labels of a series that had none yet.
    fn add(
        &mut self,
        id: LabelHash,
        exemplar: Exemplar,
        labels_of: impl FnOnce() -> Option<Labels>,
    ) {
        if self.places.is_empty() {
            return;
        }
        let Exemplar { timestamp_ms, value, ref labels } = exemplar;
        match self.check(id, timestamp_ms, value, labels.iter()) {
            Ok(()) => {}
            Err(RejectReason::OutOfOrderExemplar) => return self.metrics.out_of_order.inc(),
            Err(_) => return,
        }
        if let Some(owner) = self.series.get(&id) {
            // An earlier time that is there already: one of the several exemplars of a histogram, sent again.
            let is_late =
                owner.order.back().is_some_and(|&at| self.at(at).timestamp_ms > timestamp_ms);
            if is_late && owner.order.iter().any(|&at| self.at(at).timestamp_ms == timestamp_ms) {
                return;
            }
        } else {
            let Some(labels) = labels_of() else { return };
            self.series.insert(id, Owner { labels, order: VecDeque::new() });
        }
        self.free_next(id);
        let place = self.next as u32;
        let owner = self.series.get(&id).expect("entered above");
        let at = owner.order.partition_point(|&at| self.at(at).timestamp_ms <= timestamp_ms);
        self.places[self.next] = Some((id, exemplar));
        self.series.get_mut(&id).expect("entered above").order.insert(at, place);
        self.next = (self.next + 1) % self.places.len();
        self.metrics.appended.inc();
        self.count();
    }

    /// Frees the next place. The series `keep` stays even if that was its last exemplar.
    fn free_next(&mut self, keep: LabelHash) {
        let Some((id, _)) = self.places[self.next].take() else { return };
        let owner = self.series.get_mut(&id).expect("a taken place has an owner");
        let at = owner.order.iter().position(|&place| place as usize == self.next);
        owner.order.remove(at.expect("the owner lists its places"));
        if owner.order.is_empty() && id != keep {
            self.series.remove(&id);
        }
    }

    fn count(&self) {
        self.metrics.series.set(self.series.len() as f64);
        let is_full = self.places.get(self.next).is_some_and(Option::is_some);
        let stored = if is_full { self.places.len() } else { self.next };
        self.metrics.stored.set(stored as f64);
        let oldest = self.places.get(if is_full { self.next } else { 0 }).and_then(Option::as_ref);
        let oldest_ms = oldest.map_or(0, |(_, exemplar)| exemplar.timestamp_ms);
        self.metrics.oldest_seconds.set(oldest_ms as f64 / 1000.0);
    }

    /// All exemplars with the labels of their series, the oldest first.
    pub(super) fn by_age(&self) -> Vec<(Labels, Exemplar)> {
        let by_age = (self.next..self.places.len()).chain(0..self.next);
        let held = by_age.filter_map(|at| self.places[at].as_ref());
        held.filter_map(|(id, exemplar)| {
            let owner = self.series.get(id)?;
            Some((owner.labels.clone(), exemplar.clone()))
        })
        .collect()
    }

    fn select(&self, range: TimeRange, selectors: &[Vec<Matcher>]) -> Vec<SeriesExemplars> {
        let mut found = Vec::new();
        for owner in self.series.values() {
            let matches = |matcher: &Matcher| {
                matcher.matches(owner.labels.get(matcher.name()).unwrap_or_default())
            };
            if !selectors.iter().any(|selector| selector.iter().all(matches)) {
                continue;
            }
            let inside = owner.order.iter().map(|&place| self.at(place));
            let inside = inside.filter(|exemplar| range.contains(exemplar.timestamp_ms));
            let exemplars: Vec<Exemplar> = inside.cloned().collect();
            if !exemplars.is_empty() {
                found.push(SeriesExemplars { labels: owner.labels.clone(), exemplars });
            }
        }
        found.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        found
    }
}

impl Head {
    /// How many exemplars are kept: the newest that came. None unless told.
    pub fn set_max_exemplars(&self, capacity: usize) {
        let mut ring = self.0.exemplars.lock();
        ring.resize(capacity);
        self.0.max_exemplars.store(capacity, Ordering::Relaxed);
    }

    /// How far behind the newest of its series an exemplar may come: as far as samples.
    pub(super) fn set_exemplar_window(&self, window_ms: i64) {
        self.0.exemplars.lock().window_ms = window_ms.max(0);
    }
}

impl ExemplarQueryable for Head {
    fn select_exemplars(
        &self,
        range: TimeRange,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<SeriesExemplars>> {
        Ok(self.0.exemplars.lock().select(range, selectors))
    }
}

impl Shared {
    fn id_of(&self, target: Target, number: u64) -> Option<LabelHash> {
        if target == Target::NONE {
            return None;
        }
        let (shard, slot) = self.place(target);
        let shard = self.shards[shard].0.read();
        let cold = &shard.cold[slot];
        let id = LabelHash { hash: cold.hash, print: u64::from(cold.print) };
        (cold.number == number).then_some(id)
    }

    fn labels_of(&self, target: Target, number: u64) -> Option<Labels> {
        let (shard, slot) = self.place(target);
        let shard = self.shards[shard].0.read();
        let texts = |pair| (shard.labels.text(shard.labels.name(pair)), shard.labels.value(pair));
        (shard.cold[slot].number == number)
            .then(|| Labels::from_pairs(shard.pairs(slot).iter().map(texts)))
    }

    /// Takes in an exemplar that passed its checks once; what has become of its series meanwhile is looked up again.
    pub(super) fn add_exemplar(&self, target: Target, number: u64, exemplar: Exemplar) {
        let Some(id) = self.id_of(target, number) else { return };
        self.exemplars.lock().add(id, exemplar, || self.labels_of(target, number));
    }
}

impl HeadAppender {
    /// Takes the exemplars that pass into the transaction. The same one again is neither kept nor refused.
    pub(super) fn stage_exemplars(
        &mut self,
        batch: ExemplarBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) {
        if self.head.max_exemplars.load(Ordering::Relaxed) == 0 {
            return;
        }
        let (refs, rows) = batch.columns();
        for (row, (number, exemplar)) in refs.iter().zip(rows).enumerate() {
            let number = number.get();
            let target = self.head.refs.read().get(number);
            let verdict = match self.head.id_of(target, number) {
                None => Err(RejectReason::UnknownRef),
                Some(id) => {
                    let ExemplarRow { labels, timestamp_ms, value } = *exemplar;
                    let ring = self.head.exemplars.lock();
                    ring.check(id, timestamp_ms, value, labels.iter().copied())
                }
            };
            match verdict {
                Ok(()) => {
                    let labels = Labels::from_pairs(exemplar.labels.iter().copied());
                    let ExemplarRow { timestamp_ms, value, .. } = *exemplar;
                    let exemplar = Exemplar { labels, timestamp_ms, value };
                    self.scratch.exemplars.push(Staged { number, target, exemplar });
                }
                Err(RejectReason::DuplicateExemplar) => {}
                Err(reason) => rejected.push(Rejected { row: row as u32, reason }),
            }
        }
    }

    /// The record of the staged exemplars; empty if there are none.
    pub(super) fn exemplar_record(&self) -> Vec<u8> {
        let mut record = Vec::new();
        if !self.scratch.exemplars.is_empty() {
            let rows = self.scratch.exemplars.iter().map(|staged| {
                let Exemplar { labels, timestamp_ms, value } = &staged.exemplar;
                (staged.number, *timestamp_ms, *value, labels.iter())
            });
            wal::record::encode_exemplars(&mut record, rows);
        }
        record
    }

    /// Shows the staged exemplars.
    pub(super) fn apply_exemplars(&mut self) {
        for Staged { number, target, exemplar } in self.scratch.exemplars.drain(..) {
            self.head.add_exemplar(target, number, exemplar);
        }
    }
}

#[cfg(test)]
mod tests;
