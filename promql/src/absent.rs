//! `absent` and `absent_over_time`: one where nothing is, labelled by what was asked for.

use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::operator::StepBatch;
use crate::plan::{Argument, Call, Node, Source, WindowCall};
use crate::select;
use crate::window;
use model::{LabelPair, METRIC_NAME, MatchOp, Matcher, StepGrid};

/// One at every step of `grid` that is not set in `found`.
fn ones(exec: &Exec<'_>, grid: StepGrid, found: &[u64], matchers: &[Matcher]) -> StepBatch {
    let mut out = StepBatch::new(grid.len);
    if grid.len == 0 {
        return out;
    }
    out.push_row(&labels(exec, matchers), false);
    let (values, bits) = out.row_mut(0);
    values.fill(1.0);
    bitmap::fill(bits, grid.len);
    bitmap::and_not(bits, found);
    out
}

/// The labels that the matchers pin down: those with one `=`, as long as nothing else is asked of them afterwards.
fn labels(exec: &Exec<'_>, matchers: &[Matcher]) -> Vec<LabelPair> {
    let mut pinned = model::LabelsBuilder::new();
    let mut seen: Vec<&str> = Vec::new();
    // Storage moves to the end what it subtracts from a selection, and the reference sees that order.
    let must_be_set = |name: &str| matchers.iter().any(|m| m.name() == name && !m.matches(""));
    let subtracts = |m: &&Matcher| {
        let negative = matches!(m.op(), MatchOp::NotEqual | MatchOp::NotRegex);
        !must_be_set(m.name()) || (negative && m.matches(""))
    };
    let (last, first): (Vec<_>, Vec<_>) = matchers.iter().partition(subtracts);
    for matcher in first.into_iter().chain(last).filter(|m| m.name() != METRIC_NAME) {
        if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
            pinned.set(matcher.name(), matcher.value());
            seen.push(matcher.name());
        } else {
            pinned.remove(matcher.name());
        }
    }
    let mut out = Vec::new();
    exec.symbols.intern_labels(&pinned.labels(), &mut out);
    out
}

fn matchers_of(node: &Node) -> &[Matcher] {
    match node {
        Node::Select { select, .. } => &select.matchers,
        Node::Invariant(inner) => matchers_of(inner),
        _ => &[],
    }
}

/// `absent(v)`
pub(crate) fn vector(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let Argument::Node { node, .. } = &call.args[0] else { unreachable!("checked to be a vector") };
    let batch = exec.vector(node, grid)?;
    let mut found = vec![0; bitmap::num_words(grid.len)];
    (0..batch.len()).for_each(|row| bitmap::or(&mut found, &batch.presence(row)));
    Ok(ones(exec, grid, &found, matchers_of(node)))
}

/// `absent_over_time(m[5m])`
pub(crate) fn over_time(
    exec: &Exec<'_>,
    call: &WindowCall,
    grid: StepGrid,
) -> Result<StepBatch, Error> {
    let mut found = vec![0; bitmap::num_words(grid.len)];
    let mut kernel = crate::kernel::Each(|_: crate::kernel::Samples<'_>, _: &_| Some(1.0));
    window::for_each_series(exec, &call.range, grid, &mut |_, _, columns, windows| {
        let emit = |step: usize, _| bitmap::set(&mut found, step);
        let count = |step, num, new| exec.count(step, num, new);
        let windows = (windows, exec.cancel);
        crate::kernel::slide(&mut kernel, windows, select::samples(columns), emit, count);
        for &time in columns.histograms.timestamps_ms() {
            for step in 0..grid.len {
                let end_ms = windows.0.end_ms(step);
                if time <= end_ms && time > end_ms.saturating_sub(windows.0.range_ms) {
                    bitmap::set(&mut found, step);
                }
            }
        }
        Ok(())
    })?;
    let matchers = match &call.range.source {
        Source::Stored(select) => &select.matchers[..],
        Source::Subquery { .. } => &[],
    };
    Ok(ones(exec, grid, &found, matchers))
}
