//! Rates of native histograms: `rate`, `increase`, `delta`, `irate`, `idelta`.

use super::{Both, Either, Outcome, Told};
use crate::functions::FunctionId;
use crate::kernel::counter::{Counting, extrapolation, since_start};
use crate::kernel::{Window, Windows};
use crate::operator::native_row::NativeRow;
use chunk::{HistogramColumns, SampleColumns};
use model::histogram::{CounterResetHint, FloatHistogram, HistogramView};
use std::sync::Arc;

/// `rate`, `increase`, `delta` of a window of histograms.
pub(super) fn extrapolated(both: &Both<'_>, told: &Told<'_, '_>) -> Option<FloatHistogram> {
    let function = told.function;
    let points = both.points();
    let rows = both.histograms.clone();
    let counter = function != FunctionId::Delta;
    // A counter that began inside the window was zero then.
    let started = both.started(rows.start).inside(&both.window).filter(|_| counter);
    if rows.len() < 2 && started.is_none() {
        return None;
    }
    let first = points.get(rows.start);
    let mut result = if rows.len() < 2 {
        first.to_owned()
    } else {
        let mut result = difference(both, counter, told)?;
        if started.is_some() {
            told.check(result.add(first), "addition")?;
        }
        result
    };
    let per_seconds = (function == FunctionId::Rate).then_some(told.range_seconds);
    let counting = Counting { counter, per_seconds };
    let (first_ms, last_ms) = (both.time(rows.start), both.time(rows.end - 1));
    let gaps = (rows.len() - 1) as f64;
    if let Some(start_ms) = started {
        let times = (start_ms, first_ms, last_ms);
        result.scale(since_start(counting, &both.window, times, gaps));
        return Some(result);
    }
    let factor = extrapolation(
        counting,
        &both.window,
        (first_ms, last_ms, gaps),
        (result.count, first.count),
    );
    result.scale(factor);
    Some(result)
}

/// The rows before which a counter was reset, for series whose histograms have one layout, none a gauge, and do not say
/// since when they count: found once, windows need not look at what lies between their ends.
pub(super) fn uniform_resets(
    function: FunctionId,
    points: &HistogramColumns,
) -> Option<Vec<usize>> {
    let counts = matches!(function, FunctionId::Rate | FunctionId::Increase);
    if !counts || !points.is_uniform_counter() || points.has_starts() {
        return None;
    }
    let later = 1..points.len();
    Some(later.filter(|&row| points.get(row).detect_reset(points.get(row - 1))).collect())
}

/// The whole row of a counter without resets whose histograms have one layout and no floats beside them: a loop over flat
/// columns, no histogram is made. `None` if it is not that simple. `count` as for [`super::correct`].
pub(super) fn side_by_side(
    told: &Told<'_, '_>,
    windows: &Windows,
    (columns, resets): (&SampleColumns, Option<&[usize]>),
    count: &mut dyn FnMut(usize, usize, usize),
) -> Option<NativeRow> {
    let points = &columns.histograms;
    if told.extended.is_some() || !columns.timestamps_ms.is_empty() || !resets?.is_empty() {
        return None;
    }
    let steps = windows.grid.len;
    let first = points.get(0);
    let mut row = NativeRow::new(first, CounterResetHint::Gauge, steps)?;
    let size = super::size_of_histogram(first);
    let per_seconds = (told.function == FunctionId::Rate).then_some(told.range_seconds);
    let counting = Counting { counter: true, per_seconds };
    let times = points.timestamps_ms();
    let mut held = 0..0;
    for step in 0..steps {
        let end_ms = windows.end_ms(step);
        let start_ms = end_ms.saturating_sub(windows.range_ms);
        let seen = held.end;
        super::advance(&mut held, times, (start_ms, end_ms));
        if held.is_empty() {
            continue;
        }
        let new = held.end.saturating_sub(held.start.max(seen));
        count(step, size * held.len(), size * new);
        if held.len() < 2 {
            continue;
        }
        let eval_ms = windows.grid.at(step);
        let window = Window { begin: held.start, end: held.end, start_ms, end_ms, step, eval_ms };
        let (first, last) = (points.get(held.start), points.get(held.end - 1));
        let reach = (times[held.start], times[held.end - 1], (held.len() - 1) as f64);
        let totals = (last.count - first.count, first.count);
        let factor = extrapolation(counting, &window, reach, totals);
        row.put_difference((step, steps), (last, first), factor);
    }
    Some(row)
}

/// The difference of two histograms of a counter that was not reset in between, all of one layout.
fn plain_difference(both: &Both<'_>, told: &Told<'_, '_>) -> Option<FloatHistogram> {
    let (points, rows) = (both.points(), &both.histograms);
    let mut result = points.get(rows.end - 1).to_owned();
    told.check(result.sub(points.get(rows.start)), "subtraction")?;
    result.hint = CounterResetHint::Gauge;
    result.compact();
    Some(result)
}

/// Last less first, plus what was there before each reset.
fn difference(both: &Both<'_>, counter: bool, told: &Told<'_, '_>) -> Option<FloatHistogram> {
    let (points, rows) = (both.points(), both.histograms.clone());
    if let Some(resets) = both.resets {
        let next = resets.partition_point(|&row| row <= rows.start);
        if resets.get(next).is_none_or(|&row| row >= rows.end) {
            return plain_difference(both, told);
        }
    }
    let is_restart = |row: usize| both.started(row).is_restart(both.started(row - 1));
    let (first, last) = (points.get(rows.start), points.get(rows.end - 1));
    let is_gauge = |view: HistogramView<'_>| view.hint == CounterResetHint::Gauge;
    if counter && (is_gauge(first) || is_gauge(last)) {
        told.not_a_counter();
    }
    let second = points.get(rows.start + 1);
    // What came before a reset has nothing to do with what follows, not even by its buckets.
    let is_reset = counter && (is_restart(rows.start + 1) || second.detect_reset(first));
    let empty = is_reset.then(|| {
        let mut empty = FloatHistogram::empty_like(second);
        Arc::make_mut(&mut empty.layout).zero_threshold = 0.0;
        empty.hint = CounterResetHint::Unknown;
        empty
    });
    let first = empty.as_ref().map_or(first, FloatHistogram::view);
    let is_custom = first.layout.is_custom();
    if last.layout.is_custom() != is_custom {
        told.mixed_schemas();
        return None;
    }
    let mut schema = last.layout.schema.min(first.layout.schema);
    if counter {
        for view in (rows.start + 1..rows.end - 1).map(|row| points.get(row)) {
            if is_gauge(view) {
                told.not_a_counter();
            }
            schema = schema.min(view.layout.schema);
            if view.layout.is_custom() != is_custom {
                told.mixed_schemas();
                return None;
            }
        }
    }
    let mut result = last.to_owned();
    result.reduce_resolution(schema);
    told.check(result.sub(first), "subtraction")?;
    if counter {
        let mut previous = first;
        let mut overlaps = false;
        for row in rows.start + 1..rows.end {
            let view = points.get(row);
            overlaps |= both.started(row).overlaps(both.started(row - 1));
            if is_restart(row) || view.detect_reset(previous) {
                told.check(result.add(previous), "addition")?;
            }
            previous = view;
        }
        if overlaps {
            told.overlaps(1);
        }
    } else if !is_gauge(points.get(rows.start)) || !is_gauge(last) {
        told.not_a_gauge();
    }
    result.hint = CounterResetHint::Gauge;
    result.compact();
    Some(result)
}

/// `irate`, `idelta` of the last two samples.
pub(super) fn instant(both: &Both<'_>, told: &Told<'_, '_>) -> Option<Outcome> {
    let (Some((before_ms, before)), Some((last_ms, last))) = both.last_two() else { return None };
    if before_ms == last_ms {
        return None;
    }
    let per_second = told.function == FunctionId::Irate;
    let seconds = (last_ms - before_ms) as f64 / 1000.0;
    let is_restart =
        both.started_at((last_ms, last)).is_restart(both.started_at((before_ms, before)));
    match (before, last) {
        (Either::Float(before), Either::Float(last)) => {
            let value =
                if per_second && (last < before || is_restart) { last } else { last - before };
            Some(Outcome::Float(if per_second { value / seconds } else { value }))
        }
        (Either::Histogram(before), Either::Histogram(last)) => {
            let is_gauge = |view: HistogramView<'_>| view.hint == CounterResetHint::Gauge;
            if per_second && (is_gauge(last) || is_gauge(before)) {
                told.not_a_counter();
            }
            if !(per_second || is_gauge(last) && is_gauge(before)) {
                told.not_a_gauge();
            }
            let mut result = last.to_owned();
            if !per_second || !(is_restart || last.detect_reset(before)) {
                told.check(result.sub(before), "subtraction")?;
            }
            result.hint = CounterResetHint::Gauge;
            result.compact();
            if per_second {
                result.divide(seconds);
            }
            Some(Outcome::Histogram(result))
        }
        _ => {
            told.mixed();
            None
        }
    }
}
