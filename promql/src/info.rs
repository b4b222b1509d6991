//! `info`.
use crate::engine::Error;
use crate::exec::Exec;
use crate::operator::StepBatch;
use crate::plan::Call;
use model::StepGrid;
pub(crate) fn vector(_exec: &Exec<'_>, _call: &Call, _grid: StepGrid) -> Result<StepBatch, Error> {
    Err(Error::Execution("info is not available".to_owned()))
}
