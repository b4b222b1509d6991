//! Aggregations that need all values of a group at once: `quantile`, `count_values`.

use super::grouping::Groups;
use crate::ast::Span;
use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::histogram::warn_quantile;
use crate::kernel::order;
use crate::operator::{StepBatch, set_label};
use crate::plan::{Aggregate, Argument};
use model::hash::HashMap;
use model::{StepGrid, Sym, float};

/// The scalar parameter at every step.
pub(super) fn parameter(
    exec: &Exec<'_>,
    node: &Aggregate,
    grid: StepGrid,
) -> Result<Vec<f64>, Error> {
    match &node.param {
        Some(Argument::Node { node, .. }) => exec.scalar(node, grid),
        _ => unreachable!("checked to have a scalar parameter"),
    }
}

/// Warns of parameters outside 0 to 1: one that is not a number, the largest, the smallest.
fn check_quantile(exec: &Exec<'_>, phi: &[f64], place: Option<Span>) {
    let numbers = || phi.iter().copied().filter(|q| !q.is_nan());
    let largest = numbers().fold(f64::NEG_INFINITY, f64::max);
    let smallest = numbers().fold(f64::INFINITY, f64::min);
    let not_a_number = phi.iter().copied().find(|q| q.is_nan());
    let odd = [Some(largest).filter(|q| *q > 1.0), Some(smallest).filter(|q| *q < 0.0)];
    for q in not_a_number.into_iter().chain(odd.into_iter().flatten()) {
        if numbers().next().is_some() || q.is_nan() {
            warn_quantile(exec, q, place);
        }
    }
}

/// `quantile(phi, v)`
pub(super) fn quantile(
    exec: &Exec<'_>,
    node: &Aggregate,
    grid: StepGrid,
) -> Result<StepBatch, Error> {
    let phi = parameter(exec, node, grid)?;
    let mut batch = exec.vector(&node.operand, grid)?;
    check_quantile(exec, &phi, node.param_span);
    if batch.has_histograms() {
        if batch.any_histogram() {
            super::natives::ignored(exec, node.op, node.operand_span);
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
    let mut out = StepBatch::new(grid.len);
    let mut scratch = Vec::new();
    for (group, rows) in members.iter().enumerate() {
        out.push_row(groups.labels(group), groups.drop_name(group));
        for (step, &phi) in phi.iter().enumerate() {
            exec.cancel.check()?;
            scratch.clear();
            scratch.extend(rows.iter().filter_map(|&row| batch.get(row, step)));
            if !scratch.is_empty() {
                let value = order::quantile(phi, &mut scratch);
                out.put(group, step, value);
            }
        }
    }
    Ok(out)
}

/// `count_values("label", v)`
pub(super) fn count_values(
    exec: &Exec<'_>,
    node: &Aggregate,
    grid: StepGrid,
) -> Result<StepBatch, Error> {
    let Some(Argument::Text(name)) = &node.param else {
        unreachable!("checked to have a string parameter")
    };
    if name.is_empty() {
        return Err(Error::Execution(format!("invalid label name \"{name}\"")));
    }
    let name = exec.symbols.intern(name);
    let batch = exec.vector(&node.operand, grid)?;
    let mut groups = Groups::new(exec, node);
    let labelled = !groups.removes(name);
    groups.ignore(name);
    let mut texts: HashMap<u64, Sym> = HashMap::default();
    let mut rows: HashMap<(usize, Sym), usize> = HashMap::default();
    let mut out = StepBatch::new(grid.len);
    for row in 0..batch.len() {
        exec.cancel.check()?;
        let group = groups.of(batch.labels.get(row), batch.drop_name[row]);
        for step in bitmap::ones(&batch.presence(row)) {
            let text = if let Some(histogram) = batch.histogram(row, step) {
                exec.symbols.intern(&histogram.to_string())
            } else {
                let value = batch.row(row)[step];
                let text = texts.entry(value.to_bits());
                *text.or_insert_with(|| exec.symbols.intern(&float::fixed(value)))
            };
            let key = (group, if labelled { text } else { Sym::EMPTY });
            let num_rows = out.len();
            let into = *rows.entry(key).or_insert_with(|| {
                let mut pairs = groups.labels(group).to_vec();
                set_label(&exec.symbols, &mut pairs, name, key.1);
                out.push_row(&pairs, batch.drop_name[row]);
                out.len() - 1
            });
            if into == num_rows {
                exec.cancel.check()?;
                exec.take(out.row_bytes(into))?;
            }
            let count = out.get(into, step).unwrap_or(0.0);
            out.put(into, step, count + 1.0);
        }
    }
    Ok(out)
}
