//! Paths to handlers: what exists, with which methods, what is answered before readiness, and how each is run.

mod peers;
mod routes;

use crate::api::{format, query, series, status, targets};
use crate::body::Body;
use crate::call::{self, Done};
use crate::compress::{Encoding, Packer};
use crate::error::Result;
use crate::json::Out;
use crate::observe::Observer;
use crate::params::{Params, decode};
use crate::response::{
    Answer, bare, cross_origin, error_text, json_headers, not_found, redirect, set, text,
};
use crate::{Api, Command, Readiness, ui};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use metrics::Stopwatch;
use routes::{Route, find};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use storage::Cancel;
use tokio::sync::{Semaphore, oneshot};

/// The most bytes of a form.
const MAX_FORM_BYTES: usize = 10 << 20;

/// Everything a request may need.
#[derive(Debug)]
pub(crate) struct State {
    api: Api,
    observer: Observer,
    gate: Semaphore,
    quitting: AtomicBool,
}

impl State {
    pub(crate) fn new(api: Api) -> Self {
        let observer = Observer::new(&api.registry, api.options.max_concurrency);
        let gate = Semaphore::new(api.options.max_concurrency.clamp(1, Semaphore::MAX_PERMITS));
        Self { api, observer, gate, quitting: AtomicBool::new(false) }
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }
}

/// Answers one request.
pub(crate) async fn answer<B>(state: Arc<State>, request: Request<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let clock = Stopwatch::start();
    let (parts, body) = request.into_parts();
    let (label, answer) = route(&state, &parts, body).await;
    if let Some(label) = label {
        let code = answer.status().as_u16();
        state.observer.answered(label, code, clock.elapsed_seconds(), answer.body().len());
    }
    answer
}

/// The label of the route, if there is one, and the answer.
async fn route<B>(state: &Arc<State>, parts: &Parts, body: B) -> (Option<&'static str>, Answer)
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
    let Some((route, endpoint)) = find(path) else {
        return (None, trailing_slash(state, parts, path).unwrap_or_else(not_found));
    };
    let label = Some(endpoint.label);
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
        return (label, answer);
    }
    if endpoint.needs_readiness
        && let Some(refusal) = unready(state)
    {
        return (label, refusal);
    }
    (label, dispatch(state, route, parts, body).await)
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
        cross_origin(answer.headers_mut(), headers, &state.api.options);
        answer
    })
}

/// A redirect to the same path without the slash at its end, if that exists.
fn trailing_slash(state: &State, parts: &Parts, path: &str) -> Option<Answer> {
    let trimmed = path.strip_suffix('/').filter(|trimmed| !trimmed.is_empty())?;
    // The reference does not redirect here.
    find(trimmed).filter(|(route, _)| *route != Route::Otlp)?;
    let to = format!("{}{trimmed}", state.api.options.external_path);
    let is_get = parts.method == Method::GET;
    let status =
        if is_get { StatusCode::MOVED_PERMANENTLY } else { StatusCode::TEMPORARY_REDIRECT };
    Some(redirect_with_query(status, &to, parts))
}

fn redirect_with_query(status: StatusCode, to: &str, parts: &Parts) -> Answer {
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    redirect(status, &format!("{to}{query}"), parts.method == Method::GET)
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
                Method::POST => read_body(body, MAX_FORM_BYTES, state).await,
                _ => Ok(Bytes::new()),
            };
            let params = match form {
                Ok(form) => Params::read(query, &parts.headers, &form),
                Err(refusal) => return refusal,
            };
            let mut answer = api(state, endpoint, params, &parts.headers).await;
            cross_origin(answer.headers_mut(), &parts.headers, options);
            answer
        }
        Route::Write => peers::write(state, &parts.headers, body).await,
        Route::Read => peers::read(state, body).await,
        Route::Otlp => peers::otlp(state, &parts.headers, body).await,
        Route::Healthy => health(parts, "Prometheus Server is Healthy.\n"),
        Route::Ready => health(parts, "Prometheus Server is Ready.\n"),
        Route::Reload | Route::Quit => lifecycle(state, route, &parts.method).await,
        Route::Metrics => own_metrics(state, parts),
        Route::Home => {
            redirect(StatusCode::FOUND, &format!("{}/query", options.external_path), true)
        }
        Route::Graph => {
            let to = format!("{}/query?{query}", options.external_path);
            redirect(StatusCode::FOUND, &to, true)
        }
        Route::Page => ui::page(options),
        Route::Asset(asset) => ui::asset(asset),
        Route::Version => {
            let mut info = Vec::new();
            status::push_build_info(&mut info, &state.api.status.build_info());
            text(StatusCode::OK, String::from_utf8(info).expect("JSON is UTF-8"))
        }
    }
}

fn health(parts: &Parts, words: &str) -> Answer {
    match parts.method {
        Method::HEAD => bare(StatusCode::OK, Body::empty()),
        _ => text(StatusCode::OK, words),
    }
}

/// The body of a request, within `limit` and the read timeout.
async fn read_body<B>(body: B, limit: usize, state: &State) -> std::result::Result<Bytes, Answer>
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

/// Runs an endpoint of the API that answers JSON.
async fn api(
    state: &Arc<State>,
    endpoint: routes::Api,
    params: Params,
    headers: &HeaderMap,
) -> Answer {
    use routes::Api as E;
    let packs = !matches!(endpoint, E::WalReplay);
    let encoding = if packs { Encoding::negotiate(headers) } else { Encoding::Identity };
    let ran = match endpoint {
        E::Query | E::QueryRange => run_query(state, &endpoint, &params, encoding).await,
        _ => {
            let state = Arc::clone(state);
            let handler = move |cancel: &Cancel, out: &mut Out<'_>| {
                answer_quickly(&state.api, &endpoint, &params, cancel, out)
            };
            call::run(encoding, None, handler).await
        }
    };
    let mut answer = ran.unwrap_or_else(|call::Panicked| {
        state.observer.panics.inc();
        call::panicked(encoding)
    });
    if packs {
        set(&mut answer, header::VARY, "Accept-Encoding");
    }
    answer
}

/// The endpoints that wait for no permit.
fn answer_quickly(
    api: &Api,
    endpoint: &routes::Api,
    params: &Params,
    cancel: &Cancel,
    out: &mut Out<'_>,
) -> Result<Done> {
    use routes::Api as E;
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
    endpoint: &routes::Api,
    params: &Params,
    encoding: Encoding,
) -> std::result::Result<Answer, call::Panicked> {
    let clock = Stopwatch::start();
    let query = match endpoint {
        routes::Api::QueryRange => query::Query::range(params),
        _ => query::Query::instant(params, (state.api.now_ms)()),
    };
    let query = match query {
        Ok(query) => query,
        Err(error) => return call::run(encoding, None, |_, _| Err(error)).await,
    };
    let most = state.api.options.query_timeout;
    let timeout = query.timeout.map_or(most, |asked| asked.min(most));
    let counted = Counted::new(&state.observer);
    let waited = tokio::time::timeout(timeout, state.gate.acquire()).await;
    let Ok(permit) = waited else {
        let error = crate::error::ApiError::new(
            crate::error::Kind::Timeout,
            "query timed out in query queue",
        );
        return call::run(encoding, None, |_, _| Err(error)).await;
    };
    let queued = clock.elapsed();
    state.observer.queue_seconds.observe(queued.as_secs_f64());
    let shared = Arc::clone(state);
    let left = timeout.saturating_sub(queued);
    let ran = call::run(encoding, Some(left), move |cancel, out| {
        if left.is_zero() {
            cancel.time_out();
        }
        let clock = Stopwatch::start();
        let engine = shared.api.engine.load_full();
        let done = query.answer(&engine, &*shared.api.queryable, (queued, left), cancel, out);
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

/// `/-/reload` and `/-/quit`.
async fn lifecycle(state: &State, route: Route, method: &Method) -> Answer {
    if method == Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed");
    }
    let Some(commands) = &state.api.lifecycle else {
        return text(StatusCode::FORBIDDEN, "Lifecycle API is not enabled.");
    };
    if matches!(route, Route::Quit) {
        if state.quitting.swap(true, Ordering::Relaxed) {
            return text(StatusCode::OK, "Termination already in progress.");
        }
        if commands.send(Command::Quit).await.is_err() {
            return text(StatusCode::OK, "Termination already in progress.");
        }
        return text(StatusCode::OK, "Requesting termination... Goodbye!");
    }
    let (reply, reloaded) = oneshot::channel();
    let sent = commands.send(Command::Reload(reply)).await.is_ok();
    let reloaded = if sent { reloaded.await.ok() } else { None };
    match reloaded {
        Some(Ok(())) => bare(StatusCode::OK, Body::empty()),
        failed => {
            let why = match failed {
                Some(Err(why)) => why,
                _ => "the server is stopping".to_owned(),
            };
            let what = format_args!("failed to reload config: {why}");
            error_text(StatusCode::INTERNAL_SERVER_ERROR, what)
        }
    }
}

/// `/metrics`.
fn own_metrics(state: &State, parts: &Parts) -> Answer {
    let params = Params::read(parts.uri.query().unwrap_or_default(), &HeaderMap::new(), &[]);
    let names: Vec<&str> = params.all("name[]").collect();
    let mut exposition = String::with_capacity(32 << 10);
    let keep = |name: &str| names.is_empty() || names.contains(&name);
    state.api.registry.encode_text_where(&mut exposition, keep);
    let asked = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let utf8 = asked.is_some_and(|asked| asked.contains("escaping=allow-utf-8"));
    let escaping = if utf8 { "allow-utf-8" } else { "underscores" };
    let encoding = match Encoding::negotiate(&parts.headers) {
        Encoding::Gzip => Encoding::Gzip,
        _ => Encoding::Identity,
    };
    let packed = Packer::new(encoding).finish(exposition.into_bytes());
    let mut answer = bare(StatusCode::OK, Body::full(packed));
    json_headers(&mut answer, encoding);
    let content_type = format!("text/plain; version=0.0.4; charset=utf-8; escaping={escaping}");
    let content_type = HeaderValue::from_str(&content_type).expect("made of known words");
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    answer
}
