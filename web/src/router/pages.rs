//! What is not the JSON API: health, lifecycle, our own metrics, federation, the stream of notifications.

use super::State;
use super::routes::Route;
use crate::api::notifications::push;
use crate::body::{Body, CancelOnDrop, Piece};
use crate::call::{self, Form};
use crate::compress::{Encoding, Packer};
use crate::federate::Federation;
use crate::json::Out;
use crate::notifications::{Notification, Notifications};
use crate::params::Params;
use crate::response::{Answer, bare, cross_origin, error_text, set, text};
use crate::{Command, Options, openapi};
use bytes::Bytes;
use expfmt::encode::{Encoder, Family, FamilyHead, FamilyType, Metric, MetricValue};
use expfmt::encode::{Notation, Wanted};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use metrics::{FamilyView, ValueView};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::Cancel;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// `/-/healthy` and `/-/ready`.
pub(super) fn health(parts: &Parts, options: &Options, word: &str) -> Answer {
    let what = if options.agent { "Agent" } else { "Server" };
    match parts.method {
        Method::HEAD => bare(StatusCode::OK, Body::empty()),
        _ => text(StatusCode::OK, format!("Prometheus {what} is {word}.\n")),
    }
}

/// `/-/reload` and `/-/quit`.
pub(super) async fn lifecycle(state: &State, route: Route, method: &Method) -> Answer {
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
pub(super) fn own_metrics(state: &State, parts: &Parts) -> Answer {
    state.observer.exposed(|| expose(state, parts))
}

fn expose(state: &State, parts: &Parts) -> Answer {
    let params = Params::read(parts.uri.query().unwrap_or_default(), &HeaderMap::new(), &[]);
    let names: Vec<&str> = params.all("name[]").collect();
    let keep = |name: &str| names.is_empty() || names.contains(&name);
    let wanted = Wanted::negotiate(accepted(&parts.headers));
    let mut exposition = Vec::with_capacity(32 << 10);
    if wanted.notation == Notation::Text {
        let mut text = String::with_capacity(32 << 10);
        state.api.registry.encode_text_where(&mut text, keep);
        exposition = text.into_bytes();
    } else {
        let encoder = Encoder::new(wanted);
        let mut family = Family::default();
        for view in state.api.registry.families(keep) {
            encode(encoder, &view, &mut family, &mut exposition);
        }
    }
    let encoding = match Encoding::negotiate(&parts.headers) {
        Encoding::Gzip => Encoding::Gzip,
        _ => Encoding::Identity,
    };
    let packed = Packer::new(encoding).finish(exposition);
    let mut answer = bare(StatusCode::OK, Body::full(packed));
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type(wanted));
    if let Some(name) = encoding.name() {
        set(&mut answer, header::CONTENT_ENCODING, name);
    }
    answer
}

fn accepted(headers: &HeaderMap) -> &str {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn content_type(wanted: Wanted) -> HeaderValue {
    HeaderValue::from_str(&wanted.content_type()).expect("made of known words")
}

fn encode(encoder: Encoder, view: &FamilyView, family: &mut Family, out: &mut Vec<u8>) {
    let kind = match view.kind {
        "counter" => FamilyType::Counter,
        "gauge" => FamilyType::Gauge,
        "summary" => FamilyType::Summary,
        _ => FamilyType::Histogram,
    };
    encoder.begin(family, &FamilyHead { name: &view.name, help: Some(&view.help), kind });
    for metric in &view.metrics {
        let labels: Vec<(&str, &str)> =
            metric.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        let value = match &metric.value {
            ValueView::Number(value) => MetricValue::Number(*value),
            ValueView::Histogram { cumulative, sum } => {
                let count = cumulative.last().map_or(0, |(_, count)| *count);
                MetricValue::Classic { count, sum: *sum, buckets: cumulative }
            }
            ValueView::Summary { quantiles, sum, count } => {
                MetricValue::Summary { count: *count, sum: *sum, quantiles }
            }
        };
        encoder.metric(family, kind, &Metric { labels: &labels, value, timestamp_ms: None });
    }
    encoder.end(family, out);
}

/// `/federate`.
pub(super) async fn federate(state: &Arc<State>, parts: &Parts) -> Answer {
    let api = &state.api;
    let encoding = Encoding::negotiate(&parts.headers);
    let mut answer = match federation(state, parts) {
        Ok(federation) => {
            let wanted = federation.wanted;
            let form = Form { content_type: content_type(wanted), plain_errors: true };
            let queryable = Arc::clone(&api.queryable);
            let (failures, timeout) =
                (state.observer.federation_errors.clone(), api.options.query_timeout);
            let handler = move |cancel: &Cancel, out: &mut Out<'_>| {
                let done = federation.answer(&*queryable, cancel, out);
                if done.as_ref().is_err() {
                    failures.inc();
                }
                done
            };
            let ran =
                call::run((form.clone(), encoding), &state.readers, Some(timeout), handler).await;
            ran.unwrap_or_else(|call::Panicked| {
                state.observer.panics.inc();
                call::panicked((&form, encoding))
            })
        }
        Err(refusal) => call::pack(*refusal, encoding),
    };
    set(&mut answer, header::VARY, "Accept-Encoding");
    answer
}

fn federation(state: &State, parts: &Parts) -> Result<Federation, Box<Answer>> {
    let api = &state.api;
    let refuse = |what: &dyn std::fmt::Display| Box::new(error_text(StatusCode::BAD_REQUEST, what));
    let params = Params::read(parts.uri.query().unwrap_or_default(), &HeaderMap::new(), &[]);
    params.insist().map_err(|error| refuse(&error))?;
    let selectors = params.all("match[]").map(promql::parse_selector);
    let selectors: Vec<_> = selectors.collect::<Result<_, _>>().map_err(|error| refuse(&error))?;
    if api.options.agent && !selectors.is_empty() {
        let what = "unsupported operation with WAL-only storage";
        return Err(Box::new(error_text(StatusCode::INTERNAL_SERVER_ERROR, what)));
    }
    Ok(Federation {
        selectors,
        external_labels: api.status.external_labels(),
        lookback_ms: api.engine.load().options().lookback_ms,
        now_ms: (api.now_ms)(),
        wanted: Wanted::negotiate(accepted(&parts.headers)),
    })
}

/// `/api/v1/notifications/live`: the notifications as they come, as events of a stream.
pub(super) fn notifications(state: &Arc<State>, headers: &HeaderMap) -> Answer {
    let mut answer = match state.api.notifications.listen() {
        None => bare(StatusCode::NO_CONTENT, Body::empty()),
        Some((active, changes)) => {
            let (sender, pieces) = mpsc::channel(4);
            let all = Arc::clone(&state.api.notifications);
            tokio::spawn(stream(all, (active, changes), sender, state.stop.clone()));
            bare(StatusCode::OK, Body::pieces(pieces, CancelOnDrop(Arc::new(Cancel::new()))))
        }
    };
    set(&mut answer, header::CONTENT_TYPE, "text/event-stream");
    set(&mut answer, header::CACHE_CONTROL, "no-cache");
    cross_origin(answer.headers_mut(), headers, &state.api.options);
    answer
}

/// `/api/v1/openapi.yaml`: the description of the API.
pub(super) fn openapi(state: &State, query: &str) -> Answer {
    let params = Params::read(query, &HeaderMap::new(), &[]);
    let version = openapi::Version::from_name(params.get("openapi_version"));
    let options = &state.api.options;
    let (scheme, host) = &options.external;
    let base = format!("{scheme}://{host}{}/api/v1", options.external_path);
    let release = state.api.status.build_info().version;
    let document = openapi::document(version, &base, &release);
    let mut answer = bare(StatusCode::OK, Body::full(document));
    set(&mut answer, header::CONTENT_TYPE, "application/yaml; charset=utf-8");
    set(&mut answer, header::CACHE_CONTROL, "no-cache, no-store, must-revalidate");
    answer
}

fn event(notification: &Notification) -> Piece {
    let mut out = b"data: ".to_vec();
    push(&mut out, notification);
    out.extend_from_slice(b"\n\n");
    Piece::Bytes(Bytes::from(out))
}

/// Sends notifications until the listener hangs up, falls too far behind, or the server stops.
async fn stream(
    all: Arc<Notifications>,
    (active, mut changes): (Vec<Notification>, broadcast::Receiver<Notification>),
    sender: mpsc::Sender<Piece>,
    stop: CancellationToken,
) {
    for notification in &active {
        if sender.send(event(notification)).await.is_err() {
            return;
        }
    }
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = sender.closed() => return,
            () = stop.cancelled() => Err(RecvError::Closed),
        };
        let piece = match change {
            Ok(notification) => event(&notification),
            Err(RecvError::Lagged(num)) => {
                all.missed(num);
                Piece::End
            }
            Err(RecvError::Closed) => Piece::End,
        };
        let is_end = matches!(piece, Piece::End);
        if sender.send(piece).await.is_err() || is_end {
            return;
        }
    }
}
