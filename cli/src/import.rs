//! Samples of any past time from OpenMetrics text to blocks: which block ranges there are, then pass after pass over the
//! text as many ranges as fit into memory. Shared by the tool and the API; the blocks are written by `tsdb`.

use expfmt::labels::{Declared, LabelBuffer, split_series};
use expfmt::{Entry, OpenMetricsParser, ParseError, ParseOptions, Parser, Sample};
use model::hash::HashMap;
use model::metadata::MetricType;
use model::{Labels, LabelsBuilder};
use std::collections::BTreeMap;
use std::ops::Range;
use tsdb::ImportRow;

/// Samples held at a time, about 200 MB of them; a single range may hold more.
const PASS_ROWS: u64 = 8 << 20;
/// Samples between two reports.
const REPORT_ROWS: u64 = 1 << 17;

/// Why an import ended early. The blocks written so far are whole and stay.
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
    /// The pass over the text, from zero; the first one only counts.
    pub(crate) pass: usize,
    /// How many passes there are; zero during the first.
    pub(crate) num_passes: usize,
    /// How much of the text this pass has read.
    pub(crate) read_bytes: usize,
}

/// Takes all samples of one block range with the label sets they name, and writes them.
pub(crate) type Write<'w> =
    dyn FnMut(&[Labels], &mut Vec<ImportRow>) -> Result<(), ImportError> + 'w;

/// What is to be imported and how.
pub(crate) struct OpenMetrics<'a> {
    /// The text.
    pub(crate) body: &'a [u8],
    /// Labels that every series gets in the place of its own.
    pub(crate) labels: &'a [(String, String)],
    /// Length of the blocks.
    pub(crate) block_ms: i64,
}

impl<'a> OpenMetrics<'a> {
    /// Reads the text and hands out its samples, range by range in the order of time.
    pub(crate) fn import(
        &self,
        write: &mut Write<'_>,
        report: &mut dyn FnMut(Progress),
    ) -> Result<(), ImportError> {
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        let mut counting = |read_bytes| report(Progress { pass: 0, num_passes: 0, read_bytes });
        self.walk(&mut counting, &mut |_, _, timestamp_ms| {
            *counts.entry(timestamp_ms.div_euclid(self.block_ms)).or_default() += 1;
            Ok(())
        })?;
        let passes = passes(&counts, PASS_ROWS);
        for (pass, ranges) in (1..).zip(&passes) {
            let mut reading =
                |read_bytes| report(Progress { pass, num_passes: passes.len(), read_bytes });
            let mut gathered = Gathered::default();
            self.walk(&mut reading, &mut |sample, metric_type, timestamp_ms| {
                let range = timestamp_ms.div_euclid(self.block_ms);
                if !ranges.contains(&range) {
                    return Ok(());
                }
                let series = gathered
                    .series(sample.series, metric_type, self.labels)
                    .ok_or("a label name is not valid UTF-8; take the line out")?;
                let row = ImportRow { series, timestamp_ms, value: sample.point.value };
                gathered.rows.entry(range).or_default().push(row);
                Ok(())
            })?;
            for rows in gathered.rows.values_mut() {
                write(&gathered.labels, rows)?;
                *rows = Vec::new();
            }
        }
        Ok(())
    }

    /// Hands out the samples in the order of the text, each with the type declared before it and its time.
    fn walk(
        &self,
        report: &mut dyn FnMut(usize),
        each: &mut dyn FnMut(Sample<'a>, MetricType, i64) -> Result<(), &'static str>,
    ) -> Result<(), ImportError> {
        let mut parser = OpenMetricsParser::new(self.body, ParseOptions::default());
        let mut metric_type = MetricType::Unknown;
        let mut num_samples = 0_u64;
        loop {
            let begin = parser.position();
            let sample = match parser.next_entry()? {
                None => return Ok(()),
                Some(Entry::Sample(sample)) => sample,
                Some(Entry::Type { metric_type: declared, .. }) => {
                    metric_type = declared;
                    continue;
                }
                Some(_) => continue,
            };
            let line = || {
                let before = self.body.get(..begin).unwrap_or_default();
                before.iter().filter(|&&byte| byte == b'\n').count() + 1
            };
            let Some(timestamp_ms) = sample.point.timestamp_ms else {
                let series = String::from_utf8_lossy(sample.series);
                let what = format!(
                    "expected timestamp for series {series}, got none; add it behind the value"
                );
                return Err(ImportError::Sample { line: line(), what });
            };
            each(sample, metric_type, timestamp_ms)
                .map_err(|what| ImportError::Sample { line: line(), what: what.to_owned() })?;
            num_samples += 1;
            if num_samples.is_multiple_of(REPORT_ROWS) {
                report(parser.position());
            }
        }
    }
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

/// The samples of one pass.
#[derive(Default)]
struct Gathered<'a> {
    rows: BTreeMap<i64, Vec<ImportRow>>,
    labels: Vec<Labels>,
    ids: HashMap<Labels, u32>,
    /// By the text of the series; the type decides how some labels are written.
    by_text: HashMap<&'a [u8], (MetricType, u32)>,
    pairs: LabelBuffer,
    builder: LabelsBuilder,
}

impl<'a> Gathered<'a> {
    /// The id of a series; `None` if a name of it is not UTF-8.
    fn series(
        &mut self,
        text: &'a [u8],
        metric_type: MetricType,
        extra: &[(String, String)],
    ) -> Option<u32> {
        if let Some((known, id)) = self.by_text.get(text)
            && *known == metric_type
        {
            return Some(*id);
        }
        let declared = Declared { metric_type, ..Declared::default() };
        split_series(text, &declared, &mut self.pairs);
        self.builder.clear();
        for (name, value) in self.pairs.iter() {
            let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
            self.builder.set(name, value);
        }
        for (name, value) in extra {
            self.builder.set(name, value);
        }
        let labels = self.builder.labels();
        let id = match self.ids.get(&labels) {
            Some(id) => *id,
            None => {
                let id = self.labels.len() as u32;
                self.labels.push(labels.clone());
                self.ids.insert(labels, id);
                id
            }
        };
        self.by_text.insert(text, (metric_type, id));
        Some(id)
    }
}

#[cfg(test)]
mod tests;
