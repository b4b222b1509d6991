//! Compensated sums, means and variances, in exactly the order of the reference. No fused multiply-add.

use super::{Kernel, Samples, Window};

/// A sum and what rounding lost from it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compensated {
    pub(crate) sum: f64,
    pub(crate) lost: f64,
}

impl Compensated {
    /// Adds one number.
    #[inline]
    pub(crate) fn add(&mut self, x: f64) {
        let total = self.sum + x;
        // The exact error of the addition; which branch is exact depends on the larger operand.
        let big = self.sum.abs() >= x.abs();
        let (large, small) = if big { (self.sum, x) } else { (x, self.sum) };
        let lost = self.lost + ((large - total) + small);
        self.lost = if total.is_infinite() { 0.0 } else { lost };
        self.sum = total;
    }

    /// The sum with what was lost.
    #[inline]
    pub(crate) fn total(self) -> f64 {
        self.sum + self.lost
    }
}

/// `sum_over_time` of one window.
#[inline]
pub(crate) fn sum(values: &[f64]) -> f64 {
    let mut sum = Compensated::default();
    values.iter().for_each(|&v| sum.add(v));
    if sum.sum.is_infinite() { sum.sum } else { sum.total() }
}

/// A running mean that turns incremental once the sum would overflow; the same for windows and groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mean {
    /// The sum, or the mean once `incremental`.
    total: Compensated,
    count: f64,
    incremental: bool,
}

impl Mean {
    /// The mean of one number.
    #[inline]
    pub(crate) fn new(first: f64) -> Self {
        let total = Compensated { sum: first, lost: 0.0 };
        Self { total, count: 1.0, incremental: false }
    }

    /// Takes in the next number.
    #[inline]
    pub(crate) fn add(&mut self, x: f64) {
        self.count += 1.0;
        if !self.incremental {
            let mut next = self.total;
            next.add(x);
            if !next.sum.is_infinite() {
                self.total = next;
                return;
            }
            self.incremental = true;
            self.total.sum /= self.count - 1.0;
            self.total.lost /= self.count - 1.0;
        }
        let q = (self.count - 1.0) / self.count;
        let mut next = Compensated { sum: q * self.total.sum, lost: q * self.total.lost };
        next.add(x / self.count);
        self.total = next;
    }

    /// The mean so far.
    #[inline]
    pub(crate) fn value(self) -> f64 {
        if self.incremental {
            self.total.total()
        } else {
            self.total.sum / self.count + self.total.lost / self.count
        }
    }
}

/// `avg_over_time` of one window.
pub(crate) fn avg(values: &[f64]) -> f64 {
    let mut mean = Mean::new(values[0]);
    values[1..].iter().for_each(|&v| mean.add(v));
    mean.value()
}

/// `stdvar_over_time` of one window.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares) = (Compensated::default(), Compensated::default());
    let mut count = 0.0;
    for &v in values {
        count += 1.0;
        let delta = v - mean.total();
        mean.add(delta / count);
        squares.add(delta * (v - mean.total()));
    }
    squares.total() / count
}

/// Sums and means of windows. Where all samples are integers whose sums stay exact, the difference of two prefix sums
/// is the same number in every order of addition; other series are summed window by window.
pub(crate) struct SlidingSum {
    prefix: Vec<f64>,
    mean: bool,
}

impl SlidingSum {
    pub(crate) fn new(mean: bool) -> Self {
        Self { prefix: Vec::new(), mean }
    }
}

/// Sums of integers below this are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Kernel for SlidingSum {
    fn begin(&mut self, samples: Samples<'_>) {
        self.prefix.clear();
        let mut size = 0.0;
        // Written without an early exit, so that it becomes vector code; a NaN or infinity fails the check.
        let whole = samples.values.iter().fold(true, |whole, v| {
            size += v.abs();
            whole & (v.trunc() == *v)
        });
        // Rounding in `size` itself cannot hide an overshoot: it is exact up to the bound.
        if !whole || size >= EXACT {
            return;
        }
        let mut sum = 0.0;
        self.prefix.push(sum);
        self.prefix.extend(samples.values.iter().map(|v| {
            sum += v;
            sum
        }));
    }

    #[inline]
    fn value(&mut self, samples: Samples<'_>, window: &Window) -> Option<f64> {
        let values = &samples.values[window.begin..window.end];
        if self.prefix.is_empty() {
            return Some(if self.mean { avg(values) } else { sum(values) });
        }
        let total = self.prefix[window.end] - self.prefix[window.begin];
        Some(if self.mean { total / values.len() as f64 + 0.0 } else { total })
    }
}
