//! The end of a transaction: log it, apply it, count it; or roll it back.

use super::Shared;
use super::append::HeadAppender;
use super::ooo::{Late, OooRow};
use super::series::When;
use super::shard::{Commit, Shard, Tally};
use super::stage::{Batch, Groups, Scratch};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::{Error, Result};

impl HeadAppender {
    /// Logs the staged samples, then shows them all at once.
    pub(super) fn commit_staged(mut self: Box<Self>) -> Result<()> {
        let head = Arc::clone(&self.head);
        let _commits = head.commits.read();
        self.log()?;
        // Else dropping this would log once more, what others have created meanwhile.
        self.has_created = false;
        let applied = self.apply();
        self.apply_metadata();
        self.apply_exemplars();
        applied.map_err(refused)
    }

    /// Writes new series and the staged samples, with one write.
    fn log(&mut self) -> Result<()> {
        let Some(log) = self.head.log.get() else { return Ok(()) };
        let (metadata, exemplars) = (self.metadata_record(), self.exemplar_record());
        let scratch = &mut self.scratch;
        scratch.record.clear();
        // Most transactions are one batch of floats: its record stays in the buffer.
        let mut records: Vec<Vec<u8>> = Vec::new();
        for (index, batch) in scratch.sealed.iter().chain([&scratch.batch]).enumerate() {
            if !batch.floats.is_empty() {
                let mut other = Vec::new();
                let record = if index == 0 { &mut scratch.record } else { &mut other };
                if self.head.keep_starts {
                    wal::record::encode_started_samples(record, batch.floats.iter_started());
                } else {
                    wal::record::encode_samples(record, batch.floats.iter());
                }
                records.push(other);
            }
            if self.head.keep_starts {
                let rows = batch.histograms.iter_started();
                wal::record::encode_started_histograms(&rows, &mut records);
            } else {
                wal::record::encode_histograms(&batch.histograms.iter(), &mut records);
            }
        }
        let mut log = log.lock();
        // Taken under the lock of the log: series are logged before anybody's samples of them.
        let series = std::mem::take(&mut *self.head.new_series.lock());
        let mut present = vec![&series[..], &metadata, &scratch.record];
        present.extend(records.iter().map(Vec::as_slice));
        present.push(&exemplars);
        present.retain(|record| !record.is_empty());
        if present.is_empty() {
            return Ok(());
        }
        let outcome = log.log(&present);
        let number = self.head.sync_gate.logged();
        drop(log);
        outcome.map_err(|error| {
            self.head.restore_new_series(series);
            refused(error)
        })?;
        let gather = *self.head.sync_commits.lock();
        match (gather, self.head.log.get()) {
            (Some(gather), Some(log)) => {
                self.head.sync_gate.wait(number, gather, log).map_err(refused)
            }
            _ => Ok(()),
        }
    }

    /// Brings the staged samples into the series. Readers that open meanwhile wait; those open before see none. Fails if
    /// those that came late are not in their log.
    fn apply(&mut self) -> wal::Result<()> {
        let Some(bounds) = self.bounds() else { return Ok(()) };
        let (head, scratch) = (&self.head, &mut self.scratch);
        if scratch.batches().next().is_none() {
            return Ok(());
        }
        let mut tally = Tally::default();
        let applying = head.isolation.apply();
        let commit = Commit {
            rule: head.rule,
            encodings: head.encodings(),
            is_strict: head.keep_starts,
            min_valid_ms: bounds.min_valid_ms,
            ooo_floor: bounds.ooo_floor,
            epoch: applying.epoch,
            oldest_reader: applying.oldest_reader,
        };
        let Scratch { sealed, batch, groups, ooo, .. } = scratch;
        for batch in sealed.iter().chain([&*batch]) {
            let earlier = ooo.len();
            head.apply_floats(batch, &commit, groups, ooo, &mut tally);
            ooo[earlier..].sort_unstable_by_key(|late| late.row);
            head.apply_histograms(batch, &commit, ooo, &mut tally);
        }
        drop(applying);
        let mut logged = Ok(());
        if !scratch.ooo.is_empty() {
            logged = head.insert_ooo(&scratch.ooo);
            scratch.ooo.clear();
        }
        scratch.unstage();
        head.count(&tally);
        logged
    }

    /// Gives up what is staged. Series it created stay, and so does their record.
    pub(super) fn roll_back(&mut self) {
        for batch in self.scratch.batches() {
            let floats = batch.floats.refs.iter().zip(&batch.float_targets);
            let histograms = batch.histograms.refs.iter().zip(&batch.histogram_targets);
            for (&number, &target) in floats.chain(histograms) {
                let (shard, slot) = self.head.place(target);
                let mut shard = self.head.shards[shard].0.write();
                if shard.cold[slot].number == number {
                    shard.hot[slot].unstage();
                }
            }
        }
        self.scratch.unstage();
        self.scratch.exemplars.clear();
        self.scratch.metadata.clear();
        if std::mem::take(&mut self.has_created) {
            // Where this fails, the next commit logs the series, before samples that need it.
            drop(self.log());
        }
    }
}

impl Shared {
    /// Brings the floats of a batch into the series; those that are late are left in `ooo`.
    fn apply_floats(
        &self,
        batch: &Batch,
        commit: &Commit,
        groups: &mut Groups,
        ooo: &mut Vec<OooRow>,
        tally: &mut Tally,
    ) {
        let (targets, places) = (&batch.float_targets, self.places());
        let groups = if batch.float_groups.len() == targets.len() {
            &batch.float_groups
        } else {
            groups.group(self.shards.len(), targets.len(), |row| places.of(targets[row]).0);
            groups
        };
        for (shard, rows) in groups.by_shard() {
            let mut shard = self.shards[shard].0.write();
            shard.drop_groups(commit.oldest_reader);
            let slot_of = |&row: &u32| places.of(targets[row as usize]).1;
            shard.append_in_groups(rows, slot_of, |shard, rows| {
                self.apply_rows(shard, batch, rows, commit, ooo, tally);
            });
        }
    }

    fn apply_rows(
        &self,
        shard: &mut Shard,
        batch: &Batch,
        rows: &[u32],
        commit: &Commit,
        ooo: &mut Vec<OooRow>,
        tally: &mut Tally,
    ) {
        let (floats, targets, places) = (&batch.floats, &batch.float_targets, self.places());
        for &row in rows {
            let at = row as usize;
            let (_, slot) = places.of(targets[at]);
            let number = floats.refs[at];
            // A pending series is not collected, unless it had no room to count all that have samples for it.
            if shard.cold[slot].number == number {
                let when =
                    When { timestamp_ms: floats.timestamps_ms[at], start_ms: floats.start_ms(at) };
                let late = shard.append(slot, when, floats.values[at], commit, tally);
                if let Some(value) = late {
                    let (target, timestamp_ms) = (targets[at], when.timestamp_ms);
                    ooo.push(OooRow { row, target, number, timestamp_ms, value });
                }
            }
        }
    }

    fn apply_histograms(
        &self,
        batch: &Batch,
        commit: &Commit,
        ooo: &mut Vec<OooRow>,
        tally: &mut Tally,
    ) {
        let rows = batch.histograms.iter_started().enumerate();
        for (row, (number, timestamp_ms, start_ms, value)) in rows {
            let when = When { timestamp_ms, start_ms };
            let target = batch.histogram_targets[row];
            let (shard, slot) = self.place(target);
            let mut shard = self.shards[shard].0.write();
            shard.drop_groups(commit.oldest_reader);
            if shard.cold[slot].number == number
                && shard.append_histogram(slot, when, value, commit, tally)
            {
                let value = Late::histogram(value.clone(), start_ms);
                ooo.push(OooRow { row: row as u32, target, number, timestamp_ms, value });
            }
        }
    }

    /// Adds to the record of series that the next commit logs.
    pub(super) fn append_new_series(&self, body: &[u8]) {
        let mut record = self.new_series.lock();
        if record.is_empty() {
            wal::record::begin_series(&mut record);
        }
        record.extend_from_slice(body);
    }

    /// Takes back a record of series that could not be logged.
    fn restore_new_series(&self, mut record: Vec<u8>) {
        if record.is_empty() {
            return;
        }
        let mut pending = self.new_series.lock();
        // Both records begin with the byte of their kind.
        record.extend_from_slice(pending.get(1..).unwrap_or_default());
        *pending = record;
    }

    /// Logs series that no commit has logged yet: before the log is checkpointed or closed.
    pub(super) fn log_new_series(&self) -> Result<()> {
        let Some(log) = self.log.get() else { return Ok(()) };
        let mut log = log.lock();
        let series = std::mem::take(&mut *self.new_series.lock());
        if series.is_empty() {
            return Ok(());
        }
        log.log(&[&series]).map_err(|error| {
            self.restore_new_series(series);
            refused(error)
        })
    }

    /// Takes the outcome of a commit into bounds and counters.
    pub(super) fn count(&self, tally: &Tally) {
        if tally.appended + tally.histograms > 0 {
            self.min_ms.fetch_min(tally.min_ms, Ordering::Relaxed);
            self.max_ms.fetch_max(tally.max_ms, Ordering::Relaxed);
        }
        self.metrics.count(tally);
    }
}

/// A failure of the log as the caller of a commit sees it.
fn refused(error: wal::Error) -> Error {
    match error {
        wal::Error::Io(source) => Error::Io { op: "write-ahead log".into(), source },
        error => Error::Closed(error.to_string().into()),
    }
}
