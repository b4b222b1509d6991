//! Instant selectors: the newest sample within the look-back at every step. Also how series of a selection are read.

use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::kernel::{Samples, Windows};
use crate::operator::{Sink, StepBatch};
use crate::plan::{Select, hints};
use chunk::{Encoding, SampleColumns};
use model::{LabelPair, StepGrid, TimeRange, is_stale_nan};
use storage::SeriesBatch;

/// What an answer says that left out native histograms.
const HISTOGRAMS_SKIPPED: &str = "native histogram samples are not supported and were left out";

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
            read(exec, &batch, row, range, &mut columns)?;
            if !columns.is_empty() {
                each(batch.labels().get(row), &mut columns)?;
            }
        }
    }
    exec.note(|notes| notes.storage.merge(set.annotations()));
    Ok(())
}

/// The float samples of one series; what else it has is left out with a warning.
fn read(
    exec: &Exec<'_>,
    batch: &SeriesBatch,
    row: usize,
    range: TimeRange,
    columns: &mut SampleColumns,
) -> Result<(), Error> {
    let is_float = |encoding| matches!(encoding, Encoding::Raw | Encoding::Xor);
    if batch.chunks(row).all(|chunk| is_float(chunk.meta.encoding)) {
        return Ok(batch.read(row, range, columns)?);
    }
    exec.note(|notes| {
        let text = format!("PromQL warning: {HISTOGRAMS_SKIPPED}").into();
        let warnings = vec![text];
        notes.storage.merge(storage::Annotations { warnings, infos: Vec::new() });
    });
    let mut floats = SeriesBatch::default();
    for chunk in batch.chunks(row).filter(|chunk| is_float(chunk.meta.encoding)) {
        floats.push_copied(chunk.meta, chunk.data);
    }
    batch.deleted(row).for_each(|range| floats.push_deleted(range));
    floats.finish_series(batch.labels().get(row));
    Ok(floats.read(0, range, columns)?)
}

/// Forgets the staleness markers.
pub(crate) fn drop_stale(columns: &mut SampleColumns) {
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
        let (values, bits) = out.row_mut(out.len() - 1);
        if select.smoothed {
            drop_stale(columns);
            smooth(samples(columns), &windows, values, bits);
        } else {
            newest(samples(columns), &windows, timestamps, values, bits);
        }
        if out.undo_empty_row() {
            return Ok(());
        }
        let bits = out.bits(out.len() - 1);
        if bitmap::count(bits) == grid.len {
            full_rows += 1;
        } else {
            bitmap::ones(bits).for_each(|step| counts[step] += 1);
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
