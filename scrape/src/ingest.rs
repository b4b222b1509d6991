//! One body into one transaction: lines to columns, columns to the appender, markers for what vanished. Synchronous and
//! without a clock: the loop says when it is. The steady state allocates nothing and takes no lock per sample.

use crate::cache::{Cache, Slot, State};
use crate::metadata::MetadataCache;
use crate::sample_labels::LabelRules;
use crate::{Error, Result};
use expfmt::labels::{LabelBuffer, split_series};
use expfmt::{Entry, TextParser};
use model::metadata::MetricType;
use model::relabel::Scratch;
use model::{Labels, LabelsBuilder, STALE_NAN, SeriesRef};
use storage::{Appender, FloatBatch, LabelBatch, RejectReason, Rejected};

/// How far ahead of the clock a sample may be.
const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// The settings of a loop that concern samples.
#[derive(Clone, Debug)]
pub(crate) struct SampleRules {
    pub(crate) labels: LabelRules,
    pub(crate) honor_timestamps: bool,
    pub(crate) track_timestamps_staleness: bool,
    pub(crate) sample_limit: u64,
}

/// What one body came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Samples in the body.
    pub(crate) scraped: u64,
    /// Samples left after relabelling.
    pub(crate) after_relabelling: u64,
    /// Series that were not in the cache.
    pub(crate) series_added: u64,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
    pub(crate) out_of_bounds: u64,
    /// Samples that were too many.
    pub(crate) over_limit: u64,
}

/// A line whose labels are still to be resolved.
#[derive(Debug)]
struct NewSeries {
    slot: Slot,
    labels: Labels,
}

/// The samples of a body, as columns; `refs` is filled when all series are known.
#[derive(Debug, Default)]
struct Rows {
    slots: Vec<Slot>,
    refs: Vec<SeriesRef>,
    timestamps_ms: Vec<i64>,
    values: Vec<f64>,
    /// Rows whose timestamp the target gave; they may not be tracked. In order.
    exposed: Vec<u32>,
}

impl Rows {
    fn clear(&mut self) {
        self.slots.clear();
        self.refs.clear();
        self.timestamps_ms.clear();
        self.values.clear();
        self.exposed.clear();
    }
}

/// The memory of one target: caches and buffers.
#[derive(Debug, Default)]
pub(crate) struct Ingest {
    cache: Cache,
    pub(crate) metadata: MetadataCache,
    rows: Rows,
    new_series: Vec<NewSeries>,
    rejected: Vec<Rejected>,
    vanished: Vec<(Slot, SeriesRef)>,
    exposed_labels: LabelBuffer,
    builder: LabelsBuilder,
    scratch: Scratch,
}

/// The state of reading one body.
struct Reading<'a> {
    rules: &'a SampleRules,
    now_ms: i64,
    max_ms: i64,
    counts: Counts,
    /// Samples counted against the limit.
    num_limited: u64,
    metric_type: MetricType,
}

impl Ingest {
    /// Stages the samples of `body`, scraped at `now_ms`, and the markers of series that are no longer in it. After an
    /// error the caller drops the transaction and calls [`Ingest::append_nothing`] with a new one. The counts hold in
    /// both cases.
    pub(crate) fn append(
        &mut self,
        body: &[u8],
        now_ms: i64,
        rules: &SampleRules,
        appender: &mut dyn Appender,
    ) -> (Counts, Result<()>) {
        let mut reading = Reading {
            rules,
            now_ms,
            max_ms: now_ms.saturating_add(MAX_AHEAD_MS),
            counts: Counts::default(),
            num_limited: 0,
            metric_type: MetricType::Unknown,
        };
        self.rows.clear();
        self.new_series.clear();
        let read = self.read(body, &mut reading);
        // Also after an error: the series read before it are not the ones that vanished.
        let stored = self.store(rules, appender, &mut reading.counts);
        let limit = if reading.counts.over_limit > 0 { Err(Error::SampleLimit) } else { Ok(()) };
        let result = read
            .and(stored)
            .and(limit)
            .and_then(|()| self.append_markers(now_ms, &rules.labels, appender));
        if result.is_ok() {
            self.cache.finish(true, self.metadata.len());
            self.metadata.finish(true);
        }
        (reading.counts, result)
    }

    /// Stages the markers of all series of the last scrape that this one did not read: after a scrape that failed, and
    /// at the end of a target. Returns whether the caches had to be flushed by force.
    pub(crate) fn append_nothing(
        &mut self,
        now_ms: i64,
        rules: &SampleRules,
        appender: &mut dyn Appender,
    ) -> Result<bool> {
        let result = self.append_markers(now_ms, &rules.labels, appender);
        let forced = self.cache.finish(false, self.metadata.len());
        self.metadata.finish(false);
        result.map(|()| forced)
    }

    fn read(&mut self, body: &[u8], reading: &mut Reading<'_>) -> Result<()> {
        let mut parser = TextParser::new(body);
        loop {
            if parser.at_comment() {
                if let Some(line) = self.metadata.expected()
                    && parser.skip_line(line)
                {
                    if let Some(metric_type) = self.metadata.see_expected() {
                        reading.metric_type = metric_type;
                    }
                    continue;
                }
            } else if let Some((slot, text)) = self.cache.expected()
                && let Some((value, timestamp_ms)) = parser.next_of(text)?
            {
                self.known_line(reading, slot, value, timestamp_ms);
                continue;
            }
            let begin = parser.position();
            match parser.next()? {
                None => return Ok(()),
                Some(Entry::Sample(sample)) => match self.cache.find(sample.series) {
                    Some(slot) => {
                        self.known_line(reading, slot, sample.value, sample.timestamp_ms);
                    }
                    None => self.new_line(reading, &sample)?,
                },
                Some(entry) => {
                    if let Entry::Type { metric_type, .. } = entry {
                        reading.metric_type = metric_type;
                    }
                    self.metadata
                        .see(&entry, body.get(begin..parser.position()).unwrap_or_default());
                }
            }
        }
    }

    #[inline]
    fn known_line(
        &mut self,
        reading: &mut Reading<'_>,
        slot: Slot,
        value: f64,
        timestamp_ms: Option<i64>,
    ) {
        reading.counts.scraped += 1;
        let again = self.cache.see(slot);
        if self.cache.state(slot) == State::Dropped {
            return;
        }
        reading.counts.after_relabelling += 1;
        let timestamp_ms = timestamp_ms.filter(|_| reading.rules.honor_timestamps);
        if again && timestamp_ms.is_none() {
            reading.counts.duplicates += 1;
        } else if reading.admits(timestamp_ms) {
            self.push_row(slot, reading.now_ms, value, timestamp_ms);
        }
    }

    #[inline]
    fn push_row(&mut self, slot: Slot, now_ms: i64, value: f64, timestamp_ms: Option<i64>) {
        if timestamp_ms.is_some() {
            self.rows.exposed.push(self.rows.slots.len() as u32);
        }
        self.rows.slots.push(slot);
        self.rows.timestamps_ms.push(timestamp_ms.unwrap_or(now_ms));
        self.rows.values.push(value);
    }

    #[cold]
    fn new_line(&mut self, reading: &mut Reading<'_>, sample: &expfmt::Sample<'_>) -> Result<()> {
        reading.counts.scraped += 1;
        let metric_type = reading.metric_type;
        split_series(sample.series, metric_type, &mut self.exposed_labels);
        if !reading.rules.labels.apply(
            &self.exposed_labels,
            &mut self.builder,
            &mut self.scratch,
        )? {
            self.cache.insert(sample.series, State::Dropped, metric_type);
            return Ok(());
        }
        reading.counts.after_relabelling += 1;
        let timestamp_ms = sample.timestamp_ms.filter(|_| reading.rules.honor_timestamps);
        if reading.admits(timestamp_ms) {
            let slot = self.cache.insert(sample.series, State::Pending, metric_type);
            self.new_series.push(NewSeries { slot, labels: self.builder.labels() });
            self.push_row(slot, reading.now_ms, sample.value, timestamp_ms);
        }
        Ok(())
    }

    /// Resolves new series, appends all rows, and notes what is there for the markers of the next scrape.
    fn store(
        &mut self,
        rules: &SampleRules,
        appender: &mut dyn Appender,
        counts: &mut Counts,
    ) -> Result<()> {
        let num_new = self.new_series.len() as u64;
        let new_series = std::mem::take(&mut self.new_series);
        self.resolve(new_series.iter().map(|new| (new.slot, &new.labels)), appender)?;
        self.append_rows(&rules.labels, appender)?;
        let num_refused = self.note_rejected(counts)?;
        self.track(rules);
        counts.series_added = num_new - self.forget_refused(&new_series, num_refused);
        self.new_series = new_series;
        Ok(())
    }

    /// Asks the storage for the references of these lines.
    fn resolve<'a>(
        &mut self,
        series: impl Iterator<Item = (Slot, &'a Labels)>,
        appender: &mut dyn Appender,
    ) -> Result<()> {
        let (mut slots, mut pairs, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (slot, labels) in series {
            slots.push(slot);
            pairs.extend(labels.iter());
            ends.push(u32::try_from(pairs.len()).expect("a body holds under 2^32 labels"));
        }
        if slots.is_empty() {
            return Ok(());
        }
        let mut refs = Vec::with_capacity(slots.len());
        self.rejected.clear();
        appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut self.rejected)?;
        if let Some(rejected) = self.rejected.first() {
            return Err(Error::Rejected(rejected.reason.as_str()));
        }
        for (&slot, series) in slots.iter().zip(refs) {
            let series = series.ok_or(Error::Rejected("series refused without a reason"))?;
            self.cache.set_state(slot, State::Series(series));
        }
        Ok(())
    }

    /// Appends the rows; those of series that the storage forgot are resolved again and appended once more. Leaves in
    /// `rejected` what was refused for good.
    fn append_rows(&mut self, rules: &LabelRules, appender: &mut dyn Appender) -> Result<()> {
        let Self { rows, cache, rejected, .. } = self;
        for &slot in &rows.slots {
            let State::Series(series) = cache.state(slot) else {
                unreachable!("dropped lines have no rows and new ones are resolved")
            };
            rows.refs.push(series);
        }
        rejected.clear();
        let batch = FloatBatch::new(&rows.refs, &rows.timestamps_ms, &rows.values);
        appender.append_floats(batch, rejected)?;
        let is_unknown = |r: &&Rejected| r.reason == RejectReason::UnknownRef;
        let unknown: Vec<u32> = rejected.iter().filter(is_unknown).map(|r| r.row).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let mut refused = std::mem::take(rejected);
        refused.retain(|r| r.reason != RejectReason::UnknownRef);
        let slots: Vec<Slot> = unknown.iter().map(|&row| self.rows.slots[row as usize]).collect();
        self.resolve_again(&slots, rules, appender)?;
        let (mut refs, mut timestamps_ms, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (&row, &slot) in unknown.iter().zip(&slots) {
            let State::Series(series) = self.cache.state(slot) else { continue };
            refs.push(series);
            timestamps_ms.push(self.rows.timestamps_ms[row as usize]);
            values.push(self.rows.values[row as usize]);
        }
        self.rejected.clear();
        let batch = FloatBatch::new(&refs, &timestamps_ms, &values);
        appender.append_floats(batch, &mut self.rejected)?;
        for rejected in &mut self.rejected {
            rejected.row = unknown[rejected.row as usize];
        }
        self.rejected.append(&mut refused);
        Ok(())
    }

    /// Resolves lines from their text, as when they were new.
    fn resolve_again(
        &mut self,
        slots: &[Slot],
        rules: &LabelRules,
        appender: &mut dyn Appender,
    ) -> Result<()> {
        let mut series = Vec::with_capacity(slots.len());
        for &slot in slots {
            let metric_type = self.cache.metric_type(slot);
            split_series(self.cache.text(slot), metric_type, &mut self.exposed_labels);
            let kept = rules.apply(&self.exposed_labels, &mut self.builder, &mut self.scratch)?;
            assert!(kept, "a line with a series is not dropped by the same rules");
            series.push((slot, self.builder.labels()));
        }
        self.resolve(series.iter().map(|(slot, labels)| (*slot, labels)), appender)
    }

    /// Counts refused rows and makes them untracked. Returns how many there are.
    fn note_rejected(&mut self, counts: &mut Counts) -> Result<usize> {
        self.rejected.sort_unstable_by_key(|rejected| rejected.row);
        for rejected in &self.rejected {
            match rejected.reason {
                RejectReason::OutOfOrder => counts.out_of_order += 1,
                RejectReason::DuplicateTimestamp => counts.duplicates += 1,
                RejectReason::OutOfBounds => counts.out_of_bounds += 1,
                reason => return Err(Error::Rejected(reason.as_str())),
            }
        }
        Ok(self.rejected.len())
    }

    /// Tracks the lines of all rows that were accepted and whose disappearance means something.
    fn track(&mut self, rules: &SampleRules) {
        let mut rejected = self.rejected.iter().map(|rejected| rejected.row).peekable();
        let mut exposed = self.rows.exposed.iter().copied().peekable();
        for (row, &slot) in self.rows.slots.iter().enumerate() {
            let refused = rejected.next_if_eq(&(row as u32)).is_some();
            let has_timestamp = exposed.next_if_eq(&(row as u32)).is_some();
            if !refused && (!has_timestamp || rules.track_timestamps_staleness) {
                self.cache.track(slot);
            }
        }
    }

    /// Removes new lines none of whose rows was accepted. Returns their number.
    fn forget_refused(&mut self, new_series: &[NewSeries], num_refused: usize) -> u64 {
        if num_refused == 0 || new_series.is_empty() {
            return 0;
        }
        let mut rejected = self.rejected.iter().map(|rejected| rejected.row).peekable();
        let mut accepted = model::hash::HashSet::default();
        for (row, &slot) in self.rows.slots.iter().enumerate() {
            if rejected.next_if_eq(&(row as u32)).is_none() {
                accepted.insert(slot);
            }
        }
        let refused = new_series.iter().filter(|new| !accepted.contains(&new.slot));
        refused.map(|new| self.cache.remove(new.slot)).count() as u64
    }

    /// Stages a marker at `now_ms` for each series that vanished. Where a new loop of the same series was faster, the
    /// storage refuses the marker as out of order, which is as it should be.
    fn append_markers(
        &mut self,
        now_ms: i64,
        rules: &LabelRules,
        appender: &mut dyn Appender,
    ) -> Result<()> {
        let mut vanished = std::mem::take(&mut self.vanished);
        vanished.clear();
        self.cache.vanished(&mut vanished);
        if vanished.is_empty() {
            return Ok(());
        }
        self.rows.clear();
        for &(slot, _) in &vanished {
            self.push_row(slot, now_ms, STALE_NAN, None);
        }
        self.vanished = vanished;
        self.append_rows(rules, appender)?;
        let harmless = [RejectReason::OutOfOrder, RejectReason::DuplicateTimestamp];
        match self.rejected.iter().find(|rejected| !harmless.contains(&rejected.reason)) {
            Some(rejected) => Err(Error::Rejected(rejected.reason.as_str())),
            None => Ok(()),
        }
    }
}

impl Reading<'_> {
    /// Whether a sample may go to the storage: below the limit, not too far ahead.
    #[inline]
    fn admits(&mut self, timestamp_ms: Option<i64>) -> bool {
        self.num_limited += 1;
        let limit = self.rules.sample_limit;
        if limit > 0 && self.num_limited > limit {
            self.counts.over_limit += 1;
            return false;
        }
        if timestamp_ms.is_some_and(|timestamp_ms| timestamp_ms > self.max_ms) {
            self.counts.out_of_bounds += 1;
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests;
