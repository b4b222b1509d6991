//! Samples of one body as columns, floats or histograms, and how they get into a transaction. Knows no text.

use crate::cache::{Cache, Slot, State};
use crate::{Error, Result};
use model::SeriesRef;
use model::histogram::Histogram;
use storage::{Appender, FloatBatch, HistogramBatch, RejectReason, Rejected};

/// A value that has its own kind of batch.
pub(super) trait Column: Clone {
    fn append(
        rows: &Rows<Self>,
        appender: &mut dyn Appender,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()>;

    /// Empties `values`; those that hold memory go to `spare`.
    fn clear(values: &mut Vec<Self>, spare: &mut Vec<Self>);

    /// The memory of one value beyond itself.
    fn memory_bytes(&self) -> usize;
}

impl Column for f64 {
    fn append(
        rows: &Rows<Self>,
        appender: &mut dyn Appender,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let mut batch = FloatBatch::new(&rows.refs, &rows.timestamps_ms, &rows.values);
        if !rows.starts_ms.is_empty() {
            batch = batch.with_start_timestamps(&rows.starts_ms);
        }
        if rows.in_order_only {
            batch = batch.in_order_only();
        }
        Ok(appender.append_floats(batch, rejected)?)
    }

    fn clear(values: &mut Vec<Self>, _spare: &mut Vec<Self>) {
        values.clear();
    }

    fn memory_bytes(&self) -> usize {
        0
    }
}

impl Column for Histogram {
    fn append(
        rows: &Rows<Self>,
        appender: &mut dyn Appender,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let mut batch = HistogramBatch::new(&rows.refs, &rows.timestamps_ms, &rows.values);
        if !rows.starts_ms.is_empty() {
            batch = batch.with_start_timestamps(&rows.starts_ms);
        }
        if rows.in_order_only {
            batch = batch.in_order_only();
        }
        Ok(appender.append_histograms(batch, rejected)?)
    }

    fn clear(values: &mut Vec<Self>, spare: &mut Vec<Self>) {
        spare.append(values);
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::Int(histogram) => {
                let deltas = &histogram.positive_deltas;
                (deltas.capacity() + histogram.negative_deltas.capacity()) * size_of::<i64>()
            }
            Self::Float(histogram) => {
                let counts = &histogram.positive;
                (counts.capacity() + histogram.negative.capacity()) * size_of::<f64>()
            }
        }
    }
}

/// Samples as columns; `refs` is filled when all series are known.
#[derive(Debug)]
pub(super) struct Rows<V> {
    pub(super) slots: Vec<Slot>,
    refs: Vec<SeriesRef>,
    timestamps_ms: Vec<i64>,
    values: Vec<V>,
    /// Values of an earlier body, for the memory they hold.
    spare: Vec<V>,
    /// Empty, or one for each row.
    starts_ms: Vec<i64>,
    /// Late rows are refused, whatever the storage takes: markers, and samples of zero at the begin of counters.
    pub(super) in_order_only: bool,
    /// Rows whose timestamp the target gave; they may not be tracked. In order.
    exposed: Vec<u32>,
    /// What the storage refused for good, by row.
    pub(super) rejected: Vec<Rejected>,
}

impl<V> Default for Rows<V> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            refs: Vec::new(),
            timestamps_ms: Vec::new(),
            values: Vec::new(),
            spare: Vec::new(),
            starts_ms: Vec::new(),
            in_order_only: false,
            exposed: Vec::new(),
            rejected: Vec::new(),
        }
    }
}

/// When a sample is.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    pub(super) timestamp_ms: i64,
    /// The target gave the timestamp.
    pub(super) exposed: bool,
    /// Set if start timestamps are stored; 0 if it is not known.
    pub(super) start_ms: Option<i64>,
}

impl<V: Column> Rows<V> {
    /// The memory of the columns while they are empty.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.refs.capacity() * size_of::<SeriesRef>()
            + (self.timestamps_ms.capacity() + self.starts_ms.capacity()) * size_of::<i64>()
            + (self.values.capacity() + self.spare.capacity()) * size_of::<V>()
            + self.spare.iter().map(V::memory_bytes).sum::<usize>()
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.refs.clear();
        self.timestamps_ms.clear();
        V::clear(&mut self.values, &mut self.spare);
        self.starts_ms.clear();
        self.exposed.clear();
        self.rejected.clear();
    }

    /// The time of the oldest row.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.timestamps_ms.iter().copied().min()
    }

    /// A value to be overwritten, for its memory.
    pub(super) fn spare(&mut self) -> Option<V> {
        self.spare.pop()
    }

    #[inline]
    pub(super) fn push(&mut self, slot: Slot, when: When, value: V) {
        if when.exposed {
            self.exposed.push(self.slots.len() as u32);
        }
        self.starts_ms.extend(when.start_ms);
        self.slots.push(slot);
        self.timestamps_ms.push(when.timestamp_ms);
        self.values.push(value);
    }

    /// Appends all rows. Returns those whose series the storage has forgotten.
    pub(super) fn append(
        &mut self,
        cache: &Cache,
        appender: &mut dyn Appender,
    ) -> Result<Vec<u32>> {
        if self.slots.is_empty() {
            return Ok(Vec::new());
        }
        self.refs.extend(self.slots.iter().map_while(|&slot| match cache.state(slot) {
            State::Series(series) => Some(series),
            // Dropped lines have no rows and new ones are resolved.
            _ => None,
        }));
        if self.refs.len() < self.slots.len() {
            self.refs.clear();
            let all: Vec<u32> = (0..self.slots.len() as u32).collect();
            self.append_again(&all, cache, appender)?;
        } else {
            let mut rejected = std::mem::take(&mut self.rejected);
            V::append(self, appender, &mut rejected)?;
            self.rejected = rejected;
        }
        let mut rejected = std::mem::take(&mut self.rejected);
        let is_unknown = |r: &&Rejected| r.reason == RejectReason::UnknownRef;
        let unknown = rejected.iter().filter(is_unknown).map(|r| r.row).collect();
        rejected.retain(|r| r.reason != RejectReason::UnknownRef);
        self.rejected = rejected;
        Ok(unknown)
    }

    /// Appends these rows, but for those of series that the storage has no room for, which are refused.
    pub(super) fn append_again(
        &mut self,
        rows: &[u32],
        cache: &Cache,
        appender: &mut dyn Appender,
    ) -> Result<()> {
        let mut again = Self { in_order_only: self.in_order_only, ..Self::default() };
        let mut origins = Vec::new();
        for &row in rows {
            let at = row as usize;
            let State::Series(series) = cache.state(self.slots[at]) else {
                self.rejected.push(Rejected { row, reason: RejectReason::MemoryBudget });
                continue;
            };
            again.refs.push(series);
            again.timestamps_ms.push(self.timestamps_ms[at]);
            again.values.push(self.values[at].clone());
            again.starts_ms.extend(self.starts_ms.get(at));
            origins.push(row);
        }
        let mut rejected = Vec::new();
        V::append(&again, appender, &mut rejected)?;
        let rejected =
            rejected.iter().map(|r| Rejected { row: origins[r.row as usize], reason: r.reason });
        self.rejected.extend(rejected);
        Ok(())
    }

    /// The slots of the rows, in order, each with whether it was refused and whether the target gave its timestamp.
    /// To be called when `rejected` is sorted.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (Slot, bool, bool)> {
        let mut rejected = self.rejected.iter().map(|rejected| rejected.row).peekable();
        let mut exposed = self.exposed.iter().copied().peekable();
        self.slots.iter().enumerate().map(move |(row, &slot)| {
            let row = row as u32;
            let refused = rejected.next_if_eq(&row).is_some();
            (slot, refused, exposed.next_if_eq(&row).is_some())
        })
    }
}

/// The error of a refusal that fails the whole scrape.
pub(super) fn fatal(reason: RejectReason) -> Error {
    Error::Rejected(reason.as_str())
}
