//! Bodies into memory, uncompressed, up to a limit: a small compressed answer must not fill the machine.

use crate::Error;
use flate2::write::MultiGzDecoder;
use std::io::{self, Write};

/// Collects a body; an uncompressed length that reaches the limit is an error.
#[derive(Debug)]
struct Capped {
    bytes: Vec<u8>,
    limit: Option<u64>,
    full: bool,
}

impl Capped {
    fn push(&mut self, bytes: &[u8]) -> bool {
        let length = (self.bytes.len() + bytes.len()) as u64;
        self.full = self.limit.is_some_and(|limit| length >= limit);
        if !self.full {
            self.bytes.extend_from_slice(bytes);
        }
        !self.full
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.push(bytes) { Ok(bytes.len()) } else { Err(io::Error::other("limit reached")) }
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
    pub(crate) fn new(mut buffer: Vec<u8>, gzip: bool, limit: Option<u64>) -> Self {
        buffer.clear();
        let capped = Capped { bytes: buffer, limit, full: false };
        Self(if gzip {
            Reader::Gzip(Box::new(MultiGzDecoder::new(capped)))
        } else {
            Reader::Plain(capped)
        })
    }

    /// Takes the next frame.
    pub(crate) fn push(&mut self, frame: &[u8]) -> Result<(), Error> {
        match &mut self.0 {
            Reader::Plain(capped) => {
                if capped.push(frame) {
                    Ok(())
                } else {
                    Err(Error::BodyTooLarge)
                }
            }
            Reader::Gzip(decoder) => match decoder.write_all(frame) {
                Ok(()) => Ok(()),
                Err(_) if decoder.get_ref().full => Err(Error::BodyTooLarge),
                Err(error) => Err(gzip_error(&error)),
            },
        }
    }

    /// The whole body.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        match self.0 {
            Reader::Plain(capped) => Ok(capped.bytes),
            Reader::Gzip(mut decoder) => {
                if let Err(error) = decoder.try_finish() {
                    let full = decoder.get_ref().full;
                    return Err(if full { Error::BodyTooLarge } else { gzip_error(&error) });
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
