//! Order statistics of a few values: quantiles, also of sliding windows, and the median of absolute deviations.

use super::{Kernel, Samples, Window};
use std::cmp::Ordering;
use std::ops::Range;

/// Ascending with NaN lowest.
fn nan_lowest(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// The `phi`-quantile; sorts `values` in place. Both neighbours are always multiplied, so zero times infinity is NaN.
pub(crate) fn quantile(phi: f64, values: &mut [f64]) -> f64 {
    values.sort_unstable_by(|a, b| nan_lowest(*a, *b));
    quantile_of_sorted(phi, values)
}

fn quantile_of_sorted(phi: f64, values: &[f64]) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    let last = values.len() - 1;
    let rank = phi * last as f64;
    let low = rank.floor().max(0.0);
    let weight = rank - rank.floor();
    let low = low as usize;
    let high = last.min(low + 1);
    values[low] * (1.0 - weight) + values[high] * weight
}

/// The quantile of each window. The values of the window before are kept in order, so that a step costs as much as the
/// samples that enter and leave, as long as these are few.
#[derive(Default)]
pub(crate) struct SlidingQuantile {
    /// For each step which quantile.
    pub(crate) phi: Vec<f64>,
    sorted: Vec<f64>,
    /// Which samples are in `sorted`.
    held: Range<usize>,
    /// Whether equal values may differ in their bits: then which of them counts depends on how they are sorted.
    is_odd: bool,
}

impl SlidingQuantile {
    pub(crate) fn new(phi: Vec<f64>) -> Self {
        Self { phi, ..Self::default() }
    }

    /// Brings `sorted` from the samples held to those of the window.
    fn slide(&mut self, values: &[f64], window: &Window) {
        let enter = self.held.end.max(window.begin)..window.end;
        let leave = self.held.start..window.begin.min(self.held.end);
        if self.is_odd || enter.len() + leave.len() > window.len() / 4 {
            self.sorted.clear();
            self.sorted.extend_from_slice(&values[window.begin..window.end]);
            self.sorted.sort_unstable_by(|a, b| nan_lowest(*a, *b));
        } else {
            for &value in &values[leave] {
                let at = self.sorted.partition_point(|&held| held < value);
                self.sorted.remove(at);
            }
            for &value in &values[enter] {
                let at = self.sorted.partition_point(|&held| held < value);
                self.sorted.insert(at, value);
            }
        }
        self.held = window.begin..window.end;
    }
}

impl Kernel for SlidingQuantile {
    fn begin(&mut self, samples: Samples<'_>) {
        self.sorted.clear();
        self.held = 0..0;
        let is_odd = |value: f64| value.is_nan() | (value.to_bits() == (-0.0_f64).to_bits());
        self.is_odd = samples.values.iter().fold(false, |any, &value| any | is_odd(value));
    }

    fn value(&mut self, samples: Samples<'_>, window: &Window) -> Option<f64> {
        self.slide(samples.values, window);
        Some(quantile_of_sorted(self.phi[window.step], &self.sorted))
    }
}

/// The median of the distances from the median; NaN if any value is.
pub(crate) fn median_deviation(values: &mut [f64]) -> f64 {
    if values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    let median = quantile(0.5, values);
    values.iter_mut().for_each(|v| *v = (*v - median).abs());
    quantile(0.5, values)
}
