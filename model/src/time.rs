//! Millisecond time: closed ranges and step grids. Texts for times live in `timestamp` and `duration`.

/// The closed interval `min_ms..=max_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// First millisecond inside the range.
    pub min_ms: i64,
    /// Last millisecond inside the range.
    pub max_ms: i64,
}

impl TimeRange {
    /// All time there is.
    pub const ALL: Self = Self { min_ms: i64::MIN, max_ms: i64::MAX };

    /// The interval from `min_ms` to `max_ms`, both inside.
    #[must_use]
    pub fn new(min_ms: i64, max_ms: i64) -> Self {
        Self { min_ms, max_ms }
    }

    /// Whether `timestamp_ms` lies inside.
    #[inline]
    #[must_use]
    pub fn contains(self, timestamp_ms: i64) -> bool {
        self.min_ms <= timestamp_ms && timestamp_ms <= self.max_ms
    }

    /// Whether the two share a millisecond.
    #[inline]
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.min_ms <= other.max_ms && other.min_ms <= self.max_ms
    }

    /// The shortest range that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self::new(self.min_ms.min(other.min_ms), self.max_ms.max(other.max_ms))
    }
}

/// The evaluation times of a query: `start_ms + i * step_ms` for `i < len`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepGrid {
    /// The first evaluation time.
    pub start_ms: i64,
    /// Distance between two evaluation times; positive.
    pub step_ms: i64,
    /// Number of evaluation times; one for an instant query.
    pub len: usize,
}

impl StepGrid {
    /// The grid of a single evaluation time.
    #[must_use]
    pub fn instant(at_ms: i64) -> Self {
        Self { start_ms: at_ms, step_ms: 1, len: 1 }
    }

    /// The evaluation time of step `index`.
    #[inline]
    #[must_use]
    pub fn at(self, index: usize) -> i64 {
        self.start_ms.wrapping_add((index as i64).wrapping_mul(self.step_ms))
    }

    /// The last evaluation time; the first if the grid is empty.
    #[must_use]
    pub fn last_ms(self) -> i64 {
        self.at(self.len.saturating_sub(1))
    }
}
