//! Functions over vectors: element by element, and the dispatch to those that look at whole vectors.

use super::{histogram, label, sort, time, trig};
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::FunctionId;
use crate::operator::StepBatch;
use crate::plan::Call;
use crate::{absent, bitmap};
use model::{StepGrid, elementary};

/// Checks arguments that are wrong whatever the data: before anything is evaluated.
pub(crate) fn validate(call: &Call) -> Result<(), Error> {
    match call.function {
        FunctionId::LabelReplace | FunctionId::LabelJoin => label::validate(call),
        _ => Ok(()),
    }
}

/// The vector of a call at every step.
pub(crate) fn vector(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let args = &call.args;
    match call.function {
        FunctionId::Absent => absent::vector(exec, call, grid),
        FunctionId::Vector => {
            let column = exec.scalar_arg(args, 0, grid)?;
            Ok(one_row(grid, &column))
        }
        FunctionId::Minute
        | FunctionId::Hour
        | FunctionId::DayOfWeek
        | FunctionId::DayOfMonth
        | FunctionId::DayOfYear
        | FunctionId::DaysInMonth
        | FunctionId::Month
        | FunctionId::Year => {
            let part = time::part(call.function);
            if args.is_empty() {
                let at = |step| grid.at(step) as f64 / 1000.0;
                let column: Vec<f64> = (0..grid.len).map(|step| part(at(step))).collect();
                return Ok(one_row(grid, &column));
            }
            map(exec, call, grid, |_, v| part(v))
        }
        FunctionId::Timestamp => {
            let mut out = exec.vector_arg(args, 0, grid)?;
            for row in 0..out.len() {
                let bits = out.presence(row).into_owned();
                let (values, present) = out.row_mut(row);
                present.copy_from_slice(&bits);
                let times = (0..grid.len).map(|step| grid.at(step) as f64 / 1000.0);
                values.iter_mut().zip(times).for_each(|(value, time)| *value = time);
            }
            out.drop_histograms();
            exec.drop_names(out)
        }
        FunctionId::LabelReplace => label::replace(exec, call, grid),
        FunctionId::LabelJoin => label::join(exec, call, grid),
        FunctionId::Sort
        | FunctionId::SortDesc
        | FunctionId::SortByLabel
        | FunctionId::SortByLabelDesc => sort::vector(exec, call, grid),
        FunctionId::HistogramQuantile => histogram::quantile(exec, call, grid),
        FunctionId::HistogramQuantiles => histogram::quantiles(exec, call, grid),
        FunctionId::HistogramFraction => histogram::fraction(exec, call, grid),
        FunctionId::HistogramAvg
        | FunctionId::HistogramCount
        | FunctionId::HistogramSum
        | FunctionId::HistogramStddev
        | FunctionId::HistogramStdvar => histogram::of_natives(exec, call, grid),
        FunctionId::StartTimestamp => {
            exec.vector_arg(args, 0, grid)?;
            Ok(StepBatch::new(grid.len))
        }
        FunctionId::Info => crate::info::vector(exec, call, grid),
        FunctionId::Round | FunctionId::Clamp | FunctionId::ClampMin | FunctionId::ClampMax => {
            bounded(exec, call, grid)
        }
        function => {
            let value = element(function).expect("a function of vectors");
            map(exec, call, grid, |_, v| value(v))
        }
    }
}

/// A vector of one element without labels.
fn one_row(grid: StepGrid, column: &[f64]) -> StepBatch {
    let mut out = StepBatch::new(grid.len);
    if grid.len > 0 {
        out.push_row(&[], false);
        let (values, bits) = out.row_mut(0);
        values.copy_from_slice(column);
        bitmap::fill(bits, grid.len);
    }
    out
}

/// Applies `value(step, element)` to every float and drops the names; histograms vanish.
fn map(
    exec: &Exec<'_>,
    call: &Call,
    grid: StepGrid,
    value: impl Fn(usize, f64) -> f64,
) -> Result<StepBatch, Error> {
    let mut out = exec.vector_arg(&call.args, 0, grid)?;
    out.drop_histograms();
    if grid.len > 0 {
        for row in out.values.chunks_exact_mut(grid.len) {
            row.iter_mut().enumerate().for_each(|(step, v)| *v = value(step, *v));
        }
    }
    exec.drop_names(out)
}

/// The functions of one number.
fn element(function: FunctionId) -> Option<fn(f64) -> f64> {
    use std::f64::consts::PI;
    Some(match function {
        FunctionId::Abs => f64::abs,
        FunctionId::Ceil => f64::ceil,
        FunctionId::Floor => f64::floor,
        FunctionId::Sqrt => f64::sqrt,
        FunctionId::Exp => elementary::exp,
        FunctionId::Ln => elementary::ln,
        FunctionId::Log2 => elementary::log2,
        FunctionId::Log10 => elementary::log10,
        FunctionId::Sin => trig::sin,
        FunctionId::Cos => trig::cos,
        FunctionId::Tan => trig::tan,
        FunctionId::Asin => trig::asin,
        FunctionId::Acos => trig::acos,
        FunctionId::Atan => trig::atan,
        FunctionId::Sinh => trig::sinh,
        FunctionId::Cosh => trig::cosh,
        FunctionId::Tanh => trig::tanh,
        FunctionId::Asinh => trig::asinh,
        FunctionId::Acosh => trig::acosh,
        FunctionId::Atanh => trig::atanh,
        FunctionId::Deg => |v| v * 180.0 / PI,
        FunctionId::Rad => |v| v * PI / 180.0,
        FunctionId::Sgn => |v| {
            if v < 0.0 {
                -1.0
            } else if v > 0.0 {
                1.0
            } else {
                v
            }
        },
        _ => return None,
    })
}

/// `round` and the clamps: their bounds may change from step to step.
fn bounded(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let params = (1..call.args.len()).map(|index| exec.scalar_arg(&call.args, index, grid));
    let params: Vec<Vec<f64>> = params.collect::<Result<_, _>>()?;
    match call.function {
        FunctionId::Round => map(exec, call, grid, |step, v| {
            let inverse = 1.0 / params.first().map_or(1.0, |to| to[step]);
            (v * inverse + 0.5).floor() / inverse
        }),
        FunctionId::ClampMin => {
            map(exec, call, grid, |step, v| scalar_extreme(params[0][step], v, true))
        }
        FunctionId::ClampMax => {
            map(exec, call, grid, |step, v| scalar_extreme(params[0][step], v, false))
        }
        _ => {
            let (min, max) = (&params[0], &params[1]);
            let mut out = map(exec, call, grid, |step, v| {
                let below = scalar_extreme(max[step], v, false);
                scalar_extreme(min[step], below, true)
            })?;
            for row in 0..out.len() {
                let (_, bits) = out.row_mut(row);
                let crossed = (0..grid.len).filter(|&step| max[step] < min[step]);
                crossed.for_each(|step| bitmap::unset(bits, step));
            }
            Ok(out)
        }
    }
}

/// The larger or smaller of two; NaN wins and negative zero is below zero.
pub(crate) fn scalar_extreme(a: f64, b: f64, max: bool) -> f64 {
    // An infinity on the winning side beats even NaN in the reference.
    let winning = if max { f64::INFINITY } else { f64::NEG_INFINITY };
    if a == winning || b == winning {
        return winning;
    }
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let a_first = if a == b { a.is_sign_negative() } else { a < b };
    if a_first != max { a } else { b }
}
