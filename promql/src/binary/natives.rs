//! Operators between single elements of which at least one is a native histogram, and what there is to tell about them:
//! of each step the last.

use crate::ast::BinaryOp;
use crate::exec::Exec;
use crate::plan::Binary;
use model::histogram::{CounterResetHint, FloatHistogram, Trim};
use std::sync::Arc;

/// An element of a vector.
#[derive(Clone, Copy)]
pub(super) enum Element<'b> {
    Float(f64),
    Histogram(&'b Arc<FloatHistogram>),
}

/// What an operator makes of two elements.
pub(super) enum Made {
    /// A histogram.
    Histogram(Arc<FloatHistogram>),
    /// The answer of a comparison; where it holds, a filter keeps the left one.
    Compared(bool),
    /// Nothing: the operator has no meaning here, or the histograms do not fit.
    Nothing,
}

/// What the user learns about two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The operator has no meaning between elements of these kinds.
    Incompatible(&'static str, &'static str),
    /// Exponential buckets met custom ones.
    Layouts,
    /// Custom buckets were brought to common bounds.
    Reconciled,
    /// A counter that was reset met one that was not.
    Collision,
}

impl Told {
    /// Two floats met an operator for histograms.
    pub(super) const FLOATS: Self = Self::Incompatible("float", "float");

    fn note(self, exec: &Exec<'_>, node: &Binary) {
        let op = node.op.as_str();
        let during = if node.op == BinaryOp::Add { "addition" } else { "subtraction" };
        let (is_warning, text) = match self {
            Self::Incompatible(lhs, rhs) => (
                false,
                format!(
                    "incompatible sample types encountered for binary operator \"{op}\": {lhs} {op} {rhs}"
                ),
            ),
            Self::Layouts => {
                (true, format!("incompatible bucket layout encountered for binary operator {op}"))
            }
            Self::Reconciled => {
                (false, format!("mismatched custom buckets were reconciled during {during}"))
            }
            Self::Collision => {
                (true, format!("conflicting counter resets during histogram {during}"))
            }
        };
        exec.note(|notes| {
            if is_warning {
                notes.warn(text, Some(node.span));
            } else {
                notes.info(text, Some(node.span));
            }
        });
    }
}

/// What was told last at each step; the reference forgets the rest.
#[derive(Debug, Default)]
pub(super) struct LastTold(Vec<Option<Told>>);

impl LastTold {
    /// Forgets what was told at this step before.
    pub(super) fn put(&mut self, step: usize, told: Told) {
        if self.0.len() <= step {
            self.0.resize(step + 1, None);
        }
        self.0[step] = Some(told);
    }

    /// Tells the user, step by step.
    pub(super) fn note(mut self, exec: &Exec<'_>, node: &Binary) {
        self.0.dedup();
        self.0.into_iter().flatten().for_each(|told| told.note(exec, node));
    }
}

impl Element<'_> {
    fn kind(self) -> &'static str {
        match self {
            Self::Float(_) => "float",
            Self::Histogram(_) => "histogram",
        }
    }
}

fn made(histogram: &FloatHistogram, change: impl FnOnce(&mut FloatHistogram)) -> Made {
    let mut out = histogram.clone();
    change(&mut out);
    Made::Histogram(Arc::new(out))
}

/// Applies an operator to two elements in the order in which they stand.
pub(super) fn apply(op: BinaryOp, lhs: Element<'_>, rhs: Element<'_>) -> (Made, Option<Told>) {
    use Element::{Float, Histogram};
    let made = match (op, lhs, rhs) {
        (BinaryOp::Mul, Histogram(histogram), Float(factor))
        | (BinaryOp::Mul, Float(factor), Histogram(histogram)) => made(histogram, |out| {
            out.scale(factor);
            out.compact();
        }),
        (BinaryOp::Div, Histogram(histogram), Float(by)) => made(histogram, |out| {
            out.divide(by);
            out.compact();
        }),
        (BinaryOp::TrimUpper, Histogram(histogram), Float(limit)) => {
            made(histogram, |out| out.trim(limit, Trim::Upper))
        }
        (BinaryOp::TrimLower, Histogram(histogram), Float(limit)) => {
            made(histogram, |out| out.trim(limit, Trim::Lower))
        }
        (BinaryOp::Add | BinaryOp::Sub, Histogram(lhs), Histogram(rhs)) => {
            return combine(op, lhs, rhs);
        }
        (BinaryOp::Eq, Histogram(lhs), Histogram(rhs)) => {
            Made::Compared(lhs.view().equals(rhs.view()))
        }
        (BinaryOp::Ne, Histogram(lhs), Histogram(rhs)) => {
            Made::Compared(!lhs.view().equals(rhs.view()))
        }
        _ => {
            return (Made::Nothing, Some(Told::Incompatible(lhs.kind(), rhs.kind())));
        }
    };
    (made, None)
}

fn combine(op: BinaryOp, lhs: &FloatHistogram, rhs: &FloatHistogram) -> (Made, Option<Told>) {
    let mut out = lhs.clone();
    let outcome = if op == BinaryOp::Add { out.add(rhs.view()) } else { out.sub(rhs.view()) };
    let Ok(combined) = outcome else { return (Made::Nothing, Some(Told::Layouts)) };
    if combined.reset_collision {
        return (Made::Nothing, Some(Told::Collision));
    }
    if op == BinaryOp::Sub {
        out.hint = CounterResetHint::Gauge;
    }
    out.compact();
    (Made::Histogram(Arc::new(out)), combined.bounds_reconciled.then_some(Told::Reconciled))
}
