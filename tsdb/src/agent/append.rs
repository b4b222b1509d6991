//! A transaction of an agent: what comes is checked against the newest sample of its series, staged, logged at once.

use super::Shared;
use crate::error::from_log;
use model::metadata::Metadata;
use model::{Labels, SeriesRef};
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::{
    Appender, ExemplarBatch, FloatBatch, HistogramBatch, LabelBatch, RejectReason, Rejected, Result,
};
use wal::record::{self, Histograms, Samples};

/// How long the labels of an exemplar may be, in characters.
const MAX_EXEMPLAR_CHARS: usize = 128;

/// An exemplar as it was logged.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exemplar {
    timestamp_ms: i64,
    bits: u64,
    labels: Labels,
}

/// See the module.
pub(super) struct AgentAppender {
    shared: Arc<Shared>,
    floats: Samples,
    histograms: Histograms,
    exemplars: Vec<(u64, Exemplar)>,
    metadata: Vec<(u64, Metadata)>,
}

impl AgentAppender {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            floats: Samples::default(),
            histograms: Histograms::default(),
            exemplars: Vec::new(),
            metadata: Vec::new(),
        }
    }

    /// The records of what is staged, but for floats, which have a buffer of their own.
    fn records(&self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        if !self.metadata.is_empty() {
            let mut out = Vec::new();
            let rows = self.metadata.iter().map(|(number, told)| (*number, told));
            record::encode_metadata(&mut out, rows);
            records.push(out);
        }
        let floats = &self.floats;
        if !floats.is_empty() {
            let mut out = Vec::with_capacity(floats.len() * 12 + 32);
            if floats.start_timestamps_ms.is_empty() {
                record::encode_samples(&mut out, floats.iter());
            } else {
                let rows = floats.iter().enumerate();
                let rows =
                    rows.map(|(row, (number, time, v))| (number, time, floats.start_ms(row), v));
                record::encode_started_samples(&mut out, rows);
            }
            records.push(out);
        }
        let histograms = &self.histograms;
        if histograms.start_timestamps_ms.is_empty() {
            record::encode_histograms(&histograms.iter(), &mut records);
        } else {
            let rows = histograms.iter().enumerate();
            let rows =
                rows.map(|(row, (number, time, v))| (number, time, histograms.start_ms(row), v));
            record::encode_started_histograms(&rows, &mut records);
        }
        if !self.exemplars.is_empty() {
            let mut out = Vec::new();
            let rows = self.exemplars.iter().map(|(number, exemplar)| {
                let Exemplar { timestamp_ms, bits, labels } = exemplar;
                (*number, *timestamp_ms, f64::from_bits(*bits), labels.iter())
            });
            record::encode_exemplars(&mut out, rows);
            records.push(out);
        }
        records
    }

    /// Samples are in the log: their series go on from them.
    fn apply(&mut self) {
        let table = self.shared.table.read();
        let floats = self.floats.refs.iter().zip(&self.floats.timestamps_ms);
        let histograms = self.histograms.refs.iter().zip(&self.histograms.timestamps_ms);
        for (&number, &timestamp_ms) in floats.chain(histograms) {
            if let Some(series) = table.get(number) {
                series.advance(timestamp_ms);
            }
        }
        drop(table);
        let metrics = &self.shared.metrics;
        metrics.samples.inc_by(self.floats.len() as u64);
        metrics.histograms.inc_by(self.histograms.refs.len() as u64);
        metrics.exemplars.inc_by(self.exemplars.len() as u64);
        self.shared.exemplars.lock().extend(self.exemplars.drain(..));
        if !self.metadata.is_empty() {
            let mut told = self.shared.metadata.lock();
            for (number, metadata) in &self.metadata {
                let hash = told.hasher().hash_one(metadata);
                told.insert(*number, hash);
            }
        }
    }

    /// Finds the series and holds it if a sample of this time may come.
    fn check(
        table: &super::Table,
        number: u64,
        timestamp_ms: i64,
        window_ms: i64,
    ) -> Result<(), RejectReason> {
        let series = table.get(number).ok_or(RejectReason::UnknownRef)?;
        if !series.takes(timestamp_ms, window_ms) {
            return Err(RejectReason::OutOfOrder);
        }
        series.hold();
        Ok(())
    }

    fn refuse(&self, row: usize, reason: RejectReason, rejected: &mut Vec<Rejected>) {
        if reason == RejectReason::OutOfOrder {
            self.shared.metrics.out_of_order.inc();
        }
        rejected.push(Rejected { row: row as u32, reason });
    }
}

impl Appender for AgentAppender {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let begin = refs.len();
        let mut missing = Vec::new();
        let table = self.shared.table.read();
        for row in 0..labels.len() {
            let set = labels.get(row);
            let reason = if set.is_empty() {
                Some(RejectReason::EmptyLabels)
            } else if set.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
                Some(RejectReason::DuplicateLabel)
            } else {
                None
            };
            let found = if reason.is_none() { table.find(set) } else { None };
            if reason.is_none() && found.is_none() {
                missing.push(row);
            }
            refs.push(found.and_then(SeriesRef::new));
            rejected.extend(reason.map(|reason| Rejected { row: row as u32, reason }));
        }
        drop(table);
        if missing.is_empty() {
            return Ok(());
        }
        let mut table = self.shared.table.write();
        let mut new_series = self.shared.new_series.lock();
        for row in missing {
            let set = labels.get(row);
            // Another transaction may have been faster, or the batch names the series twice.
            let number = table.find(set).unwrap_or_else(|| {
                let number = table.create(set);
                if new_series.is_empty() {
                    record::begin_series(&mut new_series);
                }
                record::push_series(&mut new_series, number, set.iter().copied());
                number
            });
            refs[begin + row] = SeriesRef::new(number);
        }
        self.shared.metrics.active_series.set(table.len() as f64);
        Ok(())
    }

    fn append_floats(&mut self, batch: FloatBatch<'_>, rejected: &mut Vec<Rejected>) -> Result<()> {
        let (refs, timestamps_ms, values) = batch.columns();
        let starts = batch.start_timestamps_ms();
        let window_ms = self.shared.window_ms.load(Ordering::Relaxed);
        let shared = Arc::clone(&self.shared);
        let table = shared.table.read();
        for row in 0..refs.len() {
            let (number, timestamp_ms) = (refs[row].get(), timestamps_ms[row]);
            if let Err(reason) = Self::check(&table, number, timestamp_ms, window_ms) {
                self.refuse(row, reason, rejected);
                continue;
            }
            let floats = &mut self.floats;
            if let Some(&start_ms) = starts.get(row).filter(|start| **start != 0) {
                floats.start_timestamps_ms.resize(floats.refs.len(), 0);
                floats.start_timestamps_ms.push(start_ms);
            }
            floats.refs.push(number);
            floats.timestamps_ms.push(timestamp_ms);
            floats.values.push(values[row]);
        }
        Ok(())
    }

    fn append_histograms(
        &mut self,
        batch: HistogramBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let (refs, timestamps_ms, values) = batch.columns();
        let starts = batch.start_timestamps_ms();
        let window_ms = self.shared.window_ms.load(Ordering::Relaxed);
        let shared = Arc::clone(&self.shared);
        let table = shared.table.read();
        for row in 0..refs.len() {
            let (number, timestamp_ms, value) = (refs[row].get(), timestamps_ms[row], &values[row]);
            let is_sound = model::is_stale_nan(value.sum()) || value.validate().is_ok();
            let checked = if is_sound {
                Self::check(&table, number, timestamp_ms, window_ms)
            } else {
                Err(RejectReason::InvalidHistogram)
            };
            if let Err(reason) = checked {
                self.refuse(row, reason, rejected);
                continue;
            }
            let histograms = &mut self.histograms;
            if let Some(&start_ms) = starts.get(row).filter(|start| **start != 0) {
                histograms.start_timestamps_ms.resize(histograms.refs.len(), 0);
                histograms.start_timestamps_ms.push(start_ms);
            }
            histograms.refs.push(number);
            histograms.timestamps_ms.push(timestamp_ms);
            histograms.values.push(value.clone());
        }
        Ok(())
    }

    /// What equals the last exemplar of its series is there already, which is no error.
    fn append_exemplars(
        &mut self,
        batch: ExemplarBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let (refs, rows) = batch.columns();
        let shared = Arc::clone(&self.shared);
        let known = shared.exemplars.lock();
        for (row, (series, exemplar)) in refs.iter().zip(rows).enumerate() {
            let chars = |(name, value): &(&str, &str)| name.chars().count() + value.chars().count();
            if exemplar.labels.iter().map(chars).sum::<usize>() > MAX_EXEMPLAR_CHARS {
                self.refuse(row, RejectReason::ExemplarLabelsTooLong, rejected);
                continue;
            }
            let staged = Exemplar {
                timestamp_ms: exemplar.timestamp_ms,
                bits: exemplar.value.to_bits(),
                labels: Labels::from_pairs(exemplar.labels.iter().copied()),
            };
            if known.get(&series.get()) != Some(&staged) {
                self.exemplars.push((series.get(), staged));
            }
        }
        Ok(())
    }

    fn append_metadata(&mut self, refs: &[SeriesRef], metadata: &[Metadata]) -> Result<()> {
        if self.shared.keeps_metadata {
            let known = self.shared.metadata.lock();
            let rows = refs.iter().zip(metadata);
            let is_new = |series: &SeriesRef, told: &Metadata| {
                known.get(&series.get()) != Some(&known.hasher().hash_one(told))
            };
            let rows = rows.filter(|(series, told)| is_new(series, told));
            self.metadata.extend(rows.map(|(series, told)| (series.get(), told.clone())));
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        let records = self.records();
        self.shared.log(&records)?;
        self.apply();
        Ok(())
    }
}

impl Drop for AgentAppender {
    fn drop(&mut self) {
        let table = self.shared.table.read();
        for number in self.floats.refs.iter().chain(&self.histograms.refs) {
            if let Some(series) = table.get(*number) {
                series.release();
            }
        }
    }
}

impl Shared {
    /// Writes new series and these records, with one write.
    pub(super) fn log(&self, records: &[Vec<u8>]) -> Result<()> {
        let mut log = self.log.lock();
        // Taken under the lock of the log: series are logged before anybody's samples of them.
        let series = std::mem::take(&mut *self.new_series.lock());
        let present: Vec<&[u8]> = std::iter::once(&series)
            .chain(records)
            .map(Vec::as_slice)
            .filter(|record| !record.is_empty())
            .collect();
        if present.is_empty() {
            return Ok(());
        }
        log.log(&present).map_err(|error| {
            self.restore_new_series(series);
            from_log(error)
        })
    }

    /// Takes back a record of series that could not be logged.
    fn restore_new_series(&self, mut record: Vec<u8>) {
        let mut pending = self.new_series.lock();
        if record.is_empty() {
            return;
        }
        // Both records begin with the byte of their kind.
        record.extend_from_slice(pending.get(1..).unwrap_or_default());
        *pending = record;
    }

    /// Logs series that no commit has logged yet.
    pub(super) fn log_new_series(&self) -> Result<()> {
        self.log(&[])
    }
}
