//! Operators between single elements of which at least one is a native histogram, and what there is to tell about them.

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

/// Applies the operator of `node` to two elements in the order in which they stand.
pub(super) fn apply(exec: &Exec<'_>, node: &Binary, lhs: Element<'_>, rhs: Element<'_>) -> Made {
    use Element::{Float, Histogram};
    match (node.op, lhs, rhs) {
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
            combine(exec, node, lhs, rhs)
        }
        (BinaryOp::Eq, Histogram(lhs), Histogram(rhs)) => {
            Made::Compared(lhs.view().equals(rhs.view()))
        }
        (BinaryOp::Ne, Histogram(lhs), Histogram(rhs)) => {
            Made::Compared(!lhs.view().equals(rhs.view()))
        }
        _ => {
            incompatible(exec, node, lhs.kind(), rhs.kind());
            Made::Nothing
        }
    }
}

/// Tells that the operator has no meaning between such elements.
pub(super) fn incompatible(exec: &Exec<'_>, node: &Binary, lhs: &str, rhs: &str) {
    let op = node.op.as_str();
    let text = format!(
        "incompatible sample types encountered for binary operator \"{op}\": {lhs} {op} {rhs}"
    );
    exec.note(|notes| notes.info(text, Some(node.span)));
}

fn combine(exec: &Exec<'_>, node: &Binary, lhs: &FloatHistogram, rhs: &FloatHistogram) -> Made {
    let mut out = lhs.clone();
    let (outcome, during) = if node.op == BinaryOp::Add {
        (out.add(rhs.view()), "addition")
    } else {
        (out.sub(rhs.view()), "subtraction")
    };
    let Ok(combined) = outcome else {
        let op = node.op.as_str();
        let text = format!("incompatible bucket layout encountered for binary operator {op}");
        exec.note(|notes| notes.warn(text, Some(node.span)));
        return Made::Nothing;
    };
    if combined.bounds_reconciled {
        let text = format!("mismatched custom buckets were reconciled during {during}");
        exec.note(|notes| notes.info(text, Some(node.span)));
    }
    if combined.reset_collision {
        let text = format!("conflicting counter resets during histogram {during}");
        exec.note(|notes| notes.warn(text, Some(node.span)));
        return Made::Nothing;
    }
    if node.op == BinaryOp::Sub {
        out.hint = CounterResetHint::Gauge;
    }
    out.compact();
    Made::Histogram(Arc::new(out))
}
