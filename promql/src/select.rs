//! Instant selectors: the newest sample within the look-back at every step.

use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::native::{Told, edges};
use crate::kernel::{Samples, Windows};
use crate::operator::{Sink, StepBatch, cost};
use crate::plan::{Select, Shown, hints};
use crate::selection::{self, Block, Reader, RowBytes};
use chunk::SampleColumns;
use model::histogram::FloatHistogram;
use model::{LabelPair, StepGrid, is_stale_nan};
use std::sync::Arc;
use storage::SeriesBatch;

/// Forgets the staleness markers.
pub(crate) fn drop_stale(columns: &mut SampleColumns) {
    let points = &columns.histograms;
    if (0..points.len()).any(|row| points.get(row).is_stale()) {
        let stale: Vec<bool> = (0..points.len()).map(|row| points.get(row).is_stale()).collect();
        columns.histograms.retain(|row| !stale[row]);
    }
    // Looked for without a branch for each value: markers are rare.
    if !columns.values.iter().fold(false, |any, &value| any | is_stale_nan(value)) {
        return;
    }
    columns.retain_floats(|value| !is_stale_nan(value));
}

/// What a batch of series counts for: values at each step, rows that have one at all of them.
struct Counts {
    per_step: Vec<usize>,
    full_rows: usize,
}

/// Makes rows of series.
struct Newest<'e, 'a> {
    exec: Exec<'a>,
    select: &'e Select,
    windows: &'e Windows,
    shown: Shown,
}

impl Newest<'_, '_> {
    fn block(
        &self,
        reader: &mut Reader<'_, '_>,
        batch: &SeriesBatch,
    ) -> Result<Block<Counts>, Error> {
        let steps = self.windows.grid.len;
        let mut rows = reader.fresh_rows(steps, batch.len());
        let mut extra = Counts { per_step: vec![0; steps], full_rows: 0 };
        let mut taken = RowBytes::default();
        reader.each(batch, &mut |labels, columns| {
            if self.row(&mut rows, labels, columns) {
                extra.count(&rows);
                let bytes = rows.row_bytes(rows.len() - 1);
                taken.take(&self.exec, bytes)?;
            }
            Ok(())
        })?;
        // Rows take time, too, where they are much longer than what was read.
        let num_samples = reader.samples_read() + rows.values.len() + 16 * batch.len();
        let notes = self.exec.take_notes();
        let taken_bytes = taken.end(&self.exec)?;
        Ok(Block { rows, extra, notes, taken_bytes, num_samples })
    }

    /// Adds the row of a series; `false` if it has no value.
    fn row(&self, out: &mut StepBatch, labels: &[LabelPair], columns: &mut SampleColumns) -> bool {
        let windows = self.windows;
        out.push_row(labels, self.shown != Shown::Value && self.exec.delayed_name_removal);
        let (values, bits) = out.row_mut(out.len() - 1);
        if self.select.smoothed {
            drop_stale(columns);
            smooth(samples(columns), windows, values, bits);
            if !columns.histograms.is_empty() {
                let told = Told::of_selector(&self.exec, self.select.span, labels);
                smooth_histograms(columns, windows, &told, out);
            }
        } else if columns.histograms.is_empty() {
            newest(samples(columns), windows, self.shown, values, bits);
        } else {
            newest_of_both(columns, windows, self.shown, out);
        }
        !out.undo_empty_row()
    }
}

impl Counts {
    /// Counts the last row.
    fn count(&mut self, rows: &StepBatch) {
        let row = rows.len() - 1;
        let bits = rows.bits(row);
        if bitmap::count(bits) == rows.steps {
            self.full_rows += 1;
            return;
        }
        bitmap::ones(bits).for_each(|step| self.per_step[step] += 1);
        for (step, histogram) in rows.histograms(row) {
            self.per_step[step] += cost(histogram);
        }
    }
}

/// The vector of a selector at every step: values or times of the newest samples.
pub(crate) fn stream(
    exec: &Exec<'_>,
    select: &Select,
    shown: Shown,
    grid: StepGrid,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let windows = hints::instant_windows(select, grid, exec.lookback_ms);
    let worker = || {
        let newest = Newest { exec: exec.fork(), select, windows: &windows, shown };
        move |reader: &mut Reader<'_, '_>, batch: &SeriesBatch| newest.block(reader, batch)
    };
    let mut whole = StepBatch::new(grid.len);
    let mut counts = vec![0; grid.len];
    let mut full_rows = 0;
    let mut fold = |block: &mut Block<Counts>| {
        full_rows += block.extra.full_rows;
        counts.iter_mut().zip(&block.extra.per_step).for_each(|(sum, num)| *sum += num);
        if shown != Shown::Value {
            exec.take(block.taken_bytes)?;
            whole.append(&block.rows);
            return Ok(());
        }
        exec.hold(block.rows.num_samples(), 0)?;
        if block.rows.len() > 0 { sink(&mut block.rows) } else { Ok(()) }
    };
    selection::for_each_block(exec, select, (&windows, true), &worker, &mut fold)?;
    for (step, num) in counts.into_iter().enumerate() {
        exec.count(step, num + full_rows, num + full_rows);
    }
    if shown == Shown::Value || whole.len() == 0 {
        return Ok(());
    }
    // The value is no longer that of the metric.
    let mut whole = exec.drop_names(whole)?;
    exec.hold(whole.num_samples(), 0)?;
    sink(&mut whole)?;
    Ok(())
}

/// The columns as slices.
pub(crate) fn samples(columns: &SampleColumns) -> Samples<'_> {
    Samples {
        times: &columns.timestamps_ms,
        values: &columns.values,
        starts_ms: &columns.start_timestamps_ms,
    }
}

/// Writes the newest sample of every window, unless it is a staleness marker.
fn newest(
    samples: Samples<'_>,
    windows: &Windows,
    shown: Shown,
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
            *out = match shown {
                Shown::Value => value,
                Shown::Time => time as f64 / 1000.0,
                Shown::Start => samples.start_ms(last) as f64 / 1000.0,
            };
            bitmap::set(bits, step);
        }
    }
}

/// Writes the newest sample of every window, float or histogram, unless it is a staleness marker.
fn newest_of_both(columns: &SampleColumns, windows: &Windows, shown: Shown, out: &mut StepBatch) {
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
        if shown == Shown::Time {
            out.put(row, step, time as f64 / 1000.0);
        } else if shown == Shown::Start {
            let start_ms = if is_histogram { points.start_ms(at) } else { columns.start_ms(at) };
            out.put(row, step, start_ms as f64 / 1000.0);
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
