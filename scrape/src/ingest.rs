//! One body into one transaction: lines to columns, columns to the appender, markers for what vanished. Synchronous and
//! without a clock: the loop says when it is. The steady state allocates nothing and takes no lock per sample.
//! Reading a body is in `ingest::read`, columns in `ingest::rows`, markers in `ingest::markers`, exemplars in
//! `ingest::exemplars`.

use crate::cache::{Cache, Slot, State};
use crate::histograms::HistogramLimits;
use crate::metadata::MetadataCache;
use crate::sample_labels::LabelRules;
use crate::spare::Reusable;
use crate::{Error, Result};
use again::Source;
use exemplars::Exemplars;
use expfmt::labels::LabelBuffer;
use expfmt::{Format, ParseOptions};
use markers::LastBody;
use model::histogram::Histogram;
use model::relabel::Scratch;
use model::{Labels, LabelsBuilder, SeriesRef};
use read::{Read, Reading, with_parser};
use rows::{Column, Rows, fatal};
use storage::{Appender, LabelBatch, RejectReason, Rejected};
use told::Told;

mod again;
mod exemplars;
mod markers;
mod read;
mod rows;
mod told;

/// What flags of the server change about samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Type and unit of metrics become labels.
    pub type_and_unit_labels: bool,
    /// A start timestamp that is new becomes a sample of zero.
    pub zero_samples: bool,
    /// Start timestamps are stored with the samples.
    pub start_timestamps: bool,
    /// Counters without a start timestamp get one: when they were first seen, or just before a reset.
    pub synthesise_starts: bool,
    /// Type, unit and help go to the storage with their series.
    pub metadata: bool,
}

/// The settings of a loop that concern samples.
#[derive(Clone, Debug)]
pub(crate) struct SampleRules {
    pub(crate) labels: LabelRules,
    pub(crate) honor_timestamps: bool,
    pub(crate) track_timestamps_staleness: bool,
    pub(crate) sample_limit: u64,
    pub(crate) interval_ms: i64,
    pub(crate) parse: ParseOptions,
    pub(crate) histograms: HistogramLimits,
    pub(crate) features: Features,
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
    pub(crate) out_of_order_exemplars: u64,
    /// Samples that were too many.
    pub(crate) over_limit: u64,
    /// Histograms that had too many buckets.
    pub(crate) over_bucket_limit: u64,
    /// Samples left out so that the others stay within the bounds.
    pub(crate) left_out: u64,
}

/// A line whose labels are still to be resolved.
#[derive(Debug)]
struct NewSeries {
    slot: Slot,
    labels: Labels,
}

/// What is kept of one target from scrape to scrape.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    cache: Cache,
    pub(crate) metadata: MetadataCache,
    last_body: Option<LastBody>,
}

/// The work of one scrape, with buffers that the targets of a job share. It has the memory of a target in the meantime.
#[derive(Debug, Default)]
pub(crate) struct Ingest {
    cache: Cache,
    metadata: MetadataCache,
    last_body: Option<LastBody>,
    floats: Rows<f64>,
    histograms: Rows<Histogram>,
    /// Samples of zero where counters began; they come before all others.
    zero_floats: Rows<f64>,
    zero_histograms: Rows<Histogram>,
    exemplars: Exemplars,
    told: Told,
    new_series: Vec<NewSeries>,
    /// Lines whose series the storage would have to create and has no room for.
    refused: Vec<Slot>,
    vanished: Vec<(Slot, SeriesRef)>,
    exposed_labels: LabelBuffer,
    builder: LabelsBuilder,
    scratch: Scratch,
}

impl Ingest {
    /// Forgets what was read.
    fn clear(&mut self) {
        self.floats.clear();
        self.histograms.clear();
        self.zero_floats.clear();
        self.zero_histograms.clear();
        self.exemplars.clear();
        self.told.clear();
        self.new_series.clear();
    }

    /// Exchanges the memory it works on: before a scrape for that of the target, and back again after it.
    pub(crate) fn exchange(&mut self, memory: &mut Memory) {
        std::mem::swap(&mut self.cache, &mut memory.cache);
        std::mem::swap(&mut self.metadata, &mut memory.metadata);
        std::mem::swap(&mut self.last_body, &mut memory.last_body);
    }

    /// Stages the samples of `body`, scraped at `now_ms`, and the markers of series that are no longer in it. After an
    /// error the caller drops the transaction and calls [`Ingest::append_nothing`] with a new one. The counts hold in
    /// both cases.
    pub(crate) fn append(
        &mut self,
        (format, body): (Format, &[u8]),
        now_ms: i64,
        rules: &SampleRules,
        appender: &mut dyn Appender,
    ) -> (Counts, Result<()>) {
        let room = appender.room_for_series();
        let mut reading = Reading::new(rules, now_ms, &self.cache, room);
        self.clear();
        let options = rules.parse;
        let read = Read { ingest: self, body, reading: &mut reading };
        let read = with_parser(format, body, options, read);
        let mut counts = reading.counts;
        // Also after an error: the series read before it are not the ones that vanished.
        let source = Source { format, body, options };
        let stored = self.store(rules, source, appender, &mut counts);
        let limit = if counts.over_limit > 0 {
            Err(Error::SampleLimit)
        } else if counts.over_bucket_limit > 0 {
            Err(Error::BucketLimit)
        } else {
            Ok(())
        };
        let oldest_ms = self.oldest_ms(now_ms, rules);
        let result =
            read.and(stored).and(limit).and_then(|()| self.append_markers(now_ms, rules, appender));
        self.forget_lines_of_refused();
        if result.is_ok() {
            self.keep_body((format, body), (oldest_ms, now_ms), rules);
            self.cache.finish(true, self.metadata.len());
            self.metadata.finish(true);
        }
        (counts, result)
    }

    /// Stages the markers of all series of the last scrape that this one did not read: after a scrape that failed, and
    /// at the end of a target. Returns whether the caches had to be flushed by force.
    pub(crate) fn append_nothing(
        &mut self,
        now_ms: i64,
        rules: &SampleRules,
        appender: &mut dyn Appender,
    ) -> Result<bool> {
        let result = self.append_markers(now_ms, rules, appender);
        self.forget_lines_of_refused();
        self.last_body = None;
        self.cache.forget_exemplars();
        let forced = self.cache.finish(false, self.metadata.len());
        self.metadata.finish(false);
        result.map(|()| forced)
    }

    /// Resolves new series, appends all rows, and notes what is there for the markers of the next scrape.
    fn store(
        &mut self,
        rules: &SampleRules,
        source: Source<'_>,
        appender: &mut dyn Appender,
        counts: &mut Counts,
    ) -> Result<()> {
        let num_new = self.new_series.len() as u64;
        let new_series = std::mem::take(&mut self.new_series);
        self.resolve(new_series.iter().map(|new| (new.slot, &new.labels)), appender)?;
        self.append_zeros(&rules.labels, source, appender)?;
        let mut floats = std::mem::take(&mut self.floats);
        let mut histograms = std::mem::take(&mut self.histograms);
        let appended = self
            .append_rows(&mut floats, (rules, source), appender, counts)
            .and_then(|()| self.append_rows(&mut histograms, (rules, source), appender, counts));
        if appended.is_ok() {
            let refused = self.forget_refused(&new_series, &floats, &histograms);
            counts.series_added = num_new - refused;
        }
        (self.floats, self.histograms, self.new_series) = (floats, histograms, new_series);
        appended?;
        self.append_told(appender)?;
        counts.out_of_order_exemplars = self.exemplars.append(&self.cache, appender)?;
        Ok(())
    }

    /// Samples of zero that the storage has no place for are of no consequence.
    fn append_zeros(
        &mut self,
        rules: &LabelRules,
        source: Source<'_>,
        appender: &mut dyn Appender,
    ) -> Result<()> {
        let mut floats = std::mem::take(&mut self.zero_floats);
        let mut histograms = std::mem::take(&mut self.zero_histograms);
        (floats.in_order_only, histograms.in_order_only) = (true, true);
        let appended = self
            .append_resolved(&mut floats, (rules, source), appender)
            .and_then(|()| self.append_resolved(&mut histograms, (rules, source), appender));
        (self.zero_floats, self.zero_histograms) = (floats, histograms);
        appended
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
        let mut rejected: Vec<Rejected> = Vec::new();
        appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
        if let Some(rejected) = rejected.iter().find(|r| !r.reason.refuses_new_series()) {
            return Err(fatal(rejected.reason));
        }
        let num_refused = rejected.len() + self.refused.len();
        for (&slot, series) in slots.iter().zip(refs) {
            self.cache.set_state(slot, series.map_or(State::Refused, State::Series));
            if series.is_none() {
                self.refused.push(slot);
            }
        }
        if self.refused.len() > num_refused {
            return Err(Error::Rejected("series refused without a reason"));
        }
        Ok(())
    }

    /// Lines of series that were refused are new again in the next scrape.
    fn forget_lines_of_refused(&mut self) {
        self.cache.forget_refused(&self.refused);
        self.refused.clear();
    }

    /// Appends the rows; those of series that the storage forgot are resolved again and appended once more. Leaves in
    /// `rows` what was refused for good, in order.
    fn append_resolved<V: Column>(
        &mut self,
        rows: &mut Rows<V>,
        (rules, source): (&LabelRules, Source<'_>),
        appender: &mut dyn Appender,
    ) -> Result<()> {
        let unknown = rows.append(&self.cache, appender)?;
        if !unknown.is_empty() {
            let slots: Vec<Slot> = unknown.iter().map(|&row| rows.slots[row as usize]).collect();
            self.resolve_again(&slots, rules, source, appender)?;
            rows.append_again(&unknown, &self.cache, appender)?;
        }
        rows.rejected.sort_unstable_by_key(|rejected| rejected.row);
        Ok(())
    }

    /// Appends the rows, counts refused ones, and tracks the lines of those that were accepted and whose disappearance
    /// means something.
    fn append_rows<V: Column>(
        &mut self,
        rows: &mut Rows<V>,
        (rules, source): (&SampleRules, Source<'_>),
        appender: &mut dyn Appender,
        counts: &mut Counts,
    ) -> Result<()> {
        self.append_resolved(rows, (&rules.labels, source), appender)?;
        for rejected in &rows.rejected {
            match rejected.reason {
                RejectReason::OutOfOrder => counts.out_of_order += 1,
                RejectReason::DuplicateTimestamp => counts.duplicates += 1,
                RejectReason::OutOfBounds => counts.out_of_bounds += 1,
                reason if reason.refuses_new_series() => counts.left_out += 1,
                reason => {
                    // Reading ends with this sample, so to speak.
                    let later =
                        (rows.slots.len() as u64).saturating_sub(u64::from(rejected.row) + 1);
                    counts.scraped = counts.scraped.saturating_sub(later);
                    counts.after_relabelling = counts.after_relabelling.saturating_sub(later + 1);
                    return Err(fatal(reason));
                }
            }
        }
        for (slot, refused, exposed) in rows.outcomes() {
            if !refused && (!exposed || rules.track_timestamps_staleness) {
                self.cache.track(slot);
            }
        }
        Ok(())
    }

    /// Removes new lines all of whose rows were refused. Returns their number.
    fn forget_refused(
        &mut self,
        new_series: &[NewSeries],
        floats: &Rows<f64>,
        histograms: &Rows<Histogram>,
    ) -> u64 {
        let any_refused = !floats.rejected.is_empty() || !histograms.rejected.is_empty();
        if !any_refused || new_series.is_empty() {
            return 0;
        }
        let mut accepted = model::hash::HashMap::default();
        for (slot, refused, _) in floats.outcomes().chain(histograms.outcomes()) {
            *accepted.entry(slot).or_insert(false) |= !refused;
        }
        let refused = new_series.iter().filter(|new| accepted.get(&new.slot) == Some(&false));
        refused.map(|new| self.cache.remove(new.slot)).count() as u64
    }
}

impl Reusable for Box<Ingest> {
    fn clear(&mut self) {
        (**self).clear();
    }

    fn capacity_bytes(&self) -> usize {
        let rows = [&self.floats, &self.zero_floats].map(Rows::capacity_bytes);
        let histograms = [&self.histograms, &self.zero_histograms].map(Rows::capacity_bytes);
        let new_series = self.new_series.capacity() * size_of::<NewSeries>();
        let others = self.exemplars.capacity_bytes() + new_series;
        rows.into_iter().chain(histograms).sum::<usize>() + others
    }
}

#[cfg(test)]
mod tests;
