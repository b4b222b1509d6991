//! What went over a connection, as far as it matters to those who may ask again. Who does is the client's to decide.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The exchange of requests and answers over one connection of HTTP/1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<Exchange>);

#[derive(Debug, Default)]
struct Exchange {
    /// Something was answered, ever.
    is_used: AtomicBool,
    /// A request was begun since the last byte of an answer.
    is_waiting: AtomicBool,
}

impl Traffic {
    fn wrote(&self) {
        self.0.is_waiting.store(true, Ordering::Release);
    }

    fn read(&self) {
        self.0.is_used.store(true, Ordering::Release);
        self.0.is_waiting.store(false, Ordering::Release);
    }

    /// Whether there were answers before, but not a byte of one to the request that was sent last.
    pub(crate) fn is_silent_again(&self) -> bool {
        self.0.is_used.load(Ordering::Acquire) && self.0.is_waiting.load(Ordering::Acquire)
    }
}

/// A connection that notes its traffic.
pub(crate) struct Watched<T> {
    io: T,
    traffic: Traffic,
}

impl<T> Watched<T> {
    pub(crate) fn new(io: T) -> Self {
        Self { io, traffic: Traffic::default() }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.traffic.read();
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A write that fails was a request too.
        self.traffic.wrote();
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
