//! A large answer that leaves in parts while it is still evaluated, so that it is nowhere held as a whole: the rows of a
//! selector, which are there in the order of the answer. Whatever else is asked for is answered whole.

use super::{Answer, Engine, Error, Request};
use crate::answer;
use crate::exec::Exec;
use crate::operator::StepBatch;
use crate::plan::{Node, Plan, Root, Select, Shown, hints};
use crate::value::{Matrix, Value};
use model::StepGrid;
use storage::{Queryable, SelectHints, SeriesBatch};

/// Answers that take less are whole: their errors come before anything has left.
const MIN_PART_BYTES: usize = 2 << 20;

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

/// The selector that is the whole plan, if its rows are the answer as they come.
pub(super) fn selector<'p>(exec: &Exec<'_>, plan: &'p Plan) -> Option<&'p Node> {
    let Root::Vector(node) = &plan.root else { return None };
    let is_plain = matches!(node, Node::Select { shown: Shown::Value, .. });
    let is_measured = exec.profile.is_some() || exec.times.is_instant();
    let leaves = is_plain && !is_measured && !exec.delayed_name_removal;
    (leaves && exec.reuse.group(node).is_none()).then_some(node)
}

/// Evaluates the selector; `take` gets the first rows, as long as it wants some, the value has the others.
pub(super) fn answer(
    exec: &Exec<'_>,
    node: &Node,
    grid: StepGrid,
    take: TakePart<'_>,
) -> Result<Value, Error> {
    let Node::Select { select, .. } = node else { unreachable!("a selector was found") };
    let before = exec.taken();
    let (mut kept, mut kept_bytes) = (Vec::new(), 0);
    let mut is_wanted = None;
    let streamed = exec.stream(node, grid, &mut |batch| {
        let batch = std::mem::replace(batch, StepBatch::new(grid.len));
        let batch_bytes = batch.size_bytes();
        kept.push(batch);
        kept_bytes += batch_bytes;
        exec.take(batch_bytes)?;
        if kept_bytes < MIN_PART_BYTES {
            return Ok(());
        }
        if is_wanted.is_none() {
            is_wanted = Some(exec.may_hold(most_samples(exec, select, grid)?));
        }
        if is_wanted == Some(true) {
            let part = answer::matrix(exec, std::mem::take(&mut kept), grid);
            is_wanted = Some(take(&part)?);
            exec.memory.give(std::mem::take(&mut kept_bytes));
        }
        Ok(())
    });
    let settled = streamed.and_then(|()| exec.settle_memory(before, kept_bytes));
    settled.map_err(|error| error.about(node))?;
    Ok(Value::Matrix(answer::matrix(exec, kept, grid)))
}

/// How many samples the answer can have at most.
fn most_samples(exec: &Exec<'_>, select: &Select, grid: StepGrid) -> Result<usize, Error> {
    let windows = hints::instant_windows(select, grid, exec.lookback_ms);
    let hints = hints::select_hints(select, &windows, true);
    let hints = SelectHints { labels_only: true, any_order: true, ..hints };
    let mut set = exec.querier.select(&select.matchers, &hints, &exec.symbols, exec.cancel)?;
    let (mut batch, mut series) = (SeriesBatch::default(), 0_usize);
    while set.next_batch(&mut batch)? {
        exec.cancel.check()?;
        series += batch.len();
    }
    Ok(series.saturating_mul(grid.len))
}
