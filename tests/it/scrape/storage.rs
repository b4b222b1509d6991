//! A storage with the append rules of the head, which keeps everything for comparison.

use model::histogram::Histogram;
use model::{Labels, SeriesRef, is_stale_nan};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use storage::{
    Appendable, Appender, ExemplarBatch, FloatBatch, HistogramBatch, LabelBatch, RejectReason,
    Rejected, Result,
};

/// How far behind the newest sample of all a sample may be.
const MAX_BEHIND_MS: i64 = 3_600_000;

/// A sample as stored.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) timestamp_ms: i64,
    /// Of the float, or of the sum of the histogram.
    pub(super) bits: u64,
    pub(super) histogram: Option<Histogram>,
    pub(super) start_ms: i64,
}

impl Sample {
    pub(super) fn is_stale(&self) -> bool {
        is_stale_nan(f64::from_bits(self.bits))
    }

    fn is_same_value(&self, other: &Self) -> bool {
        let histograms = match (&self.histogram, &other.histogram) {
            (None, None) => true,
            (Some(a), Some(b)) => format!("{a:?}") == format!("{b:?}"),
            _ => false,
        };
        self.bits == other.bits && histograms
    }
}

/// Samples of a series.
pub(super) type Samples = Vec<Sample>;

/// An exemplar as stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exemplar {
    pub(super) series: Labels,
    pub(super) labels: Labels,
    pub(super) timestamp_ms: i64,
    pub(super) bits: u64,
}

#[derive(Default)]
struct State {
    series: Vec<(Labels, Samples)>,
    by_labels: BTreeMap<Labels, usize>,
    newest_ms: Option<i64>,
    exemplars: Vec<Exemplar>,
}

pub(super) struct TestStorage {
    state: Arc<Mutex<State>>,
    keeps_exemplars: bool,
}

impl TestStorage {
    pub(super) fn new(keeps_exemplars: bool) -> Self {
        Self { state: Arc::default(), keeps_exemplars }
    }

    /// Everything that was stored.
    pub(super) fn series(&self) -> BTreeMap<Labels, Samples> {
        let state = self.state.lock().expect("no panic");
        state.series.iter().filter(|(_, samples)| !samples.is_empty()).cloned().collect()
    }

    /// The exemplars, in the order in which they came.
    pub(super) fn exemplars(&self) -> Vec<Exemplar> {
        self.state.lock().expect("no panic").exemplars.clone()
    }
}

impl Appendable for TestStorage {
    fn appender(&self, _now_ms: i64) -> Box<dyn Appender> {
        Box::new(TestAppender {
            state: Arc::clone(&self.state),
            keeps_exemplars: self.keeps_exemplars,
            staged: Vec::new(),
            exemplars: Vec::new(),
        })
    }
}

struct TestAppender {
    state: Arc<Mutex<State>>,
    keeps_exemplars: bool,
    staged: Vec<(usize, Sample)>,
    exemplars: Vec<Exemplar>,
}

impl State {
    fn check(&self, series: usize, sample: &Sample) -> std::result::Result<(), RejectReason> {
        if let Some(newest_ms) = self.newest_ms
            && sample.timestamp_ms < newest_ms - MAX_BEHIND_MS
        {
            return Err(RejectReason::OutOfBounds);
        }
        match self.series[series].1.last() {
            Some(last) if sample.timestamp_ms < last.timestamp_ms => Err(RejectReason::OutOfOrder),
            Some(last)
                if sample.timestamp_ms == last.timestamp_ms && !sample.is_same_value(last) =>
            {
                Err(RejectReason::DuplicateTimestamp)
            }
            _ => Ok(()),
        }
    }
}

impl TestAppender {
    fn stage(
        &mut self,
        row: usize,
        series: SeriesRef,
        sample: Sample,
        rejected: &mut Vec<Rejected>,
    ) {
        let index = series.get() as usize - 1;
        // Time begins with the first sample.
        self.state.lock().expect("no panic").newest_ms.get_or_insert(sample.timestamp_ms);
        let checked = match &sample.histogram {
            Some(histogram) if histogram.validate().is_err() => Err(RejectReason::InvalidHistogram),
            _ => self.state.lock().expect("no panic").check(index, &sample),
        };
        match checked {
            Ok(()) => self.staged.push((index, sample)),
            Err(reason) => rejected.push(Rejected { row: row as u32, reason }),
        }
    }
}

impl Appender for TestAppender {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let mut state = self.state.lock().expect("no panic");
        for row in 0..labels.len() {
            let pairs = labels.get(row);
            assert!(pairs.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted: {pairs:?}");
            assert!(pairs.iter().all(|(_, value)| !value.is_empty()), "no empty values: {pairs:?}");
            if pairs.is_empty() {
                rejected.push(Rejected { row: row as u32, reason: RejectReason::EmptyLabels });
                refs.push(None);
                continue;
            }
            let labels = Labels::from_pairs(pairs.iter().copied());
            let next = state.series.len();
            let index = *state.by_labels.entry(labels.clone()).or_insert(next);
            if index == next {
                state.series.push((labels, Vec::new()));
            }
            refs.push(SeriesRef::new(index as u64 + 1));
        }
        Ok(())
    }

    fn append_floats(&mut self, batch: FloatBatch<'_>, rejected: &mut Vec<Rejected>) -> Result<()> {
        let (refs, timestamps_ms, values) = batch.columns();
        for (row, value) in values.iter().enumerate() {
            let start_ms = batch.start_timestamps_ms().get(row).copied().unwrap_or(0);
            let (timestamp_ms, bits) = (timestamps_ms[row], value.to_bits());
            let sample = Sample { timestamp_ms, bits, histogram: None, start_ms };
            self.stage(row, refs[row], sample, rejected);
        }
        Ok(())
    }

    fn append_histograms(
        &mut self,
        batch: HistogramBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let (refs, timestamps_ms, values) = batch.columns();
        for (row, histogram) in values.iter().enumerate() {
            let start_ms = batch.start_timestamps_ms().get(row).copied().unwrap_or(0);
            let (timestamp_ms, bits) = (timestamps_ms[row], histogram.sum().to_bits());
            let histogram = Some(histogram.clone());
            let sample = Sample { timestamp_ms, bits, histogram, start_ms };
            self.stage(row, refs[row], sample, rejected);
        }
        Ok(())
    }

    fn append_exemplars(
        &mut self,
        batch: ExemplarBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        if !self.keeps_exemplars {
            return Ok(());
        }
        let state = self.state.lock().expect("no panic");
        let (refs, rows) = batch.columns();
        for (row, (series, exemplar)) in refs.iter().zip(rows).enumerate() {
            let exemplar = Exemplar {
                series: state.series[series.get() as usize - 1].0.clone(),
                labels: Labels::from_pairs(exemplar.labels.iter().copied()),
                timestamp_ms: exemplar.timestamp_ms,
                bits: exemplar.value.to_bits(),
            };
            let length: usize = exemplar
                .labels
                .iter()
                .map(|(name, value)| name.chars().count() + value.chars().count())
                .sum();
            let before = state.exemplars.iter().rfind(|before| before.series == exemplar.series);
            let reason = if length > 128 {
                Some(RejectReason::ExemplarLabelsTooLong)
            } else if before == Some(&exemplar) {
                Some(RejectReason::DuplicateExemplar)
            } else if before.is_some_and(|before| exemplar.timestamp_ms < before.timestamp_ms) {
                Some(RejectReason::OutOfOrderExemplar)
            } else {
                None
            };
            match reason {
                Some(reason) => rejected.push(Rejected { row: row as u32, reason }),
                None => self.exemplars.push(exemplar),
            }
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let mut state = self.state.lock().expect("no panic");
        for (series, mut sample) in self.staged {
            let last = state.series[series].1.last();
            // The marker of a series takes the kind of its newest sample.
            if sample.is_stale() {
                sample.histogram = last.and_then(|last| last.histogram.clone());
            }
            if last.is_none_or(|last| sample.timestamp_ms > last.timestamp_ms) {
                state.newest_ms = state.newest_ms.max(Some(sample.timestamp_ms));
                state.series[series].1.push(sample);
            }
        }
        for exemplar in self.exemplars {
            let known = |other: &Exemplar| other.series == exemplar.series;
            if state.exemplars.iter().rfind(|other| known(other)) != Some(&exemplar) {
                state.exemplars.push(exemplar);
            }
        }
        Ok(())
    }
}
