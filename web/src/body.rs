//! The body of an answer: in memory, or arriving in pieces from the thread that computes it.

use crate::observe::Account;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use storage::Cancel;
use tokio::sync::mpsc;

/// Asks the work behind an answer to stop when it is dropped: harmless once the work is done.
#[derive(Debug)]
pub(crate) struct CancelOnDrop(pub(crate) Arc<Cancel>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it; taken when sent.
    Full(Option<Bytes>),
    /// Pieces as they are computed. A client who goes away drops it, and with it the work.
    Pieces {
        /// Where they come from; `None` after the end.
        pieces: Option<mpsc::Receiver<Piece>>,
        /// Stops the work.
        _guard: CancelOnDrop,
        /// Counts what is sent.
        account: Option<Account>,
    },
}

/// Part of an answer.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Some more bytes.
    Bytes(Bytes),
    /// That was all. Without it the answer broke off.
    End,
}

/// The answer broke off: its connection is cut so that the client does not take it for whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer broke off")]
pub(crate) struct Aborted;

impl Body {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }

    pub(crate) fn empty() -> Self {
        Self::Full(None)
    }

    pub(crate) fn pieces(pieces: mpsc::Receiver<Piece>, guard: CancelOnDrop) -> Self {
        Self::Pieces { pieces: Some(pieces), _guard: guard, account: None }
    }

    /// Has `counting` count all of it.
    pub(crate) fn counted(&mut self, mut counting: Account) {
        match self {
            Self::Full(bytes) => {
                counting.size_bytes = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            }
            Self::Pieces { account, .. } => *account = Some(counting),
        }
    }

    /// Its length, where it is known.
    pub(crate) fn len(&self) -> Option<u64> {
        match self {
            Self::Full(bytes) => Some(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces { .. } => None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces { pieces, account, .. } => {
                let Some(receiver) = pieces else { return Poll::Ready(None) };
                let piece = std::task::ready!(receiver.poll_recv(context));
                if let Some(Piece::Bytes(bytes)) = piece {
                    if let Some(account) = account {
                        account.size_bytes += bytes.len() as u64;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                *pieces = None;
                Poll::Ready(piece.is_none().then_some(Err(Aborted)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        self.len().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
