//! A large answer that leaves in parts while it is still evaluated, so that it is nowhere held as a whole: the rows of a
//! selector, or of a function of its ranges, where they come in the order of the answer. Whatever else is asked for is
//! answered whole.

use super::{Answer, Engine, Error, Request};
use crate::answer;
use crate::exec::Exec;
use crate::functions::FunctionId;
use crate::kernel::Windows;
use crate::operator::StepBatch;
use crate::plan::{Node, Plan, Root, Select, Shown, Source, hints};
use crate::value::{Matrix, Value};
use crate::window;
use model::{LabelPair, StepGrid};
use std::cmp::Ordering;
use storage::{Queryable, SelectHints, SeriesBatch};

/// Answers that take less are whole: their errors come before anything has left.
const MIN_PART_BYTES: usize = 1 << 20;

/// Samples of one window that are not looked at beforehand.
const MAX_WINDOW_SAMPLES: usize = 1_000_000;

/// Takes a part of an answer; `false` if the rest shall come as a whole.
pub type TakePart<'p> = &'p mut dyn FnMut(&Matrix) -> Result<bool, Error>;

impl Engine {
    /// Evaluates `query` at first, first and step, ... up to last (`times_ms`: first, last, step). The first rows of a
    /// large answer go to `take`, in order; the answer has the others. An error that comes after a part has left is
    /// about the time or the storage: bounds on samples are checked before.
    pub fn range_in_parts(
        &self,
        storage: &dyn Queryable,
        query: &str,
        (start_ms, end_ms, step_ms): (i64, i64, i64),
        request: &Request<'_>,
        take: TakePart<'_>,
    ) -> Result<Answer, Error> {
        let (expr, times) = self.range_of(query, start_ms, end_ms, step_ms)?;
        self.run(storage, (query, &expr), times, request, Some(take))
    }
}

/// Whose rows are the answer.
pub(super) struct Rows<'p> {
    node: &'p Node,
    select: &'p Select,
    windows: Windows,
    is_instant: bool,
    removes_names: bool,
}

impl<'p> Rows<'p> {
    /// The rows that are the whole plan, if they are those of one selector.
    pub(super) fn of(exec: &Exec<'_>, plan: &'p Plan, grid: StepGrid) -> Option<Self> {
        let Root::Vector(node) = &plan.root else { return None };
        let is_measured = exec.profile.is_some() || exec.times.is_instant();
        if is_measured || exec.delayed_name_removal || exec.reuse.group(node).is_some() {
            return None;
        }
        match node {
            Node::Select { select, shown: Shown::Value } => {
                let windows = hints::instant_windows(select, grid, exec.lookback_ms);
                Some(Self { node, select, windows, is_instant: true, removes_names: false })
            }
            Node::Window(call) if call.function != FunctionId::AbsentOverTime => {
                let Source::Stored(select) = &call.range.source else { return None };
                let range = &call.range;
                let windows = hints::range_windows(range, select.look, grid, exec.lookback_ms);
                let removes_names = !window::keeps_name(call);
                Some(Self { node, select, windows, is_instant: false, removes_names })
            }
            _ => None,
        }
    }

    /// Evaluates them; `take` gets the first, as long as it wants some, the value has the others.
    pub(super) fn answer(&self, exec: &Exec<'_>, take: TakePart<'_>) -> Result<Value, Error> {
        let grid = self.windows.grid;
        let before = exec.taken();
        let (mut kept, mut kept_bytes) = (Vec::new(), 0);
        let mut is_wanted = None;
        let streamed = exec.stream(self.node, grid, &mut |batch| {
            let rows = std::mem::replace(batch, StepBatch::new(grid.len));
            let rows_bytes = rows.size_bytes();
            kept.push(rows);
            kept_bytes += rows_bytes;
            exec.take(rows_bytes)?;
            if is_wanted.is_none() && kept_bytes >= MIN_PART_BYTES {
                is_wanted = Some(self.may_leave(exec)?);
            }
            if is_wanted == Some(true) {
                let part = answer::matrix(exec, std::mem::take(&mut kept), grid);
                is_wanted = Some(take(&part)?);
                exec.memory.give(std::mem::take(&mut kept_bytes));
                // Who made the rows uses their memory again.
                *batch = part.floats.into_spare();
            }
            Ok(())
        });
        let settled = streamed.and_then(|()| exec.settle_memory(before, kept_bytes));
        settled.map_err(|error| error.about(self.node))?;
        Ok(Value::Matrix(answer::matrix(exec, kept, grid)))
    }

    /// Whether there will not be too many samples and all rows come in the order of the answer, also without names.
    fn may_leave(&self, exec: &Exec<'_>) -> Result<bool, Error> {
        let hints = hints::select_hints(self.select, &self.windows, self.is_instant);
        let hints = SelectHints { labels_only: true, any_order: false, ..hints };
        let matchers = &self.select.matchers;
        let mut set = exec.querier.select(matchers, &hints, &exec.symbols, exec.cancel)?;
        let (mut batch, mut series) = (SeriesBatch::default(), 0_usize);
        let (mut last, mut next) = (Vec::new(), Vec::<LabelPair>::new());
        while set.next_batch(&mut batch)? {
            exec.cancel.check()?;
            for labels in batch.labels().iter() {
                let is_kept =
                    |pair: &&LabelPair| !(self.removes_names && exec.names.names_metric(pair.name));
                next.clear();
                next.extend(labels.iter().filter(is_kept));
                if series > 0 && exec.symbols.compare(&last, &next) != Ordering::Less {
                    return Ok(false);
                }
                std::mem::swap(&mut last, &mut next);
                series += 1;
            }
        }
        let passing = if self.is_instant { 0 } else { MAX_WINDOW_SAMPLES };
        let most = series.saturating_mul(self.windows.grid.len);
        Ok(exec.may_hold(most.saturating_add(passing)))
    }
}
