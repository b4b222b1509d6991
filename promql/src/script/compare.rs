//! Answers against expectations: floats to a relative 1e-6, everything else exactly.

use super::found::{Found, Sample};
use super::histogram::HistogramItem;
use super::{Eval, Expected, Item, SeriesLine, When};
use model::hash::HashMap;
use model::histogram::{Bucket, FloatHistogram};
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

/// Compares one sample.
fn sample(want: &Item, got: &Sample) -> Compared {
    match (want, got) {
        (Item::Value(want), Sample::Float(got)) => number(*want, *got),
        (Item::Histogram(want), Sample::Histogram(got)) => histograms(want, got),
        (Item::Histogram(want), Sample::Shown { count, sum, buckets }) => {
            shown(&want.value, (*count, *sum), buckets)
                .map_err(|what| format!("{what}, got {}", got.text()))
        }
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

/// Compares what the API shows of a histogram.
fn shown(want: &FloatHistogram, (count, sum): (f64, f64), buckets: &[Bucket]) -> Compared {
    let mut all = Vec::new();
    want.view().all_buckets(&mut all);
    all.retain(|bucket| bucket.count != 0.0);
    let alike = |(a, b): (&Bucket, &Bucket)| {
        let bounds = almost_equal(a.lower, b.lower) && almost_equal(a.upper, b.upper);
        let ends = (a.lower_inclusive, a.upper_inclusive) == (b.lower_inclusive, b.upper_inclusive);
        bounds && ends && almost_equal(a.count, b.count)
    };
    let totals = almost_equal(want.count, count) && almost_equal(want.sum, sum);
    if totals && all.len() == buckets.len() && all.iter().zip(buckets).all(alike) {
        return Ok(());
    }
    Err(format!("expected {} with buckets {all:?}", want.view().test_notation()))
}

/// Compares the answer of an evaluation.
pub(super) fn answer(eval: &Eval, found: &Found) -> Compared {
    match (&eval.expected, found) {
        (Expected::String(want), Found::Text(value)) => {
            if want == value {
                Ok(())
            } else {
                Err(format!("expected {want:?}, got {value:?}"))
            }
        }
        (Expected::Scalar(want), Found::Scalar(value)) => number(*want, *value),
        (Expected::Series(want), Found::Vector(vector)) => instant(want, eval.ordered, vector),
        (Expected::RangeVector { start_ms, end_ms, step_ms, series }, Found::Matrix(matrix)) => {
            points(series, matrix, (*start_ms, *end_ms, *step_ms))
        }
        (Expected::Series(want), Found::Matrix(matrix)) => match eval.when {
            When::Range { start_ms, end_ms, step_ms } => {
                points(want, matrix, (start_ms, end_ms, step_ms))
            }
            When::Instant { .. } => Err("got a range vector".into()),
        },
        (want, got) => Err(format!("expected {want:?}, got {got:?}")),
    }
}

/// Compares one step of a range query with what the instant query must answer.
pub(super) fn step(eval: &Eval, matrix: &[Series], at_ms: i64) -> Compared {
    let mut found = Vec::new();
    for (labels, samples) in matrix {
        let now = samples.iter().filter(|(time, _)| *time == at_ms);
        found.extend(now.map(|(_, sample)| (labels.clone(), sample.clone())));
    }
    match &eval.expected {
        Expected::Series(want) => instant(want, false, &found),
        Expected::Scalar(want) => match &found[..] {
            [(_, Sample::Float(value))] => number(*want, *value),
            others => Err(format!("expected one series, got {}", others.len())),
        },
        Expected::String(_) | Expected::RangeVector { .. } => Ok(()),
    }
}

/// A series of a matrix.
type Series = (Labels, Vec<(i64, Sample)>);

fn number(want: f64, got: f64) -> Compared {
    if almost_equal(want, got) {
        return Ok(());
    }
    Err(format!("expected {}, got {}", float::fixed(want), float::fixed(got)))
}

fn by_labels(want: &[SeriesLine]) -> HashMap<&Labels, usize> {
    want.iter().enumerate().map(|(index, series)| (&series.labels, index)).collect()
}

fn instant(want: &[SeriesLine], ordered: bool, got: &[(Labels, Sample)]) -> Compared {
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

fn points(want: &[SeriesLine], matrix: &[Series], grid: (i64, i64, i64)) -> Compared {
    let (start_ms, end_ms, step_ms) = grid;
    let positions = by_labels(want);
    let mut seen = vec![false; want.len()];
    let mut previous: Option<&Labels> = None;
    for (labels, samples) in matrix {
        if previous.is_some_and(|previous| previous >= labels) {
            return Err(format!("{labels} is not in order"));
        }
        let Some(&index) = positions.get(labels) else {
            return Err(format!("unexpected {labels}"));
        };
        seen[index] = true;
        let mut got = samples.iter();
        for (place, item) in want[index].items.iter().enumerate() {
            let at_ms = start_ms + step_ms * place as i64;
            if at_ms > end_ms {
                return Err(format!("{labels}: more values expected than there are steps"));
            }
            if !item.is_sample() {
                continue;
            }
            match got.next() {
                Some((ms, value)) if *ms == at_ms => {
                    sample(item, value).map_err(|what| format!("{labels} at {ms}: {what}"))?;
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
