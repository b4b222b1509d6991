//! Functions that yield one number at each step.

use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::FunctionId;
use crate::functions::call::scalar_extreme;
use crate::plan::Call;
use model::StepGrid;

/// The number of a call at every step.
pub(crate) fn column(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<Vec<f64>, Error> {
    match call.function {
        FunctionId::Time => Ok((0..grid.len).map(|step| grid.at(step) as f64 / 1000.0).collect()),
        FunctionId::Scalar => only_element(exec, call, grid),
        function => {
            let (a, b) =
                (exec.scalar_arg(&call.args, 0, grid)?, exec.scalar_arg(&call.args, 1, grid)?);
            let max = function == FunctionId::MaxOf;
            Ok(a.iter().zip(&b).map(|(&a, &b)| scalar_extreme(a, b, max)).collect())
        }
    }
}

/// The value of the only element of a vector; NaN if there is none or more than one.
fn only_element(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<Vec<f64>, Error> {
    let before = exec.held();
    let batch = exec.vector_arg(&call.args, 0, grid)?;
    let mut out = vec![f64::NAN; grid.len];
    let mut elements = vec![0u32; grid.len];
    for row in 0..batch.len() {
        for step in bitmap::ones(batch.bits(row)) {
            elements[step] += 1;
            out[step] = if elements[step] == 1 { batch.row(row)[step] } else { f64::NAN };
        }
    }
    exec.settle(before, 0)?;
    Ok(out)
}
