//! The write seam: transactions over columns. Labels are resolved to references once, samples then travel as columns.

use crate::{Error, Result};
use model::SeriesRef;
use model::histogram::Histogram;
use model::metadata::Metadata;

/// Something samples can be written to.
pub trait Appendable: Send + Sync {
    /// Starts a transaction. `now_ms` is the wall clock, for storages that bound how far ahead a sample may be.
    fn appender(&self, now_ms: i64) -> Box<dyn Appender>;
}

/// One write transaction; dropped without `commit`, it never happened (series it created may stay).
///
/// Rows of one series come in time order. Slices belong to the caller again when a call returns.
/// A row the storage refuses is appended to `rejected` and does not stop the rows after it.
pub trait Appender: Send {
    /// Appends to `refs`, for each label set, its series, created if new; `None` if refused. A storage that is at a
    /// bound refuses the new ones alone: see [`RejectReason::refuses_new_series`].
    /// A reference stays good until the series is dropped from memory; it may be kept across transactions.
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()>;
    /// Adds float samples. [`RejectReason::UnknownRef`] tells the caller to resolve that row again.
    fn append_floats(&mut self, batch: FloatBatch<'_>, rejected: &mut Vec<Rejected>) -> Result<()>;
    /// Adds native histograms. A storage without them refuses the call, not the rows.
    fn append_histograms(
        &mut self,
        batch: HistogramBatch<'_>,
        _rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        if batch.values.is_empty() {
            return Ok(());
        }
        Err(Error::Unsupported("this storage does not keep native histograms".into()))
    }
    /// Adds exemplars to series of this transaction. A storage that keeps none ignores them, as one does whose
    /// exemplar storage is switched off.
    fn append_exemplars(
        &mut self,
        _batch: ExemplarBatch<'_>,
        _rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        Ok(())
    }
    /// Notes what kind of metric each series is; unchanged metadata costs nothing. A storage that keeps none
    /// ignores it.
    fn append_metadata(&mut self, _refs: &[SeriesRef], _metadata: &[Metadata]) -> Result<()> {
        Ok(())
    }
    /// How many more series the storage creates at the moment, at most; for callers to whom looking at labels is work.
    fn room_for_series(&self) -> u64 {
        u64::MAX
    }
    /// The newest sample of a series as this transaction finds it; explains a refused duplicate to its sender.
    /// `None` if the storage does not know or does not tell.
    fn newest(&self, _series: SeriesRef) -> Option<(i64, f64)> {
        None
    }
    /// Logs the transaction, then shows it to queriers opened from now on, all at once.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// Label sets as borrowed pairs, back to back: set `i` is the pairs before `ends[i]` and after the previous end.
/// Pairs of a set are sorted by name; names do not repeat; values are not empty.
#[derive(Clone, Copy, Debug)]
pub struct LabelBatch<'a> {
    pairs: &'a [(&'a str, &'a str)],
    ends: &'a [u32],
}

impl<'a> LabelBatch<'a> {
    /// Groups the two columns. Panics if the last end is not the number of pairs: that is a bug of the caller.
    #[must_use]
    pub fn new(pairs: &'a [(&'a str, &'a str)], ends: &'a [u32]) -> Self {
        assert_eq!(ends.last().map_or(0, |&end| end as usize), pairs.len());
        Self { pairs, ends }
    }

    /// Number of label sets.
    #[must_use]
    pub fn len(self) -> usize {
        self.ends.len()
    }

    /// Whether there are no sets.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.ends.is_empty()
    }

    /// The pairs of set `index`.
    #[inline]
    #[must_use]
    pub fn get(self, index: usize) -> &'a [(&'a str, &'a str)] {
        &self.pairs[self.begin(index)..self.ends[index] as usize]
    }

    /// How many pairs come before those of set `index`.
    #[inline]
    #[must_use]
    pub fn begin(self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] as usize }
    }
}

/// Float samples as columns of equal length.
#[derive(Clone, Copy, Debug)]
pub struct FloatBatch<'a> {
    refs: &'a [SeriesRef],
    timestamps_ms: &'a [i64],
    values: &'a [f64],
    start_timestamps_ms: &'a [i64],
    in_order_only: bool,
}

impl<'a> FloatBatch<'a> {
    /// Groups three columns. Panics if their lengths differ: that is a bug of the caller.
    #[must_use]
    pub fn new(refs: &'a [SeriesRef], timestamps_ms: &'a [i64], values: &'a [f64]) -> Self {
        assert_eq!(refs.len(), timestamps_ms.len());
        assert_eq!(refs.len(), values.len());
        Self { refs, timestamps_ms, values, start_timestamps_ms: &[], in_order_only: false }
    }

    /// Says since when each counter counts, in milliseconds; zero where that is not known.
    /// Panics if the length differs from that of the other columns.
    #[must_use]
    pub fn with_start_timestamps(self, start_timestamps_ms: &'a [i64]) -> Self {
        assert_eq!(self.refs.len(), start_timestamps_ms.len());
        Self { start_timestamps_ms, ..self }
    }

    /// The columns: references, timestamps in milliseconds, values.
    #[must_use]
    pub fn columns(self) -> (&'a [SeriesRef], &'a [i64], &'a [f64]) {
        (self.refs, self.timestamps_ms, self.values)
    }

    /// Has late rows refused as [`RejectReason::OutOfOrder`] even where the storage takes samples out of order: for what
    /// is only true if nothing came after it, as a staleness marker.
    #[must_use]
    pub fn in_order_only(self) -> Self {
        Self { in_order_only: true, ..self }
    }

    /// Whether late rows are refused.
    #[must_use]
    pub fn is_in_order_only(self) -> bool {
        self.in_order_only
    }

    /// Since when each counter counts, in milliseconds, zero if not known; empty if no row has one.
    #[must_use]
    pub fn start_timestamps_ms(self) -> &'a [i64] {
        self.start_timestamps_ms
    }
}

/// Native histograms as columns of equal length.
#[derive(Clone, Copy, Debug)]
pub struct HistogramBatch<'a> {
    refs: &'a [SeriesRef],
    timestamps_ms: &'a [i64],
    values: &'a [Histogram],
    start_timestamps_ms: &'a [i64],
    in_order_only: bool,
}

impl<'a> HistogramBatch<'a> {
    /// Groups three columns. Panics if their lengths differ: that is a bug of the caller.
    #[must_use]
    pub fn new(refs: &'a [SeriesRef], timestamps_ms: &'a [i64], values: &'a [Histogram]) -> Self {
        assert_eq!(refs.len(), timestamps_ms.len());
        assert_eq!(refs.len(), values.len());
        Self { refs, timestamps_ms, values, start_timestamps_ms: &[], in_order_only: false }
    }

    /// Says since when each histogram counts, in milliseconds; zero where that is not known.
    /// Panics if the length differs from that of the other columns.
    #[must_use]
    pub fn with_start_timestamps(self, start_timestamps_ms: &'a [i64]) -> Self {
        assert_eq!(self.refs.len(), start_timestamps_ms.len());
        Self { start_timestamps_ms, ..self }
    }

    /// The columns: references, timestamps in milliseconds, values.
    #[must_use]
    pub fn columns(self) -> (&'a [SeriesRef], &'a [i64], &'a [Histogram]) {
        (self.refs, self.timestamps_ms, self.values)
    }

    /// As [`FloatBatch::in_order_only`].
    #[must_use]
    pub fn in_order_only(self) -> Self {
        Self { in_order_only: true, ..self }
    }

    /// Whether late rows are refused.
    #[must_use]
    pub fn is_in_order_only(self) -> bool {
        self.in_order_only
    }

    /// Since when each histogram counts, in milliseconds, zero if not known; empty if no row has one.
    #[must_use]
    pub fn start_timestamps_ms(self) -> &'a [i64] {
        self.start_timestamps_ms
    }
}

/// An exemplar: a single observation with labels of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExemplarRow<'a> {
    /// Its labels, sorted by name; may be empty.
    pub labels: &'a [(&'a str, &'a str)],
    /// When it was observed; where the sender does not say, the time of the sample.
    pub timestamp_ms: i64,
    /// What was observed.
    pub value: f64,
}

/// Exemplars and the series they belong to: columns of equal length.
#[derive(Clone, Copy, Debug)]
pub struct ExemplarBatch<'a> {
    refs: &'a [SeriesRef],
    rows: &'a [ExemplarRow<'a>],
}

impl<'a> ExemplarBatch<'a> {
    /// Groups two columns. Panics if their lengths differ: that is a bug of the caller.
    #[must_use]
    pub fn new(refs: &'a [SeriesRef], rows: &'a [ExemplarRow<'a>]) -> Self {
        assert_eq!(refs.len(), rows.len());
        Self { refs, rows }
    }

    /// The columns: references, exemplars.
    #[must_use]
    pub fn columns(self) -> (&'a [SeriesRef], &'a [ExemplarRow<'a>]) {
        (self.refs, self.rows)
    }
}

/// A row that was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Row of the batch.
    pub row: u32,
    /// Why.
    pub reason: RejectReason,
}

/// Why a row was not stored; each has its counter and its place in a remote-write answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectReason {
    /// The reference dangles: resolve again and retry.
    UnknownRef,
    /// Older than the newest sample of the series, and out-of-order samples are not accepted.
    OutOfOrder,
    /// Before the time the head accepts.
    OutOfBounds,
    /// Before the out-of-order window.
    TooOld,
    /// Same timestamp as the newest sample, other value.
    DuplicateTimestamp,
    /// The label set is empty.
    EmptyLabels,
    /// A label name occurs twice or the names are not sorted.
    DuplicateLabel,
    /// The buckets of a histogram contradict each other.
    InvalidHistogram,
    /// An exemplar whose labels are longer than 128 characters.
    ExemplarLabelsTooLong,
    /// An exemplar of the same time as the newest of its series, with another value.
    DuplicateExemplar,
    /// An exemplar older than the newest of its series.
    OutOfOrderExemplar,
    /// The series would be new, and memory is at its bound.
    MemoryBudget,
    /// The series would be new, and there are as many as there may be.
    SeriesLimit,
    /// The series would be new, and its job has as many as it may have.
    JobSeriesLimit,
}

impl RejectReason {
    /// The words Prometheus uses for this refusal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownRef => "unknown series reference",
            Self::OutOfOrder => "out of order sample",
            Self::OutOfBounds => "out of bounds",
            Self::TooOld => "too old sample",
            Self::DuplicateTimestamp => "duplicate sample for timestamp",
            Self::EmptyLabels => "empty labelset: invalid sample",
            Self::DuplicateLabel => "label name is not unique: invalid sample",
            Self::InvalidHistogram => "invalid histogram",
            Self::ExemplarLabelsTooLong => {
                "label length for exemplar exceeds maximum of 128 UTF-8 characters"
            }
            Self::DuplicateExemplar => "duplicate exemplar",
            Self::OutOfOrderExemplar => "out of order exemplar",
            Self::MemoryBudget => {
                "new series are refused: the memory budget is used up, or the server is in safe mode"
            }
            Self::SeriesLimit => "max_head_series is reached: new series are refused",
            Self::JobSeriesLimit => "max_head_series of the job is reached: new series are refused",
        }
    }

    /// Whether a series was refused because it would be new, at a bound of the storage: known series are still taken,
    /// and later this one may be.
    #[must_use]
    pub fn refuses_new_series(self) -> bool {
        matches!(self, Self::MemoryBudget | Self::SeriesLimit | Self::JobSeriesLimit)
    }
}
