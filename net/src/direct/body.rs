//! The body of an answer: plain ones are read where they stay, others by way of a buffer. The connection is kept if the
//! answer ended as it should.

use super::chunked::{Chunked, Piece};
use super::head::{Framing, Head};
use super::idle::Idle;
use crate::Error;
use crate::connect::Stream;
use crate::decompress::{BodyLimit, BodyReader, foreseen};
use crate::error::io_words;
use http::uri::Authority;
use std::io;
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// Room beyond a body: for the head of the next answer, where the memory is used again, and so that a read does not fill
/// it, which tells that the socket is empty.
const SPARE_BYTES: usize = 1024;
/// Least room for a read.
const MIN_READ_BYTES: usize = 4 * 1024;
/// Room for reading what is not read where it stays.
const PIECE_BYTES: usize = 32 * 1024;

/// A connection with an answer whose body is to be read.
pub(crate) struct Exchange {
    stream: Stream,
    framing: Framing,
    is_gzip: bool,
    /// Where it goes when it is over, if it goes on.
    home: Option<(Arc<Idle>, Authority)>,
}

fn broken_off(error: &io::Error) -> Error {
    Error::Body(io_words(error))
}

impl Exchange {
    pub(super) fn new(stream: Stream, head: &Head, home: (Arc<Idle>, Authority)) -> Self {
        let home = head.goes_on.then_some(home);
        Self { stream, framing: head.framing, is_gzip: head.is_gzip, home }
    }

    /// Leaves a body unread that nobody wants. The connection goes on if all of it is in `body`.
    pub(crate) fn discard(self, body: &[u8]) {
        if let Some((idle, authority)) = self.home
            && self.framing == Framing::Length(body.len() as u64)
        {
            idle.put(authority.as_str(), self.stream);
        }
    }

    /// Reads the body into `body`, which has its first bytes, uncompressed. A length beyond `limit` is an error.
    pub(crate) async fn read(mut self, body: &mut Vec<u8>, limit: BodyLimit) -> Result<(), Error> {
        let ends_clean = match self.framing {
            Framing::Length(length) if !self.is_gzip => {
                self.read_length(length, body, limit).await?
            }
            Framing::UntilEnd if !self.is_gzip => self.read_until_end(body, limit).await?,
            _ => self.read_by_pieces(body, limit).await?,
        };
        if let Some((idle, authority)) = self.home
            && ends_clean
        {
            idle.put(authority.as_str(), self.stream);
        }
        Ok(())
    }

    /// Returns whether nothing came behind the body.
    async fn read_length(
        &mut self,
        length: u64,
        body: &mut Vec<u8>,
        mut limit: BodyLimit,
    ) -> Result<bool, Error> {
        limit.check(length, body.len())?;
        while (body.len() as u64) < length {
            let left = length - body.len() as u64;
            let least = left.min(MIN_READ_BYTES as u64) as usize;
            if body.capacity() - body.len() <= least {
                body.reserve_exact(foreseen(body.len(), left) + SPARE_BYTES);
            }
            match self.stream.io().read_buf(body).await {
                Ok(0) => return Err(Error::Body("unexpected EOF".into())),
                Ok(_) => {}
                Err(error) => return Err(broken_off(&error)),
            }
        }
        let ends_clean = body.len() as u64 == length;
        body.truncate(length as usize);
        Ok(ends_clean)
    }

    async fn read_until_end(
        &mut self,
        body: &mut Vec<u8>,
        mut limit: BodyLimit,
    ) -> Result<bool, Error> {
        loop {
            limit.check(body.len() as u64, body.len())?;
            body.reserve(MIN_READ_BYTES);
            match self.stream.io().read_buf(body).await {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) => return Err(broken_off(&error)),
            }
        }
    }

    async fn read_by_pieces(
        &mut self,
        body: &mut Vec<u8>,
        limit: BodyLimit,
    ) -> Result<bool, Error> {
        let mut pieces = Vec::with_capacity(PIECE_BYTES.max(body.len()));
        pieces.extend_from_slice(body);
        let mut reader = BodyReader::new(std::mem::take(body), self.is_gzip, limit);
        let mut unframed = Unframed::new(self.framing);
        let ends_clean = loop {
            if let Some(ends_clean) = unframed.push(&pieces, &mut reader)? {
                break ends_clean;
            }
            pieces.clear();
            match self.stream.io().read_buf(&mut pieces).await {
                Ok(0) if matches!(unframed, Unframed::UntilEnd) => break false,
                Ok(0) => return Err(Error::Body("unexpected EOF".into())),
                Ok(_) => {}
                Err(error) => return Err(broken_off(&error)),
            }
        };
        *body = reader.finish()?;
        Ok(ends_clean)
    }
}

/// What takes the frame off a body.
enum Unframed {
    /// So many bytes are to come.
    Length(u64),
    Chunked(Chunked),
    UntilEnd,
}

impl Unframed {
    fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::new()),
            Framing::UntilEnd => Self::UntilEnd,
        }
    }

    /// Passes on what of `bytes` is body. At its end: whether nothing follows.
    fn push(&mut self, mut bytes: &[u8], reader: &mut BodyReader) -> Result<Option<bool>, Error> {
        match self {
            Self::UntilEnd => {
                reader.push(bytes)?;
                Ok(None)
            }
            Self::Length(left) => {
                let here = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                reader.push(&bytes[..here])?;
                *left -= here as u64;
                Ok((*left == 0).then_some(here == bytes.len()))
            }
            Self::Chunked(chunked) => loop {
                match chunked.next(&mut bytes).map_err(|what| Error::Body(what.into()))? {
                    Piece::Data(data) => reader.push(data)?,
                    Piece::Nothing => return Ok(None),
                    Piece::End => return Ok(Some(bytes.is_empty())),
                }
            },
        }
    }
}
