//! Messages of DNS: a question, asked over UDP and, if the answer is cut off, over TCP, and the records of the answer.
//! Who is asked for what is decided above.

use crate::Error;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

const TIMEOUT: Duration = Duration::from_secs(2);
/// How large an answer over UDP may be, as it is announced.
const MAX_DATAGRAM_BYTES: u16 = 4096;
const HEADER_BYTES: usize = 12;
const CLASS_INTERNET: u16 = 1;
const TYPE_OPTIONS: u16 = 41;
const NAME_ERROR: u8 = 3;
/// A name has at most 255 bytes, so more jumps than this are a loop.
const MAX_JUMPS: usize = 128;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// Name servers.
    Ns,
    /// Mail servers.
    Mx,
    /// IPv6 addresses.
    Aaaa,
    /// Hosts and ports of a service.
    Srv,
}

impl RecordType {
    /// The type of a name such as `SRV`, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::A, Self::Ns, Self::Mx, Self::Aaaa, Self::Srv];
        all.into_iter().find(|kind| format!("{kind:?}").eq_ignore_ascii_case(name))
    }

    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Mx => 15,
            Self::Aaaa => 28,
            Self::Srv => 33,
        }
    }
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Address(IpAddr),
    Ns(String),
    Mx(String),
    Srv {
        host: String,
        port: u16,
    },
    /// A name that stands for another, or a type that was not asked for.
    Other,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u8,
    is_cut_off: bool,
    pub(super) records: Vec<Data>,
}

impl Reply {
    pub(super) fn is_success(&self) -> bool {
        self.code == 0
    }

    pub(super) fn is_unknown_name(&self) -> bool {
        self.code == NAME_ERROR
    }
}

/// A question, ready to be sent.
#[derive(Debug)]
pub(super) struct Question<'a> {
    name: &'a str,
    id: u16,
    /// Without the part that announces the size of datagrams, which goes behind it.
    bytes: Vec<u8>,
}

impl<'a> Question<'a> {
    pub(super) fn new(name: &'a str, record_type: RecordType) -> Result<Self, Error> {
        let id = RandomState::new().hash_one(name) as u16;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + name.len() + 6 + 11);
        for part in [id, 0x0100, 1, 0, 0, 0] {
            bytes.extend_from_slice(&part.to_be_bytes());
        }
        for label in name.split('.').filter(|label| !label.is_empty()) {
            let length = u8::try_from(label.len()).ok().filter(|&length| length < 64);
            let length =
                length.ok_or_else(|| Error::answer(name, "a part has more than 63 bytes"))?;
            bytes.push(length);
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.push(0);
        if bytes.len() - HEADER_BYTES > 255 {
            return Err(Error::answer(name, "the name has more than 255 bytes"));
        }
        bytes.extend_from_slice(&record_type.number().to_be_bytes());
        bytes.extend_from_slice(&CLASS_INTERNET.to_be_bytes());
        Ok(Self { name, id, bytes })
    }

    fn with_size(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[11] = 1;
        bytes.push(0);
        for part in [TYPE_OPTIONS, MAX_DATAGRAM_BYTES, 0, 0, 0] {
            bytes.extend_from_slice(&part.to_be_bytes());
        }
        bytes
    }

    /// Asks `server`.
    pub(super) async fn ask(&self, server: SocketAddr) -> Result<Reply, Error> {
        let reply = self.limited(server, self.ask_udp(server)).await?;
        if !reply.is_cut_off {
            return Ok(reply);
        }
        self.limited(server, self.ask_tcp(server)).await
    }

    async fn limited(
        &self,
        server: SocketAddr,
        asked: impl Future<Output = std::io::Result<Vec<u8>>>,
    ) -> Result<Reply, Error> {
        let failed = |what: String| Error::answer(self.name, format!("{server}: {what}"));
        let bytes = match tokio::time::timeout(TIMEOUT, asked).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed(format!("no answer within {TIMEOUT:?}"))),
        };
        parse(&bytes).ok_or_else(|| failed("the answer is no DNS message".to_owned()))
    }

    async fn ask_udp(&self, server: SocketAddr) -> std::io::Result<Vec<u8>> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(server).await?;
        socket.send(&self.with_size()).await?;
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let length = socket.recv(&mut buffer).await?;
            if self.is_answered_by(&buffer[..length]) {
                buffer.truncate(length);
                return Ok(buffer);
            }
        }
    }

    async fn ask_tcp(&self, server: SocketAddr) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(server).await?;
        let mut framed = u16::try_from(self.bytes.len()).unwrap_or(0).to_be_bytes().to_vec();
        framed.extend_from_slice(&self.bytes);
        stream.write_all(&framed).await?;
        let mut buffer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut buffer).await?;
        if self.is_answered_by(&buffer) {
            return Ok(buffer);
        }
        Err(std::io::Error::other("the answer is for another question"))
    }

    /// Whether `bytes` is an answer to this question and not to an older or a forged one.
    fn is_answered_by(&self, bytes: &[u8]) -> bool {
        let question = &self.bytes[HEADER_BYTES..];
        bytes.len() >= HEADER_BYTES
            && bytes[..2] == self.id.to_be_bytes()
            && bytes[2] & 0x80 != 0
            && bytes[HEADER_BYTES..]
                .get(..question.len())
                // Servers that refuse may leave the question out.
                .map_or(bytes[4..6] == [0, 0], |have| have.eq_ignore_ascii_case(question))
    }
}

/// A place in a message.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    /// A name with its last dot; bytes that would be taken for something else are escaped.
    fn name(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut after = None;
        for _ in 0..MAX_JUMPS {
            let length = self.byte()?;
            match length {
                0 => {
                    self.at = after.unwrap_or(self.at);
                    if out.is_empty() {
                        out.push('.');
                    }
                    return Some(out);
                }
                1..=63 => {
                    for _ in 0..length {
                        push_escaped(&mut out, self.byte()?);
                    }
                    out.push('.');
                }
                0xc0.. => {
                    let low = self.byte()?;
                    after = after.or(Some(self.at));
                    self.at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                }
                _ => return None,
            }
        }
        None
    }
}

fn push_escaped(out: &mut String, byte: u8) {
    match byte {
        b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
            out.push('\\');
            out.push(char::from(byte));
        }
        b' '..=b'~' => out.push(char::from(byte)),
        _ => {
            out.push('\\');
            let digits = [byte / 100, byte / 10 % 10, byte % 10];
            out.extend(digits.map(|digit| char::from(b'0' + digit)));
        }
    }
}

/// The answer in `bytes`; `None` if it is broken.
fn parse(bytes: &[u8]) -> Option<Reply> {
    let mut reader = Reader { bytes, at: 2 };
    let flags = reader.number()?;
    let (questions, answers) = (reader.number()?, reader.number()?);
    let mut reply = Reply {
        code: (flags & 0x0f) as u8,
        is_cut_off: flags & 0x0200 != 0,
        records: Vec::with_capacity(usize::from(answers.min(1024))),
    };
    if reply.is_cut_off {
        return Some(reply);
    }
    reader.at = HEADER_BYTES;
    for _ in 0..questions {
        reader.name()?;
        reader.at += 4;
    }
    for _ in 0..answers {
        reader.name()?;
        let kind = reader.number()?;
        reader.at += 6;
        let length = usize::from(reader.number()?);
        let end = reader.at.checked_add(length).filter(|&end| end <= bytes.len())?;
        reply.records.push(data(&mut reader, kind, end)?);
        reader.at = end;
    }
    Some(reply)
}

fn data(reader: &mut Reader<'_>, kind: u16, end: usize) -> Option<Data> {
    let raw = &reader.bytes[reader.at..end];
    Some(match kind {
        1 => Data::Address(IpAddr::from(<[u8; 4]>::try_from(raw).ok()?)),
        28 => Data::Address(IpAddr::from(<[u8; 16]>::try_from(raw).ok()?)),
        2 => Data::Ns(reader.name()?),
        15 => {
            reader.number()?;
            Data::Mx(reader.name()?)
        }
        33 => {
            reader.number()?;
            reader.number()?;
            let port = reader.number()?;
            Data::Srv { host: reader.name()?, port }
        }
        _ => Data::Other,
    })
}

#[cfg(test)]
mod tests;
