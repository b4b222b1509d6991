//! Blocks beside the head: samples of any time, in any order, sorted and encoded as the head would have, written as
//! whole blocks. For imports: the head and its log are not touched.

use crate::block::{BlockMeta, Ulid};
use crate::compact::{BlockSpec, write_block};
use crate::{DEFAULT_BLOCK_MS, Head, HeadOptions};
use disk::Disk;
use model::{Labels, SeriesRef, Symbols, TimeRange};
use std::path::Path;
use std::sync::Arc;
use storage::{Appendable, Cancel, FloatBatch, LabelBatch, Rejected, Result, SelectHints};

/// Samples of one transaction.
const BATCH: usize = 8192;

/// One sample to be imported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImportRow {
    /// Index of its label set.
    pub series: u32,
    /// Its time.
    pub timestamp_ms: i64,
    /// Its value.
    pub value: f64,
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

/// Writes `rows`, all of one range of `block_ms`, as block `ulid` into `data_dir`; sorts them. `labels` are the sets that
/// they name. Of several rows of one series and time the first one counts. `seed` is random.
pub fn import_block(
    disk: &Arc<dyn Disk>,
    data_dir: &Path,
    labels: &[Labels],
    rows: &mut Vec<ImportRow>,
    block_ms: i64,
    (ulid, seed): (Ulid, u64),
) -> Result<Imported> {
    let mut num_refused = sort(rows);
    // The head takes what is at most half its range behind its newest sample.
    let options = HeadOptions {
        chunk_range_ms: block_ms.saturating_mul(2),
        ..HeadOptions::new(Arc::clone(disk), data_dir.join(ulid.to_string()))
    };
    let head = Head::new(options, seed, &::metrics::Registry::new());
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
    let spec = BlockSpec::from_head(range.min_ms, range.max_ms.saturating_add(1));
    let meta = write_block(&mut *source, &symbols, &spec, ulid, &**disk, data_dir)?;
    Ok(Imported { meta, num_refused })
}

/// Sorts by series and time and drops all but the first of each; answers how many of those said something else.
fn sort(rows: &mut Vec<ImportRow>) -> u64 {
    rows.sort_by_key(|row| (row.series, row.timestamp_ms));
    let mut num_refused = 0;
    rows.dedup_by(|later, first| {
        let is_same = (later.series, later.timestamp_ms) == (first.series, first.timestamp_ms);
        num_refused += u64::from(is_same && later.value.to_bits() != first.value.to_bits());
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
    let mut columns: (Vec<SeriesRef>, Vec<i64>, Vec<f64>) = Default::default();
    for (run, found) in by_series().zip(refs) {
        let Some(found) = found else { continue };
        for row in run {
            columns.0.push(found);
            columns.1.push(row.timestamp_ms);
            columns.2.push(row.value);
        }
    }
    let num_unresolved = rows.len() - columns.0.len();
    let batch = FloatBatch::new(&columns.0, &columns.1, &columns.2);
    appender.append_floats(batch, &mut rejected)?;
    appender.commit()?;
    Ok((num_unresolved + rejected.len()) as u64)
}

#[cfg(test)]
mod tests;
