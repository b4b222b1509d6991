//! The place of a storage that is not open yet, for writers that cannot wait: what they commit is held, up to a bound,
//! and handed on in order once the storage is there. Until then nothing of it can be read and nothing is durable, so it
//! is only for who has nobody to answer to, as scraping has not.

mod transaction;

use crate::{
    Appendable, Appender, Error, ExemplarBatch, FloatBatch, HistogramBatch, LabelBatch,
    RejectReason, Rejected, Result,
};
use model::hash::HashMap;
use model::metadata::Metadata;
use model::{Labels, SeriesRef};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};
use transaction::{Step, Transaction};

/// Marks references that are given out before the storage is there. Those of storages are numbers from one on, so these
/// dangle there, and whoever kept one resolves it again.
const PROVISIONAL: u64 = 1 << 63;

/// What a label set costs beside its text.
const LABELS_BYTES: usize = 96;

/// Where writers find the storage that is to come.
#[derive(Clone)]
pub struct Backlog(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Set under the lock of the state, once nothing waits any more.
    storage: OnceLock<Arc<dyn Appendable>>,
    max_bytes: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Transaction>,
    /// Label sets by the number in their references, and the other way round.
    labels: Vec<Labels>,
    numbers: HashMap<Labels, u32>,
    held_bytes: usize,
    /// Transactions that began before the storage was there and have not ended.
    num_open: usize,
}

/// What became of the transactions that waited.
#[derive(Debug, Default)]
pub struct HandedOn {
    /// Transactions that waited.
    pub num_transactions: u64,
    /// Samples of them that the storage took.
    pub num_samples: u64,
    /// Samples that it refused.
    pub num_refused: u64,
    /// Transactions that failed.
    pub num_failed: u64,
    /// Why the first of them did.
    pub error: Option<Error>,
}

impl fmt::Debug for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("Backlog")
            .field("is_open", &self.0.storage.get().is_some())
            .field("num_waiting", &state.waiting.len())
            .field("held_bytes", &state.held_bytes)
            .finish_non_exhaustive()
    }
}

impl Backlog {
    /// An empty one that holds about so many bytes; commits beyond fail.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let shared = Shared { state: Mutex::default(), storage: OnceLock::new(), max_bytes };
        Self(Arc::new(shared))
    }

    /// Transactions that wait.
    #[must_use]
    pub fn num_waiting(&self) -> usize {
        self.0.state.lock().waiting.len()
    }

    /// Hands on what waits, in order, also what comes meanwhile; from then on writers use the storage itself. What fails
    /// is lost, as it would have been if the storage had been there. To be called once.
    pub fn open(&self, storage: Arc<dyn Appendable>) -> HandedOn {
        let mut done = HandedOn::default();
        loop {
            let mut state = self.0.state.lock();
            let Some(transaction) = state.waiting.pop_front() else {
                let _first = self.0.storage.set(storage);
                state.forget_if_unused();
                return done;
            };
            let labels = state.labels_of(&transaction);
            state.held_bytes -= transaction.len_bytes();
            drop(state);
            done.num_transactions += 1;
            match transaction.commit_to(&*storage, &labels) {
                Ok((taken, refused)) => {
                    done.num_samples += taken;
                    done.num_refused += refused;
                }
                Err(error) => {
                    done.num_failed += 1;
                    done.error.get_or_insert(error);
                }
            }
        }
    }
}

impl State {
    /// The label sets that a transaction names, by their numbers.
    fn labels_of(&self, transaction: &Transaction) -> Vec<(u32, Labels)> {
        let labels = |number: u32| (number, self.labels[number as usize].clone());
        transaction.numbers().into_iter().map(labels).collect()
    }

    fn forget_if_unused(&mut self) {
        if self.num_open == 0 {
            *self = Self::default();
        }
    }
}

impl Appendable for Backlog {
    fn appender(&self, now_ms: i64) -> Box<dyn Appender> {
        if let Some(storage) = self.0.storage.get() {
            return storage.appender(now_ms);
        }
        let mut state = self.0.state.lock();
        if let Some(storage) = self.0.storage.get() {
            return storage.appender(now_ms);
        }
        state.num_open += 1;
        drop(state);
        Box::new(Waiting { shared: Arc::clone(&self.0), transaction: Transaction::new(now_ms) })
    }
}

/// A transaction of the time before the storage.
struct Waiting {
    shared: Arc<Shared>,
    transaction: Transaction,
}

impl Waiting {
    fn full(&self) -> Error {
        let what = format!(
            "{} bytes of samples wait for the storage to be opened, and more would be too many",
            self.shared.max_bytes
        );
        Error::LimitExceeded(what.into())
    }

    /// The rows of references that were given out here, with their numbers; the others are refused.
    fn known(&self, refs: &[SeriesRef], rejected: &mut Vec<Rejected>) -> Vec<(usize, u32)> {
        let num_known = self.shared.state.lock().labels.len() as u64;
        let mut rows = Vec::with_capacity(refs.len());
        for (row, series) in refs.iter().enumerate() {
            match series.get().checked_sub(PROVISIONAL) {
                Some(number) if number < num_known => rows.push((row, number as u32)),
                _ => {
                    let reason = RejectReason::UnknownRef;
                    rejected.push(Rejected { row: row as u32, reason });
                }
            }
        }
        rows
    }
}

impl Appender for Waiting {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        _rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let mut guard = self.shared.state.lock();
        let state = &mut *guard;
        for row in 0..labels.len() {
            let labels = Labels::from_pairs(labels.get(row).iter().copied());
            let number = match state.numbers.get(&labels) {
                Some(&number) => number,
                None => {
                    let text: usize =
                        labels.iter().map(|(name, value)| name.len() + value.len()).sum();
                    state.held_bytes += LABELS_BYTES + text;
                    if state.held_bytes > self.shared.max_bytes {
                        return Err(self.full());
                    }
                    let number = state.labels.len() as u32;
                    state.labels.push(labels.clone());
                    state.numbers.insert(labels, number);
                    number
                }
            };
            refs.push(SeriesRef::new(PROVISIONAL + u64::from(number)));
        }
        Ok(())
    }

    fn append_floats(&mut self, batch: FloatBatch<'_>, rejected: &mut Vec<Rejected>) -> Result<()> {
        let (refs, _, _) = batch.columns();
        let rows = self.known(refs, rejected);
        self.transaction.push(Step::floats(batch, &rows));
        Ok(())
    }

    fn append_histograms(
        &mut self,
        batch: HistogramBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let (refs, _, _) = batch.columns();
        let rows = self.known(refs, rejected);
        self.transaction.push(Step::histograms(batch, &rows));
        Ok(())
    }

    fn append_exemplars(
        &mut self,
        batch: ExemplarBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let rows = self.known(batch.columns().0, rejected);
        self.transaction.push(Step::exemplars(batch, &rows));
        Ok(())
    }

    fn append_metadata(&mut self, refs: &[SeriesRef], metadata: &[Metadata]) -> Result<()> {
        let rows = self.known(refs, &mut Vec::new());
        self.transaction.push(Step::metadata(metadata, &rows));
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        let transaction = std::mem::take(&mut self.transaction);
        let mut state = self.shared.state.lock();
        if let Some(storage) = self.shared.storage.get() {
            let labels = state.labels_of(&transaction);
            drop(state);
            return transaction.commit_to(&**storage, &labels).map(drop);
        }
        let held_bytes = state.held_bytes + transaction.len_bytes();
        if held_bytes > self.shared.max_bytes {
            return Err(self.full());
        }
        state.held_bytes = held_bytes;
        state.waiting.push_back(transaction);
        Ok(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.num_open -= 1;
        if self.shared.storage.get().is_some() {
            state.forget_if_unused();
        }
    }
}

#[cfg(test)]
mod tests;
