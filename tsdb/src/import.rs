//! Blocks beside the head: samples of any time, in any order, sorted and encoded as the head would have, written as
//! whole blocks. For imports: the head and its log are not touched.

use crate::block::{BlockMeta, Hint, Ulid};
use crate::compact::{BlockSpec, write_block};
use crate::{DEFAULT_BLOCK_MS, Head, HeadOptions};
use disk::Disk;
use model::histogram::Histogram;
use model::{Labels, SeriesRef, Symbols, TimeRange};
use std::path::Path;
use std::sync::Arc;
use storage::{
    Appendable, Cancel, FloatBatch, HistogramBatch, LabelBatch, Rejected, Result, SelectHints,
};

/// Samples of one transaction.
const BATCH: usize = 8192;

/// One sample to be imported.
#[derive(Clone, Debug)]
pub struct ImportRow {
    /// Index of its label set.
    pub series: u32,
    /// Its time.
    pub timestamp_ms: i64,
    /// Its value.
    pub value: ImportValue,
}

/// The value of a sample.
#[derive(Clone, Debug)]
pub enum ImportValue {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Box<Histogram>),
}

impl ImportValue {
    fn is_float(&self) -> bool {
        matches!(self, Self::Float(_))
    }

    /// Whether nothing is lost without the other one.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Histogram(a), Self::Histogram(b)) => is_same(a, b),
            _ => false,
        }
    }
}

fn is_same(a: &Histogram, b: &Histogram) -> bool {
    match (a, b) {
        (Histogram::Float(a), Histogram::Float(b)) => a.view().equals(b.view()),
        (Histogram::Int(a), Histogram::Int(b)) => {
            a.layout == b.layout
                && (a.count, a.zero_count) == (b.count, b.zero_count)
                && a.sum.to_bits() == b.sum.to_bits()
                && a.positive_deltas == b.positive_deltas
                && a.negative_deltas == b.negative_deltas
        }
        _ => false,
    }
}

/// How a block is made.
#[derive(Clone, Copy, Debug)]
pub struct ImportSpec {
    /// Its name.
    pub ulid: Ulid,
    /// Random.
    pub seed: u64,
    /// The length of its range.
    pub block_ms: i64,
    /// From this time on a head may have samples of its own: a block that reaches beyond is marked as one of late
    /// samples, which says nothing about how far the head was cut.
    pub late_from_ms: i64,
}

/// What became of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The block; `None` if no row was good.
    pub meta: Option<BlockMeta>,
    /// Rows that were left out: another value of their series and time came first, or their labels are refused.
    pub num_refused: u64,
}

/// The length of imported blocks that are to span at most `max_ms`: two hours, times a power of three.
#[must_use]
pub fn block_length_ms(max_ms: i64) -> i64 {
    let mut length = DEFAULT_BLOCK_MS;
    for _ in 1..MOST_RANGES {
        if length * 3 > max_ms {
            break;
        }
        length *= 3;
    }
    length
}

/// How many lengths of blocks there are.
const MOST_RANGES: u32 = 10;

/// Writes `rows`, all of one range of `spec.block_ms`, as a block into `data_dir`; sorts them. `labels` are the sets that
/// they name. Of several rows of one series and time the first one counts.
pub fn import_block(
    disk: &Arc<dyn Disk>,
    data_dir: &Path,
    labels: &[Labels],
    rows: &mut Vec<ImportRow>,
    spec: &ImportSpec,
) -> Result<Imported> {
    let mut num_refused = sort(rows);
    // The head takes what is at most half its range behind its newest sample.
    let options = HeadOptions {
        chunk_range_ms: spec.block_ms.saturating_mul(2),
        ..HeadOptions::new(Arc::clone(disk), data_dir.join(spec.ulid.to_string()))
    };
    let head = Head::new(options, spec.seed, &::metrics::Registry::new());
    for batch in rows.chunks(BATCH) {
        num_refused += append(&head, labels, batch)?;
    }
    if head.num_series() == 0 || head.min_time() > head.max_time() {
        return Ok(Imported { meta: None, num_refused });
    }
    let range = TimeRange::new(head.min_time(), head.max_time());
    let querier = head.in_order_querier(range);
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut source = querier.select(&[], &SelectHints::default(), &symbols, &cancel)?;
    let is_late = range.max_ms >= spec.late_from_ms;
    let block = BlockSpec {
        hints: if is_late { vec![Hint::FromOutOfOrder] } else { Vec::new() },
        ..BlockSpec::from_head(range.min_ms, range.max_ms.saturating_add(1))
    };
    let meta = write_block(&mut *source, &symbols, &block, spec.ulid, &**disk, data_dir)?;
    Ok(Imported { meta, num_refused })
}

/// Sorts by series and time and drops all but the first of each; answers how many of those said something else.
fn sort(rows: &mut Vec<ImportRow>) -> u64 {
    rows.sort_by_key(|row| (row.series, row.timestamp_ms));
    let mut num_refused = 0;
    rows.dedup_by(|later, first| {
        let is_same = (later.series, later.timestamp_ms) == (first.series, first.timestamp_ms);
        num_refused += u64::from(is_same && !later.value.is_same(&first.value));
        is_same
    });
    num_refused
}

/// One transaction; answers how many rows were refused.
fn append(head: &Head, labels: &[Labels], rows: &[ImportRow]) -> Result<u64> {
    let (mut pairs, mut ends) = (Vec::new(), Vec::new());
    let by_series = || rows.chunk_by(|a, b| a.series == b.series);
    for run in by_series() {
        pairs.extend(labels[run[0].series as usize].iter());
        ends.push(pairs.len() as u32);
    }
    let (mut refs, mut rejected): (Vec<Option<SeriesRef>>, Vec<Rejected>) = Default::default();
    let mut appender = head.appender(0);
    appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
    rejected.clear();
    let mut known: Vec<(SeriesRef, &ImportRow)> = Vec::with_capacity(rows.len());
    for (found, run) in refs.into_iter().zip(by_series()) {
        known.extend(found.into_iter().flat_map(|found| run.iter().map(move |row| (found, row))));
    }
    let num_unresolved = rows.len() - known.len();
    // Kind by kind, as they follow each other: the rows of a series stay in the order of time.
    for run in known.chunk_by(|a, b| a.1.value.is_float() == b.1.value.is_float()) {
        let refs: Vec<SeriesRef> = run.iter().map(|(found, _)| *found).collect();
        let times: Vec<i64> = run.iter().map(|(_, row)| row.timestamp_ms).collect();
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        for (_, row) in run {
            match &row.value {
                ImportValue::Float(value) => floats.push(*value),
                ImportValue::Histogram(value) => histograms.push(Histogram::clone(value)),
            }
        }
        if histograms.is_empty() {
            appender.append_floats(FloatBatch::new(&refs, &times, &floats), &mut rejected)?;
        } else {
            let batch = HistogramBatch::new(&refs, &times, &histograms);
            appender.append_histograms(batch, &mut rejected)?;
        }
    }
    appender.commit()?;
    Ok((num_unresolved + rejected.len()) as u64)
}

#[cfg(test)]
mod tests;
