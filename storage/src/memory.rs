//! The in-memory twin: a storage of plain maps for tests, scripts and rule tests. Same contract as the database,
//! nothing durable, nothing clever. Samples are handed out as raw chunks.

#[cfg(test)]
mod tests;

use crate::{
    Appendable, Appender, Cancel, FloatBatch, HistogramBatch, LabelBatch, NAME_LABELS, Querier,
    Queryable, RejectReason, Rejected, Result, SelectHints, SeriesBatch, SeriesSet,
};
use chunk::{ChunkMeta, Encoding};
use model::hash::HashMap;
use model::histogram::{CounterResetHint, FloatHistogram};
use model::{LabelPair, Labels, Matcher, SeriesRef, Symbols, TimeRange};
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many samples one raw chunk holds: several chunks a series, as in a real storage.
const CHUNK_SAMPLES: usize = 240;

#[derive(Clone, Debug)]
struct Series {
    labels: Labels,
    timestamps_ms: Vec<i64>,
    values: Vec<f64>,
    histograms: Vec<(i64, FloatHistogram)>,
    /// Since when samples count, by their times; only where that is known.
    starts_ms: BTreeMap<i64, i64>,
}

/// A sample of either kind.
#[derive(Clone, Debug)]
enum Sample {
    Float(f64),
    Histogram(Box<FloatHistogram>),
}

impl Sample {
    /// Whether writing it again changes nothing.
    fn repeats(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Histogram(a), Self::Histogram(b)) => a.view().equals(b.view()),
            _ => false,
        }
    }
}

impl Series {
    fn newest(&self) -> Option<(i64, Sample)> {
        let float = self.timestamps_ms.last().zip(self.values.last());
        let float = float.map(|(&time, &value)| (time, Sample::Float(value)));
        let histogram = self.histograms.last();
        let histogram =
            histogram.map(|(time, value)| (*time, Sample::Histogram(Box::new(value.clone()))));
        match (float, histogram) {
            (Some(float), Some(histogram)) if histogram.0 >= float.0 => Some(histogram),
            (Some(float), _) => Some(float),
            (None, histogram) => histogram,
        }
    }

    /// Gives a histogram the hint that a real storage answers with: what joins the chunk of the sample before was not
    /// reset, what begins one is unknown, whatever the writer said. Gauges stay gauges.
    fn settle_hint(&mut self, at: usize) {
        let (time, histogram) = &self.histograms[at];
        if histogram.hint == CounterResetHint::Gauge {
            return;
        }
        let before = at.checked_sub(1).map(|at| &self.histograms[at]);
        let joins = before.is_some_and(|(earlier, previous)| {
            let floats = self.timestamps_ms.partition_point(|t| t < earlier);
            let (own, old) = (&histogram.layout, &previous.layout);
            self.timestamps_ms.get(floats).is_none_or(|between| between > time)
                && previous.hint != CounterResetHint::Gauge
                && !previous.view().is_stale()
                && own.schema == old.schema
                && own.zero_threshold == old.zero_threshold
                && own.custom_values == old.custom_values
                && (histogram.view().is_stale() || !is_reset(histogram, previous))
        });
        self.histograms[at].1.hint =
            if joins { CounterResetHint::NotCounterReset } else { CounterResetHint::Unknown };
    }

    fn has(&self, time: i64) -> bool {
        self.timestamps_ms.binary_search(&time).is_ok()
            || self.histograms.binary_search_by_key(&time, |(time, _)| *time).is_ok()
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    series: Vec<Arc<Series>>,
    by_labels: HashMap<Labels, SeriesRef>,
}

/// A storage that lives in memory. Cloning shares the content.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    state: Arc<RwLock<Arc<State>>>,
    out_of_order: bool,
}

impl MemoryStorage {
    /// An empty storage that refuses samples older than the newest of their series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty storage that takes samples in any order.
    #[must_use]
    pub fn with_out_of_order() -> Self {
        Self { out_of_order: true, ..Self::default() }
    }

    /// Drops all series. Queriers that are open keep what they see.
    pub fn clear(&self) {
        *self.state.write() = Arc::default();
    }
}

impl Appendable for MemoryStorage {
    fn appender(&self, _now_ms: i64) -> Box<dyn Appender> {
        Box::new(MemoryAppender {
            storage: self.clone(),
            staged: Vec::new(),
            newest: HashMap::default(),
        })
    }
}

struct MemoryAppender {
    storage: MemoryStorage,
    /// Series, time, sample, start.
    staged: Vec<(usize, i64, Sample, i64)>,
    newest: HashMap<usize, (i64, Sample)>,
}

/// Whether a counter was reset: by its own word, or by its looks whatever else it says.
fn is_reset(histogram: &FloatHistogram, previous: &FloatHistogram) -> bool {
    let mut view = histogram.view();
    if view.hint == CounterResetHint::NotCounterReset {
        view.hint = CounterResetHint::Unknown;
    }
    view.detect_reset(previous.view())
}

/// Why a label set is no series, if so.
fn refuse(pairs: &[(&str, &str)]) -> Option<RejectReason> {
    if pairs.is_empty() {
        return Some(RejectReason::EmptyLabels);
    }
    let sorted = pairs.windows(2).all(|pair| pair[0].0 < pair[1].0);
    (!sorted).then_some(RejectReason::DuplicateLabel)
}

impl Appender for MemoryAppender {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let mut guard = self.storage.state.write();
        let state = Arc::make_mut(&mut guard);
        for row in 0..labels.len() {
            let pairs = labels.get(row);
            if let Some(reason) = refuse(pairs) {
                rejected.push(Rejected { row: row as u32, reason });
                refs.push(None);
                continue;
            }
            let labels = Labels::from_pairs(pairs.iter().copied());
            let next = SeriesRef::new(state.series.len() as u64 + 1);
            let entry = state.by_labels.entry(labels.clone());
            refs.push(Some(*entry.or_insert_with(|| {
                state.series.push(Arc::new(Series {
                    labels,
                    timestamps_ms: Vec::new(),
                    values: Vec::new(),
                    histograms: Vec::new(),
                    starts_ms: BTreeMap::new(),
                }));
                next.expect("counted from one")
            })));
        }
        Ok(())
    }

    fn append_floats(&mut self, batch: FloatBatch<'_>, rejected: &mut Vec<Rejected>) -> Result<()> {
        let (refs, times, values) = batch.columns();
        let samples = values.iter().map(|&value| Sample::Float(value));
        self.stage(refs, (times, batch.start_timestamps_ms()), samples, rejected);
        Ok(())
    }

    fn append_histograms(
        &mut self,
        batch: HistogramBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let (refs, times, values) = batch.columns();
        let samples = values.iter().map(|value| Sample::Histogram(Box::new(value.to_float())));
        self.stage(refs, (times, batch.start_timestamps_ms()), samples, rejected);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let mut guard = self.storage.state.write();
        let state = Arc::make_mut(&mut guard);
        for (index, time, sample, start_ms) in self.staged {
            let Some(series) = state.series.get_mut(index) else { continue };
            let series = Arc::make_mut(series);
            if series.has(time) {
                continue;
            }
            if start_ms != 0 {
                series.starts_ms.insert(time, start_ms);
            }
            match sample {
                Sample::Float(value) => {
                    let at = series.timestamps_ms.partition_point(|&t| t < time);
                    series.timestamps_ms.insert(at, time);
                    series.values.insert(at, value);
                }
                Sample::Histogram(value) => {
                    let at = series.histograms.partition_point(|(t, _)| *t < time);
                    series.histograms.insert(at, (time, *value));
                    series.settle_hint(at);
                    if at + 1 < series.histograms.len() {
                        series.settle_hint(at + 1);
                    }
                }
            }
        }
        Ok(())
    }
}

impl MemoryAppender {
    fn stage(
        &mut self,
        refs: &[SeriesRef],
        (times, starts_ms): (&[i64], &[i64]),
        samples: impl Iterator<Item = Sample>,
        rejected: &mut Vec<Rejected>,
    ) {
        let state = Arc::clone(&self.storage.state.read());
        for (row, ((series, &time), sample)) in refs.iter().zip(times).zip(samples).enumerate() {
            let index = series.get() as usize - 1;
            let reject = match state.series.get(index) {
                None => Some(RejectReason::UnknownRef),
                Some(series) => self.check(index, series, time, &sample),
            };
            if let Some(reason) = reject {
                rejected.push(Rejected { row: row as u32, reason });
                continue;
            }
            let newest = self.newest.entry(index).or_insert((time, sample.clone()));
            if newest.0 <= time {
                *newest = (time, sample.clone());
            }
            let start_ms = starts_ms.get(row).copied().unwrap_or(0);
            self.staged.push((index, time, sample, start_ms));
        }
    }

    fn check(
        &self,
        index: usize,
        series: &Series,
        time: i64,
        sample: &Sample,
    ) -> Option<RejectReason> {
        let newest = self.newest.get(&index).cloned().or_else(|| series.newest());
        match newest {
            Some((newest, held)) if newest == time => {
                (!held.repeats(sample)).then_some(RejectReason::DuplicateTimestamp)
            }
            Some((newest, _)) if time < newest => {
                (!self.storage.out_of_order).then_some(RejectReason::OutOfOrder)
            }
            _ => None,
        }
    }
}

impl Queryable for MemoryStorage {
    fn querier(&self, range: TimeRange) -> Result<Box<dyn Querier>> {
        Ok(Box::new(Snapshot { state: Arc::clone(&self.state.read()), range }))
    }
}

struct Snapshot {
    state: Arc<State>,
    range: TimeRange,
}

/// Whether `labels` satisfy all `matchers`; an absent label has the empty value.
fn satisfies(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|m| m.matches(labels.get(m.name()).unwrap_or("")))
}

impl Snapshot {
    /// The series that satisfy `matchers` and have samples inside `range`.
    fn series<'a>(
        &'a self,
        matchers: &'a [Matcher],
        range: TimeRange,
    ) -> impl Iterator<Item = &'a Arc<Series>> {
        self.state.series.iter().filter(move |series| {
            let at = series.timestamps_ms.partition_point(|&t| t < range.min_ms);
            let float = series.timestamps_ms.get(at);
            let at = series.histograms.partition_point(|(t, _)| *t < range.min_ms);
            let histogram = series.histograms.get(at).map(|(t, _)| t);
            [float, histogram].into_iter().flatten().any(|&t| t <= range.max_ms)
                && satisfies(&series.labels, matchers)
        })
    }
}

impl Querier for Snapshot {
    fn select<'q>(
        &'q self,
        matchers: &[Matcher],
        hints: &SelectHints,
        symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> Result<Box<dyn SeriesSet + 'q>> {
        let range = hints.range.unwrap_or(self.range);
        let mut series: Vec<_> = self.series(matchers, range).map(Arc::clone).collect();
        if !hints.any_order {
            series.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        if hints.limit > 0 {
            series.truncate(hints.limit);
        }
        let rest = series.into_iter();
        let labels_only = hints.labels_only;
        let has_name_labels = |series: &Arc<Series>| {
            series.labels.iter().any(|(name, _)| NAME_LABELS.contains(&name))
        };
        let mut wanted = hints.enough_labels().cloned();
        wanted = wanted.filter(|_| !rest.as_slice().iter().any(has_name_labels));
        let pairs = Vec::new();
        Ok(Box::new(Stream { rest, range, labels_only, wanted, symbols, cancel, pairs }))
    }

    fn label_names(&self, matchers: &[Matcher], limit: usize) -> Result<Vec<Box<str>>> {
        let names = self.series(matchers, self.range).flat_map(|s| s.labels.iter().map(|(n, _)| n));
        Ok(limited(names.collect(), limit))
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        limit: usize,
    ) -> Result<Vec<Box<str>>> {
        let values = self.series(matchers, self.range).filter_map(|s| s.labels.get(name));
        Ok(limited(values.collect(), limit))
    }
}

fn limited(texts: BTreeSet<&str>, limit: usize) -> Vec<Box<str>> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    texts.into_iter().take(limit).map(Box::from).collect()
}

struct Stream<'q> {
    rest: std::vec::IntoIter<Arc<Series>>,
    range: TimeRange,
    labels_only: bool,
    wanted: Option<Arc<[Box<str>]>>,
    symbols: &'q Symbols,
    cancel: &'q Cancel,
    pairs: Vec<LabelPair>,
}

impl SeriesSet for Stream<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> Result<bool> {
        self.cancel.check()?;
        out.clear();
        let mut bytes = Vec::new();
        for series in self.rest.by_ref().take(SeriesBatch::TARGET_SERIES) {
            if !self.labels_only {
                push_chunks(&series, self.range, &mut bytes, out);
            }
            self.pairs.clear();
            self.symbols.intern_labels(&series.labels, &mut self.pairs);
            if let Some(wanted) = &self.wanted {
                let is_wanted = |name: &str| wanted.iter().any(|wanted| **wanted == *name);
                self.pairs.retain(|pair| is_wanted(self.symbols.text(pair.name)));
            }
            out.finish_series(&self.pairs);
        }
        Ok(!out.is_empty())
    }
}

fn push_chunks(series: &Series, range: TimeRange, bytes: &mut Vec<u8>, out: &mut SeriesBatch) {
    let columns = series.timestamps_ms.chunks(CHUNK_SAMPLES);
    for (times, values) in columns.zip(series.values.chunks(CHUNK_SAMPLES)) {
        let (min_ms, max_ms) = (times[0], times[times.len() - 1]);
        if !range.overlaps(TimeRange::new(min_ms, max_ms)) {
            continue;
        }
        bytes.clear();
        for (time, value) in times.iter().zip(values) {
            bytes.extend_from_slice(&time.to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        push_starts(series, times.iter().copied(), bytes);
        let num_samples = times.len() as u32;
        let meta = ChunkMeta { min_ms, max_ms, num_samples, encoding: Encoding::Raw };
        out.push_copied(meta, bytes);
    }
    for chunk in series.histograms.chunks(CHUNK_SAMPLES) {
        let (min_ms, max_ms) = (chunk[0].0, chunk[chunk.len() - 1].0);
        if !range.overlaps(TimeRange::new(min_ms, max_ms)) {
            continue;
        }
        bytes.clear();
        for (time, histogram) in chunk {
            chunk::raw::push_histogram(bytes, *time, histogram.view());
        }
        push_starts(series, chunk.iter().map(|(time, _)| *time), bytes);
        let num_samples = chunk.len() as u32;
        let meta = ChunkMeta { min_ms, max_ms, num_samples, encoding: Encoding::RawHistogram };
        out.push_copied(meta, bytes);
    }
}

/// Appends the starts of the samples at these times, if the series has any.
fn push_starts(series: &Series, times: impl Iterator<Item = i64>, bytes: &mut Vec<u8>) {
    if !series.starts_ms.is_empty() {
        let starts = times.map(|time| series.starts_ms.get(&time).copied().unwrap_or(0));
        chunk::raw::push_starts(bytes, starts);
    }
}
