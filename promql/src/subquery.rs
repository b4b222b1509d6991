//! Subqueries: an expression over a grid of its own, its points as samples for windows.

use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::operator::StepBatch;
use crate::plan::{Look, Node, subquery_grid};
use crate::selection::{self, Block};
use chunk::SampleColumns;
use model::histogram::CounterResetHint;
use model::{LabelPair, StepGrid};
use std::ops::Range;

/// What is done with the labels, the pending name removal and the points of a series.
pub(crate) type EachSeries<'f> =
    &'f mut dyn FnMut(&[LabelPair], bool, &mut SampleColumns) -> Result<(), Error>;

/// Expression, width, step and time of a subquery.
type Subquery<'p> = (&'p Node, i64, i64, Look);

/// How many series are one job.
const JOB_ROWS: usize = 32;

/// The points of a subquery.
pub(crate) struct Points {
    grid: StepGrid,
    batch: StepBatch,
}

impl Points {
    fn evaluate(
        exec: &Exec<'_>,
        (inner, range_ms, step_ms, look): Subquery<'_>,
        outer: StepGrid,
    ) -> Result<Self, Error> {
        let grid = subquery_grid(outer, range_ms, step_ms, look)?;
        if grid.len == 0 {
            return Ok(Self { grid, batch: StepBatch::new(0) });
        }
        if inner.is_scalar() {
            // Only expressions of vectors may stand in a subquery.
            return Err(Error::Execution("subquery of a scalar".to_owned()));
        }
        let (batch, _) = exec.apart(|| exec.vector(inner, grid))?;
        Ok(Self { grid, batch })
    }

    /// Calls `each` with the labels, the pending name removal and the points of some series.
    pub(crate) fn each(&self, rows: Range<usize>, each: EachSeries<'_>) -> Result<(), Error> {
        let Self { grid, batch } = self;
        let mut columns = SampleColumns::default();
        for row in rows {
            columns.clear();
            for step in bitmap::ones(batch.bits(row)) {
                columns.push(grid.at(step), batch.row(row)[step]);
            }
            for (step, histogram) in batch.histograms(row) {
                let mut view = histogram.view();
                // Points of a subquery need not be neighbours: what one knew of the sample before it says nothing here.
                if view.hint != CounterResetHint::Gauge {
                    view.hint = CounterResetHint::Unknown;
                }
                columns.histograms.push(grid.at(step), view);
            }
            each(batch.labels.get(row), batch.drop_name[row], &mut columns)?;
        }
        Ok(())
    }
}

/// Calls `each` with the labels, the pending name removal and the points of every series of the subquery.
pub(crate) fn for_each_series(
    exec: &Exec<'_>,
    subquery: Subquery<'_>,
    outer: StepGrid,
    each: EachSeries<'_>,
) -> Result<(), Error> {
    let before = exec.held();
    let points = Points::evaluate(exec, subquery, outer)?;
    points.each(0..points.batch.len(), each)?;
    exec.memory.give(points.batch.size_bytes());
    exec.settle(before, 0)
}

/// Has workers made by `worker` turn some series at a time into a block, and `fold` take the blocks in order.
pub(crate) fn for_each_block<T: Send, W>(
    exec: &Exec<'_>,
    subquery: Subquery<'_>,
    outer: StepGrid,
    worker: &dyn Fn() -> W,
    fold: &mut dyn FnMut(&mut Block<T>) -> Result<(), Error>,
) -> Result<(), Error>
where
    W: FnMut(&Points, Range<usize>) -> Result<Block<T>, Error> + Send,
{
    let before = exec.held();
    let points = Points::evaluate(exec, subquery, outer)?;
    let num_rows = points.batch.len();
    let mut begin = 0;
    let mut next = || {
        let rows = begin..(begin + JOB_ROWS).min(num_rows);
        begin = rows.end;
        Ok((!rows.is_empty()).then_some(rows))
    };
    let make = || {
        let (mut worker, points) = (worker(), &points);
        move |rows| worker(points, rows)
    };
    selection::blocks(exec, &make, &mut next, fold)?;
    exec.memory.give(points.batch.size_bytes());
    exec.settle(before, 0)
}
