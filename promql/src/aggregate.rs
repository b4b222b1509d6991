//! Aggregations that fold their operand series by series: sum, avg, min, max, count, group, stddev, stdvar. The operand
//! streams through; what is held is one cell for each group and step. Series come in storage order, as in the reference,
//! so every sum is the same number. The others live in `topk` and `values`.

mod grouping;
mod natives;
mod topk;
mod values;

use crate::ast::AggregateOp;
use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::kernel::extreme::replaces;
use crate::kernel::sum::{Compensated, Mean};
use crate::operator::StepBatch;
use crate::plan::Aggregate;
use grouping::Groups;
use model::StepGrid;
use natives::Natives;

/// The vector of an aggregation.
pub(crate) fn vector(
    exec: &Exec<'_>,
    node: &Aggregate,
    grid: StepGrid,
) -> Result<StepBatch, Error> {
    match node.op {
        AggregateOp::Sum => fold::<Compensated>(exec, node, grid),
        AggregateOp::Avg => fold::<Mean>(exec, node, grid),
        AggregateOp::Min => fold::<Extremum<false>>(exec, node, grid),
        AggregateOp::Max => fold::<Extremum<true>>(exec, node, grid),
        AggregateOp::Count => fold::<Counted>(exec, node, grid),
        AggregateOp::Group => fold::<Grouped>(exec, node, grid),
        AggregateOp::Stddev => fold::<Variance<true>>(exec, node, grid),
        AggregateOp::Stdvar => fold::<Variance<false>>(exec, node, grid),
        AggregateOp::Topk
        | AggregateOp::Bottomk
        | AggregateOp::Limitk
        | AggregateOp::LimitRatio => topk::vector(exec, node, grid),
        AggregateOp::Quantile => values::quantile(exec, node, grid),
        AggregateOp::CountValues => values::count_values(exec, node, grid),
    }
}

/// What one group remembers at one step.
pub(crate) trait Cell: Clone {
    /// The cell of a group of one.
    fn first(x: f64) -> Self;
    /// Takes in the next value.
    fn add(&mut self, x: f64);
    /// The aggregate.
    fn value(&self) -> f64;
}

impl Cell for Compensated {
    #[inline]
    fn first(x: f64) -> Self {
        Self { sum: x, lost: 0.0 }
    }
    #[inline]
    fn add(&mut self, x: f64) {
        Self::add(self, x);
    }
    #[inline]
    fn value(&self) -> f64 {
        self.total()
    }
}

impl Cell for Mean {
    #[inline]
    fn first(x: f64) -> Self {
        Self::new(x)
    }
    #[inline]
    fn add(&mut self, x: f64) {
        Self::add(self, x);
    }
    #[inline]
    fn value(&self) -> f64 {
        Self::value(*self)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Extremum<const MAX: bool>(f64);

impl<const MAX: bool> Cell for Extremum<MAX> {
    #[inline]
    fn first(x: f64) -> Self {
        Self(x)
    }
    #[inline]
    fn add(&mut self, x: f64) {
        if replaces::<MAX>(x, self.0) {
            self.0 = x;
        }
    }
    #[inline]
    fn value(&self) -> f64 {
        self.0
    }
}

#[derive(Clone, Copy)]
struct Counted(f64);

impl Cell for Counted {
    #[inline]
    fn first(_x: f64) -> Self {
        Self(1.0)
    }
    #[inline]
    fn add(&mut self, _x: f64) {
        self.0 += 1.0;
    }
    #[inline]
    fn value(&self) -> f64 {
        self.0
    }
}

#[derive(Clone, Copy)]
struct Grouped;

impl Cell for Grouped {
    #[inline]
    fn first(_x: f64) -> Self {
        Self
    }
    #[inline]
    fn add(&mut self, _x: f64) {}
    #[inline]
    fn value(&self) -> f64 {
        1.0
    }
}

/// Welford's running variance, without compensation.
#[derive(Clone, Copy)]
pub(crate) struct Variance<const ROOT: bool> {
    count: f64,
    mean: f64,
    squares: f64,
}

impl<const ROOT: bool> Cell for Variance<ROOT> {
    #[inline]
    fn first(x: f64) -> Self {
        let squares = if x.is_finite() { 0.0 } else { f64::NAN };
        Self { count: 1.0, mean: x, squares }
    }
    #[inline]
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        let delta = x - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (x - self.mean);
    }
    #[inline]
    fn value(&self) -> f64 {
        let variance = self.squares / self.count;
        if ROOT { variance.sqrt() } else { variance }
    }
}

/// Folds the operand into one cell for each group and step.
fn fold<C: Cell>(exec: &Exec<'_>, node: &Aggregate, grid: StepGrid) -> Result<StepBatch, Error> {
    let mut groups = Groups::new(exec, node);
    let mut cells: Vec<Option<C>> = Vec::new();
    let mut natives = Natives::new(exec, node, grid.len);
    let adds = matches!(node.op, AggregateOp::Sum | AggregateOp::Avg);
    exec.stream(&node.operand, grid, &mut |batch| {
        if !adds {
            batch.settle_natives();
        }
        for row in 0..batch.len() {
            let group = groups.of(batch.labels.get(row), batch.drop_name[row]);
            if cells.len() < (group + 1) * grid.len {
                exec.take(grid.len * size_of::<Option<C>>())?;
                cells.resize((group + 1) * grid.len, None);
            }
            let cells = &mut cells[group * grid.len..(group + 1) * grid.len];
            natives.before_row(batch, row, group, |step| cells[step].is_some());
            add_row(cells, batch.row(row), batch.bits(row));
            natives.count_row(batch, row, cells);
        }
        Ok(())
    })?;
    let mut out = StepBatch::new(grid.len);
    for group in 0..groups.len() {
        out.push_row(groups.labels(group), groups.drop_name(group));
        let cells = &mut cells[group * grid.len..(group + 1) * grid.len];
        natives.finish(group, cells, &mut out);
        let (values, bits) = out.row_mut(group);
        for (step, cell) in cells.iter().enumerate() {
            if let Some(cell) = cell {
                values[step] = cell.value();
                bitmap::set(bits, step);
            }
        }
    }
    if exec.delayed_name_removal { Ok(out) } else { out.merge_equal() }
}

#[inline]
fn add_row<C: Cell>(cells: &mut [Option<C>], values: &[f64], bits: &[u64]) {
    let add = |cell: &mut Option<C>, x: f64| match cell {
        Some(cell) => cell.add(x),
        None => *cell = Some(C::first(x)),
    };
    if bitmap::count(bits) == values.len() {
        cells.iter_mut().zip(values).for_each(|(cell, &x)| add(cell, x));
    } else {
        bitmap::ones(bits).for_each(|step| add(&mut cells[step], values[step]));
    }
}
