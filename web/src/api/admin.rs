//! `/api/v1/admin/tsdb/*`, and what a database has to offer for it.

use super::answer_object;
use crate::call::Done;
use crate::error::{ApiError, Kind, Result};
use crate::json::Out;
use crate::params::Params;
use model::{Matcher, TimeRange};

/// Operations on the stored data.
pub trait Admin: Send + Sync {
    /// Deletes the samples within `range` of the series that satisfy any of the `selectors`, each a list of matchers
    /// that must all hold. One without matchers selects nothing.
    fn delete_series(&self, range: TimeRange, selectors: &[Vec<Matcher>]) -> storage::Result<()>;
    /// Rewrites what holds deleted samples without them.
    fn clean_tombstones(&self) -> storage::Result<()>;
    /// Writes a copy of all data below the data directory and answers its name; the head is left out if asked for.
    fn snapshot(&self, skip_head: bool) -> storage::Result<String>;
}

fn enabled(admin: Option<&dyn Admin>) -> Result<&dyn Admin> {
    admin.ok_or_else(|| ApiError::new(Kind::Unavailable, "admin APIs disabled"))
}

/// `delete_series`.
pub(crate) fn delete_series(admin: Option<&dyn Admin>, params: &Params) -> Result<Done> {
    let admin = enabled(admin)?;
    params.insist()?;
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let range =
        TimeRange::new(params.time_or("start", i64::MIN)?, params.time_or("end", i64::MAX)?);
    let selectors = params.all("match[]").map(promql::parse_selector);
    let selectors: Vec<Vec<Matcher>> = selectors
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| ApiError::parameter("match[]", error))?;
    admin.delete_series(range, &selectors)?;
    Ok(Done::Nothing)
}

/// `clean_tombstones`.
pub(crate) fn clean_tombstones(admin: Option<&dyn Admin>) -> Result<Done> {
    enabled(admin)?.clean_tombstones()?;
    Ok(Done::Nothing)
}

/// `snapshot`.
pub(crate) fn snapshot(
    admin: Option<&dyn Admin>,
    params: &Params,
    out: &mut Out<'_>,
) -> Result<Done> {
    let admin = enabled(admin)?;
    let text = params.get("skip_head");
    let skip_head = match text {
        "" => false,
        text => super::parse_bool(text).ok_or_else(|| {
            let what = format!("strconv.ParseBool: parsing {text:?}: invalid syntax");
            ApiError::parameter("skip_head", format!("unable to parse boolean: {what}"))
        })?,
    };
    let name = admin.snapshot(skip_head)?;
    answer_object(out, |data| data.text("name", &name))
}
