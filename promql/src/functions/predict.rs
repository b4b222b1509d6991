//! Lines and curves through the samples of a window: `deriv`, `predict_linear`, `double_exponential_smoothing`.

use crate::engine::Error;
use crate::kernel::sum::Compensated;
use crate::kernel::{Samples, Window};

/// Slope per second and value at `reference_ms` of the least-squares line through a window.
fn line(samples: Samples<'_>, window: &Window, reference_ms: i64) -> Option<(f64, f64)> {
    let times = &samples.times[window.begin..window.end];
    let values = &samples.values[window.begin..window.end];
    if values.len() < 2 {
        return None;
    }
    let first = values[0];
    if values.iter().all(|&v| v == first) {
        return Some(if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) });
    }
    let mut sums = [Compensated::default(); 4];
    for (&time, &y) in times.iter().zip(values) {
        let x = (time - reference_ms) as f64 / 1000.0;
        for (sum, term) in sums.iter_mut().zip([x, y, x * y, x * x]) {
            sum.add(term);
        }
    }
    let count = values.len() as f64;
    let [x, y, xy, xx] = sums.map(Compensated::total);
    let covariance = xy - x * y / count;
    let variance = xx - x * x / count;
    let slope = covariance / variance;
    Some((slope, y / count - slope * x / count))
}

/// `deriv` of one window.
pub(crate) fn deriv(samples: Samples<'_>, window: &Window) -> Option<f64> {
    line(samples, window, samples.times[window.begin]).map(|(slope, _)| slope)
}

/// `predict_linear` of one window.
pub(crate) fn predict_linear(samples: Samples<'_>, window: &Window, seconds: f64) -> Option<f64> {
    line(samples, window, window.eval_ms).map(|(slope, intercept)| slope * seconds + intercept)
}

/// `double_exponential_smoothing` of one window with its smoothing and trend factors.
pub(crate) fn smooth(values: &[f64], (level, trend): (f64, f64)) -> Result<Option<f64>, Error> {
    for (factor, name, short) in [(level, "smoothing", "sf"), (trend, "trend", "tf")] {
        if factor <= 0.0 || factor >= 1.0 {
            return Err(Error::Execution(format!(
                "invalid {name} factor. Expected: 0 < {short} < 1, got: {}",
                six_decimals(factor)
            )));
        }
    }
    if values.len() < 2 {
        return Ok(None);
    }
    let (mut before, mut smoothed) = (0.0, values[0]);
    let mut slope = values[1] - values[0];
    for (index, &value) in values.iter().enumerate().skip(1) {
        if index > 1 {
            slope = trend * (smoothed - before) + (1.0 - trend) * slope;
        }
        let next = level * value + (1.0 - level) * (smoothed + slope);
        before = smoothed;
        smoothed = next;
    }
    Ok(Some(smoothed))
}

/// A number as `%f` prints it.
fn six_decimals(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    format!("{value:.6}")
}
