//! Samples of any past time to blocks: which block ranges there are, then pass after pass over the source as many
//! ranges as fit into memory. Shared by the tool and the API; the blocks are written by `tsdb`. Reading order: here,
//! then the sources `open_metrics` and `remote_write`, then `upload` (what the API does with them).

mod open_metrics;
mod remote_write;
#[cfg(test)]
mod tests;
pub(crate) mod upload;

pub(crate) use open_metrics::OpenMetrics;
pub(crate) use remote_write::RemoteWrite;

use expfmt::ParseError;
use model::Labels;
use model::hash::HashMap;
use std::collections::BTreeMap;
use std::ops::Range;
use tsdb::ImportRow;

/// Why an import ended early. The blocks handed out so far are whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The text breaks its format.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// A sample that cannot be imported.
    #[error("line {line}: {what}")]
    Sample {
        /// Where, counted from one.
        line: usize,
        /// What is wrong with it and what to do.
        what: String,
    },
    /// A message that cannot be imported.
    #[error("message {number}: {what}")]
    Message {
        /// Which, counted from one.
        number: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The blocks cannot be written.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Whoever takes the blocks has had enough.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// How far an import is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// The pass over the source, from zero; the first one only counts.
    pub(crate) pass: usize,
    /// How many passes there are besides; zero during the first.
    pub(crate) num_passes: usize,
    /// How much of the source this pass has read.
    pub(crate) read_bytes: usize,
}

/// Takes samples of one block range with the label sets they name, and writes them.
pub(crate) type Write<'w> =
    dyn FnMut(&[Labels], &mut Vec<ImportRow>) -> Result<(), ImportError> + 'w;

/// Hears how far an import is; an error ends it.
pub(crate) type Report<'r> = dyn FnMut(Progress) -> std::io::Result<()> + 'r;

/// What samples come from: it can be walked through as often as it takes.
pub(crate) trait Source {
    /// Hands all samples to `sink`, in the order of the source.
    fn walk(&self, sink: &mut Sink<'_>) -> Result<(), ImportError>;
}

/// Label sets by number.
#[derive(Debug, Default)]
pub(crate) struct Series {
    labels: Vec<Labels>,
    ids: HashMap<Labels, u32>,
}

impl Series {
    /// The number of a label set.
    fn id(&mut self, labels: Labels) -> u32 {
        if let Some(id) = self.ids.get(&labels) {
            return *id;
        }
        let id = self.labels.len() as u32;
        self.labels.push(labels.clone());
        self.ids.insert(labels, id);
        id
    }
}

/// What one pass is after.
enum Goal<'g> {
    /// How many samples each block range has.
    Count(&'g mut BTreeMap<i64, u64>),
    /// The samples of these ranges.
    Gather(Range<i64>, &'g mut Write<'g>),
}

/// Takes the samples of one pass.
pub(crate) struct Sink<'s> {
    goal: Goal<'s>,
    limits: Limits,
    series: Series,
    rows: BTreeMap<i64, Vec<ImportRow>>,
    report: &'s mut dyn FnMut(usize) -> std::io::Result<()>,
}

impl Sink<'_> {
    /// Whether this pass takes samples of this time; what is wrong with the time if it is none.
    fn wants(&self, timestamp_ms: i64) -> Result<bool, String> {
        match &self.goal {
            Goal::Count(_) if timestamp_ms > self.limits.max_ms => Err(format!(
                "timestamp {timestamp_ms} ms is in the future; the clock of this server says {} ms",
                self.limits.max_ms
            )),
            Goal::Count(_) => Ok(true),
            Goal::Gather(ranges, _) => {
                Ok(ranges.contains(&timestamp_ms.div_euclid(self.limits.block_ms)))
            }
        }
    }

    /// Takes a sample that is wanted.
    fn take(&mut self, row: ImportRow) -> Result<(), ImportError> {
        let range = row.timestamp_ms.div_euclid(self.limits.block_ms);
        match &mut self.goal {
            Goal::Count(counts) => *counts.entry(range).or_default() += 1,
            Goal::Gather(_, write) => {
                let rows = self.rows.entry(range).or_default();
                rows.push(row);
                // A range that does not fit becomes several blocks.
                if rows.len() as u64 >= self.limits.max_rows {
                    write(&self.series.labels, rows)?;
                    rows.clear();
                }
            }
        }
        Ok(())
    }

    /// Tells how much of the source is read.
    fn reached(&mut self, read_bytes: usize) -> Result<(), ImportError> {
        Ok((self.report)(read_bytes)?)
    }

    /// Writes what is held.
    fn finish(self) -> Result<(), ImportError> {
        let Goal::Gather(_, write) = self.goal else { return Ok(()) };
        for (_, mut rows) in self.rows {
            if !rows.is_empty() {
                write(&self.series.labels, &mut rows)?;
            }
        }
        Ok(())
    }
}

/// Bounds of an import.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Length of the blocks.
    pub(crate) block_ms: i64,
    /// The latest time of a sample.
    pub(crate) max_ms: i64,
    /// Samples held at a time; each takes 32 bytes.
    pub(crate) max_rows: u64,
}

/// Reads the source and hands out its samples, range by range in the order of time. Nothing is handed out before all of
/// it was read once and found to be good.
pub(crate) fn import(
    source: &dyn Source,
    limits: Limits,
    write: &mut Write<'_>,
    report: &mut Report<'_>,
) -> Result<(), ImportError> {
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    let mut counting = |read_bytes| report(Progress { pass: 0, num_passes: 0, read_bytes });
    walk(source, Goal::Count(&mut counts), limits, &mut counting)?;
    let passes = passes(&counts, limits.max_rows);
    for (pass, ranges) in (1..).zip(&passes) {
        let mut reading =
            |read_bytes| report(Progress { pass, num_passes: passes.len(), read_bytes });
        reading(0)?;
        let mut write = |labels: &[Labels], rows: &mut Vec<ImportRow>| write(labels, rows);
        walk(source, Goal::Gather(ranges.clone(), &mut write), limits, &mut reading)?;
    }
    Ok(())
}

fn walk<'s>(
    source: &dyn Source,
    goal: Goal<'s>,
    limits: Limits,
    report: &'s mut dyn FnMut(usize) -> std::io::Result<()>,
) -> Result<(), ImportError> {
    let (series, rows) = (Series::default(), BTreeMap::new());
    let mut sink = Sink { goal, limits, series, rows, report };
    source.walk(&mut sink)?;
    sink.finish()
}

/// Groups block ranges so that each group has at most `most` samples, or one range.
fn passes(counts: &BTreeMap<i64, u64>, most: u64) -> Vec<Range<i64>> {
    let mut passes: Vec<Range<i64>> = Vec::new();
    let mut held = 0;
    for (&range, &count) in counts {
        match passes.last_mut() {
            Some(last) if held + count <= most => {
                last.end = range + 1;
                held += count;
            }
            _ => {
                passes.push(range..range + 1);
                held = count;
            }
        }
    }
    passes
}
