//! Answers out of memory, read as if they came over a connection: for tests and fuzzing of what reads them. No socket.

use super::body::Exchange;
use super::exchange;
use super::idle::Idle;
use crate::Error;
use crate::connect::Stream;
use crate::decompress::BodyLimit;
use http::uri::Authority;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that gives `step` bytes with each read, then ends. What is written to it goes nowhere.
struct Replayed {
    bytes: Vec<u8>,
    read: usize,
    step: usize,
}

impl AsyncRead for Replayed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.bytes[self.read..];
        let here = rest.len().min(self.step).min(out.remaining());
        out.put_slice(&rest[..here]);
        self.read += here;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replayed {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What scraping makes of an answer of these bytes: its status and its uncompressed body, which has to stay below `limit`
/// bytes. They come in pieces of `step` bytes, at least one. Fails with what is wrong with the answer.
pub async fn read_answer(
    bytes: &[u8],
    step: usize,
    limit: u64,
) -> Result<(u16, Vec<u8>), Box<str>> {
    let replayed = Replayed { bytes: bytes.to_vec(), read: 0, step: step.max(1) };
    let mut stream = Stream::new(replayed, false);
    let mut body = Vec::new();
    let head = exchange(&mut stream, b"", &mut body).await.map_err(|failure| failure.what)?;
    let home = (Arc::<Idle>::default(), Authority::from_static("replayed"));
    let exchange = Exchange::new(stream, &head, home);
    let read = exchange.read(&mut body, BodyLimit::new(Some(limit), None)).await;
    read.map_err(|error: Error| error.to_string())?;
    Ok((head.status, body))
}
