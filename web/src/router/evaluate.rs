//! How a query runs: it waits for its turn, is evaluated within its time, counted, remembered and, if it was slow,
//! logged.

use super::State;
use crate::api::query::Query;
use crate::call::{self, Form};
use crate::compress::Encoding;
use crate::error::{ApiError, Kind};
use crate::observe::Observer;
use crate::params::Params;
use crate::queries::Active;
use crate::response::Answer;
use http::HeaderMap;
use metrics::Stopwatch;
use promql::Stats;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Waits for a permit, then evaluates.
pub(super) async fn run_query(
    state: &Arc<State>,
    is_range: bool,
    (params, headers): (&Params, &HeaderMap),
    encoding: Encoding,
) -> Result<Answer, call::Panicked> {
    let fail = |error: ApiError| {
        call::run((Form::json(), encoding), &state.readers, None, |_, _| Err(error))
    };
    let now_ms = state.api.now_ms;
    let query = if is_range { Query::range(params) } else { Query::instant(params, now_ms()) };
    let query = match query {
        Ok(query) => query.with_steps(state.api.options.per_step_stats),
        Err(error) => return fail(error).await,
    };
    let most = state.api.options.query_timeout;
    let timeout = query.timeout.map_or(most, |asked| asked.min(most));
    let entered = state.queries.enter(query, headers, now_ms());
    let active = Arc::clone(&entered.active);
    let counted = Counted::new(&state.observer);
    let permit = tokio::select! {
        waited = tokio::time::timeout(timeout, state.gate.acquire()) => waited.map_err(|_elapsed| {
            ApiError::new(Kind::Timeout, "query timed out in query queue")
        }),
        () = active.revoked() => {
            Err(ApiError::new(Kind::Canceled, "query was canceled in query queue"))
        }
    };
    let permit = match permit {
        Ok(permit) => permit,
        Err(error) => return fail(error).await,
    };
    active.begin();
    let queued = active.elapsed();
    state.observer.queue_seconds.observe(queued.as_secs_f64());
    let left = timeout.saturating_sub(queued);
    let until = (Some(left), Arc::clone(&active.cancel));
    let shared = Arc::clone(state);
    let handler = move |cancel: &storage::Cancel, out: &mut crate::json::Out<'_>| {
        if left.is_zero() {
            cancel.time_out();
        }
        let clock = Stopwatch::start();
        let engine = shared.api.engine.load_full();
        let storage = &*shared.api.queryable;
        let mut told = false;
        let done = active.query.answer(&engine, storage, (queued, left), cancel, out, |stats| {
            shared.observer.samples.add(stats.total_queryable_samples as f64);
            shared.observer.samples_read.add(stats.samples_read as f64);
            remember(&shared, &active, Ok(stats));
            told = true;
        });
        if let (false, Err(error)) = (told, &done) {
            remember(&shared, &active, Err(error));
        }
        shared.observer.eval_seconds.observe(clock.elapsed_seconds());
        done
    };
    let ran = call::run_until((Form::json(), encoding), &state.readers, until, handler).await;
    drop((permit, counted, entered));
    ran
}

/// Remembers how a query went, and logs it if it was slow.
fn remember(state: &State, active: &Active, went: Result<&Stats, &ApiError>) {
    let peak_bytes = went.map_or(0, |stats| stats.peak_bytes);
    state.queries.remember(active, (state.api.now_ms)(), peak_bytes);
    let (slow, took) = (state.api.options.slow_query, active.elapsed());
    if slow == Duration::ZERO || took < slow {
        return;
    }
    let (start_ms, end_ms, step_ms) = active.query.times();
    let mut caller = String::new();
    for (name, value) in &active.caller {
        let quoted = model::quote::Quoted(value);
        write!(caller, "{}{name}={quoted}", if caller.is_empty() { "" } else { " " })
            .expect("writing to memory cannot fail");
    }
    tracing::warn!(
        component = "query",
        query = active.query.text(),
        start_ms,
        end_ms,
        step_ms,
        seconds = took.as_secs_f64(),
        samples = went.map_or(0, |stats| stats.total_queryable_samples),
        peak_bytes,
        error = went.err().map(|error| error.text.as_str()),
        caller,
        "A query was slow"
    );
}

/// Counts a query while it waits and runs.
struct Counted<'a>(&'a Observer);

impl<'a> Counted<'a> {
    fn new(observer: &'a Observer) -> Self {
        observer.queries.inc();
        Self(observer)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.queries.dec();
    }
}
