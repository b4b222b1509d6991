//! Functions over the samples of a window.

use super::{Evaluated, Labels, NAME, Row, Sample, Series};
use crate::naive::histogram::{Histogram, detect_reset};
use model::histogram::CounterResetHint as Hint;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn over(
    function: (&str, f64),
    series: &[Series],
    ends: &[i64],
    range_ms: i64,
) -> Evaluated<Vec<Row>> {
    let mut rows = Vec::new();
    for (labels, samples) in series {
        let values = ends.iter().map(|&end| {
            let inside = samples.iter().filter(|(time, _)| *time > end - range_ms && *time <= end);
            let window: Vec<(i64, Sample)> = inside.cloned().collect();
            if window.is_empty() { None } else { of_window(function, &window, end, range_ms) }
        });
        let mut row = Row { labels: labels.clone(), values: values.collect() };
        if !matches!(function.0, "last_over_time" | "first_over_time") {
            row.labels.remove(NAME);
        }
        // Series without any value are no series.
        if row.values.iter().any(Option::is_some) {
            rows.push(row);
        }
    }
    let distinct: BTreeSet<&Labels> = rows.iter().map(|row| &row.labels).collect();
    if distinct.len() < rows.len() && !matches!(function.0, "last_over_time" | "first_over_time") {
        return Err("vector cannot contain metrics with the same labelset".into());
    }
    Ok(rows)
}

fn of_window(
    (function, phi): (&str, f64),
    window: &[(i64, Sample)],
    end: i64,
    range_ms: i64,
) -> Option<Sample> {
    let floats: Vec<(i64, f64)> =
        window.iter().filter_map(|(time, sample)| Some((*time, sample.float()?))).collect();
    let histograms: Vec<(i64, &Arc<Histogram>)> =
        window.iter().filter_map(|(time, sample)| Some((*time, sample.histogram()?))).collect();
    let pairs = || window.windows(2).map(|pair| (&pair[0].1, &pair[1].1));
    match function {
        "count_over_time" => Some(Sample::Float(window.len() as f64)),
        "last_over_time" => window.last().map(|(_, sample)| sample.clone()),
        "first_over_time" => window.first().map(|(_, sample)| sample.clone()),
        "present_over_time" => Some(Sample::Float(1.0)),
        "changes" => Some(Sample::Float(pairs().filter(|(a, b)| changed(a, b)).count() as f64)),
        "resets" => Some(Sample::Float(pairs().filter(|(a, b)| is_reset(a, b)).count() as f64)),
        "irate" | "idelta" => {
            let before = &window[window.len().checked_sub(2)?];
            let last = &window[window.len() - 1];
            at_once(function == "irate", before, last)
        }
        _ if histograms.is_empty() => {
            of_floats((function, phi), &floats, end, range_ms).map(Sample::Float)
        }
        "min_over_time" | "max_over_time" | "quantile_over_time" => {
            let any = !floats.is_empty();
            any.then(|| of_floats((function, phi), &floats, end, range_ms))?.map(Sample::Float)
        }
        _ if !floats.is_empty() => None,
        "sum_over_time" => {
            let all = histograms.iter().map(|(_, histogram)| &***histogram);
            Some(Histogram::total(all).ok()?.into())
        }
        "avg_over_time" => {
            let all = histograms.iter().map(|(_, histogram)| &***histogram);
            Some(Histogram::mean(all).ok()?.into())
        }
        "rate" | "increase" | "delta" => {
            let histograms: Vec<_> =
                histograms.iter().map(|(time, histogram)| (*time, &***histogram)).collect();
            let gain = gained(function != "delta", &histograms)?;
            let times: Vec<i64> = histograms.iter().map(|(time, _)| *time).collect();
            let (own, first) = (gain.count, histograms[0].1.count);
            let factor = factor(function, &times, (own, first), end, range_ms);
            Some(gain.times(factor).into())
        }
        other => panic!("{other} is not generated"),
    }
}

fn changed(a: &Sample, b: &Sample) -> bool {
    match (a, b) {
        (Sample::Float(a), Sample::Float(b)) => a != b && !(a.is_nan() && b.is_nan()),
        (Sample::Histogram(a), Sample::Histogram(b)) => !a.same(b),
        _ => true,
    }
}

fn is_reset(a: &Sample, b: &Sample) -> bool {
    match (a, b) {
        (Sample::Float(a), Sample::Float(b)) => b < a,
        (Sample::Histogram(a), Sample::Histogram(b)) => detect_reset(b, a),
        _ => true,
    }
}

/// What the last two samples tell.
fn at_once(is_rate: bool, before: &(i64, Sample), last: &(i64, Sample)) -> Option<Sample> {
    let seconds = (last.0 - before.0) as f64 / 1000.0;
    match (&before.1, &last.1) {
        (Sample::Float(a), Sample::Float(b)) => {
            let gain = if is_rate && b < a { *b } else { b - a };
            Some(Sample::Float(if is_rate { gain / seconds } else { gain }))
        }
        (Sample::Histogram(a), Sample::Histogram(b)) => {
            let mut gain = (**b).clone();
            if !is_rate || !detect_reset(b, a) {
                gain.combine(a, -1.0).ok()?;
            }
            gain.hint = Hint::Gauge;
            let gain = gain.compact();
            Some(if is_rate { gain.over(seconds).into() } else { gain.into() })
        }
        _ => None,
    }
}

/// What histograms gained from the first to the last, resets taken into account.
fn gained(is_counter: bool, window: &[(i64, &Histogram)]) -> Option<Histogram> {
    let (first, last) = (window.first()?.1, window.last()?.1);
    if window.len() < 2 {
        return None;
    }
    // What was before a reset counts as nothing, in the buckets of what came after it.
    let empty = Histogram::empty_like(window[1].1);
    let starts_anew = is_counter && detect_reset(window[1].1, first);
    let first = if starts_anew { &empty } else { first };
    let rest = window[1..].iter().map(|(_, histogram)| *histogram);
    let used: Vec<&Histogram> = [first].into_iter().chain(rest).collect();
    let shapes = if is_counter { used.clone() } else { vec![first, last] };
    if shapes.iter().any(|histogram| histogram.is_custom() != last.is_custom()) {
        return None;
    }
    let lowest = shapes.iter().map(|histogram| histogram.schema).min()?;
    let mut gain = last.clone().at_schema(lowest);
    gain.combine(first, -1.0).ok()?;
    if is_counter {
        for pair in used.windows(2) {
            if detect_reset(pair[1], pair[0]) {
                gain.combine(pair[0], 1.0).ok()?;
            }
        }
    }
    gain.hint = Hint::Gauge;
    Some(gain.compact())
}

fn of_floats(
    (function, phi): (&str, f64),
    window: &[(i64, f64)],
    end: i64,
    range_ms: i64,
) -> Option<f64> {
    let values: Vec<f64> = window.iter().map(|(_, v)| *v).collect();
    Some(match function {
        "rate" | "increase" | "delta" => {
            let n = window.len();
            if n < 2 {
                return None;
            }
            let is_counter = function != "delta";
            let mut d = values[n - 1] - values[0];
            for pair in values.windows(2) {
                if is_counter && pair[1] < pair[0] {
                    d += pair[0];
                }
            }
            let times: Vec<i64> = window.iter().map(|(time, _)| *time).collect();
            d * factor(function, &times, (d, values[0]), end, range_ms)
        }
        "sum_over_time" => {
            let (mut s, mut c) = (0.0, 0.0);
            values.iter().for_each(|&x| inc(x, &mut s, &mut c));
            if s.is_infinite() { s } else { s + c }
        }
        "avg_over_time" => mean(&values),
        "min_over_time" => extreme(&values, |x, held| x < held),
        "max_over_time" => extreme(&values, |x, held| x > held),
        "quantile_over_time" => quantile(phi, values),
        other => panic!("{other} is not generated"),
    })
}

/// How much more than between its samples a window gains.
fn factor(function: &str, times: &[i64], (d, v0): (f64, f64), end: i64, range_ms: i64) -> f64 {
    let (t0, tn) = (times[0], times[times.len() - 1]);
    let is_counter = function != "delta";
    let mut to_start = (t0 - (end - range_ms)) as f64 / 1000.0;
    let mut to_end = (end - tn) as f64 / 1000.0;
    let span = (tn - t0) as f64 / 1000.0;
    let average = span / (times.len() - 1) as f64;
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    if is_counter && d > 0.0 && v0 >= 0.0 && span * (v0 / d) < to_start {
        to_start = span * (v0 / d);
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let mut factor = (span + to_start + to_end) / span;
    if function == "rate" {
        factor /= range_ms as f64 / 1000.0;
    }
    factor
}

pub(crate) fn inc(x: f64, s: &mut f64, c: &mut f64) {
    let t = *s + x;
    if t.is_infinite() {
        *c = 0.0;
    } else if s.abs() >= x.abs() {
        *c += (*s - t) + x;
    } else {
        *c += (x - t) + *s;
    }
    *s = t;
}

pub(super) fn mean(values: &[f64]) -> f64 {
    let (mut s, mut c, mut switched) = (values[0], 0.0, false);
    for (index, &x) in values.iter().enumerate().skip(1) {
        let n = (index + 1) as f64;
        if !switched {
            let (mut new_s, mut new_c) = (s, c);
            inc(x, &mut new_s, &mut new_c);
            if !new_s.is_infinite() {
                (s, c) = (new_s, new_c);
                continue;
            }
            switched = true;
            s /= n - 1.0;
            c /= n - 1.0;
        }
        let q = (n - 1.0) / n;
        (s, c) = (q * s, q * c);
        inc(x / n, &mut s, &mut c);
    }
    let n = values.len() as f64;
    if switched { s + c } else { s / n + c / n }
}

pub(super) fn extreme(values: &[f64], better: impl Fn(f64, f64) -> bool) -> f64 {
    let rest = values[1..].iter().copied();
    rest.fold(values[0], |held, x| if better(x, held) || held.is_nan() { x } else { held })
}

pub(super) fn quantile(phi: f64, mut values: Vec<f64>) -> f64 {
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(b).expect("numbers"),
        (a, b) => b.cmp(&a),
    });
    let rank = phi * (values.len() - 1) as f64;
    let low = rank.floor() as usize;
    let high = (low + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[low] * (1.0 - weight) + values[high] * weight
}
