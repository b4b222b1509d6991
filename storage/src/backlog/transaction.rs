//! A transaction that waits: its calls as columns of its own, series by provisional numbers, and how it is made at last.

use crate::{
    Appendable, Appender, ExemplarBatch, ExemplarRow, FloatBatch, HistogramBatch, LabelBatch,
    Rejected, Result,
};
use model::hash::HashMap;
use model::histogram::Histogram;
use model::metadata::Metadata;
use model::{Labels, SeriesRef};

/// About what a native histogram, an exemplar or metadata take.
const OTHER_BYTES: usize = 400;
/// What a sample takes: number, time, value, start.
const SAMPLE_BYTES: usize = 28;

/// One call of a writer. Columns without starts have none.
pub(super) enum Step {
    Floats(Samples<f64>),
    Histograms(Samples<Histogram>),
    Exemplars(Vec<(u32, Labels, i64, f64)>),
    Metadata(Vec<(u32, Metadata)>),
}

/// Samples of one kind.
pub(super) struct Samples<V> {
    numbers: Vec<u32>,
    timestamps_ms: Vec<i64>,
    values: Vec<V>,
    starts_ms: Vec<i64>,
    in_order_only: bool,
}

impl<V: Clone> Samples<V> {
    fn new(
        (timestamps_ms, values, starts_ms): (&[i64], &[V], &[i64]),
        in_order_only: bool,
        rows: &[(usize, u32)],
    ) -> Self {
        Self {
            numbers: rows.iter().map(|row| row.1).collect(),
            timestamps_ms: rows.iter().map(|row| timestamps_ms[row.0]).collect(),
            values: rows.iter().map(|row| values[row.0].clone()).collect(),
            starts_ms: if starts_ms.is_empty() {
                Vec::new()
            } else {
                rows.iter().map(|row| starts_ms[row.0]).collect()
            },
            in_order_only,
        }
    }

    /// Leaves the samples out whose series the storage did not take; answers the references of the others.
    fn keep_resolved(&mut self, series: &HashMap<u32, SeriesRef>) -> Vec<SeriesRef> {
        let is_kept = |number: &u32| series.contains_key(number);
        if !self.numbers.iter().all(is_kept) {
            let kept: Vec<bool> = self.numbers.iter().map(is_kept).collect();
            keep(&mut self.numbers, &kept);
            keep(&mut self.timestamps_ms, &kept);
            keep(&mut self.values, &kept);
            keep(&mut self.starts_ms, &kept);
        }
        self.numbers.iter().map(|number| series[number]).collect()
    }
}

fn keep<T>(column: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    column.retain(|_| kept.next().copied().unwrap_or(false));
}

impl Step {
    pub(super) fn floats(batch: FloatBatch<'_>, rows: &[(usize, u32)]) -> Self {
        let (_, times, values) = batch.columns();
        let columns = (times, values, batch.start_timestamps_ms());
        Self::Floats(Samples::new(columns, batch.is_in_order_only(), rows))
    }

    pub(super) fn histograms(batch: HistogramBatch<'_>, rows: &[(usize, u32)]) -> Self {
        let (_, times, values) = batch.columns();
        let columns = (times, values, batch.start_timestamps_ms());
        Self::Histograms(Samples::new(columns, batch.is_in_order_only(), rows))
    }

    pub(super) fn exemplars(batch: ExemplarBatch<'_>, rows: &[(usize, u32)]) -> Self {
        let (_, exemplars) = batch.columns();
        let own = |&(row, number): &(usize, u32)| {
            let exemplar = &exemplars[row];
            let labels = Labels::from_pairs(exemplar.labels.iter().copied());
            (number, labels, exemplar.timestamp_ms, exemplar.value)
        };
        Self::Exemplars(rows.iter().map(own).collect())
    }

    pub(super) fn metadata(metadata: &[Metadata], rows: &[(usize, u32)]) -> Self {
        Self::Metadata(rows.iter().map(|&(row, number)| (number, metadata[row].clone())).collect())
    }

    fn numbers(&self, out: &mut Vec<u32>) {
        match self {
            Self::Floats(samples) => out.extend(&samples.numbers),
            Self::Histograms(samples) => out.extend(&samples.numbers),
            Self::Exemplars(rows) => out.extend(rows.iter().map(|row| row.0)),
            Self::Metadata(rows) => out.extend(rows.iter().map(|row| row.0)),
        }
    }

    fn len_bytes(&self) -> usize {
        match self {
            Self::Floats(samples) => samples.numbers.len() * SAMPLE_BYTES,
            Self::Histograms(samples) => samples.numbers.len() * (SAMPLE_BYTES + OTHER_BYTES),
            Self::Exemplars(rows) => rows.len() * OTHER_BYTES,
            Self::Metadata(rows) => rows.len() * OTHER_BYTES,
        }
    }

    /// Makes the call; answers how many samples were passed on.
    fn append_to(
        self,
        appender: &mut dyn Appender,
        series: &HashMap<u32, SeriesRef>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<usize> {
        match self {
            Self::Floats(mut samples) => {
                let refs = samples.keep_resolved(series);
                let batch = FloatBatch::new(&refs, &samples.timestamps_ms, &samples.values);
                let batch = if samples.starts_ms.is_empty() {
                    batch
                } else {
                    batch.with_start_timestamps(&samples.starts_ms)
                };
                let batch = if samples.in_order_only { batch.in_order_only() } else { batch };
                appender.append_floats(batch, rejected)?;
                Ok(refs.len())
            }
            Self::Histograms(mut samples) => {
                let refs = samples.keep_resolved(series);
                let batch = HistogramBatch::new(&refs, &samples.timestamps_ms, &samples.values);
                let batch = if samples.starts_ms.is_empty() {
                    batch
                } else {
                    batch.with_start_timestamps(&samples.starts_ms)
                };
                let batch = if samples.in_order_only { batch.in_order_only() } else { batch };
                appender.append_histograms(batch, rejected)?;
                Ok(refs.len())
            }
            Self::Exemplars(mut rows) => {
                rows.retain(|row| series.contains_key(&row.0));
                let refs: Vec<SeriesRef> = rows.iter().map(|row| series[&row.0]).collect();
                let labels: Vec<Vec<(&str, &str)>> =
                    rows.iter().map(|row| row.1.iter().collect()).collect();
                let exemplars: Vec<ExemplarRow<'_>> = rows
                    .iter()
                    .zip(&labels)
                    .map(|(row, labels)| ExemplarRow { labels, timestamp_ms: row.2, value: row.3 })
                    .collect();
                // Refused exemplars are no refused samples.
                appender
                    .append_exemplars(ExemplarBatch::new(&refs, &exemplars), &mut Vec::new())?;
                Ok(0)
            }
            Self::Metadata(mut rows) => {
                rows.retain(|row| series.contains_key(&row.0));
                let refs: Vec<SeriesRef> = rows.iter().map(|row| series[&row.0]).collect();
                let metadata: Vec<Metadata> = rows.into_iter().map(|row| row.1).collect();
                appender.append_metadata(&refs, &metadata)?;
                Ok(0)
            }
        }
    }
}

/// What a writer did between begin and commit.
#[derive(Default)]
pub(super) struct Transaction {
    now_ms: i64,
    steps: Vec<Step>,
}

impl Transaction {
    pub(super) fn new(now_ms: i64) -> Self {
        Self { now_ms, steps: Vec::new() }
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The series it names, ascending, each once.
    pub(super) fn numbers(&self) -> Vec<u32> {
        let mut numbers = Vec::new();
        self.steps.iter().for_each(|step| step.numbers(&mut numbers));
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// About what it takes.
    pub(super) fn len_bytes(&self) -> usize {
        self.steps.iter().map(Step::len_bytes).sum()
    }

    /// Makes the transaction; answers how many samples were taken and how many refused.
    pub(super) fn commit_to(
        self,
        storage: &dyn Appendable,
        labels: &[(u32, Labels)],
    ) -> Result<(u64, u64)> {
        let mut appender = storage.appender(self.now_ms);
        let mut pairs = Vec::new();
        let mut ends = Vec::with_capacity(labels.len());
        for (_, labels) in labels {
            pairs.extend(labels.iter());
            ends.push(pairs.len() as u32);
        }
        let (mut refs, mut rejected) = (Vec::with_capacity(labels.len()), Vec::new());
        appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
        let numbers = labels.iter().map(|labels| labels.0);
        let resolved = numbers.zip(refs).filter_map(|(number, found)| Some((number, found?)));
        let series: HashMap<u32, SeriesRef> = resolved.collect();
        let (mut total, mut passed, mut refused) = (0, 0, Vec::new());
        for step in self.steps {
            total += match &step {
                Step::Floats(samples) => samples.numbers.len(),
                Step::Histograms(samples) => samples.numbers.len(),
                _ => 0,
            };
            passed += step.append_to(&mut *appender, &series, &mut refused)?;
        }
        appender.commit()?;
        let taken = passed - refused.len();
        Ok((taken as u64, (total - taken) as u64))
    }
}
