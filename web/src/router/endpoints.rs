//! Runs the endpoints of the API that answer JSON: which function, with or without a permit, compressed or not.

use super::State;
use super::evaluate::run_query;
use super::routes::Api as Endpoint;
use crate::api::{
    admin, exemplars, features, format, limits, notifications, quarantine, queries, relabel, rules,
    search, self_metrics, series, status, targets,
};
use crate::call::{self, Done, Form};
use crate::compress::Encoding;
use crate::error::{ApiError, Kind, Result};
use crate::json::Out;
use crate::params::{Params, decode};
use crate::response::{Answer, set};
use http::header;
use http::request::Parts;
use std::sync::Arc;
use storage::Cancel;

/// Runs an endpoint of the API that answers JSON.
pub(super) async fn api(
    state: &Arc<State>,
    endpoint: Endpoint,
    params: Params,
    parts: &Parts,
) -> Answer {
    let packs = endpoint.packs();
    let encoding = if packs { Encoding::negotiate(&parts.headers) } else { Encoding::Identity };
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
            let is_range = endpoint == Endpoint::QueryRange;
            run_query(state, is_range, (&params, parts), encoding).await
        }
        _ => {
            let readers = state.readers.clone();
            let state = Arc::clone(state);
            let handler = move |cancel: &Cancel, out: &mut Out<'_>| {
                answer_quickly(&state, &endpoint, &params, cancel, out)
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
    state: &State,
    endpoint: &Endpoint,
    params: &Params,
    cancel: &Cancel,
    out: &mut Out<'_>,
) -> Result<Done> {
    use Endpoint as E;
    let api = &state.api;
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
        E::TsdbQuarantine => quarantine::quarantine(known, out),
        E::TsdbLimits => limits::limits(known, out),
        E::TsdbBlocks => status::blocks(known, out),
        E::Config => status::config(known, out),
        E::Flags => status::flags(known, out),
        E::BuildInfo => status::build_info(known, out),
        E::RuntimeInfo => status::runtime_info(known, out),
        E::Tsdb => status::tsdb(known, params, out),
        E::ActiveQueries => queries::active(&state.queries, out),
        E::CancelQuery(id) => queries::cancel(&state.queries, id),
        E::TopQueries => queries::top(&state.queries, (api.now_ms)(), params, out),
        E::WalReplay => status::wal_replay(known, out),
    }
}
