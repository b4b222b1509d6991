//! `/api/v1/status/tsdb/quarantine`, ours: damaged data that was moved aside, and what was lost with it.

use super::{Object, answer_object};
use crate::Status;
use crate::call::Done;
use crate::error::Result;
use crate::json::Out;

/// A find.
#[derive(Clone, Debug, Default)]
pub struct Quarantined {
    /// Where it lies now.
    pub dir: String,
    /// What was found.
    pub error: String,
    /// Samples that can be told to be in it.
    pub num_samples: u64,
    /// Times of the first and the last of them, in ms; `None` if that cannot be told.
    pub range_ms: Option<(i64, i64)>,
    /// Bytes that could not be read.
    pub damaged_bytes: u64,
}

/// Answers the request.
pub(crate) fn quarantine(status: &dyn Status, out: &mut Out<'_>) -> Result<Done> {
    let found = status.quarantined()?;
    answer_object(out, |data| {
        data.list("quarantined", &found, |out, found| {
            Object::write(out, |entry| {
                entry.text("directory", &found.dir);
                entry.text("error", &found.error);
                entry.plain("samples", found.num_samples);
                if let Some((min_ms, max_ms)) = found.range_ms {
                    entry.plain("minTime", min_ms);
                    entry.plain("maxTime", max_ms);
                }
                entry.plain("damagedBytes", found.damaged_bytes);
            });
        });
    })
}
