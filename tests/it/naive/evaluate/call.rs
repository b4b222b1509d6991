//! Functions of single values.

use super::Sample;
use crate::naive::histogram::{fraction, quantile, variance};

/// The value of a function; `None` where it has none for this kind of sample.
pub(super) fn call(function: &str, before: &[f64], sample: &Sample) -> Option<Sample> {
    match sample {
        Sample::Float(value) => of_float(function, *value).map(Sample::Float),
        Sample::Histogram(histogram) => {
            let h = &**histogram;
            Some(Sample::Float(match function {
                "-" => return Some(h.clone().times(-1.0).into()),
                "histogram_count" => h.count,
                "histogram_sum" => h.sum,
                "histogram_avg" => h.sum / h.count,
                "histogram_stdvar" => variance(h),
                "histogram_stddev" => variance(h).sqrt(),
                "histogram_quantile" => quantile(h, before[0]),
                "histogram_fraction" => fraction(h, before[0], before[1]),
                _ => return None,
            }))
        }
    }
}

fn of_float(function: &str, value: f64) -> Option<f64> {
    Some(match function {
        "abs" => value.abs(),
        "ceil" => value.ceil(),
        "floor" => value.floor(),
        "sqrt" => value.sqrt(),
        "sgn" if value > 0.0 => 1.0,
        "sgn" if value < 0.0 => -1.0,
        "sgn" => value,
        "-" => -value,
        _ => return None,
    })
}
