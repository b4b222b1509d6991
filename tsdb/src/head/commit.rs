//! The end of a transaction: log it, apply it, count it; or roll it back.

use super::Shared;
use super::append::{HeadAppender, group_by_shard, rows_by_shard};
use super::ooo::OooRow;
use super::shard::{Commit, Tally};
use std::sync::atomic::Ordering;
use storage::{Error, Result};

impl HeadAppender {
    /// Logs the staged samples, then shows them all at once.
    pub(super) fn commit_staged(mut self: Box<Self>) -> Result<()> {
        self.log()?;
        self.apply();
        self.apply_metadata();
        self.apply_exemplars();
        Ok(())
    }

    /// Writes new series and the staged samples, with one write.
    fn log(&mut self) -> Result<()> {
        let Some(log) = self.head.log.get() else { return Ok(()) };
        let (metadata, exemplars) = (self.metadata_record(), self.exemplar_record());
        let scratch = &mut self.scratch;
        scratch.record.clear();
        if !scratch.staged.is_empty() {
            let mut encoder = wal::record::SampleEncoder::begin(&mut scratch.record);
            for (number, timestamp_ms, value) in scratch.staged.iter() {
                encoder.push(&mut scratch.record, number, timestamp_ms, value);
            }
        }
        let mut histograms = Vec::new();
        wal::record::encode_histograms(&scratch.histograms.iter(), &mut histograms);
        let mut log = log.lock();
        // Taken under the lock of the log: series are logged before anybody's samples of them.
        let series = std::mem::take(&mut *self.head.new_series.lock());
        let mut present = vec![&series[..], &metadata, &scratch.record];
        present.extend(histograms.iter().map(Vec::as_slice));
        present.push(&exemplars);
        present.retain(|record| !record.is_empty());
        if present.is_empty() {
            return Ok(());
        }
        let outcome = log.log(&present);
        drop(log);
        outcome.map_err(|error| {
            self.head.restore_new_series(series);
            refused(error)
        })
    }

    /// Brings the staged samples into the series. Readers that open meanwhile wait; those open before see none.
    fn apply(&mut self) {
        let Some(bounds) = self.bounds() else { return };
        let (head, scratch) = (&self.head, &mut self.scratch);
        if scratch.staged.is_empty() && scratch.histogram_targets.is_empty() {
            return;
        }
        let targets = &scratch.staged_targets;
        let num_rows = targets.len();
        let shard_of = |row: usize| head.place(targets[row]).0;
        let num_shards = head.shards.len();
        group_by_shard(num_shards, num_rows, shard_of, &mut scratch.order, &mut scratch.ends);
        let mut tally = Tally::default();
        let applying = head.isolation.apply();
        let commit = Commit {
            rule: head.rule,
            min_valid_ms: bounds.min_valid_ms,
            ooo_floor: bounds.ooo_floor,
            epoch: applying.epoch,
            oldest_reader: applying.oldest_reader,
        };
        for (shard, rows) in rows_by_shard(&scratch.order, &scratch.ends) {
            let mut shard = head.shards[shard].0.write();
            shard.drop_groups(commit.oldest_reader);
            for &row in rows {
                let row = row as usize;
                let (_, slot) = head.place(targets[row]);
                // A pending series is not collected, unless two transactions took turns in marking it.
                if shard.cold[slot].number == scratch.staged.refs[row] {
                    let timestamp_ms = scratch.staged.timestamps_ms[row];
                    let value = scratch.staged.values[row];
                    if shard.append(slot, timestamp_ms, value, &commit, &mut tally) {
                        let number = scratch.staged.refs[row];
                        let (row, target) = (row as u32, targets[row]);
                        scratch.ooo.push(OooRow { row, target, number, timestamp_ms, value });
                    }
                }
            }
        }
        for (row, (number, timestamp_ms, value)) in scratch.histograms.iter().enumerate() {
            let (shard, slot) = head.place(scratch.histogram_targets[row]);
            let mut shard = head.shards[shard].0.write();
            shard.drop_groups(commit.oldest_reader);
            if shard.cold[slot].number == number {
                shard.append_histogram(slot, timestamp_ms, value, &commit, &mut tally);
            }
        }
        drop(applying);
        if !scratch.ooo.is_empty() {
            head.insert_ooo(&mut scratch.ooo);
            scratch.ooo.clear();
        }
        scratch.staged.clear();
        scratch.staged_targets.clear();
        scratch.histograms.clear();
        scratch.histogram_targets.clear();
        head.count(&tally);
    }

    /// Gives up what is staged. Series it created stay, and so does their record.
    pub(super) fn roll_back(&mut self) {
        let floats = self.scratch.staged.refs.iter().zip(&self.scratch.staged_targets);
        let histograms = &self.scratch.histograms.refs;
        let histograms = histograms.iter().zip(&self.scratch.histogram_targets);
        for (&number, &target) in floats.chain(histograms) {
            let (shard, slot) = self.head.place(target);
            let mut shard = self.head.shards[shard].0.write();
            if shard.cold[slot].number == number {
                shard.hot[slot].is_pending = false;
            }
        }
        self.scratch.staged.clear();
        self.scratch.staged_targets.clear();
        self.scratch.histograms.clear();
        self.scratch.histogram_targets.clear();
        self.scratch.exemplars.clear();
        self.scratch.metadata.clear();
        if std::mem::take(&mut self.has_created) {
            // Where this fails, the next commit logs the series, before samples that need it.
            drop(self.log());
        }
    }
}

impl Shared {
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
