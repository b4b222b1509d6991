//! The in-memory twin: a storage of plain maps for tests, scripts and rule tests. Same contract as the database,
//! nothing durable, nothing clever. Samples are handed out as raw chunks.

#[cfg(test)]
mod tests;

use crate::{
    Appendable, Appender, Cancel, FloatBatch, LabelBatch, Querier, Queryable, RejectReason,
    Rejected, Result, SelectHints, SeriesBatch, SeriesSet,
};
use chunk::{ChunkMeta, Encoding};
use model::hash::HashMap;
use model::{LabelPair, Labels, Matcher, SeriesRef, Symbols, TimeRange};
use parking_lot::RwLock;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many samples one raw chunk holds: several chunks a series, as in a real storage.
const CHUNK_SAMPLES: usize = 240;

#[derive(Clone, Debug)]
struct Series {
    labels: Labels,
    timestamps_ms: Vec<i64>,
    values: Vec<f64>,
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
    staged: Vec<(usize, i64, f64)>,
    newest: HashMap<usize, (i64, f64)>,
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
                let (timestamps_ms, values) = (Vec::new(), Vec::new());
                state.series.push(Arc::new(Series { labels, timestamps_ms, values }));
                next.expect("counted from one")
            })));
        }
        Ok(())
    }

    fn append_floats(&mut self, batch: FloatBatch<'_>, rejected: &mut Vec<Rejected>) -> Result<()> {
        let state = Arc::clone(&self.storage.state.read());
        let (refs, times, values) = batch.columns();
        for (row, ((series, &time), &value)) in refs.iter().zip(times).zip(values).enumerate() {
            let index = series.get() as usize - 1;
            let reject = match state.series.get(index) {
                None => Some(RejectReason::UnknownRef),
                Some(series) => self.check(index, series, time, value),
            };
            if let Some(reason) = reject {
                rejected.push(Rejected { row: row as u32, reason });
                continue;
            }
            let newest = self.newest.entry(index).or_insert((time, value));
            if newest.0 <= time {
                *newest = (time, value);
            }
            self.staged.push((index, time, value));
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let mut guard = self.storage.state.write();
        let state = Arc::make_mut(&mut guard);
        for (index, time, value) in self.staged {
            let Some(series) = state.series.get_mut(index) else { continue };
            let series = Arc::make_mut(series);
            let at = series.timestamps_ms.partition_point(|&t| t < time);
            if series.timestamps_ms.get(at) != Some(&time) {
                series.timestamps_ms.insert(at, time);
                series.values.insert(at, value);
            }
        }
        Ok(())
    }
}

impl MemoryAppender {
    fn check(&self, index: usize, series: &Series, time: i64, value: f64) -> Option<RejectReason> {
        let stored = series.timestamps_ms.last().copied().zip(series.values.last().copied());
        let newest = self.newest.get(&index).copied().or(stored);
        match newest {
            Some((newest, held)) if newest == time => {
                (held.to_bits() != value.to_bits()).then_some(RejectReason::DuplicateTimestamp)
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
            series.timestamps_ms.get(at).is_some_and(|&t| t <= range.max_ms)
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
        Ok(Box::new(Stream { rest, range, labels_only, symbols, cancel, pairs: Vec::new() }))
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
        let num_samples = times.len() as u32;
        let meta = ChunkMeta { min_ms, max_ms, num_samples, encoding: Encoding::Raw };
        out.push_copied(meta, bytes);
    }
}
