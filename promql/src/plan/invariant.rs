//! Which subtrees have one value at all steps.

use super::{Argument, Node, Range, Source};
use crate::functions::FunctionId;

/// Functions whose value depends on the evaluation time even if their arguments do not.
fn reads_time(function: FunctionId) -> bool {
    matches!(
        function,
        FunctionId::Time
            | FunctionId::Minute
            | FunctionId::Hour
            | FunctionId::DayOfWeek
            | FunctionId::DayOfMonth
            | FunctionId::DayOfYear
            | FunctionId::DaysInMonth
            | FunctionId::Month
            | FunctionId::Year
            | FunctionId::PredictLinear
            | FunctionId::Timestamp
    )
}

/// Wraps the largest subtrees that are constant; says whether `node` itself is.
pub(super) fn mark(node: &mut Node) -> bool {
    match node {
        Node::Number(_) | Node::Invariant(_) => true,
        Node::Select { select, .. } => select.look.at_ms.is_some() && !select.look.moving,
        Node::Window(call) => {
            let range = mark_range(&mut call.range);
            let mut all = range;
            let params: Vec<bool> = call.params.iter_mut().map(mark).collect();
            all &= params.iter().all(|&constant| constant);
            if all && !reads_time(call.function) {
                return true;
            }
            for (param, constant) in call.params.iter_mut().zip(params) {
                wrap_if(param, constant);
            }
            false
        }
        Node::Call(call) => {
            let arguments: Vec<bool> = call.args.iter_mut().map(mark_argument).collect();
            if arguments.iter().all(|&constant| constant) && !reads_time(call.function) {
                return true;
            }
            for (argument, constant) in call.args.iter_mut().zip(arguments) {
                if let Argument::Node { node, .. } = argument {
                    wrap_if(node, constant);
                }
            }
            false
        }
        Node::Negate(inner) => mark(inner),
        Node::Binary(binary) => {
            let (left, right) = (mark(&mut binary.lhs), mark(&mut binary.rhs));
            if left && right {
                return true;
            }
            wrap_if(&mut binary.lhs, left);
            wrap_if(&mut binary.rhs, right);
            false
        }
        Node::Aggregate(aggregate) => mark(&mut aggregate.operand),
    }
}

fn mark_argument(argument: &mut Argument) -> bool {
    match argument {
        Argument::Text(_) => true,
        Argument::Node { node, .. } => mark(node),
    }
}

/// The same for a range; a constant expression inside a subquery is wrapped in any case.
pub(super) fn mark_range(range: &mut Range) -> bool {
    match &mut range.source {
        Source::Stored(select) => select.look.at_ms.is_some() && !select.look.moving,
        Source::Subquery { inner, look, .. } => {
            let constant = mark(inner);
            wrap_if(inner, constant);
            look.at_ms.is_some() && !look.moving
        }
    }
}

/// Wraps a constant node; numbers are cheaper as they are.
pub(super) fn wrap_if(node: &mut Node, constant: bool) {
    if constant && !matches!(node, Node::Number(_) | Node::Invariant(_)) {
        let inner = std::mem::replace(node, Node::Number(0.0));
        *node = Node::Invariant(Box::new(inner));
    }
}
