//! `/api/v1/query_exemplars`.

use super::{Object, begin, end, push_array, push_labels};
use crate::call::{Done, done};
use crate::error::{ApiError, Kind, Result};
use crate::json::{Out, push_timestamp, push_value};
use crate::params::Params;
use model::{Matcher, TimeRange};
use promql::{Expr, Features};
use storage::ExemplarQueryable;

/// The matchers of all selectors of an expression.
fn selectors(expr: &Expr, found: &mut Vec<Vec<Matcher>>) {
    match expr {
        Expr::Vector(selector) => found.push(selector.matchers.clone()),
        Expr::Matrix(matrix) => found.push(matrix.selector.matchers.clone()),
        _ => expr.for_each_child(|child| selectors(child, found)),
    }
}

/// The exemplars of all series that a query selects.
pub(crate) fn query(
    storage: Option<&dyn ExemplarQueryable>,
    params: &Params,
    features: Features,
    out: &mut Out<'_>,
) -> Result<Done> {
    let range =
        TimeRange::new(params.time_or("start", i64::MIN)?, params.time_or("end", i64::MAX)?);
    if range.max_ms < range.min_ms {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let expr = promql::parse(params.get("query"), &features)
        .map_err(|error| ApiError::bad_data(error.to_string()))?;
    let mut wanted = Vec::new();
    selectors(&expr, &mut wanted);
    if wanted.is_empty() {
        return Ok(Done::Nothing);
    }
    let found = match storage {
        Some(storage) => storage
            .select_exemplars(range, &wanted)
            .map_err(|error| ApiError::new(Kind::Execution, error.to_string()))?,
        None => Vec::new(),
    };
    begin(out);
    let written = push_array(out, found, |out, series| {
        Object::write(out, |object| {
            object.labels("seriesLabels", &series.labels);
            object.list("exemplars", series.exemplars, |out, exemplar| {
                Object::write(out, |object| {
                    push_labels(object.key("labels"), &exemplar.labels);
                    let value = object.key("value");
                    value.push(b'"');
                    push_value(value, exemplar.value);
                    value.push(b'"');
                    push_timestamp(object.key("timestamp"), exemplar.timestamp_ms);
                });
            });
        });
    });
    if written.is_err() {
        return done(written);
    }
    end(out)
}
