//! A client that sends a request exactly as it is written down, and hangs up after the answer; and one that stays.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a server answered. Header names are in lower case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body as it came, chunks put together.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// All values of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<&str> {
        let name = name.to_ascii_lowercase();
        self.headers.iter().filter(|(n, _)| *n == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// Sends one request over a fresh connection.
#[must_use]
pub fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Answer {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.extend([name.as_str(), ": ", value, "\r\n"]);
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
        let length = body.len().to_string();
        request.extend(["Content-Length: ", &length, "\r\n"]);
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.write_all(request.as_bytes()).expect("send");
    // A server that refuses a large body by its length hangs up before all of it is read.
    let sent = stream.write_all(body);
    let mut received = Vec::new();
    let read = stream.read_to_end(&mut received);
    assert!(!received.is_empty(), "{method} {path}: no answer ({sent:?}, {read:?})");
    parse(&received, method)
}

/// Asks for a stream that does not end, reads it for that long and hangs up.
#[must_use]
pub fn listen(address: SocketAddr, path: &str, how_long: Duration) -> Answer {
    let mut stream = TcpStream::connect(address).expect("connect");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("send");
    stream.set_read_timeout(Some(how_long)).expect("timeout");
    let mut received = Vec::new();
    // The timeout is what ends it, unless the answer has no body.
    drop(stream.read_to_end(&mut received));
    parse(&received, "GET")
}

/// An answer as it was received.
#[must_use]
pub fn parse(received: &[u8], method: &str) -> Answer {
    let end = received.windows(4).position(|w| w == b"\r\n\r\n").expect("headers end");
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("status line");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let status = status.parse().expect("status");
    let mut answer = Answer { status, headers, body: received[end + 4..].to_vec() };
    if answer.header("transfer-encoding") == ["chunked"] {
        answer.body = unchunk(&answer.body);
    }
    if method == "HEAD" {
        answer.body.clear();
    }
    answer
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        // A stream that was left before its end has no last chunk.
        let Some(end) = rest.windows(2).position(|w| w == b"\r\n") else { return body };
        let size = std::str::from_utf8(&rest[..end]).expect("chunk size");
        let size = usize::from_str_radix(size.trim(), 16).expect("chunk size");
        rest = &rest[end + 2..];
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

/// A connection that is kept from request to request.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_nodelay(true).expect("an option");
        Self { address, stream: BufReader::new(stream) }
    }

    /// Posts a form.
    pub fn post(&mut self, path: &str, form: &str) -> Answer {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            self.address,
            form.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).expect("send");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(self.stream.read_until(b'\n', &mut head).expect("a line"), 0, "hung up");
        }
        let mut answer = parse(&head, "HEAD");
        if answer.header("transfer-encoding") == ["chunked"] {
            let mut chunks = Vec::new();
            loop {
                let begin = chunks.len();
                self.stream.read_until(b'\n', &mut chunks).expect("a chunk size");
                let size = std::str::from_utf8(&chunks[begin..]).expect("a chunk size");
                let size = usize::from_str_radix(size.trim(), 16).expect("a chunk size");
                let begin = chunks.len();
                chunks.resize(begin + size + 2, 0);
                self.stream.read_exact(&mut chunks[begin..]).expect("a chunk");
                if size == 0 {
                    break;
                }
            }
            answer.body = unchunk(&chunks);
        } else {
            let len = answer.header("content-length").first().expect("a length").parse();
            answer.body = vec![0; len.expect("a number")];
            self.stream.read_exact(&mut answer.body).expect("a body");
        }
        answer
    }
}
