//! Order statistics of a few values: quantiles and the median of absolute deviations.

use std::cmp::Ordering;

/// Ascending with NaN lowest.
fn nan_lowest(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// The `phi`-quantile; sorts `values` in place. Both neighbours are always multiplied, so zero times infinity is NaN.
pub(crate) fn quantile(phi: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| nan_lowest(*a, *b));
    let last = values.len() - 1;
    let rank = phi * last as f64;
    let low = rank.floor().max(0.0);
    let weight = rank - rank.floor();
    let low = low as usize;
    let high = last.min(low + 1);
    values[low] * (1.0 - weight) + values[high] * weight
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
