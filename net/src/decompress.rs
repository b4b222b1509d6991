//! Bodies into memory, uncompressed, up to a limit: a small compressed answer must not fill the machine.

use crate::Error;
use flate2::write::MultiGzDecoder;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// Most bytes for which memory is taken because a length was told, before any of them has come.
const MAX_FORESEEN_BYTES: u64 = 4 << 20;
/// Of what has come so many times as much is believed to follow.
const BELIEVED_TIMES: u64 = 8;

/// Memory is looked at when a body has grown by so much.
const LOOK_BYTES: u64 = 16 << 20;
/// What a body takes with the work on it, in times its length.
const WORK_TIMES: u64 = 2;

/// Answers how many bytes of memory may still be used.
pub type MemoryLeft = Arc<dyn Fn() -> u64 + Send + Sync>;

/// For how many of `left` bytes to come memory is taken at once. What was told may be wrong: memory grows as bytes come
/// where there are many, but not by doubling what is there, which would hold half as much again.
pub(crate) fn foreseen(have: usize, left: u64) -> usize {
    left.min(MAX_FORESEEN_BYTES.max(BELIEVED_TIMES.saturating_mul(have as u64))) as usize
}

/// How much of a body is taken.
#[derive(Clone, Default)]
pub(crate) struct BodyLimit {
    bytes: Option<u64>,
    memory_left: Option<MemoryLeft>,
    /// Memory is not looked at before this length.
    looked_bytes: u64,
}

impl fmt::Debug for BodyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyLimit").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl BodyLimit {
    /// A length of `bytes` is too much, and so is one that leaves no memory to work on it.
    pub(crate) fn new(bytes: Option<u64>, memory_left: Option<MemoryLeft>) -> Self {
        Self { bytes, memory_left, looked_bytes: 0 }
    }

    /// Whether a body may have this length, as told or come so far, `have` of it in memory already.
    pub(crate) fn check(&mut self, length: u64, have: usize) -> Result<(), Error> {
        if self.bytes.is_some_and(|limit| length >= limit) {
            return Err(Error::BodyTooLarge);
        }
        if length < self.looked_bytes + LOOK_BYTES {
            return Ok(());
        }
        self.looked_bytes = length;
        let needed = length.saturating_mul(WORK_TIMES).saturating_sub(have as u64);
        match &self.memory_left {
            Some(left) if left() < needed => Err(Error::BodyBeyondMemory { length }),
            _ => Ok(()),
        }
    }
}

/// Collects a body; an uncompressed length that reaches the limit is an error.
#[derive(Debug)]
struct Capped {
    bytes: Vec<u8>,
    limit: BodyLimit,
    failure: Option<Error>,
}

impl Capped {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let length = (self.bytes.len() + bytes.len()) as u64;
        self.limit.check(length, self.bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.push(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                self.failure = Some(error);
                Err(io::Error::other("limit reached"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the frames of an answer in order.
#[derive(Debug)]
pub(crate) struct BodyReader(Reader);

#[derive(Debug)]
enum Reader {
    Plain(Capped),
    Gzip(Box<MultiGzDecoder<Capped>>),
}

impl BodyReader {
    /// Fills `buffer` from its start.
    pub(crate) fn new(mut buffer: Vec<u8>, gzip: bool, limit: BodyLimit) -> Self {
        buffer.clear();
        let capped = Capped { bytes: buffer, limit, failure: None };
        Self(if gzip {
            Reader::Gzip(Box::new(MultiGzDecoder::new(capped)))
        } else {
            Reader::Plain(capped)
        })
    }

    /// Takes the next frame.
    pub(crate) fn push(&mut self, frame: &[u8]) -> Result<(), Error> {
        match &mut self.0 {
            Reader::Plain(capped) => capped.push(frame),
            Reader::Gzip(decoder) => decoder.write_all(frame).map_err(|error| {
                decoder.get_mut().failure.take().unwrap_or_else(|| gzip_error(&error))
            }),
        }
    }

    /// The whole body.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        match self.0 {
            Reader::Plain(capped) => Ok(capped.bytes),
            Reader::Gzip(mut decoder) => {
                if let Err(error) = decoder.try_finish() {
                    let failure = decoder.get_mut().failure.take();
                    return Err(failure.unwrap_or_else(|| gzip_error(&error)));
                }
                Ok(std::mem::take(&mut decoder.get_mut().bytes))
            }
        }
    }
}

fn gzip_error(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::Body("unexpected EOF".into());
    }
    let text = error.to_string();
    if text.contains("invalid gzip header") {
        return Error::Body("gzip: invalid header".into());
    }
    Error::Body(format!("gzip: {text}").into())
}

#[cfg(test)]
mod tests;
