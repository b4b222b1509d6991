//! Bodies in chunks, as bytes come. Knows no socket.

/// Most bytes of a line between chunks, and of all lines behind the last one.
const MAX_LINE_BYTES: usize = 4096;
const MAX_TRAILER_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the line that tells the length of a chunk.
    Length,
    /// In a chunk, with so many bytes to come.
    Data(u64),
    /// Behind a chunk.
    DataEnd,
    /// In the lines behind the last chunk.
    Trailer,
    Done,
}

/// Takes the chunks out of a body.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    line: Vec<u8>,
    trailer_bytes: usize,
}

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    /// More bytes are needed.
    Nothing,
    /// The body is over.
    End,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { state: State::Length, line: Vec::new(), trailer_bytes: 0 }
    }

    /// The next piece of what `bytes` begin with, which is taken off them. Errors are in the words of Go.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Piece<'a>, &'static str> {
        loop {
            match self.state {
                State::Done => return Ok(Piece::End),
                _ if bytes.is_empty() => return Ok(Piece::Nothing),
                State::Data(left) => {
                    let here =
                        usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    let (data, rest) = bytes.split_at(here);
                    *bytes = rest;
                    let left = left - here as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Piece::Data(data));
                }
                State::Length => {
                    if !self.take_line(bytes)? {
                        return Ok(Piece::Nothing);
                    }
                    let length = chunk_length(&self.line)?;
                    self.line.clear();
                    self.state = if length == 0 { State::Trailer } else { State::Data(length) };
                }
                State::DataEnd => {
                    let (byte, rest) = bytes.split_first().expect("not empty");
                    *bytes = rest;
                    self.line.push(*byte);
                    match &self.line[..] {
                        b"\r" => {}
                        b"\r\n" => {
                            self.line.clear();
                            self.state = State::Length;
                        }
                        _ => return Err("malformed chunked encoding"),
                    }
                }
                State::Trailer => {
                    if !self.take_line(bytes)? {
                        return Ok(Piece::Nothing);
                    }
                    self.trailer_bytes += self.line.len();
                    if self.line.trim_ascii().is_empty() {
                        self.state = State::Done;
                    } else if self.trailer_bytes > MAX_TRAILER_BYTES {
                        return Err("http: suspiciously long trailer after chunked body");
                    }
                    self.line.clear();
                }
            }
        }
    }

    /// Whether a whole line is there now.
    fn take_line(&mut self, bytes: &mut &[u8]) -> Result<bool, &'static str> {
        let end = bytes.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
        let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        *bytes = rest;
        self.line.extend_from_slice(line);
        if self.line.len() > MAX_LINE_BYTES {
            return Err("header line too long");
        }
        Ok(end.is_some())
    }
}

/// The length that a line tells, whatever else it says.
fn chunk_length(line: &[u8]) -> Result<u64, &'static str> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii_end();
    match digits.len() {
        0 => return Err("empty hex number for chunk length"),
        17.. => return Err("http chunk length too large"),
        _ => {}
    }
    digits.iter().try_fold(0, |length: u64, &byte| {
        let digit = char::from(byte).to_digit(16).ok_or("invalid byte in chunk length")?;
        Ok(length << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests;
