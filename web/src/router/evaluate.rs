//! How a query runs: it waits for its turn, is evaluated within its time, counted, remembered and, if it was slow,
//! logged.

use super::State;
use crate::RunningQueries;
use crate::api::query::{Evaluated, Key, Query};
use crate::call::{self, Form};
use crate::compress::Encoding;
use crate::error::{ApiError, Kind};
use crate::flights::{Flight, Place};
use crate::json::Out;
use crate::observe::Observer;
use crate::params::Params;
use crate::queries::Active;
use crate::query_log::{Origin, Went};
use crate::response::Answer;
use http::request::Parts;
use promql::{Engine, Stats};
use std::fmt::Write;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use storage::Cancel;
use tokio::sync::OwnedSemaphorePermit as Permit;

/// A query on its way through the server.
struct Run<'r> {
    state: &'r Arc<State>,
    active: Arc<Active>,
    engine: Arc<Engine>,
    timeout: Duration,
    encoding: Encoding,
}

type Ran = Result<Answer, call::Panicked>;

/// Waits for a permit, or for another query of the same answer, then answers.
pub(super) async fn run_query(
    state: &Arc<State>,
    is_range: bool,
    (params, parts): (&Params, &Parts),
    encoding: Encoding,
) -> Ran {
    let now_ms = state.api.now_ms;
    let query = if is_range { Query::range(params) } else { Query::instant(params, now_ms()) };
    let query = match query {
        Ok(query) => query.with_steps(state.api.options.per_step_stats),
        Err(error) => return fail(state, encoding, error).await,
    };
    let most = state.api.options.query_timeout;
    let timeout = query.timeout.map_or(most, |asked| asked.min(most));
    let origin = Origin {
        client: parts.extensions.get().map(SocketAddr::ip),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
    };
    let entered = state.queries.enter(query, (&parts.headers, origin), now_ms());
    let active = Arc::clone(&entered.active);
    let counted = Counted::new(&state.observer);
    let engine = state.api.engine.load_full();
    let ran = Run { state, active, engine, timeout, encoding }.answer().await;
    drop((counted, entered));
    ran
}

async fn fail(state: &State, encoding: Encoding, error: ApiError) -> Ran {
    call::run((Form::json(), encoding), &state.readers, None, |_, _| Err(error)).await
}

impl Run<'_> {
    async fn answer(self) -> Ran {
        let flight = match self.active.query.key(&self.engine) {
            None => None,
            Some(key) => loop {
                let other = match self.state.flights.join(&key) {
                    Place::First(flight) => break Some(flight),
                    Place::Later(other) => other,
                };
                match self.wait(other).await {
                    Ok(Ok(evaluated)) => return self.push(evaluated).await,
                    // The other one has no answer.
                    Ok(Err(_)) => {}
                    Err(error) => return self.give_up(error).await,
                }
            },
        };
        match self.wait(Arc::clone(&self.state.gate).acquire_owned()).await {
            Ok(permit) => self.evaluate(flight, permit.expect("the gate is never closed")).await,
            Err(error) => self.give_up(error).await,
        }
    }

    /// Its turn did not come.
    async fn give_up(&self, error: ApiError) -> Ran {
        log(self.state, &self.active, (self.active.elapsed(), Duration::ZERO), Err(&error));
        fail(self.state, self.encoding, error).await
    }

    /// Waits in the queue, as long as the query has time and nobody wants it to end.
    async fn wait<T>(&self, turn: impl Future<Output = T>) -> Result<T, ApiError> {
        let left = self.timeout.saturating_sub(self.active.elapsed());
        tokio::select! {
            waited = tokio::time::timeout(left, turn) => waited.map_err(|_elapsed| {
                ApiError::new(Kind::Timeout, "query timed out in query queue")
            }),
            () = self.active.revoked() => {
                Err(ApiError::new(Kind::Canceled, "query was canceled in query queue"))
            }
        }
    }

    /// Writes the answer of another query.
    async fn push(self, evaluated: Arc<Evaluated>) -> Ran {
        self.active.begin();
        let queued = self.active.elapsed();
        let observer = &self.state.observer;
        observer.shared_answers.inc();
        observer.queue_seconds.observe(queued.as_secs_f64());
        let (state, active) = (Arc::clone(self.state), self.active);
        let until = (None, Arc::clone(&active.cancel));
        let form = (Form::json(), self.encoding);
        call::run_until(form, &self.state.readers, until, move |_, out| {
            remember(&state, &active, (queued, Duration::ZERO), Ok(&evaluated.answer.stats));
            active.query.push(&evaluated, (queued, None), out)
        })
        .await
    }

    /// Evaluates the query and writes the answer, which is that of `flight`, too.
    async fn evaluate(self, flight: Option<Flight<Key, Evaluated>>, permit: Permit) -> Ran {
        let Run { state, active, engine, timeout, encoding } = self;
        active.begin();
        let queued = active.elapsed();
        state.observer.queue_seconds.observe(queued.as_secs_f64());
        let left = timeout.saturating_sub(queued);
        let until = (Some(left), Arc::clone(&active.cancel));
        let shared = Arc::clone(state);
        let handler = move |cancel: &Cancel, out: &mut Out<'_>| {
            if left.is_zero() {
                cancel.time_out();
            }
            if active.query.wants_plan_only() {
                return active.query.push_plan_only(&engine, out);
            }
            let storage = &*shared.api.queryable;
            let evaluated = {
                let _noted = Noted::new(&shared, active.query.text());
                active.query.evaluate(&engine, storage, (left, cancel), out)
            };
            drop(permit);
            let stats = evaluated.as_ref().map(|(evaluated, _)| &evaluated.answer.stats);
            let took = active.elapsed().saturating_sub(queued);
            remember(&shared, &active, (queued, took), stats);
            shared.observer.eval_seconds.observe(took.as_secs_f64());
            let (evaluated, rows) = evaluated?;
            let (evaluated, rows) = (Arc::new(evaluated), rows.has_begun().then_some(rows));
            let stats = &evaluated.answer.stats;
            shared.observer.samples.add(stats.total_queryable_samples as f64);
            shared.observer.samples_read.add(stats.samples_read as f64);
            match flight {
                Some(flight) if rows.is_none() => flight.share(&evaluated),
                // Part of the answer has left: others have to ask for themselves.
                other => drop(other),
            }
            active.query.push(&evaluated, (queued, rows), out)
        };
        call::run_until((Form::json(), encoding), &state.readers, until, handler).await
    }
}

/// A query that is noted while it runs.
struct Noted<'s>(Option<(&'s dyn RunningQueries, usize)>);

impl<'s> Noted<'s> {
    fn new(state: &'s State, query: &str) -> Self {
        let noted = state.api.running_queries.as_deref();
        Self(noted.and_then(|running| Some((running, running.begin(query)?))))
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if let Some((running, place)) = self.0 {
            running.end(place);
        }
    }
}

/// Logs how a query went: how long it waited and ran, and the result.
fn log(
    state: &State,
    active: &Active,
    (queued, evaluated): (Duration, Duration),
    result: Result<&Stats, &ApiError>,
) {
    // What is no query is not logged, as in Prometheus.
    if result.is_err_and(|error| error.kind == Kind::BadData) {
        return;
    }
    let result = result.map_err(|error| error.text.as_str());
    let went = Went { now_ms: (state.api.now_ms)(), queued, evaluated, result };
    state.api.query_log.write(&active.query, &active.origin, &went);
}

/// Remembers and logs how a query went, and tells of it if it was slow.
fn remember(
    state: &State,
    active: &Active,
    times: (Duration, Duration),
    went: Result<&Stats, &ApiError>,
) {
    log(state, active, times, went);
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
