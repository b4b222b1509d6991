//! `/api/v1/rules`, `/api/v1/alerts` and `/api/v1/alertmanagers` of a server that evaluates no rules: the lists are
//! empty, the parameters are checked all the same.

use super::answer_object;
use crate::call::Done;
use crate::error::{ApiError, Result};
use crate::json::Out;
use crate::params::{Params, parse_int};

/// `/api/v1/rules`.
pub(crate) fn rules(params: &Params, out: &mut Out<'_>) -> Result<Done> {
    params.insist()?;
    let kind = params.get("type").to_lowercase();
    if !matches!(kind.as_str(), "" | "alert" | "record") {
        let what = format!("not supported value {:?}", params.get("type"));
        return Err(ApiError::parameter("type", what));
    }
    super::series::selectors(params)?;
    let exclude = params.get("exclude_alerts");
    if !exclude.is_empty() && super::parse_bool(exclude).is_none() {
        let what = format!("strconv.ParseBool: parsing {exclude:?}: invalid syntax");
        return Err(ApiError::parameter(
            "exclude_alerts",
            format_args!("error converting exclude_alerts: {what}"),
        ));
    }
    let (limit, token) = (params.get("group_limit"), params.get("group_next_token"));
    if !limit.is_empty() {
        let refuse = |what: String| ApiError::parameter("group_limit", what);
        let number = parse_int(limit).and_then(|number| {
            i32::try_from(number)
                .map_err(|_| format!("strconv.ParseInt: parsing {limit:?}: value out of range"))
        });
        let number = number.map_err(|error| {
            let error = error.replace("Atoi", "ParseInt");
            refuse(format!("group_limit needs to be a valid number: {error}"))
        })?;
        if number <= 0 {
            return Err(refuse("group_limit needs to be greater than 0".to_owned()));
        }
    }
    if !token.is_empty() {
        let what = if limit.is_empty() {
            "group_limit needs to be present in order to paginate over the groups".to_owned()
        } else {
            format!("invalid group_next_token '{token}'. were rule groups changed?")
        };
        return Err(ApiError::parameter("group_next_token", what));
    }
    answer_object(out, |data| data.list("groups", [(); 0], |_, ()| {}))
}

/// `/api/v1/alerts`.
pub(crate) fn alerts(out: &mut Out<'_>) -> Result<Done> {
    answer_object(out, |data| data.list("alerts", [(); 0], |_, ()| {}))
}

/// `/api/v1/alertmanagers`.
pub(crate) fn alertmanagers(out: &mut Out<'_>) -> Result<Done> {
    answer_object(out, |data| {
        data.list("activeAlertmanagers", [(); 0], |_, ()| {});
        data.list("droppedAlertmanagers", [(); 0], |_, ()| {});
    })
}
