//! `topk`, `bottomk`, `limitk`, `limit_ratio`: they choose series and keep their labels.

use super::grouping::Groups;
use super::values::parameter;
use crate::ast::AggregateOp;
use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::sort::before;
use crate::kernel::pdqsort;
use crate::operator::StepBatch;
use crate::plan::Aggregate;
use model::{StepGrid, float};

/// How many of each group a step may keep; `None` if the answer is empty whatever the data.
fn limits(k: &[f64], num_series: usize) -> Result<Option<Vec<usize>>, Error> {
    const MIN: f64 = -9_223_372_036_854_775_808.0;
    const MAX: f64 = 9_223_372_036_854_774_784.0;
    let any_nan = k.iter().any(|k| k.is_nan());
    let largest = k.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = k.iter().copied().fold(f64::INFINITY, f64::min);
    let all_nan = k.iter().all(|k| k.is_nan());
    if !all_nan && largest < 1.0 {
        return Ok(None);
    }
    if any_nan {
        return Err(Error::Execution("Parameter value is NaN".to_owned()));
    }
    if smallest <= MIN {
        let value = float::general(smallest);
        return Err(Error::Execution(format!("Scalar value {value} underflows int64")));
    }
    if largest >= MAX {
        let value = float::general(largest);
        return Err(Error::Execution(format!("Scalar value {value} overflows int64")));
    }
    Ok(Some(k.iter().map(|&k| (k.max(0.0) as usize).min(num_series)).collect()))
}

/// Ratios, cut to -1 to 1 with a warning; `None` if all are zero.
fn ratios(exec: &Exec<'_>, node: &Aggregate, column: &[f64]) -> Result<Option<Vec<f64>>, Error> {
    if !column.is_empty() && column.iter().all(|&ratio| ratio == 0.0) {
        return Ok(None);
    }
    if column.iter().any(|ratio| ratio.is_nan()) {
        return Err(Error::Execution("Ratio value is NaN".to_owned()));
    }
    let largest = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = column.iter().copied().fold(f64::INFINITY, f64::min);
    for (ratio, cap) in [(largest, 1.0), (smallest, -1.0)] {
        if ratio.is_finite() && ratio.abs() <= 1.0 || ratio.signum() != cap {
            continue;
        }
        let (got, cap) = (float::general(ratio), float::general(cap));
        let text = format!("ratio value should be between -1 and 1, got {got}, capping to {cap}");
        exec.note(|notes| notes.warn(text, node.param_span));
    }
    Ok(Some(column.iter().map(|ratio| ratio.clamp(-1.0, 1.0)).collect()))
}

/// The binary heap of the reference, worst on top: its array order shows in answers, so it is built step by step alike.
struct Heap<'v> {
    rows: Vec<usize>,
    values: &'v dyn Fn(usize) -> f64,
    bottom: bool,
}

impl Heap<'_> {
    /// Whether position `a` holds something worse than position `b`; NaN is worse than everything.
    fn worse(&self, a: usize, b: usize) -> bool {
        let (a, b) = ((self.values)(self.rows[a]), (self.values)(self.rows[b]));
        a.is_nan() || (if self.bottom { a > b } else { a < b })
    }

    fn push(&mut self, row: usize) {
        self.rows.push(row);
        let mut at = self.rows.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.worse(at, parent) {
                break;
            }
            self.rows.swap(at, parent);
            at = parent;
        }
    }

    /// Puts `row` in place of the worst if it is better.
    fn challenge(&mut self, row: usize) {
        let (held, new) = ((self.values)(self.rows[0]), (self.values)(row));
        let better = if self.bottom { new < held } else { new > held };
        if !(better || (held.is_nan() && !new.is_nan())) {
            return;
        }
        self.rows[0] = row;
        let mut at = 0;
        loop {
            let left = 2 * at + 1;
            if left >= self.rows.len() {
                break;
            }
            let right = left + 1;
            let child =
                if right < self.rows.len() && self.worse(right, left) { right } else { left };
            if !self.worse(child, at) {
                break;
            }
            self.rows.swap(child, at);
            at = child;
        }
    }
}

/// What a step keeps, and of which order.
enum Choice {
    Best { limits: Vec<usize>, bottom: bool },
    First { limits: Vec<usize> },
    Ratio { ratios: Vec<f64>, offsets: Vec<f64> },
}

impl Choice {
    /// The chosen of `rows`, which have a value at `step`, in answer order.
    fn choose(&self, step: usize, rows: &[usize], value: &dyn Fn(usize) -> f64) -> Vec<usize> {
        let bottom = matches!(self, Self::Best { bottom: true, .. });
        let mut heap = Heap { rows: Vec::new(), values: value, bottom };
        match self {
            Self::Best { limits, bottom } => {
                for &row in rows {
                    if heap.rows.len() < limits[step] {
                        heap.push(row);
                    } else if limits[step] > 0 {
                        heap.challenge(row);
                    }
                }
                let mut rows = heap.rows;
                pdqsort::sort(&mut rows, &|&a, &b| before(value(a), value(b), !bottom));
                rows
            }
            Self::First { limits } => {
                rows.iter().take(limits[step]).for_each(|&row| heap.push(row));
                heap.rows
            }
            Self::Ratio { ratios, offsets } => {
                let ratio = ratios[step];
                let kept = rows.iter().filter(|&&row| {
                    let offset = offsets[row];
                    if ratio >= 0.0 { offset < ratio } else { offset >= 1.0 + ratio }
                });
                kept.for_each(|&row| heap.push(row));
                heap.rows
            }
        }
    }
}

/// The vector of `topk` and its kin.
pub(super) fn vector(
    exec: &Exec<'_>,
    node: &Aggregate,
    grid: StepGrid,
) -> Result<StepBatch, Error> {
    let column = parameter(exec, node, grid)?;
    let mut batch = exec.vector(&node.operand, grid)?;
    let empty = Ok(StepBatch::new(grid.len));
    let choice = if node.op == AggregateOp::LimitRatio {
        let Some(ratios) = ratios(exec, node, &column)? else { return empty };
        let offset = |labels| exec.symbols.labels(labels).stable_hash() as f64 / 2f64.powi(64);
        Choice::Ratio { ratios, offsets: batch.labels.iter().map(offset).collect() }
    } else {
        let Some(limits) = limits(&column, batch.len())? else { return empty };
        match node.op {
            AggregateOp::Limitk => Choice::First { limits },
            op => Choice::Best { limits, bottom: op == AggregateOp::Bottomk },
        }
    };
    // Nothing is said of histograms where nothing is chosen.
    if matches!(node.op, AggregateOp::Topk | AggregateOp::Bottomk) && batch.has_histograms() {
        if batch.any_histogram() {
            super::natives::ignored(exec, node.op, Some(node.span));
        }
        batch.drop_histograms();
        batch = batch.without_empty_rows();
    }
    let mut groups = Groups::new(exec, node);
    let mut members: Vec<Vec<usize>> = Vec::new();
    for row in 0..batch.len() {
        let group = groups.of(batch.labels.get(row), batch.drop_name[row]);
        if group == members.len() {
            members.push(Vec::new());
        }
        members[group].push(row);
    }
    let mut kept = vec![vec![0; bitmap::num_words(grid.len)]; batch.len()];
    let mut order = Vec::new();
    let mut present = Vec::new();
    for rows in &members {
        for step in 0..grid.len {
            exec.cancel.check()?;
            present.clear();
            let here = |row: &usize| {
                bitmap::get(batch.bits(*row), step) || batch.histogram(*row, step).is_some()
            };
            present.extend(rows.iter().copied().filter(here));
            let chosen = choice.choose(step, &present, &|row| batch.row(row)[step]);
            chosen.iter().for_each(|&row| bitmap::set(&mut kept[row], step));
            if grid.len == 1 {
                order.extend(chosen);
            }
        }
    }
    let mut out = batch;
    kept.iter().enumerate().for_each(|(row, kept)| out.keep(row, kept));
    if grid.len != 1 {
        return Ok(out);
    }
    let mut sorted = StepBatch::new(1);
    order.iter().for_each(|&row| sorted.push_copy(&out, row, out.labels.get(row)));
    Ok(sorted)
}
