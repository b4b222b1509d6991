//! Pins a query to a time with `@`, so that it answers the same at every evaluation time.

use crate::ast::{At, Expr};
use crate::functions::FunctionId;

/// Pins all selectors and outermost subqueries that are not pinned yet. `false` if the query depends on its evaluation
/// time in ways that no pin reaches.
pub(super) fn pin(expr: &mut Expr, at_ms: i64) -> bool {
    let at = Some(At::TimestampMs(at_ms));
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Vector(e) => {
            e.at.at = e.at.at.or(at);
            true
        }
        Expr::Matrix(e) => {
            e.selector.at.at = e.selector.at.at.or(at);
            true
        }
        Expr::Subquery(e) => {
            e.at.at = e.at.at.or(at);
            is_invariant(&e.expr)
        }
        Expr::Unary(e) => pin(&mut e.expr, at_ms),
        Expr::Paren(e) => pin(&mut e.expr, at_ms),
        Expr::Binary(e) => pin(&mut e.lhs, at_ms) & pin(&mut e.rhs, at_ms),
        Expr::Aggregate(e) => {
            let param = e.param.as_mut().is_none_or(|param| pin(param, at_ms));
            pin(&mut e.expr, at_ms) & param
        }
        Expr::Call(e) => {
            let args = e.args.iter_mut().fold(true, |all, arg| pin(arg, at_ms) & all);
            args && !depends_on_time(e.function.id)
        }
    }
}

/// Whether no function inside depends on the evaluation time.
fn is_invariant(expr: &Expr) -> bool {
    if let Expr::Call(call) = expr
        && depends_on_time(call.function.id)
    {
        return false;
    }
    let mut all = true;
    expr.for_each_child(|child| all &= is_invariant(child));
    all
}

fn depends_on_time(id: FunctionId) -> bool {
    matches!(
        id,
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
            | FunctionId::Start
            | FunctionId::End
    )
}
