//! The logical tree: syntax with everything resolved that does not depend on data. Times are fixed, durations are
//! computed, constant subtrees are marked, parentheses are gone.

pub(crate) mod build;

mod duration;
pub(crate) mod hints;
mod invariant;
pub(crate) mod repeats;

use crate::ast::{AggregateOp, BinaryOp, Extended, Matching, Span};
use crate::engine::Error;
use crate::functions::FunctionId;
use model::{METRIC_NAME, MatchOp, Matcher, StepGrid};
use std::fmt;
use std::sync::Arc;

/// The times of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    /// Zero for an instant query.
    pub(crate) step_ms: i64,
}

impl Times {
    pub(crate) fn is_instant(self) -> bool {
        self.step_ms == 0
    }
}

/// A query ready to run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) root: Root,
}

/// What a query answers with.
#[derive(Debug)]
pub(crate) enum Root {
    /// A text.
    Text(String),
    /// A number at each step.
    Scalar(Node),
    /// A vector at each step.
    Vector(Node),
    /// The samples of a range; instant queries only.
    Range(Range),
}

/// What time a selector or subquery looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Look {
    /// `@`
    pub(crate) at_ms: Option<i64>,
    /// `@` inside a parameter of an aggregation: the time is right at the first step and moves with the others.
    pub(crate) moving: bool,
    /// How far back from there.
    pub(crate) offset_ms: i64,
}

impl Look {
    /// The fixed time if there is one, and the offset, for the steps of `grid`.
    pub(crate) fn resolve(self, grid: StepGrid) -> (Option<i64>, i64) {
        match self.at_ms {
            Some(at) if self.moving => {
                (None, self.offset_ms.saturating_add(grid.start_ms.saturating_sub(at)))
            }
            at => (at, self.offset_ms),
        }
    }
}

/// Which series, and when.
#[derive(Clone, Debug)]
pub(crate) struct Select {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) look: Look,
    pub(crate) smoothed: bool,
    /// Nobody looks at the buckets of its histograms.
    pub(crate) totals_only: bool,
    /// The labels that somebody looks at; `None` for all.
    pub(crate) wanted_labels: Option<Arc<[Box<str>]>>,
    pub(crate) span: Span,
}

/// Where windows take their samples from.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) source: Source,
    pub(crate) range_ms: i64,
    /// The width as the reference computes with it.
    pub(crate) range_seconds: f64,
    pub(crate) extended: Option<Extended>,
    /// Where annotations point; subqueries have no place.
    pub(crate) span: Option<Span>,
}

/// What a range is made of.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Stored samples.
    Stored(Select),
    /// An expression over a grid of its own; the step is zero if it divides by zero.
    Subquery { inner: Box<Node>, step_ms: i64, look: Look },
}

/// What a selector shows of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Value,
    /// When it was taken: `timestamp`.
    Time,
    /// Since when it counts: `start_timestamp`.
    Start,
}

/// An expression that yields a vector or a scalar at each step.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// The same number at every step.
    Number(f64),
    /// The newest sample of each series.
    Select {
        select: Select,
        shown: Shown,
    },
    /// A function of windows.
    Window(Box<WindowCall>),
    /// Any other function.
    Call(Box<Call>),
    /// Minus.
    Negate(Box<Self>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    /// Evaluated at the first step, the same at all others.
    Invariant(Box<Self>),
}

/// A function over a range, with scalar parameters.
#[derive(Clone, Debug)]
pub(crate) struct WindowCall {
    pub(crate) function: FunctionId,
    pub(crate) range: Range,
    pub(crate) params: Vec<Node>,
    /// Where the first argument stands.
    pub(crate) first_arg: Span,
}

/// A function over vectors, scalars and texts.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) function: FunctionId,
    pub(crate) args: Vec<Argument>,
    pub(crate) span: Span,
}

/// An argument of a function.
#[derive(Clone, Debug)]
pub(crate) enum Argument {
    Text(String),
    Node { node: Node, span: Span },
}

impl Argument {
    fn first_select(&self) -> Option<&Select> {
        match self {
            Self::Node { node, .. } => node.first_select(),
            Self::Text(_) => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) op: BinaryOp,
    pub(crate) lhs: Node,
    pub(crate) rhs: Node,
    pub(crate) return_bool: bool,
    pub(crate) matching: Matching,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) operand: Node,
    pub(crate) param: Option<Argument>,
    pub(crate) grouping: Vec<Box<str>>,
    pub(crate) without: bool,
    pub(crate) operand_span: Option<Span>,
    pub(crate) param_span: Option<Span>,
    pub(crate) span: Span,
}

impl Select {
    fn has_one_name(&self) -> bool {
        let is_name = |m: &Matcher| m.name() == METRIC_NAME && m.op() == MatchOp::Equal;
        self.matchers.iter().any(|m| is_name(m) && !m.value().is_empty())
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equals_name = |m: &&Matcher| m.name() == METRIC_NAME && m.op() == MatchOp::Equal;
        let name = self.matchers.iter().find(equals_name);
        if let Some(name) = name {
            f.write_str(name.value())?;
        }
        let rest = self.matchers.iter().filter(|&m| name.is_none_or(|name| !std::ptr::eq(name, m)));
        let rest: Vec<String> = rest.map(ToString::to_string).collect();
        if rest.is_empty() { Ok(()) } else { write!(f, "{{{}}}", rest.join(",")) }
    }
}

impl Node {
    /// The first selector of stored series inside.
    pub(crate) fn first_select(&self) -> Option<&Select> {
        match self {
            Self::Number(_) => None,
            Self::Select { select, .. } => Some(select),
            Self::Window(call) => match &call.range.source {
                Source::Stored(select) => Some(select),
                Source::Subquery { inner, .. } => inner.first_select(),
            },
            Self::Call(call) => call.args.iter().find_map(Argument::first_select),
            Self::Negate(inner) | Self::Invariant(inner) => inner.first_select(),
            Self::Binary(binary) => binary.lhs.first_select().or_else(|| binary.rhs.first_select()),
            Self::Aggregate(aggregate) => aggregate.operand.first_select(),
        }
    }

    /// Of the series of this operand nobody looks at other labels than these and the name. Functions of windows take the
    /// name away and have to see series that become equal by that, so they need it to be one.
    fn want_labels(&mut self, names: &[Box<str>]) {
        let select = match self {
            Self::Select { select, shown: Shown::Value } => select,
            Self::Window(call) if call.function != FunctionId::AbsentOverTime => {
                match &mut call.range.source {
                    Source::Stored(select) if select.has_one_name() => select,
                    _ => return,
                }
            }
            _ => return,
        };
        let names = names.iter().map(|name| &**name).chain([METRIC_NAME]);
        select.wanted_labels = Some(names.map(Box::from).collect());
    }

    /// Whether it yields a number at each step rather than a vector.
    pub(crate) fn is_scalar(&self) -> bool {
        match self {
            Self::Number(_) => true,
            Self::Select { .. } | Self::Window(_) | Self::Aggregate(_) => false,
            Self::Call(call) => matches!(
                call.function,
                FunctionId::Scalar | FunctionId::Time | FunctionId::MinOf | FunctionId::MaxOf
            ),
            Self::Negate(node) | Self::Invariant(node) => node.is_scalar(),
            Self::Binary(binary) => binary.lhs.is_scalar() && binary.rhs.is_scalar(),
        }
    }
}

/// What the reference says when a step below one millisecond divides the time.
pub(crate) fn division_by_zero() -> Error {
    Error::Execution("unexpected error: runtime error: integer divide by zero".to_owned())
}

/// The grid on which a subquery evaluates its expression for the windows of `outer`.
pub(crate) fn subquery_grid(
    outer: StepGrid,
    range_ms: i64,
    step_ms: i64,
    look: Look,
) -> Result<StepGrid, Error> {
    if step_ms <= 0 {
        return Err(division_by_zero());
    }
    let (at, offset) = look.resolve(outer);
    let first = at.unwrap_or(outer.start_ms).saturating_sub(offset);
    let last = at.unwrap_or_else(|| outer.last_ms()).saturating_sub(offset);
    let left = first.saturating_sub(range_ms);
    // The first multiple of the step strictly right of the left edge.
    let mut start_ms = left / step_ms * step_ms;
    if start_ms <= left {
        start_ms += step_ms;
    }
    let len = if last < start_ms { 0 } else { ((last - start_ms) / step_ms) as usize + 1 };
    Ok(StepGrid { start_ms, step_ms, len })
}
