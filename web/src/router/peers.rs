//! The endpoints that speak protocol buffers: remote write, remote read, OTLP. Headers and bodies are handed on to
//! `remote`, which knows what they mean.

use super::{State, read_body};
use crate::body::{Body, CancelOnDrop, Piece};
use crate::response::{Answer, bare, error_text, not_found, set};
use crate::spares::Spares;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use remote::otlp;
use remote::read::{self, Form, Permit};
use remote::receive::{self, Written};
use std::sync::Arc;
use storage::Cancel;
use tokio::sync::{mpsc, oneshot};

/// When a sender that was turned away should come again, in seconds.
const RETRY_AFTER: &str = "5";

/// Frames are sent together up to about this size.
const PIECE_BYTES: usize = 64 << 10;

/// How many pieces wait for a slow reader before the work waits too.
const MAX_WAITING_PIECES: usize = 4;

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
    let content_encoding = value(headers, header::CONTENT_ENCODING);
    let message = receiver.negotiate(content_type, content_encoding);
    let Some(admission) = receiver.admit(told_length(headers)) else {
        return come_again("too many remote write requests are in flight");
    };
    let body = match read_body(body, receive::MAX_BODY_BYTES, state).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let message = match message {
        Ok(message) => message,
        Err(error) => return write_error(&receiver.refusal(content_encoding, &body, error)),
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

/// There is no room at the moment.
fn come_again(what: &str) -> Answer {
    let mut answer = error_text(StatusCode::SERVICE_UNAVAILABLE, what);
    set(&mut answer, header::RETRY_AFTER, RETRY_AFTER);
    answer
}

fn write_error(error: &receive::Error) -> Answer {
    let status = match error {
        receive::Error::Refused(_) => StatusCode::BAD_REQUEST,
        receive::Error::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        receive::Error::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        receive::Error::NoRoom(what) => return come_again(what),
        _ => {
            tracing::error!(%error, "remote write failed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    error_text(status, error)
}

/// `/api/v1/read`: remote read.
pub(super) async fn read<B>(state: &Arc<State>, body: B) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(server) = &state.api.remote.read else { return not_found() };
    let permit = server.permit().await;
    let body = match read_body(body, read::MAX_BODY_BYTES, state).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let request = match server.parse(&body) {
        Ok(request) => request,
        Err(error) => return read_error(&error),
    };
    let cancel = Arc::new(Cancel::new());
    let guard = CancelOnDrop(Arc::clone(&cancel));
    let server = Arc::clone(server);
    if request.form == Form::Chunks {
        let (head, begun) = oneshot::channel();
        let work = move || stream(&server, &request, permit, &cancel, head);
        tokio::task::spawn_blocking(work);
        let Ok(begun) = begun.await else { return panicked(state) };
        let mut answer = match begun {
            Ok(pieces) => bare(StatusCode::OK, Body::pieces(pieces, guard)),
            Err(error) => return read_error(&error),
        };
        let kind = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
        set(&mut answer, header::CONTENT_TYPE, kind);
        return answer;
    }
    let work = tokio::task::spawn_blocking(move || {
        let _held = permit;
        server.samples(&request, &cancel)
    });
    let Ok(outcome) = work.await else { return panicked(state) };
    drop(guard);
    let mut answer = match outcome {
        Ok(packed) => {
            let mut answer = bare(StatusCode::OK, Body::full(packed));
            set(&mut answer, header::CONTENT_TYPE, "application/x-protobuf");
            answer
        }
        Err(error) => read_error(&error),
    };
    set(&mut answer, header::CONTENT_ENCODING, "snappy");
    answer
}

/// What the answer begins with: its pieces, or why there are none.
type Begun = Result<mpsc::Receiver<Piece>, read::Error>;

/// Sends the frames of an answer; it is a success as soon as a piece of it has left.
fn stream(
    server: &read::Server,
    request: &read::Request,
    permit: Permit,
    cancel: &Cancel,
    head: oneshot::Sender<Begun>,
) {
    let mut head = Some(head);
    let mut sender: Option<mpsc::Sender<Piece>> = None;
    let begin = |head: oneshot::Sender<Begun>| {
        let (sender, pieces) = mpsc::channel(MAX_WAITING_PIECES);
        head.send(Ok(pieces)).map_err(|_| read::Error::Gone).map(|()| sender)
    };
    let spares = Spares::default();
    let mut gathered: Vec<u8> = Vec::new();
    let result = server.chunks(request, cancel, &mut gathered, &mut |gathered| {
        if gathered.len() < PIECE_BYTES {
            return Ok(());
        }
        if let Some(head) = head.take() {
            sender = Some(begin(head)?);
        }
        let piece = Piece::Bytes(spares.lend(std::mem::replace(gathered, spares.take())));
        let sender = sender.as_ref().expect("set with the first piece");
        sender.blocking_send(piece).map_err(|_| read::Error::Gone)
    });
    drop(permit);
    let sender = match (result, head) {
        (Ok(()), Some(head)) => begin(head).ok(),
        (Ok(()), None) => sender,
        (Err(error), Some(head)) => {
            // Whoever does not listen went away.
            drop(head.send(Err(error)));
            return;
        }
        // The answer breaks off: its reader must not take it for whole.
        (Err(error), None) => {
            tracing::warn!(%error, "remote read broke off");
            return;
        }
    };
    let Some(sender) = sender else { return };
    let rest = Piece::Bytes(Bytes::from(gathered));
    let heard = sender.blocking_send(rest).is_ok() && sender.blocking_send(Piece::End).is_ok();
    tracing::trace!(heard, "remote read done");
}

fn read_error(error: &read::Error) -> Answer {
    let status = match error {
        read::Error::Request(_) | read::Error::TooManySamples(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    match error {
        // What an agent says, word for word.
        read::Error::Storage(storage::Error::Unsupported(what)) => error_text(status, what),
        error => error_text(status, error),
    }
}

/// `/api/v1/otlp/v1/metrics`.
pub(super) async fn otlp<B>(state: &Arc<State>, headers: &HeaderMap, body: B) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(receiver) = &state.api.remote.otlp else {
        return error_text(
            StatusCode::NOT_FOUND,
            "otlp write receiver needs to be enabled with --web.enable-otlp-receiver",
        );
    };
    let body = match read_body(body, otlp::MAX_BODY_BYTES, state).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let content_type = value(headers, header::CONTENT_TYPE).to_owned();
    let encoding = value(headers, header::CONTENT_ENCODING).to_owned();
    let (receiver, now_ms) = (Arc::clone(receiver), (state.api.now_ms)());
    let work = tokio::task::spawn_blocking(move || {
        receiver.write(&content_type, &encoding, &body, now_ms)
    });
    match work.await {
        Ok(Ok(())) => bare(StatusCode::OK, Body::empty()),
        Ok(Err(error @ otlp::Error::Refused(_))) => error_text(StatusCode::BAD_REQUEST, error),
        Ok(Err(otlp::Error::NoRoom(what))) => come_again(what),
        Ok(Err(error)) => {
            tracing::warn!(component = "web", %error, "Storing an OTLP request failed");
            error_text(StatusCode::INTERNAL_SERVER_ERROR, error)
        }
        Err(_panicked) => panicked(state),
    }
}
