//! Instant selectors: the newest sample within the look-back at every step. Also how series of a selection are read.

use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::native::{Told, edges};
use crate::kernel::{Samples, Windows};
use crate::operator::{Sink, StepBatch, cost};
use crate::plan::{Select, hints};
use chunk::SampleColumns;
use model::histogram::FloatHistogram;
use model::{LabelPair, StepGrid, is_stale_nan};
use std::sync::Arc;
use storage::SeriesBatch;

/// How many rows a batch on its way to the next operator has.
pub(crate) const BATCH_ROWS: usize = SeriesBatch::TARGET_SERIES;

/// What is done with the labels and samples of a series.
pub(crate) type EachSeries<'f> =
    &'f mut dyn FnMut(&[LabelPair], &mut SampleColumns) -> Result<(), Error>;

/// Calls `each` with the labels and samples of every selected series, staleness markers included.
pub(crate) fn for_each_series(
    exec: &Exec<'_>,
    select: &Select,
    windows: &Windows,
    instant: bool,
    each: EachSeries<'_>,
) -> Result<(), Error> {
    let range = windows.span();
    let hints = hints::select_hints(windows, instant);
    let mut set = exec.querier.select(&select.matchers, &hints, &exec.symbols, exec.cancel)?;
    let (mut batch, mut columns) = (SeriesBatch::default(), SampleColumns::default());
    while set.next_batch(&mut batch)? {
        exec.cancel.check()?;
        for row in 0..batch.len() {
            batch.read(row, range, &mut columns)?;
            if select.totals_only && !columns.histograms.is_empty() {
                columns.histograms.keep_totals();
            }
            if !columns.is_empty() {
                each(batch.labels().get(row), &mut columns)?;
            }
        }
    }
    exec.note(|notes| notes.storage.merge(set.annotations()));
    Ok(())
}

/// Forgets the staleness markers.
pub(crate) fn drop_stale(columns: &mut SampleColumns) {
    let points = &columns.histograms;
    if (0..points.len()).any(|row| points.get(row).is_stale()) {
        let stale: Vec<bool> = (0..points.len()).map(|row| points.get(row).is_stale()).collect();
        columns.histograms.retain(|row| !stale[row]);
    }
    if !columns.values.iter().any(|&v| is_stale_nan(v)) {
        return;
    }
    let mut keep = columns.values.iter().map(|&v| !is_stale_nan(v));
    columns.timestamps_ms.retain(|_| keep.next().unwrap_or(false));
    columns.values.retain(|&v| !is_stale_nan(v));
}

/// The vector of a selector at every step; with `timestamps`, when its samples were taken instead of their values.
pub(crate) fn stream(
    exec: &Exec<'_>,
    select: &Select,
    timestamps: bool,
    grid: StepGrid,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let windows = hints::instant_windows(select, grid, exec.lookback_ms);
    let drop_name = timestamps && exec.delayed_name_removal;
    let mut out = StepBatch::new(grid.len);
    let flush = |out: &mut StepBatch, sink: Sink<'_>| {
        exec.hold(out.num_samples(), 0)?;
        sink(out)?;
        *out = StepBatch::new(grid.len);
        Ok::<_, Error>(())
    };
    let mut whole = StepBatch::new(grid.len);
    let mut counts = vec![0; grid.len];
    let mut full_rows = 0;
    for_each_series(exec, select, &windows, true, &mut |labels, columns| {
        out.push_row(labels, drop_name);
        let row = out.len() - 1;
        let (values, bits) = out.row_mut(row);
        if select.smoothed {
            drop_stale(columns);
            smooth(samples(columns), &windows, values, bits);
            if !columns.histograms.is_empty() {
                let told = Told::of_selector(exec, select.span, labels);
                smooth_histograms(columns, &windows, &told, &mut out);
            }
        } else if columns.histograms.is_empty() {
            newest(samples(columns), &windows, timestamps, values, bits);
        } else {
            newest_of_both(columns, &windows, timestamps, &mut out);
        }
        if out.undo_empty_row() {
            return Ok(());
        }
        let bits = out.bits(row);
        if bitmap::count(bits) == grid.len {
            full_rows += 1;
        } else {
            bitmap::ones(bits).for_each(|step| counts[step] += 1);
            for (step, histogram) in out.histograms(row) {
                counts[step] += cost(histogram);
            }
        }
        if out.len() == BATCH_ROWS {
            if timestamps {
                whole.append(&out);
                out.clear();
            } else {
                flush(&mut out, sink)?;
            }
        }
        Ok(())
    })?;
    for (step, num) in counts.into_iter().enumerate() {
        exec.count(step, num + full_rows, num + full_rows);
    }
    if timestamps {
        // The value is no longer that of the metric.
        whole.append(&out);
        let mut whole = exec.drop_names(whole)?;
        return flush(&mut whole, sink);
    }
    if out.len() > 0 { flush(&mut out, sink) } else { Ok(()) }
}

/// The columns as slices.
pub(crate) fn samples(columns: &SampleColumns) -> Samples<'_> {
    Samples { times: &columns.timestamps_ms, values: &columns.values }
}

/// Writes the newest sample of every window, unless it is a staleness marker.
fn newest(
    samples: Samples<'_>,
    windows: &Windows,
    timestamps: bool,
    values: &mut [f64],
    bits: &mut [u64],
) {
    let mut end = 0;
    for (step, out) in values.iter_mut().enumerate() {
        let end_ms = windows.end_ms(step);
        while end < samples.times.len() && samples.times[end] <= end_ms {
            end += 1;
        }
        let Some(last) = end.checked_sub(1) else { continue };
        let (time, value) = (samples.times[last], samples.values[last]);
        if time > end_ms.saturating_sub(windows.range_ms) && !is_stale_nan(value) {
            *out = if timestamps { time as f64 / 1000.0 } else { value };
            bitmap::set(bits, step);
        }
    }
}

/// Writes the newest sample of every window, float or histogram, unless it is a staleness marker.
fn newest_of_both(
    columns: &SampleColumns,
    windows: &Windows,
    timestamps: bool,
    out: &mut StepBatch,
) {
    let row = out.len() - 1;
    let points = &columns.histograms;
    // Steps that show the same histogram share it.
    let mut shared: Option<(usize, Arc<FloatHistogram>)> = None;
    let (mut float_end, mut histogram_end) = (0, 0);
    for step in 0..windows.grid.len {
        let end_ms = windows.end_ms(step);
        while columns.timestamps_ms.get(float_end).is_some_and(|&time| time <= end_ms) {
            float_end += 1;
        }
        while points.timestamps_ms().get(histogram_end).is_some_and(|&time| time <= end_ms) {
            histogram_end += 1;
        }
        let float = float_end.checked_sub(1).map(|at| (columns.timestamps_ms[at], at));
        let histogram = histogram_end.checked_sub(1).map(|at| (points.timestamps_ms()[at], at));
        let is_histogram = histogram.is_some_and(|(time, _)| float.is_none_or(|(t, _)| time >= t));
        let Some((time, at)) = (if is_histogram { histogram } else { float }) else { continue };
        if time <= end_ms.saturating_sub(windows.range_ms) {
            continue;
        }
        let is_stale =
            if is_histogram { points.get(at).is_stale() } else { is_stale_nan(columns.values[at]) };
        if is_stale {
            continue;
        }
        if timestamps {
            out.put(row, step, time as f64 / 1000.0);
        } else if is_histogram {
            if shared.as_ref().is_none_or(|(held, _)| *held != at) {
                shared = Some((at, Arc::new(points.get(at).to_owned())));
            }
            let (_, histogram) = shared.as_ref().expect("set just now");
            out.put_histogram(row, step, Arc::clone(histogram));
        } else {
            out.put(row, step, columns.values[at]);
        }
    }
}

/// Writes the histograms on the line between those around every step, or the last one before it. Steps that floats are
/// near, too, have neither.
fn smooth_histograms(
    columns: &SampleColumns,
    windows: &Windows,
    told: &Told<'_, '_>,
    out: &mut StepBatch,
) {
    let row = out.len() - 1;
    let within = |times: &[i64], at_ms: i64| {
        let first_ms = at_ms.saturating_sub(windows.range_ms);
        let begin = times.partition_point(|&time| time <= first_ms);
        begin
            ..times
                .partition_point(|&time| time <= at_ms.saturating_add(windows.after_ms))
                .max(begin)
    };
    for step in 0..windows.grid.len {
        let at_ms = windows.end_ms(step);
        let rows = within(columns.histograms.timestamps_ms(), at_ms);
        if rows.is_empty() {
            continue;
        }
        if !within(&columns.timestamps_ms, at_ms).is_empty() {
            told.mixed();
            bitmap::unset(out.row_mut(row).1, step);
        } else if let Some(histogram) = edges::smoothed(&columns.histograms, rows, at_ms, told) {
            out.put_histogram(row, step, Arc::new(histogram));
        }
    }
}

/// Writes the value on the line between the samples around every step, or the last one before it.
fn smooth(samples: Samples<'_>, windows: &Windows, values: &mut [f64], bits: &mut [u64]) {
    for (step, out) in values.iter_mut().enumerate() {
        let at_ms = windows.end_ms(step);
        let end = samples.times.partition_point(|&t| t <= at_ms);
        let Some(last) = end.checked_sub(1) else { continue };
        let (time, value) = (samples.times[last], samples.values[last]);
        if time <= at_ms.saturating_sub(windows.range_ms) {
            continue;
        }
        let next = samples.times.get(end).copied();
        let next = next.filter(|&t| t <= at_ms.saturating_add(windows.after_ms));
        *out = match next {
            Some(next) if time != at_ms => {
                let slope = samples.values[end] - value;
                value + slope * (at_ms - time) as f64 / (next - time) as f64
            }
            _ => value,
        };
        bitmap::set(bits, step);
    }
}
