//! A write transaction up to its commit: label sets to references, samples checked and staged in columns.

use super::ahead::{Ahead, GROUP, ask_state};
use super::refs::Target;
use super::series::{OooFloor, When};
use super::shard::Shard;
use super::stage::{NO_SHARD, Scratch, stale_marker};
use super::{Head, Shared};
use model::SeriesRef;
use model::histogram::Histogram;
use model::metadata::Metadata;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::{
    Appendable, Appender, ExemplarBatch, FloatBatch, HistogramBatch, LabelBatch, RejectReason,
    Rejected, Result,
};

/// What an appender goes by, whatever happens meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Earliest valid time.
    pub(super) min_valid_ms: i64,
    /// From when on samples are taken out of order.
    pub(super) ooo_floor: OooFloor,
    /// Its registration.
    id: u64,
}

/// A transaction on the head.
pub(super) struct HeadAppender {
    pub(super) head: Arc<Shared>,
    pub(super) scratch: Scratch,
    /// Fixed when the appender is opened, or by the first sample of the head.
    bounds: Option<Bounds>,
    pub(super) has_created: bool,
}

impl Appendable for Head {
    fn appender(&self, _now_ms: i64) -> Box<dyn Appender> {
        let head = Arc::clone(&self.0);
        head.metrics.active_appenders.inc();
        head.metrics.appenders.inc();
        let scratch = head.scratch.lock().pop().unwrap_or_default();
        let mut appender = HeadAppender { head, scratch, bounds: None, has_created: false };
        if appender.head.is_initialized() {
            appender.fix_bounds();
        }
        Box::new(appender)
    }
}

impl Appender for HeadAppender {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let begin = refs.len();
        refs.resize(begin + labels.len(), None);
        let refs = &mut refs[begin..];
        self.check_labels(labels, rejected);
        self.find_series(labels.len(), refs);
        if !self.scratch.missing.is_empty() {
            let head = Arc::clone(&self.head);
            // Held until the series are there, so that they are counted when others are weighed.
            let _admitting = head.admit(labels, &mut self.scratch, refs, rejected);
            self.create_series(labels, refs);
        }
        Ok(())
    }

    fn append_floats(&mut self, batch: FloatBatch<'_>, rejected: &mut Vec<Rejected>) -> Result<()> {
        let (refs, timestamps_ms, values) = batch.columns();
        let Some(&first_ms) = timestamps_ms.first() else { return Ok(()) };
        let Bounds { min_valid_ms, ooo_floor, .. } = self.bounds_from(first_ms);
        let in_order_only = batch.is_in_order_only();
        let scratch = &mut self.scratch;
        scratch.targets.clear();
        self.head.refs.read().get_all(refs.iter().map(|r| r.get()), &mut scratch.targets);
        scratch.verdicts.clear();
        scratch.verdicts.resize(refs.len(), Some(RejectReason::UnknownRef));
        let (head, targets, places) = (&self.head, &scratch.targets, self.head.places());
        let shard_of = |row: usize| match targets[row] {
            Target::NONE => NO_SHARD,
            target => places.of(target).0,
        };
        scratch.groups.group(head.shards.len(), refs.len(), shard_of);
        for (shard, rows) in scratch.groups.by_shard() {
            let mut shard = head.shards[shard].0.write();
            let mut ahead = Ahead::new(rows);
            for group in rows.chunks(GROUP) {
                ahead.ask(|&row| ask_state(&shard, places.of(targets[row as usize]).1), |_| ());
                for &row in group {
                    let row = row as usize;
                    let (_, slot) = places.of(targets[row]);
                    // The series may have been collected since its reference was looked up.
                    if shard.cold[slot].number == refs[row].get() {
                        let (timestamp_ms, value) = (timestamps_ms[row], values[row]);
                        let checked = shard.check_float(slot, timestamp_ms, value, min_valid_ms);
                        let judge =
                            |reason| ooo_floor.judge_of(in_order_only, timestamp_ms, reason);
                        let verdict = checked.or_else(judge).err();
                        if verdict.is_none() {
                            shard.hot[slot].stage();
                        }
                        scratch.verdicts[row] = verdict;
                    }
                }
            }
        }
        self.stage(batch, rejected);
        Ok(())
    }

    fn append_histograms(
        &mut self,
        batch: HistogramBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let (refs, timestamps_ms, values) = batch.columns();
        let starts_ms = self.head.wanted_starts(batch.start_timestamps_ms());
        let Some(&first_ms) = timestamps_ms.first() else { return Ok(()) };
        let Bounds { min_valid_ms, ooo_floor, .. } = self.bounds_from(first_ms);
        let in_order_only = batch.is_in_order_only();
        let scratch = &mut self.scratch;
        scratch.targets.clear();
        self.head.refs.read().get_all(refs.iter().map(|r| r.get()), &mut scratch.targets);
        let targets = std::mem::take(&mut scratch.targets);
        for (row, (&target, value)) in targets.iter().zip(values).enumerate() {
            let (number, timestamp_ms) = (refs[row].get(), timestamps_ms[row]);
            let is_sound = model::is_stale_nan(value.sum()) || value.validate().is_ok();
            let verdict = if target == Target::NONE {
                Err(RejectReason::UnknownRef)
            } else if is_sound {
                self.head.check_histogram(target, number, (timestamp_ms, value), min_valid_ms)
            } else {
                Err(RejectReason::InvalidHistogram)
            };
            let judge = |reason| ooo_floor.judge_of(in_order_only, timestamp_ms, reason);
            let verdict = verdict.or_else(judge);
            if let Err(reason) = verdict {
                self.head.metrics.count_rejected(reason);
                rejected.push(Rejected { row: row as u32, reason });
                continue;
            }
            let start_ms = starts_ms.get(row).copied().unwrap_or(0);
            scratch.stage_histogram((number, target), When { timestamp_ms, start_ms }, value);
        }
        scratch.targets = targets;
        Ok(())
    }

    fn append_exemplars(
        &mut self,
        batch: ExemplarBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        self.stage_exemplars(batch, rejected);
        Ok(())
    }

    fn append_metadata(&mut self, refs: &[SeriesRef], metadata: &[Metadata]) -> Result<()> {
        self.stage_metadata(refs, metadata);
        Ok(())
    }

    fn room_for_series(&self) -> u64 {
        self.head.admission.room()
    }

    fn newest(&self, series: SeriesRef) -> Option<(i64, f64)> {
        let target = self.head.refs.read().get(series.get());
        if target == Target::NONE {
            return None;
        }
        let (shard, slot) = self.head.place(target);
        let shard = self.head.shards[shard].0.read();
        let open = &shard.hot[slot].open;
        (shard.cold[slot].number == series.get() && open.num_samples() > 0)
            .then(|| (open.last_ms(), shard.hot[slot].last_value()))
    }

    fn commit(self: Box<Self>) -> Result<()> {
        self.commit_staged()
    }
}

impl HeadAppender {
    fn fix_bounds(&mut self) -> Bounds {
        let min_valid_ms = self.head.appendable_min_valid_ms();
        let window_ms = self.head.ooo_window_ms.load(Ordering::Relaxed);
        let max_ms = self.head.max_ms.load(Ordering::Relaxed);
        // Wraps as in Prometheus: a head that begins at the end of time takes nothing late.
        let ooo_floor = OooFloor((window_ms > 0).then(|| max_ms.wrapping_sub(window_ms)));
        let id = self.head.isolation.open_appender(min_valid_ms);
        *self.bounds.insert(Bounds { min_valid_ms, ooo_floor, id })
    }

    /// The bounds; `first_ms` fixes those of a head without samples.
    fn bounds_from(&mut self, first_ms: i64) -> Bounds {
        if let Some(bounds) = self.bounds {
            return bounds;
        }
        self.head.init_time(first_ms);
        self.fix_bounds()
    }

    /// What this transaction took samples under; `None` before the first.
    pub(super) fn bounds(&self) -> Option<Bounds> {
        self.bounds
    }

    /// Takes the rows that passed into the transaction and reports the others.
    fn stage(&mut self, batch: FloatBatch<'_>, rejected: &mut Vec<Rejected>) {
        let (refs, timestamps_ms, values) = batch.columns();
        let starts_ms = self.head.wanted_starts(batch.start_timestamps_ms());
        let scratch = &mut self.scratch;
        let metrics = &self.head.metrics;
        let has_plain = starts_ms.is_empty() && scratch.kinds.is_empty();
        if has_plain && scratch.verdicts.iter().all(Option::is_none) {
            let Scratch { batch, targets, groups, .. } = scratch;
            return batch.extend_floats((refs, timestamps_ms, values), targets, groups);
        }
        let verdicts = std::mem::take(&mut scratch.verdicts);
        // Not those of the rows that are left.
        scratch.batch.float_groups.clear();
        for (row, verdict) in verdicts.iter().enumerate() {
            if let Some(reason) = *verdict {
                metrics.count_rejected(reason);
                rejected.push(Rejected { row: row as u32, reason });
                continue;
            }
            if !scratch.kinds.is_empty()
                && let Some(kind) = scratch.kinds.get(&refs[row].get()).copied()
            {
                // What ends a series of histograms is a histogram, whatever its writer knows of it.
                if model::is_stale_nan(values[row]) {
                    let series = (refs[row].get(), scratch.targets[row]);
                    let start_ms = starts_ms.get(row).copied().unwrap_or(0);
                    let when = When { timestamp_ms: timestamps_ms[row], start_ms };
                    scratch.stage_histogram(series, when, &stale_marker(kind));
                    continue;
                }
                scratch.seal();
            }
            let start_ms = starts_ms.get(row).copied().unwrap_or(0);
            let when = When { timestamp_ms: timestamps_ms[row], start_ms };
            let series = (refs[row].get(), scratch.targets[row]);
            scratch.batch.push_float(series, when, values[row]);
        }
        scratch.verdicts = verdicts;
    }

    /// Leaves the verdict on each label set in `verdicts`.
    fn check_labels(&mut self, labels: LabelBatch<'_>, rejected: &mut Vec<Rejected>) {
        let verdicts = &mut self.scratch.verdicts;
        verdicts.clear();
        self.scratch.ids.clear();
        self.scratch.hashes.clear();
        for row in 0..labels.len() {
            let set = labels.get(row);
            let reason = if set.is_empty() {
                Some(RejectReason::EmptyLabels)
            } else if set.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
                Some(RejectReason::DuplicateLabel)
            } else {
                None
            };
            rejected.extend(reason.map(|reason| Rejected { row: row as u32, reason }));
            verdicts.push(reason);
            let id = self.head.hasher.labels(set, &mut self.scratch.hashes);
            self.scratch.ids.push(id);
        }
    }

    /// Fills in the series that are there and collects the rows of the others, in order.
    fn find_series(&mut self, num_rows: usize, refs: &mut [Option<SeriesRef>]) {
        let (head, scratch) = (&self.head, &mut self.scratch);
        let (ids, verdicts) = (&scratch.ids, &scratch.verdicts);
        let shard_of =
            |row: usize| if verdicts[row].is_some() { NO_SHARD } else { head.shard_of(ids[row]) };
        scratch.groups.group(head.shards.len(), num_rows, shard_of);
        scratch.missing.clear();
        for (shard, rows) in scratch.groups.by_shard() {
            let shard = head.shards[shard].0.read();
            for &row in rows {
                match shard.find(ids[row as usize]) {
                    Some(slot) => refs[row as usize] = SeriesRef::new(shard.cold[slot].number),
                    None => scratch.missing.push(row),
                }
            }
        }
        scratch.missing.sort_unstable();
    }

    /// Creates the series of the missing rows. References follow the order of the rows, whatever the shards.
    fn create_series(&mut self, labels: LabelBatch<'_>, refs: &mut [Option<SeriesRef>]) {
        let (head, scratch) = (&self.head, &mut self.scratch);
        let count = scratch.missing.len();
        if count == 0 {
            return;
        }
        self.has_created = true;
        let first_ref = head.last_ref.fetch_add(count as u64, Ordering::Relaxed) + 1;
        let (ids, missing) = (&scratch.ids, &scratch.missing);
        let shard_of = |index: usize| head.shard_of(ids[missing[index] as usize]);
        scratch.groups.group(head.shards.len(), count, shard_of);
        for (index, rows) in scratch.groups.by_shard() {
            let mut shard = head.shards[index].0.write();
            scratch.created.clear();
            scratch.new_series.clear();
            for &at in rows {
                let row = missing[at as usize] as usize;
                let (id, set) = (ids[row], labels.get(row));
                // Another transaction may have been faster, or the batch names the series twice.
                if let Some(slot) = shard.find(id) {
                    refs[row] = SeriesRef::new(shard.cold[slot].number);
                    continue;
                }
                let number = first_ref + u64::from(at);
                let hashes = &scratch.hashes[labels.begin(row)..][..set.len()];
                let slot = shard.create(number, id, set, hashes, &mut scratch.pairs);
                refs[row] = SeriesRef::new(number);
                scratch.created.push((number, head.target(index, slot)));
                if head.log.get().is_some() {
                    wal::record::push_series(&mut scratch.new_series, number, set.iter().copied());
                }
            }
            head.publish(&shard, &scratch.created, &scratch.new_series);
        }
    }
}

impl Shared {
    /// The starts of a batch, none if neither the log nor the chunks would have them.
    fn wanted_starts<'b>(&self, starts_ms: &'b [i64]) -> &'b [i64] {
        let is_wanted = self.keep_starts
            || self.started_histograms
            || !starts_ms.is_empty() && self.xor2.load(Ordering::Relaxed);
        if is_wanted { starts_ms } else { &[] }
    }

    /// Whether a histogram may be taken; its series is then not collected before the transaction ends.
    fn check_histogram(
        &self,
        target: Target,
        number: u64,
        (timestamp_ms, value): (i64, &Histogram),
        min_valid_ms: i64,
    ) -> std::result::Result<(), RejectReason> {
        let (shard, slot) = self.place(target);
        let mut shard = self.shards[shard].0.write();
        if shard.cold[slot].number != number {
            return Err(RejectReason::UnknownRef);
        }
        shard.check_histogram(slot, timestamp_ms, value, min_valid_ms)?;
        shard.hot[slot].stage();
        Ok(())
    }

    /// Makes new series known while their shard is still locked: whoever finds one can use its reference, and whoever
    /// commits samples of it logs the series first.
    fn publish(&self, _locked: &Shard, created: &[(u64, Target)], record: &[u8]) {
        if created.is_empty() {
            return;
        }
        let mut refs = self.refs.write();
        for &(number, target) in created {
            refs.insert(number, target);
        }
        drop(refs);
        if !record.is_empty() {
            self.append_new_series(record);
        }
        self.metrics.series_created.inc_by(created.len() as u64);
        self.metrics.series.add(created.len() as f64);
    }
}

impl Drop for HeadAppender {
    fn drop(&mut self) {
        self.roll_back();
        if let Some(bounds) = self.bounds {
            self.head.isolation.close_appender(bounds.id);
        }
        self.head.metrics.active_appenders.dec();
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.unstage();
        let mut pool = self.head.scratch.lock();
        if pool.len() < 16 && scratch.batch.floats.refs.capacity() < 1 << 20 {
            pool.push(scratch);
        }
    }
}
