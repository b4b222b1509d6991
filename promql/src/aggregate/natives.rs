//! Native histograms in aggregations that fold: sums and means of them, counting them, telling which were ignored.
//! While no histogram comes along, nothing here does anything.

use super::Cell;
use crate::ast::{AggregateOp, Span};
use crate::exec::Exec;
use crate::functions::native::sums::{Resets, Running};
use crate::operator::native_row::NativeRow;
use crate::operator::{StepBatch, label};
use crate::plan::Aggregate;
use model::LabelPair;
use model::histogram::{Compensation, FloatHistogram, HistogramView};
use std::sync::Arc;

/// What a group knows of its histograms at one step.
#[derive(Clone, Debug, Default)]
enum Group {
    /// There was none.
    #[default]
    None,
    /// Floats came first: the group has no result, whatever follows.
    AfterFloats,
    /// Histograms that cannot be added: nothing more is looked at.
    Incompatible,
    /// The sum or mean so far.
    Sum(Box<Sum>),
}

#[derive(Clone, Debug)]
struct Sum {
    running: Running,
    lost: Compensation,
    count: f64,
    resets: Resets,
    /// A float came after histograms.
    is_mixed: bool,
}

/// The histograms of all groups of one aggregation.
pub(super) struct Natives<'e, 'a> {
    exec: &'e Exec<'a>,
    op: AggregateOp,
    place: Option<Span>,
    steps: usize,
    groups: Vec<Group>,
}

impl<'e, 'a> Natives<'e, 'a> {
    pub(super) fn new(exec: &'e Exec<'a>, node: &Aggregate, steps: usize) -> Self {
        Self { exec, op: node.op, place: node.operand_span, steps, groups: Vec::new() }
    }

    /// Takes in the histograms of a row before its floats; `has_floats` says where the group has some already.
    pub(super) fn before_row(
        &mut self,
        batch: &StepBatch,
        row: usize,
        group: usize,
        has_floats: impl Fn(usize) -> bool,
    ) {
        if !self.groups.is_empty() && matches!(self.op, AggregateOp::Sum | AggregateOp::Avg) {
            self.meet_floats(batch, row, group);
        }
        let alike = batch.native_row(row);
        if batch.cells(row).is_empty() && alike.is_none() {
            return;
        }
        match self.op {
            AggregateOp::Count | AggregateOp::Group => return,
            AggregateOp::Sum | AggregateOp::Avg => {}
            op => return self.ignored(op, batch, row),
        }
        if self.groups.len() < (group + 1) * self.steps {
            self.groups.resize((group + 1) * self.steps, Group::None);
        }
        let labels = batch.labels.get(row);
        if let Some(alike) = alike {
            return self.take_alike(alike, group, labels, has_floats);
        }
        for (step, histogram) in batch.histograms(row) {
            let index = group * self.steps + step;
            self.take_one(index, histogram.view(), labels, || has_floats(step));
        }
    }

    /// Takes in histograms of one layout: most often that of the sums so far, which is found by its address once it was
    /// found equal.
    fn take_alike(
        &mut self,
        alike: &NativeRow,
        group: usize,
        labels: &[LabelPair],
        has_floats: impl Fn(usize) -> bool,
    ) {
        let begin = group * self.steps;
        let mut sums = self.groups[begin..begin + self.steps].iter();
        let known = sums.find_map(|held| match held {
            Group::Sum(sum) => Some(Arc::clone(&sum.running.value.layout)),
            _ => None,
        });
        let known = known.filter(|known| **known == **alike.layout());
        let layout = known.as_ref().unwrap_or(alike.layout());
        for (step, view) in alike.views(self.steps) {
            let index = begin + step;
            let is_other = match &self.groups[index] {
                Group::Sum(sum) => !Arc::ptr_eq(&sum.running.value.layout, layout),
                _ => false,
            };
            if is_other {
                let alone = alike.alone(step, self.steps).expect("has a histogram here");
                self.take_one(index, alone.view(), labels, || has_floats(step));
            } else {
                let view = HistogramView { layout, ..view };
                self.take_one(index, view, labels, || has_floats(step));
            }
        }
    }

    fn take_one(
        &mut self,
        index: usize,
        histogram: HistogramView<'_>,
        labels: &[LabelPair],
        has_floats: impl FnOnce() -> bool,
    ) {
        let mut held = std::mem::take(&mut self.groups[index]);
        match &mut held {
            Group::None if has_floats() => held = Group::AfterFloats,
            Group::None => held = Group::Sum(Box::new(Sum::new(histogram))),
            Group::AfterFloats | Group::Incompatible => {}
            Group::Sum(sum) => {
                if !self.add(sum, histogram, labels) {
                    held = if sum.is_mixed { Group::AfterFloats } else { Group::Incompatible };
                }
            }
        }
        self.groups[index] = held;
    }

    /// Marks the steps at which a group of histograms meets a float of this row.
    fn meet_floats(&mut self, batch: &StepBatch, row: usize, group: usize) {
        let end = self.groups.len().min((group + 1) * self.steps);
        let begin = (group * self.steps).min(end);
        for (step, held) in self.groups[begin..end].iter_mut().enumerate() {
            if let Group::Sum(sum) = held {
                sum.is_mixed |= batch.get(row, step).is_some();
            }
        }
    }

    /// `false` if the histogram cannot be added.
    fn add(&self, sum: &mut Sum, histogram: HistogramView<'_>, labels: &[LabelPair]) -> bool {
        sum.resets.add(histogram.hint);
        sum.count += 1.0;
        let outcome = if self.op == AggregateOp::Sum {
            sum.running.value.add_compensated(&mut sum.lost, histogram)
        } else {
            sum.running.add_to_mean(&mut sum.lost, histogram, sum.count)
        };
        let Ok(combined) = outcome else {
            let name = self.exec.symbols.text(label(labels, self.exec.names.metric_name));
            let text = format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas for metric name \"{name}\""
            );
            self.exec.note(|notes| notes.warn(text, self.place));
            return false;
        };
        if combined.bounds_reconciled {
            let text = "mismatched custom buckets were reconciled during aggregation";
            self.exec.note(|notes| notes.info(text, self.place));
        }
        true
    }

    fn ignored(&self, op: AggregateOp, batch: &StepBatch, row: usize) {
        if batch.histograms(row).next().is_some() {
            ignored(self.exec, op, self.place);
        }
    }

    /// `count` and `group` take histograms like floats.
    pub(super) fn count_row<C: Cell>(
        &self,
        batch: &StepBatch,
        row: usize,
        cells: &mut [Option<C>],
    ) {
        if !matches!(self.op, AggregateOp::Count | AggregateOp::Group) {
            return;
        }
        for (step, _) in batch.histograms(row) {
            match &mut cells[step] {
                Some(cell) => cell.add(f64::NAN),
                cell => *cell = Some(C::first(f64::NAN)),
            }
        }
    }

    /// Writes the histograms of a group to the last row of `out` and takes away the floats that met histograms.
    pub(super) fn finish<C: Cell>(
        &mut self,
        group: usize,
        cells: &mut [Option<C>],
        out: &mut StepBatch,
    ) {
        let end = self.groups.len().min((group + 1) * self.steps);
        let begin = (group * self.steps).min(end);
        for (step, cell) in cells[..end - begin].iter_mut().enumerate() {
            match std::mem::take(&mut self.groups[begin + step]) {
                Group::None => {}
                Group::AfterFloats => {
                    *cell = None;
                    self.mixed();
                }
                Group::Incompatible => *cell = None,
                Group::Sum(sum) if sum.is_mixed => {
                    *cell = None;
                    self.mixed();
                }
                Group::Sum(sum) => {
                    if sum.resets.collide() {
                        let text = "conflicting counter resets during histogram aggregation";
                        self.exec.note(|notes| notes.warn(text, self.place));
                    }
                    let histogram = sum.finish(self.op == AggregateOp::Avg);
                    out.put_histogram(group, step, Arc::new(histogram));
                }
            }
        }
    }

    fn mixed(&self) {
        let text = "encountered a mix of histograms and floats for aggregation";
        self.exec.note(|notes| notes.warn(text, self.place));
    }
}

impl Sum {
    fn new(first: HistogramView<'_>) -> Self {
        let mut resets = Resets::default();
        resets.add(first.hint);
        Self {
            running: Running { value: first.to_owned(), is_mean: false },
            lost: Compensation::default(),
            count: 1.0,
            resets,
            is_mixed: false,
        }
    }

    fn finish(self, is_mean: bool) -> FloatHistogram {
        let mut out = if is_mean {
            self.running.mean(self.lost, self.count)
        } else {
            let mut sum = self.running.value;
            sum.add_lost(&self.lost);
            sum
        };
        out.compact();
        out
    }
}

/// Tells that an aggregation has no use for histograms.
pub(super) fn ignored(exec: &Exec<'_>, op: AggregateOp, place: Option<Span>) {
    let text = format!("ignored histogram in {} aggregation", op.as_str());
    exec.note(|notes| notes.info(text, place));
}
