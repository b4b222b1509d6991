//! `/api/v1/status/tsdb/limits`, ours: bounds on memory and series, how far they are used, and what they refuse.

use super::{Object, answer_object};
use crate::Status;
use crate::call::Done;
use crate::error::Result;
use crate::json::Out;

/// New series that were refused.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    /// Value of their label `job`; empty for those that are not named.
    pub job: String,
    /// Their metric name; empty for those that are not named.
    pub metric: String,
    /// Which bound refused them.
    pub reason: &'static str,
    /// How often.
    pub count: u64,
}

/// The bounds of the storage.
#[derive(Clone, Debug, Default)]
pub struct LimitsStatus {
    /// Memory that the server may use; zero is without bound. In bytes, as the three below.
    pub memory_budget_bytes: u64,
    /// From here on series that are done with leave memory early.
    pub memory_soft_bytes: u64,
    /// From here on new series are refused.
    pub memory_hard_bytes: u64,
    /// What is in use.
    pub memory_used_bytes: u64,
    /// Series in memory.
    pub num_series: u64,
    /// How many there may be; zero is without bound.
    pub max_series: u64,
    /// How many there may be of a job that has no bound of its own; zero is without bound.
    pub max_series_per_job: u64,
    /// What was refused since the start, most first.
    pub refused: Vec<Refused>,
}

/// Answers the request.
pub(crate) fn limits(status: &dyn Status, out: &mut Out<'_>) -> Result<Done> {
    let limits = status.limits()?;
    answer_object(out, |data| {
        data.object("memory", |memory| {
            memory.plain("budgetBytes", limits.memory_budget_bytes);
            memory.plain("softBytes", limits.memory_soft_bytes);
            memory.plain("hardBytes", limits.memory_hard_bytes);
            memory.plain("usedBytes", limits.memory_used_bytes);
        });
        data.object("series", |series| {
            series.plain("inHead", limits.num_series);
            series.plain("max", limits.max_series);
            series.plain("maxPerJob", limits.max_series_per_job);
        });
        data.list("refused", &limits.refused, |out, refused| {
            Object::write(out, |entry| {
                entry.text("job", &refused.job);
                entry.text("metric", &refused.metric);
                entry.text("reason", refused.reason);
                entry.plain("count", refused.count);
            });
        });
    })
}
