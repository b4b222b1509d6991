//! Answers against expectations: floats to a relative 1e-6, everything else exactly.

use super::{Eval, Expected, Item, SeriesLine, When};
use crate::value::{Matrix, Value, Vector};
use model::hash::HashMap;
use model::{Labels, float, is_stale_nan};

/// Why an answer is not the expected one.
pub(super) type Compared = Result<(), String>;

/// Relative tolerance of floats.
const EPSILON: f64 = 1e-6;

/// Whether two floats count as equal.
fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale_nan(a) || is_stale_nan(b) {
        return is_stale_nan(a) && is_stale_nan(b);
    }
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

/// Compares the answer of an evaluation.
pub(super) fn answer(eval: &Eval, value: &Value) -> Compared {
    match (&eval.expected, value) {
        (Expected::String(want), Value::String { value, .. }) => {
            if want == value {
                Ok(())
            } else {
                Err(format!("expected {want:?}, got {value:?}"))
            }
        }
        (Expected::Scalar(want), Value::Scalar { value, .. }) => number(*want, *value),
        (Expected::Series(want), Value::Vector(vector)) => {
            instant(want, eval.ordered, &elements(vector))
        }
        (Expected::RangeVector { start_ms, end_ms, step_ms, series }, Value::Matrix(matrix)) => {
            points(series, matrix, (*start_ms, *end_ms, *step_ms))
        }
        (Expected::Series(want), Value::Matrix(matrix)) => match eval.when {
            When::Range { start_ms, end_ms, step_ms } => {
                points(want, matrix, (start_ms, end_ms, step_ms))
            }
            When::Instant { .. } => Err("got a range vector".into()),
        },
        (want, got) => Err(format!("expected {want:?}, got {got:?}")),
    }
}

/// Compares one step of a range query with what the instant query must answer.
pub(super) fn step(eval: &Eval, matrix: &Matrix, at_ms: i64) -> Compared {
    let mut found = Vec::new();
    let mut begin = 0;
    for (labels, &end) in matrix.labels.iter().zip(&matrix.ends) {
        let at = matrix.timestamps_ms[begin..end].iter().position(|&ms| ms == at_ms);
        if let Some(at) = at {
            found.push((matrix.symbols.labels(labels), matrix.values[begin + at]));
        }
        begin = end;
    }
    match &eval.expected {
        Expected::Series(want) => instant(want, false, &found),
        Expected::Scalar(want) => match &found[..] {
            [(_, value)] => number(*want, *value),
            others => Err(format!("expected one series, got {}", others.len())),
        },
        Expected::String(_) | Expected::RangeVector { .. } => Ok(()),
    }
}

fn number(want: f64, got: f64) -> Compared {
    if almost_equal(want, got) {
        return Ok(());
    }
    Err(format!("expected {}, got {}", float::fixed(want), float::fixed(got)))
}

fn elements(vector: &Vector) -> Vec<(Labels, f64)> {
    let labels = vector.labels.iter().map(|labels| vector.symbols.labels(labels));
    labels.zip(vector.values.iter().copied()).collect()
}

fn by_labels(want: &[SeriesLine]) -> HashMap<&Labels, usize> {
    want.iter().enumerate().map(|(index, series)| (&series.labels, index)).collect()
}

fn instant(want: &[SeriesLine], ordered: bool, got: &[(Labels, f64)]) -> Compared {
    let positions = by_labels(want);
    let mut seen = vec![false; want.len()];
    for (position, (labels, value)) in got.iter().enumerate() {
        let Some(&index) = positions.get(labels) else {
            return Err(format!("unexpected {labels} with value {}", float::fixed(*value)));
        };
        if ordered && index != position {
            return Err(format!("expected {labels} at place {}, not {}", index + 1, position + 1));
        }
        match want[index].items[..] {
            [Item::Value(expected)] => {
                number(expected, *value).map_err(|what| format!("{labels}: {what}"))?;
            }
            _ => return Err(format!("{labels}: expected {:?}, got a float", want[index].items)),
        }
        seen[index] = true;
    }
    missing(want, &seen)
}

fn missing(want: &[SeriesLine], seen: &[bool]) -> Compared {
    let absent = want
        .iter()
        .zip(seen)
        .find(|(series, seen)| !**seen && series.items.iter().any(|item| *item != Item::Omitted));
    match absent {
        Some((series, _)) => Err(format!("expected {} is not there", series.labels)),
        None => Ok(()),
    }
}

fn points(want: &[SeriesLine], matrix: &Matrix, grid: (i64, i64, i64)) -> Compared {
    let (start_ms, end_ms, step_ms) = grid;
    let positions = by_labels(want);
    let mut seen = vec![false; want.len()];
    let mut previous: Option<Labels> = None;
    let mut begin = 0;
    for (labels, &end) in matrix.labels.iter().zip(&matrix.ends) {
        let labels = matrix.symbols.labels(labels);
        if previous.as_ref().is_some_and(|previous| *previous >= labels) {
            return Err(format!("{labels} is not in order"));
        }
        let Some(&index) = positions.get(&labels) else {
            return Err(format!("unexpected {labels}"));
        };
        seen[index] = true;
        let mut got = matrix.timestamps_ms[begin..end].iter().zip(&matrix.values[begin..end]);
        for (place, item) in want[index].items.iter().enumerate() {
            let at_ms = start_ms + step_ms * place as i64;
            if at_ms > end_ms {
                return Err(format!("{labels}: more values expected than there are steps"));
            }
            let expected = match item {
                Item::Omitted => continue,
                Item::Histogram => return Err(format!("{labels}: expected a histogram")),
                Item::Value(value) => *value,
            };
            match got.next() {
                Some((&ms, &value)) if ms == at_ms => {
                    number(expected, value).map_err(|what| format!("{labels} at {ms}: {what}"))?;
                }
                other => {
                    return Err(format!("{labels}: expected a value at {at_ms}, got {other:?}"));
                }
            }
        }
        if let Some(extra) = got.next() {
            return Err(format!("{labels}: unexpected {extra:?}"));
        }
        begin = end;
        previous = Some(labels);
    }
    missing(want, &seen)
}
