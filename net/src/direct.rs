//! `GET` over plain HTTP/1.1 without a proxy, driven by the task that asks and read straight into the memory of the
//! body: what scraping does all day. A connection between two requests is a socket, with no task and no buffer. All
//! else goes through the pooled client. Reading order: `letter`, `head`, `chunked`, `body`, `idle`; `replayed` reads
//! answers out of memory.

mod body;
mod chunked;
mod head;
mod idle;
mod letter;
mod replayed;

pub(crate) use body::Exchange;
pub(crate) use head::Head;
pub(crate) use letter::{LastHeaders, Letter};
pub use replayed::read_answer;

use crate::Error;
use crate::connect::{Connector, Stream};
use crate::error::io_words;
use http::uri::Uri;
use idle::Idle;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Memory for the first bytes of an answer, unless there is more already.
const FIRST_READ_BYTES: usize = 16 * 1024;
/// Most bytes of the head of an answer.
const MAX_HEAD_BYTES: usize = 1 << 20;
/// Most answers that only announce another one.
const MAX_INTERIM: usize = 5;

/// Asks over connections that it keeps.
pub(crate) struct Direct {
    connector: Connector,
    idle: Arc<Idle>,
}

/// Why there was no answer.
struct Failure {
    what: Box<str>,
    /// Not a byte came.
    is_silent: bool,
}

impl Failure {
    fn spoken(what: impl Into<Box<str>>) -> Self {
        Self { what: what.into(), is_silent: false }
    }
}

impl Direct {
    pub(crate) fn new(connector: Connector) -> Self {
        Self { connector, idle: Arc::default() }
    }

    /// Whether requests for this may be asked here.
    pub(crate) fn reaches(&self, uri: &Uri) -> bool {
        self.connector.is_plain(uri)
    }

    /// Asks, and reads the head of the answer. What came behind it is in `buffer`. Where a kept connection ends without
    /// a word the request is sent again: servers close idle connections at any moment, also at the one in which they
    /// are asked. Each failure takes a kept connection away, and a new one is not tried twice: this ends.
    pub(crate) async fn ask(
        &self,
        letter: &Letter,
        buffer: &mut Vec<u8>,
    ) -> Result<(Head, Exchange), Box<str>> {
        let authority = letter.authority();
        let asked = letter.bytes();
        loop {
            let kept = self.idle.take(authority.as_str());
            let was_kept = kept.is_some();
            let mut stream = match kept {
                Some(stream) => stream,
                None => self.connect(letter.uri()).await?,
            };
            match exchange(&mut stream, &asked, buffer).await {
                Ok(head) => {
                    let idle = Arc::clone(&self.idle);
                    let exchange = Exchange::new(stream, &head, (idle, authority.clone()));
                    return Ok((head, exchange));
                }
                Err(failure) if was_kept && failure.is_silent => {}
                Err(failure) => return Err(failure.what),
            }
        }
    }

    async fn connect(&self, uri: Uri) -> Result<Stream, Box<str>> {
        // On its own in memory: it is large and rare, and what it is part of is made for each request.
        let connecting = Box::pin(self.connector.clone().connect(uri));
        let connected = connecting.await;
        connected.map_err(|error| match error {
            Error::Request { what, .. } => what,
            error => error.to_string().into(),
        })
    }
}

/// Sends a request and reads up to the end of the head of its answer.
async fn exchange(
    stream: &mut Stream,
    asked: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<Head, Failure> {
    let io = stream.io();
    let failed = |error: &io::Error| Failure { what: io_words(error), is_silent: true };
    io.write_all(asked).await.map_err(|e| failed(&e))?;
    io.flush().await.map_err(|e| failed(&e))?;
    buffer.clear();
    let mut interim = 0;
    let mut is_silent = true;
    loop {
        // Behind an interim answer there may be more already.
        match head::parse(buffer).map_err(|what| Failure::spoken(broken(&what)))? {
            Some((head, length)) => {
                buffer.drain(..length);
                if !head.is_interim() {
                    return Ok(head);
                }
                interim += 1;
                if interim > MAX_INTERIM {
                    return Err(Failure::spoken(broken("too many 1xx informational responses")));
                }
            }
            None if buffer.len() > MAX_HEAD_BYTES => {
                let what =
                    format!("server response headers exceeded {MAX_HEAD_BYTES} bytes; aborted");
                return Err(Failure::spoken(format!("net/http: {what}")));
            }
            None => {
                buffer.reserve(FIRST_READ_BYTES);
                let read = io.read_buf(buffer).await;
                match read {
                    Ok(0) if is_silent => {
                        return Err(Failure { what: "EOF".into(), is_silent });
                    }
                    Ok(0) => return Err(Failure::spoken(broken("unexpected EOF"))),
                    Ok(_) => is_silent = false,
                    Err(error) => return Err(Failure { what: io_words(&error), is_silent }),
                }
            }
        }
    }
}

/// In the words of Go, which operators look for.
fn broken(what: &str) -> String {
    format!("net/http: HTTP/1.x transport connection broken: {what}")
}

#[cfg(test)]
mod tests;
