//! A distribution in fixed buckets. Observing takes no lock.

use crate::counter::add_float;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A distribution in buckets of given upper bounds; cloning shares it.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    bounds: Box<[f64]>,
    // One more than bounds: the last holds what is above all of them.
    counts: Box<[AtomicU64]>,
    sum_bits: AtomicU64,
}

/// What a histogram holds at one moment.
#[derive(Debug)]
pub(crate) struct HistogramView {
    /// Upper bound and number of observations at or below it; the last bound is infinite.
    pub(crate) cumulative: Vec<(f64, u64)>,
    pub(crate) sum: f64,
}

impl Histogram {
    pub(crate) fn new(bounds: &[f64]) -> Self {
        assert!(bounds.is_sorted(), "bucket bounds ascend");
        Self(Arc::new(Parts {
            bounds: bounds.into(),
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_bits: AtomicU64::new(0),
        }))
    }

    /// Counts one observation.
    pub fn observe(&self, value: f64) {
        let bucket = self.0.bounds.partition_point(|&bound| bound < value);
        self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
        add_float(&self.0.sum_bits, value);
    }

    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn view(&self) -> HistogramView {
        let mut total = 0;
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        let cumulative = bounds
            .zip(&self.0.counts)
            .map(|(bound, count)| {
                total += count.load(Ordering::Relaxed);
                (bound, total)
            })
            .collect();
        HistogramView { cumulative, sum: f64::from_bits(self.0.sum_bits.load(Ordering::Relaxed)) }
    }
}
