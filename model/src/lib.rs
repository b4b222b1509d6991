//! The vocabulary of the database: labels, matchers, time, numbers as text. Pure values: no I/O, no clock, no async.
//! Reading order: `labels` and `symbols` (the two forms of a label set), `matcher`, `time`, then the texts.
#![forbid(unsafe_code)]

pub mod duration;
pub mod elementary;
pub mod float;
pub mod hash;
pub mod histogram;
mod labels;
mod matcher;
pub mod metadata;
pub mod quote;
pub mod regex;
pub mod relabel;
pub mod size;
mod symbols;
mod time;
pub mod timestamp;
pub mod validate;

pub use labels::{Labels, LabelsBuilder, LabelsIter, stable_hash};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use symbols::{LabelPair, LabelsColumn, Sym, Symbols};
pub use time::{StepGrid, TimeRange};

use std::num::NonZeroU64;

/// The label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";

/// The bit pattern of the staleness marker: a NaN that ends a series.
pub const STALE_NAN_BITS: u64 = 0x7FF0_0000_0000_0002;

/// The staleness marker as a float. Compare bits, never values: see [`is_stale_nan`].
pub const STALE_NAN: f64 = f64::from_bits(STALE_NAN_BITS);

/// Whether `value` is the staleness marker, by its bits.
#[inline]
#[must_use]
pub fn is_stale_nan(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// Names a series within one storage. Ephemeral: it dangles once the series is garbage collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesRef(pub NonZeroU64);

impl SeriesRef {
    /// The reference with this number; `None` for zero, which is never a series.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number, as it stands in log records.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}
