//! The endpoints that speak protocol buffers: remote write, remote read, OTLP. Headers and bodies are handed on to
//! `remote`, which knows what they mean.

use super::{State, read_body};
use crate::body::Body;
use crate::response::{Answer, bare, error_text, set};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use remote::receive::{self, Written};
use std::sync::Arc;

/// When a sender that was turned away should come again, in seconds.
const RETRY_AFTER: &str = "5";

fn value(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The length of the body, if it is told.
fn told_length(headers: &HeaderMap) -> Option<u64> {
    value(headers, header::CONTENT_LENGTH).parse().ok()
}

/// The answer to a request whose thread panicked.
fn panicked(state: &State) -> Answer {
    state.observer.panics.inc();
    let what = "internal error: the request hit a bug; see the log";
    error_text(StatusCode::INTERNAL_SERVER_ERROR, what)
}

/// `/api/v1/write`: remote write.
pub(super) async fn write<B>(state: &Arc<State>, headers: &HeaderMap, body: B) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(receiver) = &state.api.remote.write else {
        return error_text(
            StatusCode::NOT_FOUND,
            "remote write receiver needs to be enabled with --web.enable-remote-write-receiver",
        );
    };
    let content_type = value(headers, header::CONTENT_TYPE);
    let message = match receiver.negotiate(content_type, value(headers, header::CONTENT_ENCODING)) {
        Ok(message) => message,
        Err(error) => return write_error(&error),
    };
    let Some(admission) = receiver.admit(told_length(headers)) else {
        let what = "too many remote write requests are in flight";
        let mut answer = error_text(StatusCode::SERVICE_UNAVAILABLE, what);
        set(&mut answer, header::RETRY_AFTER, RETRY_AFTER);
        return answer;
    };
    let body = match read_body(body, receive::MAX_BODY_BYTES, state).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let receiver = Arc::clone(receiver);
    let now_ms = (state.api.now_ms)();
    let work = tokio::task::spawn_blocking(move || {
        let outcome = receiver.write(message, &body, now_ms);
        drop(admission);
        outcome
    });
    let Ok((written, outcome)) = work.await else { return panicked(state) };
    let mut answer = match outcome {
        Ok(()) => bare(StatusCode::NO_CONTENT, Body::empty()),
        Err(error) => write_error(&error),
    };
    if let Some(written) = written {
        tell_written(&mut answer, written);
    }
    answer
}

fn tell_written(answer: &mut Answer, written: Written) {
    let counts = [
        ("x-prometheus-remote-write-samples-written", written.samples),
        ("x-prometheus-remote-write-histograms-written", written.histograms),
        ("x-prometheus-remote-write-exemplars-written", written.exemplars),
    ];
    for (name, count) in counts {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(count));
    }
}

fn write_error(error: &receive::Error) -> Answer {
    let status = match error {
        receive::Error::Refused(_) => StatusCode::BAD_REQUEST,
        receive::Error::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        receive::Error::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        _ => {
            tracing::error!(%error, "remote write failed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    error_text(status, error)
}
