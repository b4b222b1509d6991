//! Runs a plan: dispatch, accounting of samples, the shape of the answer. What operators compute lives with them.

use crate::annotations::Notes;
use crate::engine::{EngineOptions, Error, Stats};
use crate::operator::{ReservedNames, Sink, StepBatch, cost};
use crate::plan::{Argument, Node, Plan, Range, Root, Times, hints};
use crate::value::{Matrix, Value, Vector};
use crate::{aggregate, binary, bitmap, functions, scalar, select, window};
use model::{StepGrid, Symbols};
use std::cell::RefCell;
use std::sync::Arc;
use storage::{Cancel, Querier};

/// Counts samples the way the limit and the statistics want them.
#[derive(Debug, Default)]
struct Accounts {
    held: usize,
    peak: usize,
    /// Samples looked at and samples read, for each step.
    per_step: Vec<[u64; 2]>,
}

/// A query at work.
pub(crate) struct Exec<'a> {
    pub(crate) querier: &'a dyn Querier,
    pub(crate) cancel: &'a Cancel,
    pub(crate) symbols: Arc<Symbols>,
    pub(crate) names: ReservedNames,
    pub(crate) lookback_ms: i64,
    pub(crate) delayed_name_removal: bool,
    pub(crate) type_and_unit_labels: bool,
    pub(crate) times: Times,
    max_samples: usize,
    notes: RefCell<Notes>,
    accounts: RefCell<Accounts>,
}

impl<'a> Exec<'a> {
    pub(crate) fn new(
        querier: &'a dyn Querier,
        options: &EngineOptions,
        lookback_ms: i64,
        times: Times,
        cancel: &'a Cancel,
    ) -> Self {
        let symbols = Arc::new(Symbols::new());
        Self {
            querier,
            cancel,
            names: ReservedNames::new(&symbols),
            symbols,
            lookback_ms,
            delayed_name_removal: options.delayed_name_removal,
            type_and_unit_labels: options.type_and_unit_labels,
            times,
            max_samples: options.max_samples,
            notes: RefCell::default(),
            accounts: RefCell::default(),
        }
    }

    pub(crate) fn finish(self) -> (Notes, Stats) {
        let accounts = self.accounts.into_inner();
        let [samples_per_step, samples_read_per_step] =
            [0, 1].map(|kind| accounts.per_step.iter().map(|step| step[kind]).collect::<Vec<_>>());
        let stats = Stats {
            total_queryable_samples: samples_per_step.iter().sum(),
            samples_per_step,
            samples_read: samples_read_per_step.iter().sum(),
            samples_read_per_step,
            peak_samples: accounts.peak,
        };
        (self.notes.into_inner(), stats)
    }

    /// Adds to the annotations of the query.
    pub(crate) fn note(&self, add: impl FnOnce(&mut Notes)) {
        add(&mut self.notes.borrow_mut());
    }

    /// Samples held right now.
    pub(crate) fn held(&self) -> usize {
        self.accounts.borrow().held
    }

    /// Holds `num` samples more, and `passing` for a moment.
    pub(crate) fn hold(&self, num: usize, passing: usize) -> Result<(), Error> {
        let mut accounts = self.accounts.borrow_mut();
        accounts.held += num;
        let now = accounts.held + passing;
        accounts.peak = accounts.peak.max(now);
        if now > self.max_samples { Err(Error::TooManySamples) } else { Ok(()) }
    }

    /// Operands are gone, `num` samples of the result stay: `before` were held before the operands were made.
    pub(crate) fn settle(&self, before: usize, num: usize) -> Result<(), Error> {
        self.accounts.borrow_mut().held = before;
        self.hold(num, 0)
    }

    /// Samples that one step looked at, and how many of them no step before did.
    pub(crate) fn count(&self, step: usize, num: usize, new: usize) {
        let per_step = &mut self.accounts.borrow_mut().per_step;
        if per_step.len() <= step {
            per_step.resize(step + 1, [0; 2]);
        }
        per_step[step][0] += num as u64;
        per_step[step][1] += new as u64;
    }

    /// Runs `work` with counters of its own and gives back how many samples it looked at.
    pub(crate) fn apart<T>(
        &self,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(T, [usize; 2]), Error> {
        let outer = std::mem::take(&mut self.accounts.borrow_mut().per_step);
        let result = work();
        let inner = std::mem::replace(&mut self.accounts.borrow_mut().per_step, outer);
        let total = |kind: usize| inner.iter().map(|step| step[kind] as usize).sum();
        Ok((result?, [total(0), total(1)]))
    }

    /// The vector of `node` at every step of `grid`, batch by batch in series order.
    pub(crate) fn stream(&self, node: &Node, grid: StepGrid, sink: Sink<'_>) -> Result<(), Error> {
        self.cancel.check()?;
        match node {
            Node::Select { select, timestamps } => {
                select::stream(self, select, *timestamps, grid, sink)
            }
            Node::Window(call) => window::stream(self, call, grid, sink),
            other => sink(&mut self.vector(other, grid)?),
        }
    }

    /// The vector of `node` at every step of `grid`; rows without values are left out.
    pub(crate) fn vector(&self, node: &Node, grid: StepGrid) -> Result<StepBatch, Error> {
        self.cancel.check()?;
        let before = self.held();
        let out = match node {
            Node::Select { .. } | Node::Window(_) => {
                let mut out = StepBatch::new(grid.len);
                self.stream(node, grid, &mut |batch| {
                    if out.len() == 0 {
                        std::mem::swap(&mut out, batch);
                    } else {
                        out.append(batch);
                    }
                    Ok(())
                })?;
                return Ok(out);
            }
            Node::Invariant(inner) => return self.invariant(inner, grid),
            Node::Call(call) => functions::call::vector(self, call, grid)?,
            Node::Negate(inner) => {
                let mut out = self.vector(inner, grid)?;
                out.values.iter_mut().for_each(|v| *v = -*v);
                out.map_histograms(|histogram| {
                    let mut negative = histogram.clone();
                    negative.scale(-1.0);
                    Some(negative)
                });
                self.drop_names(out)?
            }
            Node::Binary(node) => binary::vector(self, node, grid)?,
            Node::Aggregate(node) => aggregate::vector(self, node, grid)?,
            Node::Number(_) => unreachable!("scalars are not vectors"),
        };
        let out = out.without_empty_rows();
        let num = out.num_samples();
        if matches!(node, Node::Call(_) | Node::Binary(_)) {
            // The reference copies the operands of a step before it computes the step.
            let operands = self.held().saturating_sub(before) / grid.len.max(1);
            self.hold(0, operands + num)?;
        }
        self.settle(before, num)?;
        Ok(out)
    }

    /// Evaluates once and repeats the value at every step.
    fn invariant(&self, inner: &Node, grid: StepGrid) -> Result<StepBatch, Error> {
        let first = hints::first_step(grid);
        let before = self.held();
        let (once, [num, new]) = self.apart(|| self.vector(inner, first))?;
        (0..grid.len).for_each(|step| self.count(step, num, new));
        if grid.len <= 1 {
            return Ok(once);
        }
        let mut out = StepBatch::new(grid.len);
        for row in (0..once.len()).filter(|&row| !once.is_empty_row(row)) {
            out.push_row(once.labels.get(row), once.drop_name[row]);
            let into = out.len() - 1;
            if let Some(histogram) = once.histogram(row, 0) {
                out.cells_mut(into).fill(Some(Arc::clone(histogram)));
                continue;
            }
            let (values, bits) = out.row_mut(into);
            values.fill(once.row(row)[0]);
            bitmap::fill(bits, grid.len);
        }
        self.settle(before, out.num_samples())?;
        Ok(out)
    }

    /// The number of `node` at every step of `grid`.
    pub(crate) fn scalar(&self, node: &Node, grid: StepGrid) -> Result<Vec<f64>, Error> {
        match node {
            Node::Number(value) => Ok(vec![*value; grid.len]),
            Node::Invariant(inner) => {
                let first = hints::first_step(grid);
                let (once, [num, new]) = self.apart(|| self.scalar(inner, first))?;
                (0..grid.len).for_each(|step| self.count(step, num, new));
                Ok(vec![once.first().copied().unwrap_or(f64::NAN); grid.len])
            }
            Node::Negate(inner) => {
                let mut out = self.scalar(inner, grid)?;
                out.iter_mut().for_each(|v| *v = -*v);
                Ok(out)
            }
            Node::Binary(node) => {
                let (lhs, rhs) = (self.scalar(&node.lhs, grid)?, self.scalar(&node.rhs, grid)?);
                lhs.iter().zip(&rhs).map(|(&a, &b)| binary::scalars(node.op, a, b)).collect()
            }
            Node::Call(call) => scalar::column(self, call, grid),
            other => unreachable!("vectors are not scalars: {other:?}"),
        }
    }

    /// The scalar argument `index` of a call at every step.
    pub(crate) fn scalar_arg(
        &self,
        args: &[Argument],
        index: usize,
        grid: StepGrid,
    ) -> Result<Vec<f64>, Error> {
        match &args[index] {
            Argument::Node { node, .. } => self.scalar(node, grid),
            Argument::Text(_) => unreachable!("checked to be a scalar"),
        }
    }

    /// The vector argument `index` of a call.
    pub(crate) fn vector_arg(
        &self,
        args: &[Argument],
        index: usize,
        grid: StepGrid,
    ) -> Result<StepBatch, Error> {
        match &args[index] {
            Argument::Node { node, .. } => self.vector(node, grid),
            Argument::Text(_) => unreachable!("checked to be a vector"),
        }
    }

    /// The series stop being the metrics they were: their names go, now or at the end of the query.
    pub(crate) fn drop_names(&self, mut batch: StepBatch) -> Result<StepBatch, Error> {
        if self.delayed_name_removal {
            batch.drop_name.fill(true);
            return Ok(batch);
        }
        self.without_names(&mut batch);
        batch.merge_equal()
    }

    /// Removes the labels that name the metric from the rows that still have them.
    fn without_names(&self, batch: &mut StepBatch) {
        let labels = std::mem::take(&mut batch.labels);
        for pairs in labels.iter() {
            batch.labels.push(pairs.iter().copied().filter(|p| !self.names.names_metric(p.name)));
        }
    }

    /// Removes the names that were to go at the end.
    fn drop_names_finally(&self, mut batch: StepBatch) -> Result<StepBatch, Error> {
        if !batch.drop_name.contains(&true) {
            return Ok(batch);
        }
        let labels = std::mem::take(&mut batch.labels);
        for (pairs, drop) in labels.iter().zip(&batch.drop_name) {
            let kept = pairs.iter().filter(|p| !drop || !self.names.names_metric(p.name));
            batch.labels.push(kept.copied());
        }
        batch.merge_equal()
    }
}

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
            Ok(Value::Matrix(matrix(exec, &out, grid)))
        }
        Root::Vector(node) => {
            let out = exec.vector(node, grid)?;
            let out = exec.drop_names_finally(out)?;
            Ok(if instant {
                Value::Vector(vector(exec, &out, timestamp_ms))
            } else {
                Value::Matrix(matrix(exec, &out, grid))
            })
        }
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

/// Rows in label order.
fn sorted(exec: &Exec<'_>, batch: &StepBatch) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..batch.len()).collect();
    rows.sort_by(|&a, &b| exec.symbols.compare(batch.labels.get(a), batch.labels.get(b)));
    rows
}

fn matrix(exec: &Exec<'_>, batch: &StepBatch, grid: StepGrid) -> Matrix {
    let mut out = Matrix { symbols: Arc::clone(&exec.symbols), ..Matrix::default() };
    let num = batch.num_samples();
    out.timestamps_ms.reserve(num);
    out.values.reserve(num);
    for row in sorted(exec, batch) {
        if batch.is_empty_row(row) {
            continue;
        }
        if batch.has_histograms() {
            let points = &mut out.histograms;
            for (step, histogram) in batch.histograms(row) {
                points.timestamps_ms.push(grid.at(step));
                points.values.push(Arc::clone(histogram));
            }
            points.ends.push(points.values.len());
        }
        out.labels.push(batch.labels.get(row).iter().copied());
        if bitmap::count(batch.bits(row)) == grid.len {
            out.timestamps_ms.extend((0..grid.len).map(|step| grid.at(step)));
            out.values.extend_from_slice(batch.row(row));
        } else {
            for step in bitmap::ones(batch.bits(row)) {
                out.timestamps_ms.push(grid.at(step));
                out.values.push(batch.row(row)[step]);
            }
        }
        out.ends.push(out.values.len());
    }
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
        exec.count(0, held, held);
        series.push((labels.to_vec(), std::mem::take(inside), histograms));
        Ok(())
    })?;
    series.sort_by(|a, b| exec.symbols.compare(&a.0, &b.0));
    let mut out = Matrix { symbols: Arc::clone(&exec.symbols), ..Matrix::default() };
    let any = series.iter().any(|(_, _, histograms)| !histograms.is_empty());
    for (labels, floats, histograms) in series {
        out.labels.push(labels);
        out.timestamps_ms.extend(floats.timestamps_ms);
        out.values.extend(floats.values);
        out.ends.push(out.values.len());
        if any {
            for (time, histogram) in histograms {
                out.histograms.timestamps_ms.push(time);
                out.histograms.values.push(histogram);
            }
            out.histograms.ends.push(out.histograms.values.len());
        }
    }
    Ok(out)
}
