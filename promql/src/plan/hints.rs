//! What storage may know beforehand: the time a query spans and what each selection needs of it.

use super::{Argument, Look, Node, Range, Root, Select, Source, subquery_grid};
use crate::kernel::Windows;
use model::{StepGrid, TimeRange};
use storage::SelectHints;

fn union(a: TimeRange, b: TimeRange) -> TimeRange {
    TimeRange::new(a.min_ms.min(b.min_ms), a.max_ms.max(b.max_ms))
}

/// The range that holds every sample the query can touch.
pub(crate) fn span(root: &Root, grid: StepGrid, lookback_ms: i64) -> TimeRange {
    let mut span = None;
    match root {
        Root::Text(_) => {}
        Root::Scalar(node) | Root::Vector(node) => visit(node, grid, lookback_ms, &mut span),
        Root::Range(range) => visit_range(range, grid, lookback_ms, &mut span),
    }
    span.unwrap_or_else(|| TimeRange::new(grid.start_ms, grid.last_ms()))
}

fn visit(node: &Node, grid: StepGrid, lookback_ms: i64, span: &mut Option<TimeRange>) {
    let mut argument = |argument: &Argument| {
        if let Argument::Node { node, .. } = argument {
            visit(node, grid, lookback_ms, span);
        }
    };
    match node {
        Node::Number(_) => {}
        Node::Select { select, .. } => {
            let windows = instant_windows(select, grid, lookback_ms);
            *span = Some(span.map_or(windows.span(), |held| union(held, windows.span())));
        }
        Node::Window(call) => {
            visit_range(&call.range, grid, lookback_ms, span);
            call.params.iter().for_each(|param| visit(param, grid, lookback_ms, span));
        }
        Node::Call(call) => call.args.iter().for_each(argument),
        Node::Negate(inner) => visit(inner, grid, lookback_ms, span),
        Node::Binary(binary) => {
            visit(&binary.lhs, grid, lookback_ms, span);
            visit(&binary.rhs, grid, lookback_ms, span);
        }
        Node::Aggregate(aggregate) => {
            aggregate.param.iter().for_each(&mut argument);
            visit(&aggregate.operand, grid, lookback_ms, span);
        }
        Node::Invariant(inner) => visit(inner, first_step(grid), lookback_ms, span),
    }
}

fn visit_range(range: &Range, grid: StepGrid, lookback_ms: i64, span: &mut Option<TimeRange>) {
    match &range.source {
        Source::Stored(select) => {
            let windows = range_windows(range, select.look, grid, lookback_ms).span();
            *span = Some(span.map_or(windows, |held| union(held, windows)));
        }
        Source::Subquery { inner, step_ms, look } => {
            // A grid that cannot be built fails when it is evaluated.
            if let Ok(grid) = subquery_grid(grid, range.range_ms, *step_ms, *look) {
                visit(inner, grid, lookback_ms, span);
            }
        }
    }
}

/// The grid of the first step of `grid`, which is that of an instant.
pub(crate) fn first_step(grid: StepGrid) -> StepGrid {
    StepGrid { len: grid.len.min(1), ..StepGrid::instant(grid.start_ms) }
}

/// The windows in which an instant selector looks for the newest sample.
pub(crate) fn instant_windows(select: &Select, grid: StepGrid, lookback_ms: i64) -> Windows {
    let (at_ms, offset_ms) = select.look.resolve(grid);
    let after_ms = if select.smoothed { lookback_ms } else { 0 };
    Windows { grid, at_ms, offset_ms, range_ms: lookback_ms, before_ms: 0, after_ms }
}

/// The windows of a range over stored samples or over the points of a subquery.
pub(crate) fn range_windows(
    range: &Range,
    look: Look,
    grid: StepGrid,
    lookback_ms: i64,
) -> Windows {
    let (at_ms, offset_ms) = look.resolve(grid);
    let before_ms = if range.extended.is_some() { lookback_ms } else { 0 };
    let smoothed = range.extended == Some(crate::ast::Extended::Smoothed);
    let after_ms = if smoothed { lookback_ms } else { 0 };
    Windows { grid, at_ms, offset_ms, range_ms: range.range_ms, before_ms, after_ms }
}

/// What storage may know of a selection.
pub(crate) fn select_hints(select: &Select, windows: &Windows, instant: bool) -> SelectHints {
    // Totals of histograms learn from the sample before whether they were reset.
    let newest = instant && windows.grid.len == 1 && windows.after_ms == 0 && !select.totals_only;
    SelectHints {
        range: Some(windows.span()),
        step_ms: if windows.grid.len > 1 { windows.grid.step_ms } else { 0 },
        window_ms: if instant { 0 } else { windows.range_ms },
        newest_only: newest,
        any_order: true,
        wanted_labels: select.wanted_labels.clone(),
        ..SelectHints::default()
    }
}
