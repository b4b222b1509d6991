//! Paths to handlers: what exists, with which methods, what is answered before readiness, and how each is run.

mod consoles;
mod debug;
mod endpoints;
mod evaluate;
mod files;
mod imports;
mod pages;
mod peers;
mod routes;

use crate::api::query;
use crate::body::Body;
use crate::call::Readers;
use crate::compress::Encoding;
use crate::flights::Flights;
use crate::guard::{Caller, Needs};
use crate::observe::Observer;
use crate::params::Params;
use crate::queries::Queries;
use crate::response::{Answer, bare, cross_origin, error_text, not_found, redirect, set, text};
use crate::{Api, Options, Readiness, guard, ui};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use metrics::Stopwatch;
#[cfg(test)]
pub(crate) use routes::api_paths;
use routes::{Endpoint, Route, find};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The most bytes of a form.
const MAX_FORM_BYTES: usize = 10 << 20;

/// Everything a request may need.
#[derive(Debug)]
pub(crate) struct State {
    api: Api,
    observer: Observer,
    readers: Readers,
    gate: Arc<Semaphore>,
    queries: Queries,
    flights: Arc<Flights<query::Key, query::Evaluated>>,
    quitting: AtomicBool,
    /// Ends what would not end by itself: answers that go on as long as someone listens.
    pub(crate) stop: CancellationToken,
}

impl State {
    pub(crate) fn new(api: Api) -> Self {
        let observer = Observer::new(&api.registry, api.options.max_concurrency);
        let notifications = Arc::clone(&api.notifications);
        api.registry.gauge_fn(
            "prometheus_api_notification_active_subscribers",
            "The current number of active notification subscribers.",
            move || notifications.listeners() as f64,
        );
        for (name, help, which) in [
            ("sent", "Changes of notifications that were sent to subscribers.", 0),
            ("dropped", "Changes of notifications that subscribers were too slow for.", 1),
        ] {
            let notifications = Arc::clone(&api.notifications);
            let name = format!("prometheus_api_notification_updates_{name}_total");
            api.registry.counter_fn(&name, help, move || notifications.counts()[which] as f64);
        }
        let readers =
            Readers { patience: api.options.read_timeout, given_up: observer.slow_readers.clone() };
        let permits = api.options.max_concurrency.clamp(1, Semaphore::MAX_PERMITS);
        let gate = Arc::new(Semaphore::new(permits));
        let (quitting, stop) = (AtomicBool::new(false), CancellationToken::new());
        let (queries, flights) = (Queries::default(), Arc::default());
        Self { api, observer, readers, gate, queries, flights, quitting, stop }
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }
}

/// Answers one request of the client at `peer`.
pub(crate) async fn answer<B>(state: Arc<State>, peer: SocketAddr, request: Request<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let clock = Stopwatch::start();
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(peer);
    let caller = match &state.api.guard {
        None => Caller::default(),
        Some(guard) => match guard.admit(&parts.headers).await {
            Ok(caller) => caller,
            Err(refusal) => return *refusal,
        },
    };
    let (endpoint, mut answer) = route(&state, &parts, body, &caller).await;
    guard::add(&mut answer, &caller.headers);
    if let Some(endpoint) = endpoint {
        let code = answer.status().as_u16();
        let account = state.observer.answered(endpoint.label, code, clock);
        answer.body_mut().counted(account);
        if endpoint.needs == Needs::Admin && endpoint.allows(&parts.method) {
            audit(peer, &caller, &parts, &answer);
        }
    }
    answer
}

/// Says who asked for something that only administrators may do.
fn audit(peer: SocketAddr, caller: &Caller, parts: &Parts, answer: &Answer) {
    let asked = answer.extensions().get::<Asked>();
    tracing::info!(
        component = "audit",
        user = caller.name.as_deref(),
        %peer,
        method = %parts.method,
        path = parts.uri.path(),
        params = asked.map_or(parts.uri.query(), |asked| Some(asked.0.as_str())),
        status = answer.status().as_u16(),
        "Call of an administrator"
    );
}

/// The parameters of a request, kept beside its answer for those who say what was asked.
#[derive(Clone, Debug)]
struct Asked(String);

/// The route, if there is one, and the answer.
async fn route<B>(
    state: &Arc<State>,
    parts: &Parts,
    body: B,
    caller: &Caller,
) -> (Option<Endpoint>, Answer)
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let options = &state.api.options;
    let path = parts.uri.path();
    if let Some(cleaned) = cleaned(path) {
        return (None, redirect_with_query(StatusCode::TEMPORARY_REDIRECT, &cleaned, parts));
    }
    let Some(path) = path.strip_prefix(options.route_prefix.as_str()) else {
        return match path {
            "/" => (None, redirect(StatusCode::FOUND, &options.route_prefix, true)),
            _ => (None, not_found()),
        };
    };
    if path.is_empty() {
        let to = format!("{}/", options.route_prefix);
        return (None, redirect(StatusCode::MOVED_PERMANENTLY, &to, true));
    }
    if !path.starts_with('/') {
        return (None, not_found());
    }
    if path == "/api/v1" {
        let to = format!("{}/api/v1/", options.external_path);
        return (None, redirect_with_query(StatusCode::TEMPORARY_REDIRECT, &to, parts));
    }
    let is_api = path.starts_with("/api/v1/");
    if parts.method == Method::OPTIONS && is_api {
        return (None, api_options(state, &parts.headers));
    }
    let found = find(path).filter(|(route, _)| is_there(route, path, options));
    let Some((route, endpoint)) = found else {
        return (None, trailing_slash(state, parts, path).unwrap_or_else(not_found));
    };
    if !endpoint.allows(&parts.method) {
        let status = match parts.method {
            Method::OPTIONS => StatusCode::OK,
            _ => StatusCode::METHOD_NOT_ALLOWED,
        };
        let mut answer = match parts.method {
            Method::OPTIONS => bare(status, Body::empty()),
            _ => error_text(status, "Method Not Allowed"),
        };
        set(&mut answer, header::ALLOW, endpoint.allow);
        return (Some(endpoint), answer);
    }
    if let Some(refusal) = caller.refuse(endpoint.needs) {
        return (Some(endpoint), refusal);
    }
    if endpoint.needs_readiness
        && let Some(refusal) = unready(state)
    {
        return (Some(endpoint), refusal);
    }
    (Some(endpoint), dispatch(state, route, parts, body).await)
}

fn unready(state: &State) -> Option<Answer> {
    let stopping = match state.api.status.readiness() {
        Readiness::Ready => return None,
        Readiness::Starting => "false",
        Readiness::Stopping => "true",
    };
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    set(&mut answer, HeaderName::from_static("x-prometheus-stopping"), stopping);
    Some(answer)
}

fn api_options(state: &State, headers: &HeaderMap) -> Answer {
    unready(state).unwrap_or_else(|| {
        let mut answer = bare(StatusCode::NO_CONTENT, Body::empty());
        set(&mut answer, header::VARY, "Accept-Encoding");
        if let Some(name) = Encoding::negotiate(headers).name() {
            set(&mut answer, header::CONTENT_ENCODING, name);
        }
        cross_origin(answer.headers_mut(), headers, &state.api.options);
        answer
    })
}

/// Whether this server has what is at a path: each kind has pages of its own, and assets of users have a flag.
fn is_there(route: &Route, path: &str, options: &Options) -> bool {
    match route {
        Route::UserAssets | Route::UserAsset(_) => !options.user_assets.is_empty(),
        Route::Page => match path {
            "/agent" => options.agent,
            "/query" | "/alerts" | "/rules" | "/tsdb-status" => !options.agent,
            _ => true,
        },
        _ => true,
    }
}

/// A redirect to the same path without the slash at its end, if that exists.
fn trailing_slash(state: &State, parts: &Parts, path: &str) -> Option<Answer> {
    let trimmed = path.strip_suffix('/').filter(|trimmed| !trimmed.is_empty())?;
    // The reference does not redirect here.
    let (route, endpoint) = find(trimmed)?;
    let is_there = is_there(&route, trimmed, &state.api.options);
    if !is_there || route == Route::Otlp || !endpoint.allows(&parts.method) {
        return None;
    }
    let to = format!("{}{trimmed}", state.api.options.external_path);
    let is_get = parts.method == Method::GET;
    let status =
        if is_get { StatusCode::MOVED_PERMANENTLY } else { StatusCode::TEMPORARY_REDIRECT };
    Some(redirect_with_query(status, &to, parts))
}

/// To a path below the external one.
fn moved(options: &Options, path: &str) -> Answer {
    let to = format!("{}{path}", options.external_path);
    redirect(StatusCode::MOVED_PERMANENTLY, &to, true)
}

fn redirect_with_query(status: StatusCode, to: &str, parts: &Parts) -> Answer {
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let with_note = matches!(parts.method, Method::GET | Method::HEAD);
    redirect(status, &format!("{to}{query}"), with_note)
}

/// The path without repeated slashes and dot segments; `None` if it has none.
fn cleaned(path: &str) -> Option<String> {
    let is_odd = |segment: &str| matches!(segment, "" | "." | "..");
    let inner = path.strip_prefix('/')?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() || !inner.split('/').any(is_odd) {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in inner.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    Some(format!("/{}{slash}", kept.join("/")))
}

async fn dispatch<B>(state: &Arc<State>, route: Route, parts: &Parts, body: B) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let options = &state.api.options;
    let query = parts.uri.query().unwrap_or_default();
    match route {
        Route::Api(endpoint) => {
            let form = match parts.method {
                Method::POST | Method::PUT => read_body(body, MAX_FORM_BYTES, state).await,
                _ => Ok(Bytes::new()),
            };
            let params = match form {
                Ok(form) => Params::read(query, &parts.headers, &form),
                Err(refusal) => return refusal,
            };
            let asked = (endpoint.needs() == Needs::Admin).then(|| Asked(params.shown()));
            let mut answer = endpoints::api(state, endpoint, params, parts).await;
            if let Some(asked) = asked {
                answer.extensions_mut().insert(asked);
            }
            cross_origin(answer.headers_mut(), &parts.headers, options);
            answer
        }
        Route::Write => peers::write(state, &parts.headers, body).await,
        Route::Read => peers::read(state, body).await,
        Route::Otlp => peers::otlp(state, &parts.headers, body).await,
        Route::Import(kept) => {
            let mut answer = imports::import(state, kept, parts, body).await;
            cross_origin(answer.headers_mut(), &parts.headers, options);
            answer
        }
        Route::Healthy => pages::health(parts, options, "Healthy"),
        Route::Ready => pages::health(parts, options, "Ready"),
        Route::Reload | Route::Quit => pages::lifecycle(state, route, &parts.method).await,
        Route::Metrics => pages::own_metrics(state, parts),
        Route::Federate => pages::federate(state, parts).await,
        Route::NotificationsLive => pages::notifications(state, &parts.headers),
        Route::Profiles => moved(options, "/debug/pprof/"),
        Route::Profile(name) => debug::answer(state, &name, parts).await,
        Route::UserAssets => moved(options, "/user/"),
        Route::UserAsset(name) => files::asset(&options.user_assets, &name, parts).await,
        Route::Console(name) => consoles::answer(state, &name, query).await,
        Route::OpenApi => pages::openapi(state, query),
        Route::Home => {
            let page = if options.agent { "agent" } else { "query" };
            redirect(StatusCode::FOUND, &format!("{}/{page}", options.external_path), true)
        }
        Route::Graph => {
            let to = format!("{}/query?{query}", options.external_path);
            redirect(StatusCode::FOUND, &to, true)
        }
        Route::Page => ui::page(options, consoles::link(options).await.as_deref()),
        Route::Asset(asset) => asset.map_or_else(not_found, ui::asset),
        Route::Version => {
            let mut info = Vec::new();
            crate::api::status::push_build_info(&mut info, &state.api.status.build_info());
            text(StatusCode::OK, String::from_utf8(info).expect("JSON is UTF-8"))
        }
    }
}

/// The body of a request, within `limit` and the read timeout.
async fn read_body<B>(body: B, limit: usize, state: &State) -> Result<Bytes, Answer>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let collect = Limited::new(body, limit).collect();
    match tokio::time::timeout(state.api.options.read_timeout, collect).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(error_text(
            StatusCode::PAYLOAD_TOO_LARGE,
            format_args!("request body exceeds the {limit} bytes limit"),
        )),
        Ok(Err(error)) => Err(error_text(StatusCode::BAD_REQUEST, error)),
        Err(_elapsed) => Err(error_text(StatusCode::REQUEST_TIMEOUT, "reading the body timed out")),
    }
}
