//! Columns to the storage: series resolved, samples, histograms, exemplars and metadata appended, refusals collected
//! in the order in which they stand in the request.

use super::columns::{Columns, Fault, Kind, Misses, Part, Rows, at};
use super::labels::{self, Pairs};
use super::zeros::{settle_origins, with_zeros, zero};
use super::{Buffers, Error, MAX_AHEAD_MS, Message, Receiver, Written, refused, v1, v2};
use model::metadata::Metadata;
use model::{SeriesRef, float};
use storage::{
    Appender, ExemplarBatch, ExemplarRow, FloatBatch, HistogramBatch, LabelBatch, RejectReason,
    Rejected,
};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// What is good is stored.
    Done,
    /// Nothing is stored: the first fault says why.
    Refused,
    /// A cached reference dangles; nothing was stored.
    Stale,
}

impl Fault {
    /// Whether it is counted and logged only.
    pub(super) fn is_quiet(&self) -> bool {
        // What there is no room for is no fault of the sender's.
        self.text.is_empty() || self.kind == Kind::NoRoom
    }
}

/// What knows the words of a body: the symbols of 2.0, and how to print labels.
struct Words<'w, 'b> {
    body: &'b [u8],
    v2: Option<(&'w v2::Walk<'w>, &'w v2::Table<'b>)>,
}

impl Words<'_, '_> {
    /// What follows the refusal of something of this series.
    fn suffix(&self, columns: &Columns, series: usize) -> String {
        match self.v2 {
            None => String::new(),
            Some((walk, table)) => {
                let message = at(columns.series[series].message, self.body);
                format!(" for series {}", walk.describe_message(table, message))
            }
        }
    }
}

impl Receiver {
    /// One transaction over the body; the faults are left in the buffers.
    pub(super) fn attempt(
        &self,
        message: Message,
        now_ms: i64,
        trusts_cache: bool,
        buffers: &mut Buffers,
        written: &mut Written,
    ) -> Result<Attempt, Error> {
        let Buffers { body, columns, rejected, faults } = buffers;
        let max_ms = now_ms.saturating_add(MAX_AHEAD_MS);
        faults.clear();
        match message {
            Message::V1 => {
                let cache = self.cache.lookup();
                let known = |span: &[u8]| {
                    let key = self.cache.key(span);
                    (key, if trusts_cache { cache.get(key) } else { None })
                };
                let misses = v1::Walk { known: &known, max_ms }.run(body, columns)?;
                let words = Words { body, v2: None };
                let mut run = Run { receiver: self, words, columns, rejected, faults, max_ms };
                run.all(&misses, now_ms, trusts_cache, written)
            }
            Message::V2 => {
                let table = v2::table(body, &self.cache)?;
                let walk = v2::Walk {
                    cache: &self.cache,
                    trusts_cache,
                    max_ms,
                    type_and_unit_labels: self.options.type_and_unit_labels,
                    keeps_metadata: self.options.metadata,
                };
                let misses = walk.run(body, &table, columns)?;
                let words = Words { body, v2: Some((&walk, &table)) };
                let mut run = Run { receiver: self, words, columns, rejected, faults, max_ms };
                run.all(&misses, now_ms, trusts_cache, written)
            }
        }
    }
}

/// A transaction under way.
struct Run<'r, 'b> {
    receiver: &'r Receiver,
    words: Words<'r, 'b>,
    columns: &'r mut Columns,
    rejected: &'r mut Vec<Rejected>,
    faults: &'r mut Vec<Fault>,
    max_ms: i64,
}

/// The place of a fault among those of its series: before or at a row.
fn before(row: usize) -> u32 {
    (row * 2) as u32
}

impl Run<'_, '_> {
    fn all(
        &mut self,
        misses: &Misses<'_>,
        now_ms: i64,
        trusts_cache: bool,
        written: &mut Written,
    ) -> Result<Attempt, Error> {
        let found = self.columns.faults.drain(..);
        self.faults.extend(found.map(|fault| Fault { row: before(fault.row as usize), ..fault }));
        if self.columns.series.is_empty() {
            return Ok(Attempt::Done);
        }
        let mut appender = self.receiver.appendable.appender(now_ms);
        self.resolve(&mut *appender, misses)?;
        let fresh =
            self.floats(&mut *appender, written)? && self.histograms(&mut *appender, written)?;
        if !fresh && trusts_cache {
            return Ok(Attempt::Stale);
        }
        let is_v2 = self.words.v2.is_some();
        // What the storage keeps none of does not stand in the way of the rest.
        let stands_in_the_way =
            |fault: &Fault| !matches!(fault.kind, Kind::Unsupported | Kind::NoRoom);
        if !is_v2 && self.faults.iter().any(stands_in_the_way) {
            self.faults.sort_by_key(|fault| (fault.series, fault.part, fault.row));
            return Ok(Attempt::Refused);
        }
        self.exemplars(&mut *appender, written)?;
        self.metadata(&mut *appender)?;
        self.faults.sort_by_key(|fault| (fault.series, fault.part, fault.row));
        if let Err(error) = appender.commit() {
            *written = Written::default();
            return Err(error.into());
        }
        Ok(Attempt::Done)
    }

    /// Finds or creates the series that the cache did not know.
    fn resolve(&mut self, appender: &mut dyn Appender, misses: &Misses<'_>) -> Result<(), Error> {
        if misses.series.is_empty() {
            return Ok(());
        }
        let mut refs = Vec::with_capacity(misses.series.len());
        self.rejected.clear();
        appender.resolve(LabelBatch::new(&misses.pairs, &misses.ends), &mut refs, self.rejected)?;
        let mut is_foul = self.rejected.iter().filter(|row| !row.reason.refuses_new_series());
        if let Some(first) = is_foul.next() {
            return Err(refused(first.reason.as_str()));
        }
        self.leave_out_refused(misses)?;
        for (&index, series) in misses.series.iter().zip(refs) {
            let Some(series) = series else { continue };
            self.columns.resolve(index as usize, series);
            if let Some(key) = self.columns.series[index as usize].key {
                self.receiver.cache.insert(key, series);
            }
        }
        Ok(())
    }

    /// Drops the rows of series that would be new and that there is no room for; fails if nothing is left then.
    fn leave_out_refused(&mut self, misses: &Misses<'_>) -> Result<(), Error> {
        if self.rejected.is_empty() {
            return Ok(());
        }
        let mut left_out = Vec::new();
        for row in self.rejected.iter() {
            let series = misses.series[row.row as usize];
            left_out.push(series);
            self.faults.push(Fault {
                series,
                part: Part::Labels,
                row: 0,
                kind: Kind::NoRoom,
                text: row.reason.as_str().into(),
            });
        }
        left_out.sort_unstable();
        self.columns.drop_series(&left_out);
        let num_left = self.columns.floats.len() + self.columns.histograms.len();
        match self.rejected.first() {
            Some(first) if num_left == 0 => Err(Error::NoRoom(first.reason.as_str())),
            _ => Ok(()),
        }
    }

    /// Appends the float samples; `false` if a reference dangles.
    fn floats(
        &mut self,
        appender: &mut dyn Appender,
        written: &mut Written,
    ) -> Result<bool, Error> {
        let rows = &self.columns.floats;
        if rows.len() == 0 {
            return Ok(true);
        }
        self.rejected.clear();
        let options = &self.receiver.options;
        let zeros = options.zero_samples.then(|| with_zeros(rows, appender, |_| 0.0)).flatten();
        let (rows, origins) = match &zeros {
            Some((rows, origins)) => (rows, Some(&origins[..])),
            None => (rows, None),
        };
        let mut batch = FloatBatch::new(&rows.refs, &rows.timestamps_ms, &rows.values);
        if options.start_timestamps && !rows.start_timestamps_ms.is_empty() {
            batch = batch.with_start_timestamps(&rows.start_timestamps_ms);
        }
        appender.append_floats(batch, self.rejected)?;
        let fresh = self.forget_dangling(&rows.refs);
        settle_origins(self.rejected, origins);
        written.samples = (self.columns.floats.len() - self.rejected.len()) as u64;
        for row in self.rejected.iter() {
            let at = row.row as usize;
            let series = self.columns.series_of_float(at);
            let text = explain(appender, &self.columns.floats, *row);
            self.faults.push(Fault {
                series: series as u32,
                part: Part::Floats,
                row: before(at) + 1,
                kind: kind_of(row.reason),
                text: (text + &self.words.suffix(self.columns, series)).into(),
            });
        }
        Ok(fresh)
    }

    /// Appends the histograms; `false` if a reference dangles.
    fn histograms(
        &mut self,
        appender: &mut dyn Appender,
        written: &mut Written,
    ) -> Result<bool, Error> {
        let rows = &self.columns.histograms;
        if rows.len() == 0 {
            return Ok(true);
        }
        self.rejected.clear();
        let options = &self.receiver.options;
        let zeros = options.zero_samples.then(|| with_zeros(rows, appender, zero)).flatten();
        let (rows, origins) = match &zeros {
            Some((rows, origins)) => (rows, Some(&origins[..])),
            None => (rows, None),
        };
        let mut batch = HistogramBatch::new(&rows.refs, &rows.timestamps_ms, &rows.values);
        if options.start_timestamps && !rows.start_timestamps_ms.is_empty() {
            batch = batch.with_start_timestamps(&rows.start_timestamps_ms);
        }
        match appender.append_histograms(batch, self.rejected) {
            Ok(()) => {}
            Err(error @ storage::Error::Unsupported(_)) => {
                self.faults.push(Fault {
                    series: self.columns.series_of_histogram(0) as u32,
                    part: Part::Histograms,
                    row: before(0) + 1,
                    kind: Kind::Unsupported,
                    text: error.to_string().into(),
                });
                return Ok(true);
            }
            Err(error) => return Err(error.into()),
        }
        let fresh = self.forget_dangling(&rows.refs);
        settle_origins(self.rejected, origins);
        written.histograms = (self.columns.histograms.len() - self.rejected.len()) as u64;
        for row in self.rejected.iter() {
            let at = row.row as usize;
            let series = self.columns.series_of_histogram(at);
            let suffix = self.words.suffix(self.columns, series);
            self.faults.push(Fault {
                series: series as u32,
                part: Part::Histograms,
                row: before(at) + 1,
                kind: kind_of(row.reason),
                text: format!("{}{suffix}", row.reason.as_str()).into(),
            });
        }
        Ok(fresh)
    }

    /// Drops dangling references from the cache; `false` if there are any.
    fn forget_dangling(&self, refs: &[SeriesRef]) -> bool {
        let mut fresh = true;
        for row in self.rejected.iter().filter(|row| row.reason == RejectReason::UnknownRef) {
            self.receiver.cache.forget(refs[row.row as usize]);
            fresh = false;
        }
        fresh
    }

    /// Appends the exemplars. A series that is not known has none: they never make a series.
    fn exemplars(
        &mut self,
        appender: &mut dyn Appender,
        written: &mut Written,
    ) -> Result<(), Error> {
        if self.columns.exemplars.is_empty() {
            return Ok(());
        }
        let mut pairs: Pairs<'_> = Vec::new();
        let mut found: Vec<Found> = Vec::new();
        let mut next = 0;
        for (index, series) in self.columns.series.iter().enumerate() {
            let places = next..series.exemplars_end as usize;
            next = places.end;
            let known = || series.key.and_then(|key| self.receiver.cache.get(key));
            let reference = if places.is_empty() { None } else { series.series.or_else(known) };
            for at in places {
                let message = super::columns::at(self.columns.exemplars[at], self.words.body);
                let begin = pairs.len();
                let read = self.words.exemplar(message, &mut pairs)?;
                let fault = |text: String| Fault {
                    series: index as u32,
                    part: Part::Exemplars,
                    row: before(at),
                    kind: Kind::Exemplar,
                    text: text.into(),
                };
                match (read, reference) {
                    (Ok(Some((timestamp_ms, value))), Some(reference))
                        if timestamp_ms <= self.max_ms =>
                    {
                        found.push(Found {
                            at,
                            index,
                            reference,
                            begin,
                            end: pairs.len(),
                            timestamp_ms,
                            value,
                        });
                    }
                    (Ok(_), _) => self.faults.push(fault(String::new())),
                    (Err(text), _) => {
                        let suffix = self.words.suffix(self.columns, index);
                        self.faults.push(fault(format!("parsing exemplar{suffix}: {text}")));
                    }
                }
            }
        }
        self.append_exemplars(appender, &pairs, &found, written)
    }

    fn append_exemplars(
        &mut self,
        appender: &mut dyn Appender,
        pairs: &[(&str, &str)],
        found: &[Found],
        written: &mut Written,
    ) -> Result<(), Error> {
        let refs: Vec<SeriesRef> = found.iter().map(|found| found.reference).collect();
        let rows: Vec<ExemplarRow<'_>> = found
            .iter()
            .map(|found| ExemplarRow {
                labels: &pairs[found.begin..found.end],
                timestamp_ms: found.timestamp_ms,
                value: found.value,
            })
            .collect();
        self.rejected.clear();
        appender.append_exemplars(ExemplarBatch::new(&refs, &rows), self.rejected)?;
        // The same exemplar again is no news, and no refusal either.
        self.rejected.retain(|row| row.reason != RejectReason::DuplicateExemplar);
        written.exemplars = (found.len() - self.rejected.len()) as u64;
        for row in self.rejected.iter() {
            let found = &found[row.row as usize];
            let text = match row.reason {
                // Senders of the first version are not told.
                RejectReason::OutOfOrderExemplar if self.words.v2.is_some() => {
                    row.reason.as_str().to_owned() + &self.words.suffix(self.columns, found.index)
                }
                _ => String::new(),
            };
            self.faults.push(Fault {
                series: found.index as u32,
                part: Part::Exemplars,
                row: before(found.at),
                kind: Kind::Exemplar,
                text: text.into(),
            });
        }
        Ok(())
    }

    fn metadata(&self, appender: &mut dyn Appender) -> Result<(), Error> {
        let told = self.columns.series.iter().zip(&self.columns.metadata);
        let told = told.filter(|(_, metadata)| **metadata != Metadata::default());
        let (refs, metadata): (Vec<SeriesRef>, Vec<Metadata>) =
            told.filter_map(|(series, metadata)| Some((series.series?, metadata.clone()))).unzip();
        if !refs.is_empty() {
            appender.append_metadata(&refs, &metadata)?;
        }
        Ok(())
    }
}

/// An exemplar that may be appended; its labels are `begin..end` of the pairs.
struct Found {
    at: usize,
    index: usize,
    reference: SeriesRef,
    begin: usize,
    end: usize,
    timestamp_ms: i64,
    value: f64,
}

/// Time and value of an exemplar, `None` if its labels are not text; or what is wrong with it.
type ReadExemplar = Result<Option<(i64, f64)>, String>;

impl<'b> Words<'_, 'b> {
    fn exemplar(&self, message: &'b [u8], pairs: &mut Pairs<'b>) -> Result<ReadExemplar, Error> {
        let Some((_, table)) = self.v2 else {
            return Ok(Ok(labels::exemplar(message, pairs)?));
        };
        let mut refs = Vec::new();
        let point = v2::exemplar(message, &mut refs)?;
        Ok(table.exemplar_labels(&refs, pairs).map(|is_text| is_text.then_some(point)))
    }
}

fn kind_of(reason: RejectReason) -> Kind {
    match reason {
        RejectReason::OutOfOrder => Kind::OutOfOrder,
        RejectReason::OutOfBounds => Kind::OutOfBounds,
        RejectReason::TooOld => Kind::TooOld,
        RejectReason::DuplicateTimestamp => Kind::Duplicate,
        RejectReason::InvalidHistogram => Kind::Histogram,
        _ => Kind::Labels,
    }
}

/// The words of Prometheus for a refused float.
pub(crate) fn explain(appender: &dyn Appender, rows: &Rows<f64>, rejected: Rejected) -> String {
    let row = rejected.row as usize;
    let reason = rejected.reason.as_str();
    if rejected.reason != RejectReason::DuplicateTimestamp {
        return reason.to_owned();
    }
    let (timestamp_ms, value) = (rows.timestamps_ms[row], float::general(rows.values[row]));
    let existing = match appender.newest(rows.refs[row]) {
        Some((at, existing)) if at == timestamp_ms => {
            format!("existing {}", float::general(existing))
        }
        _ => "existing is a histogram".to_owned(),
    };
    format!("{reason} {timestamp_ms}; overrides not allowed: {existing}, new value {value}")
}
