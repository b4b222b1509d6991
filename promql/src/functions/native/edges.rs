//! Extended ranges over native histograms: `anchored` takes the sample before an edge of the window, `smoothed` lies
//! between the samples around it.

use super::{Both, Told};
use crate::ast::Extended;
use crate::functions::FunctionId;
use chunk::HistogramColumns;
use model::histogram::{CounterResetHint, FloatHistogram};
use std::borrow::Cow;

fn is_gauge(hint: CounterResetHint) -> bool {
    hint == CounterResetHint::Gauge
}

/// The histogram at `at_ms` on the line between two neighbours; a counter that was reset between them began at zero.
pub(crate) fn between(
    points: &HistogramColumns,
    (before, after): (usize, usize),
    at_ms: i64,
    counter: bool,
    told: &Told<'_, '_>,
) -> Option<FloatHistogram> {
    let (first_ms, second_ms) = (points.timestamps_ms()[before], points.timestamps_ms()[after]);
    let (first, second) = (points.get(before), points.get(after));
    if at_ms == first_ms {
        return Some(first.to_owned());
    }
    let mut out = second.to_owned();
    if at_ms == second_ms {
        return Some(out);
    }
    let fraction = (at_ms - first_ms) as f64 / (second_ms - first_ms) as f64;
    if counter && second.detect_reset(first) {
        out.scale(fraction);
        return Some(out);
    }
    told.check(out.sub(first), "subtraction")?;
    out.scale(fraction);
    told.check(out.add(first), "addition")?;
    Some(out)
}

/// The sample of a smoothed instant selector at `at_ms`, of the histograms within its reach.
pub(crate) fn smoothed(
    points: &HistogramColumns,
    rows: std::ops::Range<usize>,
    at_ms: i64,
    told: &Told<'_, '_>,
) -> Option<FloatHistogram> {
    let times = &points.timestamps_ms()[rows.clone()];
    let next = rows.start + times.partition_point(|&time| time < at_ms);
    if next < rows.end && points.timestamps_ms()[next] == at_ms {
        return Some(points.get(next).to_owned());
    }
    let before = next.checked_sub(1).filter(|before| rows.contains(before))?;
    if next == rows.end {
        let mut out = points.get(before).to_owned();
        out.hint = CounterResetHint::Unknown;
        return Some(out);
    }
    if points.get(before).layout.is_custom() != points.get(next).layout.is_custom() {
        told.mixed_schemas();
        return None;
    }
    let counter = !is_gauge(points.hint(before)) || !is_gauge(points.hint(next));
    between(points, (before, next), at_ms, counter, told)
}

/// `rate`, `increase`, `delta` between the edges of an extended range.
pub(super) fn at_edges(both: &Both<'_>, told: &Told<'_, '_>) -> Option<FloatHistogram> {
    let points = both.points();
    let rows = both.histograms.clone();
    let times = points.timestamps_ms();
    let (start_ms, end_ms) = (both.window.start_ms, both.window.end_ms);
    let is_smoothed = told.extended == Some(Extended::Smoothed);
    let counter = told.function != FunctionId::Delta;
    let inner = &times[rows.start..rows.end - 1];
    let first = rows.start + inner.partition_point(|&t| t <= start_ms).saturating_sub(1);
    let last = if is_smoothed {
        rows.start + inner.partition_point(|&t| t < end_ms)
    } else {
        rows.end - 1
    };
    if times[last] <= start_ms || is_smoothed && times[first] > end_ms {
        return None;
    }
    let is_custom = points.get(first).layout.is_custom();
    for view in (first..=last).map(|row| points.get(row)) {
        if view.layout.is_custom() != is_custom {
            told.mixed_schemas();
            return None;
        }
        if counter && is_gauge(view.hint) {
            told.not_a_counter();
        }
    }
    let left = if is_smoothed && times[first] < start_ms {
        between(points, (first, first + 1), start_ms, counter, told)?
    } else {
        points.get(first).to_owned()
    };
    let right = if is_smoothed && last > rows.start && times[last] > end_ms {
        between(points, (last - 1, last), end_ms, counter, told)?
    } else {
        points.get(last).to_owned()
    };
    if !counter && (!is_gauge(left.hint) || !is_gauge(right.hint)) {
        told.not_a_gauge();
    }
    let mut out = right.clone();
    told.check(out.sub(left.view()), "subtraction")?;
    if counter {
        let spans_reset = is_smoothed
            && times[first] < start_ms
            && points.get(first + 1).detect_reset(points.get(first));
        let correction = corrected(points, (first, last), (&left, &right), spans_reset, told)?;
        if let Some(correction) = correction {
            told.check(out.add(correction.view()), "addition")?;
        }
    }
    if told.function == FunctionId::Rate {
        out.divide(told.range_seconds);
    }
    out.hint = CounterResetHint::Gauge;
    out.compact();
    Some(out)
}

/// The sum of what was there before each reset between the edges; `spans_reset` says that the left edge lies in one,
/// which it has taken care of.
fn corrected(
    points: &HistogramColumns,
    (first, last): (usize, usize),
    (left, right): (&FloatHistogram, &FloatHistogram),
    spans_reset: bool,
    told: &Told<'_, '_>,
) -> Option<Option<FloatHistogram>> {
    let mut from = first + 1;
    let mut previous = Cow::Borrowed(left);
    if spans_reset {
        previous = Cow::Owned(points.get(first + 1).to_owned());
        from += 1;
    }
    if from > last {
        return Some(None);
    }
    let mut sum: Option<FloatHistogram> = None;
    let mut add = |previous: &FloatHistogram| match &mut sum {
        Some(sum) => told.check(sum.add(previous.view()), "addition"),
        None => {
            sum = Some(previous.clone());
            Some(())
        }
    };
    for view in (from..last).map(|row| points.get(row)) {
        if view.detect_reset(previous.view()) {
            add(&previous)?;
        }
        previous = Cow::Owned(view.to_owned());
    }
    if right.view().detect_reset(previous.view()) {
        add(&previous)?;
    }
    Some(sum)
}
