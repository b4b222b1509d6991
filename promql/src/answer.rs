//! The shape of an answer: scalar, text, vector or matrix made of what the root of the plan yields.

use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::operator::{StepBatch, cost};
use crate::plan::{Plan, Range, Root};
use crate::value::{Floats, Matrix, Value, Vector};
use crate::window;
use model::StepGrid;
use std::sync::Arc;

/// Runs the whole plan.
pub(crate) fn answer(exec: &Exec<'_>, plan: &Plan, grid: StepGrid) -> Result<Value, Error> {
    let instant = exec.times.is_instant();
    let timestamp_ms = grid.start_ms;
    match &plan.root {
        Root::Text(text) => Ok(Value::String { timestamp_ms, value: text.clone() }),
        Root::Scalar(node) => {
            let values = exec.scalar(node, grid)?;
            exec.settle(exec.held(), values.len())?;
            if instant {
                return Ok(Value::Scalar { timestamp_ms, value: values[0] });
            }
            let mut out = StepBatch::new(grid.len);
            if grid.len > 0 {
                out.push_row(&[], false);
                let (row, bits) = out.row_mut(0);
                row.copy_from_slice(&values);
                bitmap::fill(bits, grid.len);
            }
            Ok(Value::Matrix(matrix(exec, vec![out], grid)))
        }
        Root::Vector(node) if instant => {
            let out = exec.vector(node, grid)?;
            let out = exec.drop_names_finally(out)?;
            // The answer is a copy beside the rows.
            exec.take(out.size_bytes())?;
            Ok(Value::Vector(vector(exec, &out, timestamp_ms)))
        }
        Root::Vector(node) => Ok(Value::Matrix(matrix(exec, exec.batches(node, grid)?, grid))),
        Root::Range(range) => Ok(Value::Matrix(range_answer(exec, range, grid)?)),
    }
}

fn vector(exec: &Exec<'_>, batch: &StepBatch, timestamp_ms: i64) -> Vector {
    let mut out = Vector { symbols: Arc::clone(&exec.symbols), ..Vector::default() };
    for row in 0..batch.len() {
        let histogram = batch.histogram(row, 0);
        let Some(value) = batch.get(row, 0).or(histogram.map(|_| f64::NAN)) else { continue };
        if let Some(histogram) = histogram {
            out.histograms.resize(out.values.len(), None);
            out.histograms.push(Some(Arc::clone(histogram)));
        }
        out.labels.push(batch.labels.get(row).iter().copied());
        out.timestamps_ms.push(timestamp_ms);
        out.values.push(value);
    }
    if !out.histograms.is_empty() {
        out.histograms.resize(out.values.len(), None);
    }
    out
}

/// The rows, which stay where they are, in label order.
pub(crate) fn matrix(exec: &Exec<'_>, mut batches: Vec<StepBatch>, grid: StepGrid) -> Matrix {
    let mut places = Vec::new();
    for (number, batch) in batches.iter().enumerate() {
        let rows = (0..batch.len()).filter(|&row| !batch.is_empty_row(row));
        places.extend(rows.map(|row| (number as u32, row as u32)));
    }
    let labels = |(batch, row): (u32, u32)| batches[batch as usize].labels.get(row as usize);
    places.sort_by(|&a, &b| exec.symbols.compare(labels(a), labels(b)));
    let mut out = Matrix { symbols: Arc::clone(&exec.symbols), ..Matrix::default() };
    let has_histograms = batches.iter().any(StepBatch::has_histograms);
    for &place in &places {
        out.labels.push(labels(place).iter().copied());
        if has_histograms {
            let points = &mut out.histograms;
            for (step, histogram) in batches[place.0 as usize].histograms(place.1 as usize) {
                points.timestamps_ms.push(grid.at(step));
                points.values.push(Arc::clone(histogram));
            }
            points.ends.push(points.values.len());
        }
    }
    batches.iter_mut().for_each(StepBatch::keep_floats_only);
    out.floats = Floats::stepped(grid, batches, places);
    out
}

/// The samples of a range selector or subquery, series in label order.
fn range_answer(exec: &Exec<'_>, range: &Range, grid: StepGrid) -> Result<Matrix, Error> {
    let mut series = Vec::new();
    window::for_each_window(exec, range, grid, &mut |labels, inside| {
        let histograms = inside.histograms.timestamps_ms().iter().enumerate();
        let histograms = histograms
            .map(|(row, &time)| (time, Arc::new(inside.histograms.get(row).to_owned())))
            .collect::<Vec<_>>();
        let held = histograms.iter().map(|(_, histogram)| cost(histogram)).sum::<usize>();
        let held = held + inside.len();
        exec.hold(held, 0)?;
        exec.take(16 * held + size_of_val(labels))?;
        exec.count(0, held, held);
        series.push((labels.to_vec(), std::mem::take(inside), histograms));
        Ok(())
    })?;
    series.sort_by(|a, b| exec.symbols.compare(&a.0, &b.0));
    let mut out = Matrix { symbols: Arc::clone(&exec.symbols), ..Matrix::default() };
    let (mut ends, mut timestamps_ms, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let any = series.iter().any(|(_, _, histograms)| !histograms.is_empty());
    for (labels, floats, histograms) in series {
        out.labels.push(labels);
        timestamps_ms.extend(floats.timestamps_ms);
        values.extend(floats.values);
        ends.push(values.len());
        if any {
            for (time, histogram) in histograms {
                out.histograms.timestamps_ms.push(time);
                out.histograms.values.push(histogram);
            }
            out.histograms.ends.push(out.histograms.values.len());
        }
    }
    out.floats = Floats::listed(ends, timestamps_ms, values);
    Ok(out)
}
