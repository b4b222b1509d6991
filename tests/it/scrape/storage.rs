//! A storage with the append rules of the head, which keeps everything for comparison.

use model::{Labels, SeriesRef};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use storage::{Appendable, Appender, FloatBatch, LabelBatch, RejectReason, Rejected, Result};

/// How far behind the newest sample of all a sample may be.
const MAX_BEHIND_MS: i64 = 3_600_000;

/// Samples of a series: times and bits.
pub(super) type Samples = Vec<(i64, u64)>;

#[derive(Default)]
struct State {
    series: Vec<(Labels, Samples)>,
    by_labels: BTreeMap<Labels, usize>,
    newest_ms: Option<i64>,
}

#[derive(Default)]
pub(super) struct TestStorage(Arc<Mutex<State>>);

impl TestStorage {
    /// Everything that was stored.
    pub(super) fn series(&self) -> BTreeMap<Labels, Samples> {
        let state = self.0.lock().expect("no panic");
        state.series.iter().filter(|(_, samples)| !samples.is_empty()).cloned().collect()
    }
}

impl Appendable for TestStorage {
    fn appender(&self, _now_ms: i64) -> Box<dyn Appender> {
        Box::new(TestAppender { state: Arc::clone(&self.0), staged: Vec::new() })
    }
}

struct TestAppender {
    state: Arc<Mutex<State>>,
    staged: Vec<(usize, i64, u64)>,
}

impl State {
    fn check(
        &self,
        series: usize,
        timestamp_ms: i64,
        bits: u64,
    ) -> std::result::Result<(), RejectReason> {
        if let Some(newest_ms) = self.newest_ms
            && timestamp_ms < newest_ms - MAX_BEHIND_MS
        {
            return Err(RejectReason::OutOfBounds);
        }
        match self.series[series].1.last() {
            Some(&(last_ms, _)) if timestamp_ms < last_ms => Err(RejectReason::OutOfOrder),
            Some(&(last_ms, last)) if timestamp_ms == last_ms && bits != last => {
                Err(RejectReason::DuplicateTimestamp)
            }
            _ => Ok(()),
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
        let state = self.state.lock().expect("no panic");
        let (refs, timestamps_ms, values) = batch.columns();
        for (row, ((series, &timestamp_ms), value)) in
            refs.iter().zip(timestamps_ms).zip(values).enumerate()
        {
            let index = series.get() as usize - 1;
            match state.check(index, timestamp_ms, value.to_bits()) {
                Ok(()) => self.staged.push((index, timestamp_ms, value.to_bits())),
                Err(reason) => rejected.push(Rejected { row: row as u32, reason }),
            }
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let mut state = self.state.lock().expect("no panic");
        for (series, timestamp_ms, bits) in self.staged {
            let last = state.series[series].1.last().map(|(last_ms, _)| *last_ms);
            if last.is_none_or(|last_ms| timestamp_ms > last_ms) {
                state.series[series].1.push((timestamp_ms, bits));
                state.newest_ms = state.newest_ms.max(Some(timestamp_ms));
            }
        }
        Ok(())
    }
}
