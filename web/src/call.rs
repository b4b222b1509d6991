//! How a handler runs: on a thread of the blocking pool, writing into an [`Out`] whose pieces leave as they fill.
//! A small answer goes out whole, a large one streams; a client who goes away cancels the work; a panic is a 500.

use crate::body::{Body, CancelOnDrop, Piece};
use crate::compress::{Encoding, Packer};
use crate::error::{ApiError, Kind, Result};
use crate::json::{Gone, Out, Pace};
use crate::response::{Answer, bare, error_envelope, error_text, set};
use crate::spares::Spares;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use metrics::{Counter, Stopwatch};
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use storage::Cancel;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

/// How many pieces wait for a slow reader before the work waits too.
const MAX_WAITING_PIECES: usize = 4;

/// How readers of streamed answers are waited for: one that takes nothing for too long is given up, so that it holds no
/// thread and no result in memory.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    /// How long a reader may take nothing.
    pub(crate) patience: Duration,
    /// Counts those that were given up.
    pub(crate) given_up: Counter,
}

impl Readers {
    /// Hands a piece to the reader of an answer. Called on a thread that may block.
    fn send(&self, reader: &mpsc::Sender<Piece>, piece: Piece) -> std::result::Result<(), Gone> {
        let sent = Handle::current().block_on(reader.send_timeout(piece, self.patience));
        if let Err(SendTimeoutError::Timeout(_)) = sent {
            self.given_up.inc();
            tracing::warn!(
                component = "web",
                "A client reads its answer too slowly; it breaks off"
            );
        }
        sent.map_err(|_| Gone)
    }
}

/// The way to the reader of a streamed answer.
struct Stream<'r> {
    readers: &'r Readers,
    reader: mpsc::Sender<Piece>,
    /// Pieces that the reader did not take in time.
    kept: VecDeque<Piece>,
}

impl Stream<'_> {
    /// Hands on what was kept, as patiently as readers are waited for.
    fn catch_up(&mut self) -> std::result::Result<(), Gone> {
        while let Some(piece) = self.kept.pop_front() {
            self.readers.send(&self.reader, piece)?;
        }
        Ok(())
    }

    fn send(&mut self, piece: Piece, pace: &Cell<Pace>) -> std::result::Result<(), Gone> {
        match pace.get() {
            Pace::Patient => {
                self.catch_up()?;
                self.readers.send(&self.reader, piece)
            }
            Pace::Behind => {
                self.kept.push_back(piece);
                Ok(())
            }
            Pace::Hurried(left) => {
                let waited = Stopwatch::start();
                let sent = Handle::current().block_on(self.reader.send_timeout(piece, left));
                match sent {
                    Ok(()) => pace.set(Pace::Hurried(left.saturating_sub(waited.elapsed()))),
                    Err(SendTimeoutError::Timeout(piece)) => {
                        self.kept.push_back(piece);
                        pace.set(Pace::Behind);
                    }
                    Err(SendTimeoutError::Closed(_)) => return Err(Gone),
                }
                Ok(())
            }
        }
    }
}

/// What a handler says when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// The answer is written.
    Written,
    /// All went well and there is nothing to say.
    Nothing,
    /// The reader went away.
    Gone,
}

/// Turns what a writer says into what a handler says.
pub(crate) fn done(written: Result<(), Gone>) -> Result<Done> {
    Ok(if written.is_ok() { Done::Written } else { Done::Gone })
}

/// What an answer is made of.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    /// The media type of a success.
    pub(crate) content_type: HeaderValue,
    /// Failures are plain texts; otherwise envelopes.
    pub(crate) plain_errors: bool,
}

impl Form {
    /// The envelope of the API.
    pub(crate) fn json() -> Self {
        Self::of("application/json")
    }

    /// Another media type, whose failures are envelopes nevertheless.
    pub(crate) fn of(content_type: &'static str) -> Self {
        Self { content_type: HeaderValue::from_static(content_type), plain_errors: false }
    }

    fn error(&self, error: &ApiError, packer: Packer, encoding: Encoding) -> Answer {
        let status = error.kind.status();
        if self.plain_errors {
            let mut answer = error_text(status, &error.text);
            let text = format!("{}\n", error.text).into_bytes();
            *answer.body_mut() = Body::full(packer.finish(text));
            packed(&mut answer, encoding);
            return answer;
        }
        let mut answer = bare(status, Body::full(packer.finish(error_envelope(error))));
        set(&mut answer, header::CONTENT_TYPE, "application/json");
        packed(&mut answer, encoding);
        answer
    }
}

/// Says how the body is packed.
fn packed(answer: &mut Answer, encoding: Encoding) {
    if let Some(name) = encoding.name() {
        set(answer, header::CONTENT_ENCODING, name);
    }
}

/// The same answer, packed.
pub(crate) fn pack(mut answer: Answer, encoding: Encoding) -> Answer {
    if let Body::Full(Some(bytes)) = answer.body_mut() {
        let plain = std::mem::take(bytes).into();
        *bytes = Packer::new(encoding).finish(plain).into();
        packed(&mut answer, encoding);
    }
    answer
}

/// The thread that ran a handler panicked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

/// Runs `handler` with its deadline. Its answer is a success as soon as a piece of it has left.
pub(crate) async fn run<H>(
    (form, encoding): (Form, Encoding),
    readers: &Readers,
    timeout: Option<Duration>,
    handler: H,
) -> std::result::Result<Answer, Panicked>
where
    H: FnOnce(&Cancel, &mut Out<'_>) -> Result<Done> + Send + 'static,
{
    let cancel = Arc::new(Cancel::new());
    run_until((form, encoding), readers, (timeout, cancel), handler).await
}

/// The same with a flag that others may set, too.
pub(crate) async fn run_until<H>(
    (form, encoding): (Form, Encoding),
    readers: &Readers,
    (timeout, cancel): (Option<Duration>, Arc<Cancel>),
    handler: H,
) -> std::result::Result<Answer, Panicked>
where
    H: FnOnce(&Cancel, &mut Out<'_>) -> Result<Done> + Send + 'static,
{
    let guard = CancelOnDrop(Arc::clone(&cancel));
    let (head, mut begun) = oneshot::channel();
    let work_cancel = Arc::clone(&cancel);
    let (work_form, readers) = (form.clone(), readers.clone());
    tokio::task::spawn_blocking(move || {
        work((&work_form, encoding), &readers, head, &work_cancel, handler);
    });
    let begun = match timeout {
        None => begun.await,
        Some(timeout) => match tokio::time::timeout(timeout, &mut begun).await {
            Ok(begun) => begun,
            Err(_elapsed) => {
                cancel.time_out();
                begun.await
            }
        },
    };
    let pieces = match begun.map_err(|_| Panicked)? {
        Begun::Whole(answer) => return Ok(answer),
        Begun::Pieces(pieces) => pieces,
    };
    Ok(success(Body::pieces(pieces, guard), &form, encoding))
}

fn success(body: Body, form: &Form, encoding: Encoding) -> Answer {
    let mut answer = bare(StatusCode::OK, body);
    answer.headers_mut().insert(header::CONTENT_TYPE, form.content_type.clone());
    packed(&mut answer, encoding);
    answer
}

/// How an answer begins.
enum Begun {
    Whole(Answer),
    Pieces(mpsc::Receiver<Piece>),
}

fn work<H>(
    (form, encoding): (&Form, Encoding),
    readers: &Readers,
    head: oneshot::Sender<Begun>,
    cancel: &Cancel,
    handler: H,
) where
    H: FnOnce(&Cancel, &mut Out<'_>) -> Result<Done>,
{
    let mut packer = Packer::new(encoding);
    let mut head = Some(head);
    let mut stream: Option<Stream<'_>> = None;
    let pace = Cell::new(Pace::Patient);
    let spares = Spares::default();
    let mut hand_on = |plain: &mut Vec<u8>| {
        let packed = packer.pack(plain, spares.take());
        if let Some(head) = head.take() {
            let (reader, receiver) = mpsc::channel(MAX_WAITING_PIECES);
            stream = Some(Stream { readers, reader, kept: VecDeque::new() });
            head.send(Begun::Pieces(receiver)).map_err(|_| Gone)?;
        }
        let stream = stream.as_mut().expect("set with the first piece");
        if packed.is_empty() {
            return Ok(());
        }
        stream.send(Piece::Bytes(spares.lend(packed)), &pace)
    };
    let mut out = Out::new(&mut hand_on).paced(&pace);
    let result = handler(cancel, &mut out);
    let rest = std::mem::take(&mut out.bytes);
    drop(out);
    // Whoever hears nothing of it went away.
    let heard = match (result, head, stream) {
        (Ok(Done::Gone), _, _) => return,
        (Ok(Done::Nothing), Some(head), _) => {
            let mut answer = bare(StatusCode::NO_CONTENT, Body::empty());
            // Said of nothing, too, as Prometheus does.
            packed(&mut answer, encoding);
            head.send(Begun::Whole(answer)).is_ok()
        }
        (Ok(_), Some(head), _) => {
            let body = Body::full(packer.finish(rest));
            head.send(Begun::Whole(success(body, form, encoding))).is_ok()
        }
        (Ok(_), None, Some(mut stream)) => {
            let packed = Bytes::from(packer.finish(rest));
            stream.kept.extend([Piece::Bytes(packed), Piece::End]);
            stream.catch_up().is_ok()
        }
        (Err(error), head, _) => {
            if error.kind == Kind::Internal {
                tracing::error!(error = %error, "request failed");
            }
            // An answer that fails half-way breaks off: its reader must not take it for whole.
            head.is_some_and(|head| {
                head.send(Begun::Whole(form.error(&error, packer, encoding))).is_ok()
            })
        }
        (Ok(_), None, None) => unreachable!("the head leaves with the first piece"),
    };
    tracing::trace!(heard, "request done");
}

/// The answer to a panic.
pub(crate) fn panicked((form, encoding): (&Form, Encoding)) -> Answer {
    let error = ApiError::new(Kind::Internal, "internal error: the request hit a bug; see the log");
    form.error(&error, Packer::new(encoding), encoding)
}
