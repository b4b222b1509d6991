//! Durations of selectors and subqueries: literals and expressions to milliseconds.

use super::Times;
use crate::ast::{DurationExpr, DurationKind, DurationOp, Length, Span};
use crate::engine::Error;
use model::elementary::pow;

/// A length in milliseconds and in the float seconds that the reference computes with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Duration {
    pub(super) ms: i64,
    pub(super) seconds: f64,
}

/// What a length may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Any,
    Positive,
}

fn failure(span: Span, text: &str) -> Error {
    Error::Execution(format!("{}:{}: {text}", span.start, span.end))
}

/// Evaluates `length` for a request.
pub(super) fn evaluate(length: &Length, times: Times, sign: Sign) -> Result<Duration, Error> {
    let ms = match length {
        Length::Nanos(nanos) => {
            let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
            let seconds = seconds as f64 + rest as f64 / 1e9;
            return Ok(Duration { ms: nanos / 1_000_000, seconds });
        }
        Length::Expr(expr) => milliseconds(expr, times, sign)?,
    };
    let seconds = (ms / 1000) as f64 + (ms % 1000 * 1_000_000) as f64 / 1e9;
    Ok(Duration { ms, seconds })
}

fn milliseconds(expr: &DurationExpr, times: Times, sign: Sign) -> Result<i64, Error> {
    let seconds = value(expr, times)?;
    if sign == Sign::Positive && seconds <= 0.0 {
        return Err(failure(expr.span, "duration must be greater than 0"));
    }
    if !seconds.is_finite() {
        return Err(failure(expr.span, "duration is NaN or infinite"));
    }
    if seconds.abs() > (1u64 << 63) as f64 / 1e9 {
        return Err(failure(expr.span, "duration is out of range"));
    }
    Ok((seconds * 1000.0) as i64)
}

fn value(expr: &DurationExpr, times: Times) -> Result<f64, Error> {
    Ok(match &expr.kind {
        DurationKind::Number(number) => number.value,
        DurationKind::Step => times.step_ms as f64 / 1000.0,
        DurationKind::Range => times.end_ms.saturating_sub(times.start_ms) as f64 / 1000.0,
        DurationKind::Negate(inner) => -value(inner, times)?,
        DurationKind::Plus(inner) => value(inner, times)?,
        DurationKind::MinOf(a, b) => extreme(value(a, times)?, value(b, times)?, false),
        DurationKind::MaxOf(a, b) => extreme(value(a, times)?, value(b, times)?, true),
        DurationKind::Binary(op, lhs, rhs) => {
            let (a, b) = (value(lhs, times)?, value(rhs, times)?);
            match op {
                DurationOp::Add => a + b,
                DurationOp::Sub => a - b,
                DurationOp::Mul => a * b,
                DurationOp::Div if b == 0.0 => return Err(failure(expr.span, "division by zero")),
                DurationOp::Mod if b == 0.0 => return Err(failure(expr.span, "modulo by zero")),
                DurationOp::Div => a / b,
                DurationOp::Mod => a % b,
                DurationOp::Pow => pow(a, b),
            }
        }
    })
}

/// The larger or smaller of two; NaN wins and negative zero is below zero.
pub(crate) fn extreme(a: f64, b: f64, max: bool) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let a_first = if a == b { a.is_sign_negative() } else { a < b };
    if a_first != max { a } else { b }
}
