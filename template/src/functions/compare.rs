//! Comparisons of values: `eq`, `ne`, `lt`, `le`, `gt`, `ge`, with the error texts of Go.

use crate::print::cited;
use crate::value::Value;
use std::sync::Arc;

/// What may be compared with each other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Basic<'v> {
    Bool(bool),
    Complex(f64, f64),
    Float(f64),
    Int(i64),
    Text(&'v str),
}

impl<'v> Basic<'v> {
    fn new(value: &'v Value) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Complex(real, imaginary) => Self::Complex(*real, *imaginary),
            Value::Float(value) => Self::Float(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Text(text) | Value::Html(text) => Self::Text(text),
            Value::Clock(clock) if clock.type_name().starts_with("time.") => {
                Self::Int(clock.number())
            }
            _ => return None,
        })
    }
}

fn incompatible(a: &Value, b: &Value) -> String {
    let (a, b) = (a.type_name(), b.type_name());
    format!("incompatible types for comparison: {a} and {b}")
}

/// Whether two values are equal; an error if they have nothing in common.
fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    let (left, right) = (Basic::new(a), Basic::new(b));
    if let (Some(left), Some(right)) = (left, right) {
        if std::mem::discriminant(&left) == std::mem::discriminant(&right) {
            return Ok(left == right);
        }
        return Err(incompatible(a, b));
    }
    match (a, b) {
        (Value::Nil, _) | (_, Value::Nil) => Ok(matches!(a, Value::Nil) && matches!(b, Value::Nil)),
        _ if left.is_some() || right.is_some() => Err(incompatible(a, b)),
        // Pointers are equal if they point to the same.
        (Value::Sample(a), Value::Sample(b)) => Ok(Arc::ptr_eq(a, b)),
        (Value::Histogram(a), Value::Histogram(b)) => Ok(Arc::ptr_eq(a, b)),
        (Value::Sample(_) | Value::Histogram(_) | Value::Clock(_), _) => Ok(false),
        _ => Err(format!("non-comparable type {}: {}", cited(a), a.type_name())),
    }
}

pub(super) fn eq(values: &[Value]) -> Result<Value, String> {
    let others = &values[1..];
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equal(&values[0], other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn ne(values: &[Value]) -> Result<Value, String> {
    equal(&values[0], &values[1]).map(|equal| Value::Bool(!equal))
}

fn less(values: &[Value]) -> Result<bool, String> {
    let invalid = || "invalid type for comparison".to_owned();
    let left = Basic::new(&values[0]).ok_or_else(invalid)?;
    let right = Basic::new(&values[1]).ok_or_else(invalid)?;
    match (left, right) {
        (Basic::Float(a), Basic::Float(b)) => Ok(a < b),
        (Basic::Int(a), Basic::Int(b)) => Ok(a < b),
        (Basic::Text(a), Basic::Text(b)) => Ok(a < b),
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => {
            Err(invalid())
        }
        _ => Err(incompatible(&values[0], &values[1])),
    }
}

fn less_or_equal(values: &[Value]) -> Result<bool, String> {
    Ok(less(values)? || equal(&values[0], &values[1])?)
}

pub(super) fn lt(values: &[Value]) -> Result<Value, String> {
    less(values).map(Value::Bool)
}

pub(super) fn le(values: &[Value]) -> Result<Value, String> {
    less_or_equal(values).map(Value::Bool)
}

pub(super) fn gt(values: &[Value]) -> Result<Value, String> {
    // Nothing is less than or equal to NaN, so that everything is greater.
    less_or_equal(values).map(|less| Value::Bool(!less))
}

pub(super) fn ge(values: &[Value]) -> Result<Value, String> {
    less(values).map(|less| Value::Bool(!less))
}
