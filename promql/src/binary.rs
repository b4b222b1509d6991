//! Operators between two expressions: arithmetic and comparison of numbers, vectors with scalars. Vectors with vectors
//! meet in `matching` and `sets`.

pub(crate) mod matching;
mod natives;
pub(crate) mod sets;
mod signature;

use crate::ast::BinaryOp;
use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::trig::atan2;
use crate::operator::StepBatch;
use crate::plan::Binary;
use model::StepGrid;
use model::elementary::pow;
use natives::{Element, LastTold, Made, Told};

/// What a comparison or trim of two numbers says; `None` for arithmetic.
#[inline]
fn compare(op: BinaryOp, a: f64, b: f64) -> Option<bool> {
    Some(match op {
        BinaryOp::Eq => a == b,
        BinaryOp::Ne => a != b,
        BinaryOp::Lt => a < b,
        BinaryOp::Le => a <= b,
        BinaryOp::Gt => a > b,
        BinaryOp::Ge => a >= b,
        _ => return None,
    })
}

/// Arithmetic of two numbers; `None` for all other operators.
#[inline]
pub(crate) fn arithmetic(op: BinaryOp, a: f64, b: f64) -> Option<f64> {
    Some(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        BinaryOp::Pow => pow(a, b),
        BinaryOp::Atan2 => atan2(a, b),
        _ => return None,
    })
}

/// The operator between two scalars; comparisons answer 0 or 1.
pub(crate) fn scalars(op: BinaryOp, a: f64, b: f64) -> Result<f64, Error> {
    let compared = || compare(op, a, b).map(|holds| f64::from(u8::from(holds)));
    arithmetic(op, a, b).or_else(compared).ok_or_else(|| {
        let op = op.as_str();
        Error::Execution(format!("operator \"{op}\" not allowed for Scalar operations"))
    })
}

/// Computes `out[i] = lhs(i) op rhs(i)` for a whole row and clears the bits of what a filter rejects or floats cannot
/// do. One loop for each operator, so that the simple ones become vector code.
pub(crate) fn row(
    op: BinaryOp,
    return_bool: bool,
    (lhs, rhs): (&[f64], &[f64]),
    kept: &[f64],
    (out, bits): (&mut [f64], &mut [u64]),
) {
    #[inline(always)]
    fn fill(out: &mut [f64], lhs: &[f64], rhs: &[f64], f: impl Fn(f64, f64) -> f64) {
        for ((out, &a), &b) in out.iter_mut().zip(lhs).zip(rhs) {
            *out = f(a, b);
        }
    }
    match op {
        BinaryOp::Add => fill(out, lhs, rhs, |a, b| a + b),
        BinaryOp::Sub => fill(out, lhs, rhs, |a, b| a - b),
        BinaryOp::Mul => fill(out, lhs, rhs, |a, b| a * b),
        BinaryOp::Div => fill(out, lhs, rhs, |a, b| a / b),
        BinaryOp::Mod => fill(out, lhs, rhs, |a, b| a % b),
        BinaryOp::Pow => fill(out, lhs, rhs, pow),
        BinaryOp::Atan2 => fill(out, lhs, rhs, atan2),
        _ if return_bool && op.is_comparison() => {
            fill(out, lhs, rhs, |a, b| f64::from(u8::from(compare(op, a, b) == Some(true))));
        }
        _ => {
            out.copy_from_slice(kept);
            for (word_index, word) in bits.iter_mut().enumerate() {
                let from = word_index * 64;
                let steps = from..lhs.len().min(from + 64);
                let mut holds = 0;
                for step in steps {
                    let hold = compare(op, lhs[step], rhs[step]) == Some(true);
                    holds |= u64::from(hold) << (step - from);
                }
                *word &= holds;
            }
        }
    }
}

/// Whether the operator has no meaning between floats.
fn is_trim(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::TrimLower | BinaryOp::TrimUpper)
}

/// The vector of an operator with at least one vector.
pub(crate) fn vector(exec: &Exec<'_>, node: &Binary, grid: StepGrid) -> Result<StepBatch, Error> {
    match (node.lhs.is_scalar(), node.rhs.is_scalar()) {
        (false, false) => {
            let (lhs, rhs) = (exec.vector(&node.lhs, grid)?, exec.vector(&node.rhs, grid)?);
            if node.op.is_set() {
                sets::vector(exec, node, lhs, rhs)
            } else {
                matching::vector(exec, node, lhs, rhs)
            }
        }
        (scalar_left, _) => {
            let (vector, scalar) =
                if scalar_left { (&node.rhs, &node.lhs) } else { (&node.lhs, &node.rhs) };
            // In the order in which they stand, as failures are told.
            let (batch, column) = if scalar_left {
                let column = exec.scalar(scalar, grid)?;
                (exec.vector(vector, grid)?, column)
            } else {
                (exec.vector(vector, grid)?, exec.scalar(scalar, grid)?)
            };
            with_scalar(exec, node, batch, &column, scalar_left)
        }
    }
}

fn with_scalar(
    exec: &Exec<'_>,
    node: &Binary,
    mut batch: StepBatch,
    column: &[f64],
    scalar_left: bool,
) -> Result<StepBatch, Error> {
    let mut old = vec![0.0; batch.steps];
    let mut last = LastTold::default();
    for index in 0..batch.len() {
        exec.cancel.check()?;
        if !batch.cells(index).is_empty() {
            for (step, cell) in batch.cells_mut(index).iter_mut().enumerate() {
                let Some(histogram) = cell else { continue };
                let (vector, scalar) =
                    (Element::Histogram(histogram), Element::Float(column[step]));
                let (lhs, rhs) = if scalar_left { (scalar, vector) } else { (vector, scalar) };
                let (made, told) = natives::apply(node.op, lhs, rhs);
                told.into_iter().for_each(|told| last.put(step, told));
                *cell = match made {
                    Made::Histogram(histogram) => Some(histogram),
                    Made::Compared(_) | Made::Nothing => None,
                };
            }
        }
        let (values, bits) = batch.row_mut(index);
        if is_trim(node.op) {
            bitmap::ones(bits).for_each(|step| last.put(step, Told::FLOATS));
        }
        old.copy_from_slice(values);
        let operands = if scalar_left { (column, &old[..]) } else { (&old[..], column) };
        row(node.op, node.return_bool, operands, &old, (values, bits));
    }
    last.note(exec, node);
    let keeps_name = !node.return_bool && arithmetic(node.op, 0.0, 0.0).is_none();
    if keeps_name { Ok(batch) } else { exec.drop_names(batch) }
}

/// Where any row has a value.
pub(crate) fn any_present(batch: &StepBatch) -> Vec<u64> {
    let mut any = vec![0; bitmap::num_words(batch.steps)];
    (0..batch.len()).for_each(|row| bitmap::or(&mut any, &batch.presence(row)));
    any
}
