//! How a handler runs: on a thread of the blocking pool, writing into an [`Out`] whose pieces leave as they fill.
//! A small answer goes out whole, a large one streams; a client who goes away cancels the work; a panic is a 500.

use crate::body::{Body, CancelOnDrop, Piece};
use crate::compress::{Encoding, Packer};
use crate::error::{ApiError, Kind, Result};
use crate::json::{Gone, Out};
use crate::response::{Answer, bare, error_envelope, json_headers};
use bytes::Bytes;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use storage::Cancel;
use tokio::sync::{mpsc, oneshot};

/// How many pieces wait for a slow reader before the work waits too.
const MAX_WAITING_PIECES: usize = 4;

/// What a handler says when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// The answer is written.
    Written,
    /// The reader went away.
    Gone,
}

/// Turns what a writer says into what a handler says.
pub(crate) fn done(written: Result<(), Gone>) -> Result<Done> {
    Ok(if written.is_ok() { Done::Written } else { Done::Gone })
}

/// The thread that ran a handler panicked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

/// Runs `handler` with its deadline. Its answer is a success as soon as a piece of it has left.
pub(crate) async fn run<H>(
    encoding: Encoding,
    timeout: Option<Duration>,
    handler: H,
) -> std::result::Result<Answer, Panicked>
where
    H: FnOnce(&Cancel, &mut Out<'_>) -> Result<Done> + Send + 'static,
{
    let cancel = Arc::new(Cancel::new());
    let guard = CancelOnDrop(Arc::clone(&cancel));
    let (head, mut begun) = oneshot::channel();
    let work_cancel = Arc::clone(&cancel);
    tokio::task::spawn_blocking(move || work(encoding, head, &work_cancel, handler));
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
    let mut answer = match begun.map_err(|_| Panicked)? {
        Begun::Whole(answer) => answer,
        Begun::Pieces(pieces) => bare(StatusCode::OK, Body::pieces(pieces, guard)),
    };
    json_headers(&mut answer, encoding);
    Ok(answer)
}

/// How an answer begins.
enum Begun {
    Whole(Answer),
    Pieces(mpsc::Receiver<Piece>),
}

fn work<H>(encoding: Encoding, head: oneshot::Sender<Begun>, cancel: &Cancel, handler: H)
where
    H: FnOnce(&Cancel, &mut Out<'_>) -> Result<Done>,
{
    let mut packer = Packer::new(encoding);
    let mut head = Some(head);
    let mut pieces: Option<mpsc::Sender<Piece>> = None;
    let mut hand_on = |plain: &mut Vec<u8>| {
        let packed = packer.pack(plain);
        if let Some(head) = head.take() {
            let (sender, receiver) = mpsc::channel(MAX_WAITING_PIECES);
            pieces = Some(sender);
            head.send(Begun::Pieces(receiver)).map_err(|_| Gone)?;
        }
        let sender = pieces.as_ref().expect("set with the first piece");
        if packed.is_empty() {
            return Ok(());
        }
        sender.blocking_send(Piece::Bytes(Bytes::from(packed))).map_err(|_| Gone)
    };
    let mut out = Out::new(&mut hand_on);
    let result = handler(cancel, &mut out);
    let rest = std::mem::take(&mut out.bytes);
    drop(out);
    let (status, rest) = match result {
        Ok(Done::Written) => (StatusCode::OK, rest),
        Ok(Done::Gone) => return,
        Err(error) => {
            if error.kind == Kind::Internal {
                tracing::error!(error = %error, "request failed");
            }
            (error.kind.status(), error_envelope(&error))
        }
    };
    // Whoever hears nothing of it went away.
    let heard = match (head, pieces) {
        (Some(head), _) => {
            let body = Body::full(packer.finish(rest));
            head.send(Begun::Whole(bare(status, body))).is_ok()
        }
        (None, Some(pieces)) if status == StatusCode::OK => {
            let packed = Bytes::from(packer.finish(rest));
            pieces.blocking_send(Piece::Bytes(packed)).is_ok()
                && pieces.blocking_send(Piece::End).is_ok()
        }
        // An answer that fails half-way breaks off: its reader must not take it for whole.
        (None, _) => false,
    };
    tracing::trace!(heard, "request done");
}

/// The answer to a panic.
pub(crate) fn panicked(encoding: Encoding) -> Answer {
    let error = ApiError::new(Kind::Internal, "internal error: the request hit a bug; see the log");
    let body = Packer::new(encoding).finish(error_envelope(&error));
    let mut answer = bare(error.kind.status(), Body::full(body));
    json_headers(&mut answer, encoding);
    answer
}
