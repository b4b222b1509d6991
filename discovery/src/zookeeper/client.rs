//! The protocol of ZooKeeper, as far as it takes to read nodes and to hear of their changes. One connection is one
//! session: after a failure everything is read anew.

use crate::Error;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const DEFAULT_PORT: u16 = 2181;
const MAX_FRAME_BYTES: usize = 16 << 20;
/// Questions that are sent before their answers are read.
const MAX_PIPELINED: usize = 256;

/// Numbers of events and pings in place of those of questions.
const EVENT: i32 = -1;
const PING: i32 = -2;
/// What is asked for.
const GET_DATA: i32 = 4;
const GET_CHILDREN: i32 = 8;
const PING_KIND: i32 = 11;
/// The answer to a question about a node that is not there.
const NO_NODE: i32 = -101;
/// What an event tells beside changes: the state of the session.
const NO_CHANGE: i32 = -1;

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) data: Bytes,
    pub(super) children: Vec<String>,
}

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Connection {
    server: String,
    stream: TcpStream,
    received: BytesMut,
    /// Silence longer than this means that the server is gone.
    patience: Duration,
    next: i32,
    /// Paths of nodes that changed, and whose change was not handed out yet.
    changed: VecDeque<String>,
}

impl Connection {
    /// Opens a session at `server`, a host with or without port.
    pub(super) async fn open(server: &str, session: Duration) -> Result<Self, Error> {
        let address = match server.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => server.to_owned(),
            _ => format!("{server}:{DEFAULT_PORT}"),
        };
        let failed = |what: &dyn std::fmt::Display| Error::answer(server, what);
        let stream = timeout(session, TcpStream::connect(&address)).await;
        let stream = stream.map_err(|_| failed(&"no connection in time"))?;
        let stream = stream.map_err(|error| failed(&error))?;
        let mut connection = Self {
            server: server.to_owned(),
            stream,
            received: BytesMut::new(),
            patience: session,
            next: 0,
            changed: VecDeque::new(),
        };
        let mut hello = BytesMut::new();
        hello.put_i32(0);
        hello.put_i64(0);
        hello.put_i32(i32::try_from(session.as_millis()).unwrap_or(i32::MAX));
        hello.put_i64(0);
        put_bytes(&mut hello, &[0; 16]);
        let mut out = BytesMut::new();
        put_bytes(&mut out, &hello);
        connection.send(&out).await?;
        let mut answer = connection.frame_in_time().await?;
        let granted_ms = int(&mut answer).and_then(|_| int(&mut answer));
        match granted_ms {
            Some(granted_ms) if granted_ms > 0 => {
                connection.patience = Duration::from_millis(granted_ms.unsigned_abs().into());
                Ok(connection)
            }
            _ => Err(failed(&"the server refuses the session")),
        }
    }

    fn broken(&self, what: &str) -> Error {
        Error::answer(&self.server, what)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let sent = self.stream.write_all(bytes).await;
        sent.map_err(|error| Error::answer(&self.server, error))
    }

    /// The next frame. To stop waiting for it loses nothing.
    async fn frame(&mut self) -> Result<Bytes, Error> {
        loop {
            if let Some(mut length) = self.received.get(..4) {
                let length = length.get_u32() as usize;
                if length > MAX_FRAME_BYTES {
                    return Err(self.broken("an answer without end"));
                }
                if self.received.len() >= 4 + length {
                    self.received.advance(4);
                    return Ok(self.received.split_to(length).freeze());
                }
            }
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) => return Err(self.broken("the server hung up")),
                Ok(_) => {}
                Err(error) => return Err(Error::answer(&self.server, error)),
            }
        }
    }

    async fn frame_in_time(&mut self) -> Result<Bytes, Error> {
        match timeout(self.patience, self.frame()).await {
            Ok(frame) => frame,
            Err(_) => Err(self.broken("no answer in time")),
        }
    }

    /// Takes in a frame that answers no question; `false` if it does.
    fn note(&mut self, frame: &mut Bytes) -> Result<Option<(i32, i32)>, Error> {
        let head = (int(frame), long(frame), int(frame));
        let (Some(number), Some(_), Some(error)) = head else {
            return Err(self.broken("an answer breaks off"));
        };
        match number {
            EVENT => {
                let event = (int(frame), int(frame), string(frame));
                let (Some(kind), Some(_), Some(path)) = event else {
                    return Err(self.broken("an event breaks off"));
                };
                if kind != NO_CHANGE && !self.changed.contains(&path) {
                    self.changed.push_back(path);
                }
                Ok(None)
            }
            PING => Ok(None),
            number => Ok(Some((number, error))),
        }
    }

    /// The nodes at `paths`, watched from now on; `None` for those that are not there.
    pub(super) async fn nodes(&mut self, paths: &[String]) -> Result<Vec<Option<Node>>, Error> {
        let mut nodes = Vec::with_capacity(paths.len());
        for batch in paths.chunks(MAX_PIPELINED) {
            let mut out = BytesMut::new();
            let first = self.next;
            for path in batch {
                for kind in [GET_DATA, GET_CHILDREN] {
                    let mut question = BytesMut::new();
                    question.put_i32(self.next);
                    question.put_i32(kind);
                    put_bytes(&mut question, path.as_bytes());
                    question.put_u8(1);
                    put_bytes(&mut out, &question);
                    self.next = self.next.wrapping_add(1) & i32::MAX;
                }
            }
            self.send(&out).await?;
            let mut number = first;
            for _ in batch {
                let data = self.answer(number).await?;
                let children = self.answer(number.wrapping_add(1) & i32::MAX).await?;
                number = number.wrapping_add(2) & i32::MAX;
                let (Some(mut data), Some(mut children)) = (data, children) else {
                    nodes.push(None);
                    continue;
                };
                let node = buffer(&mut data).zip(strings(&mut children));
                let Some((data, children)) = node else {
                    return Err(self.broken("an answer breaks off"));
                };
                nodes.push(Some(Node { data, children }));
            }
        }
        Ok(nodes)
    }

    /// The answer to a question; `None` if there is no such node.
    async fn answer(&mut self, number: i32) -> Result<Option<Bytes>, Error> {
        loop {
            let mut frame = self.frame_in_time().await?;
            match self.note(&mut frame)? {
                None => {}
                Some((got, 0)) if got == number => return Ok(Some(frame)),
                Some((got, NO_NODE)) if got == number => return Ok(None),
                Some((got, error)) if got == number => {
                    return Err(self.broken(&format!("the server answers with error {error}")));
                }
                Some(_) => return Err(self.broken("the answers are out of order")),
            }
        }
    }

    /// The path of the next node that changed. The session is kept alive meanwhile.
    pub(super) async fn changed(&mut self) -> Result<String, Error> {
        let mut is_waiting = false;
        loop {
            if let Some(path) = self.changed.pop_front() {
                return Ok(path);
            }
            match timeout(self.patience / 3, self.frame()).await {
                Ok(frame) => {
                    is_waiting = false;
                    if self.note(&mut frame?)?.is_some() {
                        return Err(self.broken("an answer to no question"));
                    }
                }
                Err(_) if is_waiting => return Err(self.broken("the server is silent")),
                Err(_) => {
                    let mut ping = BytesMut::new();
                    ping.put_i32(8);
                    ping.put_i32(PING);
                    ping.put_i32(PING_KIND);
                    self.send(&ping).await?;
                    is_waiting = true;
                }
            }
        }
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn int(from: &mut Bytes) -> Option<i32> {
    (from.len() >= 4).then(|| from.get_i32())
}

fn long(from: &mut Bytes) -> Option<i64> {
    (from.len() >= 8).then(|| from.get_i64())
}

/// Bytes behind their length, which is -1 for none.
fn buffer(from: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(int(from)?.max(0)).ok()?;
    (from.len() >= length).then(|| from.split_to(length))
}

fn string(from: &mut Bytes) -> Option<String> {
    Some(String::from_utf8_lossy(&buffer(from)?).into_owned())
}

fn strings(from: &mut Bytes) -> Option<Vec<String>> {
    let number = int(from)?.max(0);
    (0..number).map(|_| string(from)).collect()
}
