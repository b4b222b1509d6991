//! `/api/v1/status/active_queries` and `/api/v1/status/top_queries`: not in Prometheus.

use super::{Object, answer_object, begin, end, push_array};
use crate::call::{Done, done};
use crate::error::{ApiError, Kind, Result};
use crate::json::{Out, push_text};
use crate::params::Params;
use crate::queries::{Queries, Usage};
use model::{duration, timestamp};
use std::cmp::Ordering;

/// How many queries a list shows if the request does not say.
const DEFAULT_TOP: usize = 20;

/// Lists the queries that wait or run, oldest first.
pub(crate) fn active(queries: &Queries, out: &mut Out<'_>) -> Result<Done> {
    begin(out);
    let written = push_array(out, queries.active(), |out, active| {
        Object::write(out, |object| {
            object.text("id", itoa::Buffer::new().format(active.id));
            object.text("query", active.query.text());
            let (start_ms, end_ms, step_ms) = active.query.times();
            object.plain("start", start_ms as f64 / 1000.0);
            object.plain("end", end_ms as f64 / 1000.0);
            object.plain("step", step_ms as f64 / 1000.0);
            object.plain("since", active.since_ms as f64 / 1000.0);
            object.plain("durationSeconds", active.elapsed().as_secs_f64());
            object.text("state", if active.runs() { "running" } else { "waiting" });
            object.object("caller", |caller| {
                active.caller.iter().for_each(|(name, value)| push_text(caller.key(name), value));
            });
        });
    });
    match written {
        Ok(()) => end(out),
        gone => done(gone),
    }
}

/// Ends a query.
pub(crate) fn cancel(queries: &Queries, id: &str) -> Result<Done> {
    let known = id.parse().is_ok_and(|id| queries.revoke(id));
    if known {
        return Ok(Done::Nothing);
    }
    let text = format!("no query {} is waiting or running", model::quote::Quoted(id));
    Err(ApiError::new(Kind::NotFound, text))
}

/// Lists the queries of late that were asked most often, took longest or held most memory.
pub(crate) fn top(
    queries: &Queries,
    now_ms: i64,
    params: &Params,
    out: &mut Out<'_>,
) -> Result<Done> {
    let top = match params.get("topN") {
        "" => DEFAULT_TOP,
        text => text.parse().map_err(|error| ApiError::parameter("topN", error))?,
    };
    let lifetime_ms = match params.get("maxLifetime") {
        "" => 600_000,
        text => {
            timestamp::parse_duration_ns(text)
                .map_err(|error| ApiError::parameter("maxLifetime", error))?
                / 1_000_000
        }
    };
    let usage = queries.usage(now_ms.saturating_sub(lifetime_ms));
    let average = |usage: &Usage| usage.seconds / usage.count as f64;
    answer_object(out, |object| {
        object.plain("topN", top);
        object.text("maxLifetime", &duration::format(lifetime_ms));
        ranked(object, "topByCount", top, &usage, &|usage| usage.count as f64, None);
        let name = Some("avgDurationSeconds");
        ranked(object, "topByAvgDuration", top, &usage, &average, name);
        let name = Some("sumDurationSeconds");
        ranked(object, "topBySumDuration", top, &usage, &|usage| usage.seconds, name);
        let name = Some("maxMemoryBytes");
        ranked(object, "topByMaxMemory", top, &usage, &|usage| usage.peak_bytes as f64, name);
    })
}

/// One list: the `top` queries by `rank`, which is shown as `shown`.
fn ranked(
    object: &mut Object<'_>,
    name: &str,
    top: usize,
    usage: &[Usage],
    rank: &dyn Fn(&Usage) -> f64,
    shown: Option<&str>,
) {
    let mut ranked: Vec<&Usage> = usage.iter().collect();
    ranked.sort_by(|a, b| {
        let order = rank(b).partial_cmp(&rank(a)).unwrap_or(Ordering::Equal);
        order.then_with(|| a.query.cmp(&b.query)).then(a.span_seconds.cmp(&b.span_seconds))
    });
    ranked.truncate(top);
    object.list(name, ranked, |out, usage| {
        Object::write(out, |object| {
            object.text("query", &usage.query);
            object.plain("timeRangeSeconds", usage.span_seconds);
            if let Some(shown) = shown {
                object.plain(shown, rank(usage));
            }
            object.plain("count", usage.count);
        });
    });
}
