//! Subqueries: an expression over a grid of its own, its points as samples for windows.

use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::plan::{Look, Node, subquery_grid};
use chunk::SampleColumns;
use model::histogram::CounterResetHint;
use model::{LabelPair, StepGrid};

/// What is done with the labels, the pending name removal and the points of a series.
pub(crate) type EachSeries<'f> =
    &'f mut dyn FnMut(&[LabelPair], bool, &mut SampleColumns) -> Result<(), Error>;

/// Calls `each` with the labels, the pending name removal and the points of every series of the subquery.
pub(crate) fn for_each_series(
    exec: &Exec<'_>,
    (inner, range_ms, step_ms, look): (&Node, i64, i64, Look),
    outer: StepGrid,
    each: EachSeries<'_>,
) -> Result<(), Error> {
    let grid = subquery_grid(outer, range_ms, step_ms, look)?;
    if grid.len == 0 {
        return Ok(());
    }
    let mut columns = SampleColumns::default();
    let before = exec.held();
    if inner.is_scalar() {
        // Only expressions of vectors may stand in a subquery.
        return Err(Error::Execution("subquery of a scalar".to_owned()));
    }
    let (batch, _) = exec.apart(|| exec.vector(inner, grid))?;
    for row in 0..batch.len() {
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
    exec.settle(before, 0)
}
