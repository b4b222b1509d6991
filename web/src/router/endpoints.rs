//! Runs the endpoints of the API that answer JSON: which function, with or without a permit, compressed or not.

use super::State;
use super::routes::Api as Endpoint;
use crate::Api;
use crate::api::{
    admin, exemplars, features, format, notifications, query, relabel, rules, search, self_metrics,
    series, status, targets,
};
use crate::call::{self, Done, Form};
use crate::compress::Encoding;
use crate::error::{ApiError, Kind, Result};
use crate::json::Out;
use crate::observe::Observer;
use crate::params::{Params, decode};
use crate::response::{Answer, set};
use http::{HeaderMap, header};
use metrics::Stopwatch;
use std::sync::Arc;
use storage::Cancel;

/// Runs an endpoint of the API that answers JSON.
pub(super) async fn api(
    state: &Arc<State>,
    endpoint: Endpoint,
    params: Params,
    headers: &HeaderMap,
) -> Answer {
    let packs = endpoint.packs();
    let encoding = if packs { Encoding::negotiate(headers) } else { Encoding::Identity };
    let form = match endpoint {
        Endpoint::Search(_) => Form::of("application/x-ndjson; charset=utf-8"),
        _ => Form::json(),
    };
    let refused = state.api.options.agent && !endpoint.is_for_agents();
    let ran = match endpoint {
        _ if refused => {
            let error = ApiError::new(Kind::Execution, "unavailable with Prometheus Agent");
            call::run((form.clone(), encoding), &state.readers, None, |_, _| Err(error)).await
        }
        Endpoint::Query | Endpoint::QueryRange => {
            run_query(state, &endpoint, &params, encoding).await
        }
        _ => {
            let readers = state.readers.clone();
            let state = Arc::clone(state);
            let handler = move |cancel: &Cancel, out: &mut Out<'_>| {
                answer_quickly(&state.api, &endpoint, &params, cancel, out)
            };
            call::run((form.clone(), encoding), &readers, None, handler).await
        }
    };
    let mut answer = ran.unwrap_or_else(|call::Panicked| {
        state.observer.panics.inc();
        call::panicked((&form, encoding))
    });
    if packs {
        set(&mut answer, header::VARY, "Accept-Encoding");
    }
    answer
}

/// The endpoints that wait for no permit.
fn answer_quickly(
    api: &Api,
    endpoint: &Endpoint,
    params: &Params,
    cancel: &Cancel,
    out: &mut Out<'_>,
) -> Result<Done> {
    use Endpoint as E;
    let (storage, known) = (&*api.queryable, &*api.status);
    let features = || api.engine.load().options().features;
    match endpoint {
        E::Query | E::QueryRange => unreachable!("queries wait for a permit"),
        E::Labels => series::names(storage, params, out),
        E::LabelValues(name) => {
            let name = decode(name.as_bytes(), false).unwrap_or_default();
            series::values(storage, &name, params, out)
        }
        E::Series => series::series(storage, params, cancel, out),
        E::FormatQuery => format::format_query(params, features(), out),
        E::ParseQuery => format::parse_query(params, features(), out),
        E::Targets => targets::targets(&*api.targets, &api.options, params, out),
        E::TargetsMetadata => targets::target_metadata(&*api.targets, params, out),
        E::Metadata => targets::metadata(&*api.targets, params, out),
        E::ScrapePools => targets::pools(&*api.targets, out),
        E::QueryExemplars => exemplars::query(api.exemplars.as_deref(), params, features(), out),
        E::ScrapePoolConfig => relabel::config(known, params, out),
        E::RelabelSteps => relabel::steps(known, params, out),
        E::Alertmanagers => rules::alertmanagers(out),
        E::Rules => rules::rules(params, out),
        E::Alerts => rules::alerts(out),
        E::Search(what) => search::search(api, *what, params, cancel, out),
        E::DeleteSeries => admin::delete_series(api.admin.as_deref(), params),
        E::CleanTombstones => admin::clean_tombstones(api.admin.as_deref()),
        E::Snapshot => admin::snapshot(api.admin.as_deref(), params, out),
        E::Features => features::features(api, out),
        E::Notifications => notifications::list(&api.notifications, out),
        E::SelfMetrics => self_metrics::self_metrics(api, params, out),
        E::TsdbBlocks => status::blocks(known, out),
        E::Config => status::config(known, out),
        E::Flags => status::flags(known, out),
        E::BuildInfo => status::build_info(known, out),
        E::RuntimeInfo => status::runtime_info(known, out),
        E::Tsdb => status::tsdb(known, params, out),
        E::WalReplay => status::wal_replay(known, out),
    }
}

/// Waits for a permit, then evaluates.
async fn run_query(
    state: &Arc<State>,
    endpoint: &Endpoint,
    params: &Params,
    encoding: Encoding,
) -> std::result::Result<Answer, call::Panicked> {
    let clock = Stopwatch::start();
    let query = match endpoint {
        Endpoint::QueryRange => query::Query::range(params),
        _ => query::Query::instant(params, (state.api.now_ms)()),
    };
    let query = match query {
        Ok(query) => query.with_steps(state.api.options.per_step_stats),
        Err(error) => {
            return call::run((Form::json(), encoding), &state.readers, None, |_, _| Err(error))
                .await;
        }
    };
    let most = state.api.options.query_timeout;
    let timeout = query.timeout.map_or(most, |asked| asked.min(most));
    let counted = Counted::new(&state.observer);
    let waited = tokio::time::timeout(timeout, state.gate.acquire()).await;
    let Ok(permit) = waited else {
        let error = ApiError::new(Kind::Timeout, "query timed out in query queue");
        return call::run((Form::json(), encoding), &state.readers, None, |_, _| Err(error)).await;
    };
    let queued = clock.elapsed();
    state.observer.queue_seconds.observe(queued.as_secs_f64());
    let shared = Arc::clone(state);
    let left = timeout.saturating_sub(queued);
    let ran =
        call::run((Form::json(), encoding), &state.readers, Some(left), move |cancel, out| {
            if left.is_zero() {
                cancel.time_out();
            }
            let clock = Stopwatch::start();
            let engine = shared.api.engine.load_full();
            let storage = &*shared.api.queryable;
            let done = query.answer(&engine, storage, (queued, left), cancel, out, |stats| {
                shared.observer.samples.add(stats.total_queryable_samples as f64);
                shared.observer.samples_read.add(stats.samples_read as f64);
            });
            shared.observer.eval_seconds.observe(clock.elapsed_seconds());
            done
        });
    let ran = ran.await;
    drop((permit, counted));
    ran
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
