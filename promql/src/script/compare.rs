//! Answers against expectations: floats to a relative 1e-6, everything else exactly.

use super::histogram::HistogramItem;
use super::{Eval, Expected, Item, SeriesLine, When};
use crate::value::{Matrix, Value, Vector};
use model::hash::HashMap;
use model::histogram::FloatHistogram;
use model::{Labels, float, is_stale_nan};
use std::sync::Arc;

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

/// An element of an answer.
#[derive(Clone, Debug)]
enum Got {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

impl Got {
    fn text(&self) -> String {
        match self {
            Self::Float(value) => float::fixed(*value),
            Self::Histogram(histogram) => histogram.to_string(),
        }
    }
}

/// Compares one sample.
fn sample(want: &Item, got: &Got) -> Compared {
    match (want, got) {
        (Item::Value(want), Got::Float(got)) => number(*want, *got),
        (Item::Histogram(want), Got::Histogram(got)) => histograms(want, got),
        (want, got) => Err(format!("expected {want:?}, got {}", got.text())),
    }
}

fn histograms(want: &HistogramItem, got: &FloatHistogram) -> Compared {
    let (mut left, mut right) = ((*want.value).clone(), got.clone());
    left.compact();
    right.compact();
    let all = |a: &[f64], b: &[f64]| {
        a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| almost_equal(a, b))
    };
    let same_layout = left.layout == right.layout;
    let totals = |h: &FloatHistogram| [h.count, h.sum, h.zero_count];
    let agree = same_layout
        && all(&totals(&left), &totals(&right))
        && all(&left.positive, &right.positive)
        && all(&left.negative, &right.negative)
        && (!want.hint_given || left.hint == right.hint);
    if agree {
        return Ok(());
    }
    let (left, right) = (left.view().test_notation(), right.view().test_notation());
    Err(format!("expected {left}, got {right}"))
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
    for (row, labels) in matrix.labels.iter().enumerate() {
        for (time, got) in samples_of(matrix, row) {
            if time == at_ms {
                found.push((matrix.symbols.labels(labels), got));
            }
        }
    }
    match &eval.expected {
        Expected::Series(want) => instant(want, false, &found),
        Expected::Scalar(want) => match &found[..] {
            [(_, Got::Float(value))] => number(*want, *value),
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

fn elements(vector: &Vector) -> Vec<(Labels, Got)> {
    let labels = vector.labels.iter().map(|labels| vector.symbols.labels(labels));
    let element = |(row, labels)| {
        let histogram = vector.histograms.get(row).and_then(Option::as_ref);
        let float = Got::Float(vector.values[row]);
        (labels, histogram.map_or(float, |histogram| Got::Histogram(Arc::clone(histogram))))
    };
    labels.enumerate().map(element).collect()
}

/// The samples of one series of a matrix by time.
fn samples_of(matrix: &Matrix, row: usize) -> Vec<(i64, Got)> {
    let floats = matrix.floats.of(row).map(|(_, time, value)| (time, Got::Float(value)));
    let (times, histograms) = matrix.histograms.of(row);
    let histograms = times.iter().zip(histograms);
    let histograms =
        histograms.map(|(time, histogram)| (*time, Got::Histogram(Arc::clone(histogram))));
    let mut all: Vec<_> = floats.chain(histograms).collect();
    all.sort_by_key(|(time, _)| *time);
    all
}

fn by_labels(want: &[SeriesLine]) -> HashMap<&Labels, usize> {
    want.iter().enumerate().map(|(index, series)| (&series.labels, index)).collect()
}

fn instant(want: &[SeriesLine], ordered: bool, got: &[(Labels, Got)]) -> Compared {
    let positions = by_labels(want);
    let mut seen = vec![false; want.len()];
    for (position, (labels, value)) in got.iter().enumerate() {
        let Some(&index) = positions.get(labels) else {
            return Err(format!("unexpected {labels} with value {}", value.text()));
        };
        if ordered && index != position {
            return Err(format!("expected {labels} at place {}, not {}", index + 1, position + 1));
        }
        let [expected] = &want[index].items[..] else {
            return Err(format!("{labels}: expected {:?}, got one sample", want[index].items));
        };
        sample(expected, value).map_err(|what| format!("{labels}: {what}"))?;
        seen[index] = true;
    }
    missing(want, &seen)
}

fn missing(want: &[SeriesLine], seen: &[bool]) -> Compared {
    let absent = want
        .iter()
        .zip(seen)
        .find(|(series, seen)| !**seen && series.items.iter().any(Item::is_sample));
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
    for (row, labels) in matrix.labels.iter().enumerate() {
        let labels = matrix.symbols.labels(labels);
        if previous.as_ref().is_some_and(|previous| *previous >= labels) {
            return Err(format!("{labels} is not in order"));
        }
        let Some(&index) = positions.get(&labels) else {
            return Err(format!("unexpected {labels}"));
        };
        seen[index] = true;
        let mut got = samples_of(matrix, row).into_iter();
        for (place, item) in want[index].items.iter().enumerate() {
            let at_ms = start_ms + step_ms * place as i64;
            if at_ms > end_ms {
                return Err(format!("{labels}: more values expected than there are steps"));
            }
            if !item.is_sample() {
                continue;
            }
            match got.next() {
                Some((ms, value)) if ms == at_ms => {
                    sample(item, &value).map_err(|what| format!("{labels} at {ms}: {what}"))?;
                }
                other => {
                    return Err(format!("{labels}: expected a value at {at_ms}, got {other:?}"));
                }
            }
        }
        if let Some(extra) = got.next() {
            return Err(format!("{labels}: unexpected {extra:?}"));
        }
        previous = Some(labels);
    }
    missing(want, &seen)
}
