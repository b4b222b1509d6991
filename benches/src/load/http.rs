//! A blocking HTTP/1.1 client on one kept-alive connection: as little CPU as possible beside the server under test.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection to a server on this machine.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

/// Status and body of an answer.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// The body, as sent.
    pub body: Vec<u8>,
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Client {
    /// A client of the server at 127.0.0.1:`port`; connects at the first request.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), connection: None }
    }

    /// `GET path`.
    pub fn get(&mut self, path: &str) -> io::Result<Response> {
        self.send("GET", path, "", &[])
    }

    /// `POST path` with further header lines (each ended by CRLF) and a body.
    pub fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> io::Result<Response> {
        self.send("POST", path, headers, body)
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<Response> {
        let kept = self.connection.is_some();
        match self.send_once(method, path, headers, body) {
            // A kept connection may have been closed by the server meanwhile; a fresh one decides.
            Err(_) if kept => {
                self.connection = None;
                self.send_once(method, path, headers, body)
            }
            answer => answer,
        }
    }

    fn send_once(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<Response> {
        if self.connection.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(120)))?;
            self.connection = Some(BufReader::with_capacity(1 << 16, stream));
        }
        let connection = self.connection.as_mut().ok_or_else(|| bad("no connection"))?;
        let length = body.len();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        connection.get_mut().write_all(&request)?;
        let (response, close) = read_response(connection)?;
        if close {
            self.connection = None;
        }
        Ok(response)
    }
}

fn read_response(connection: &mut BufReader<TcpStream>) -> io::Result<(Response, bool)> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| bad(&line))?;
    let (mut length, mut chunked, mut close) = (None, false, false);
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(bad("connection closed inside the header"));
        }
        let trimmed = line.trim_end();
        if trimmed.is_empty() {
            break;
        }
        let lower = trimmed.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse::<usize>().ok();
        }
        chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
        close |= lower.starts_with("connection:") && lower.contains("close");
    }
    let mut body = Vec::new();
    if chunked {
        read_chunks(connection, &mut body)?;
    } else if let Some(length) = length {
        body.resize(length, 0);
        connection.read_exact(&mut body)?;
    }
    Ok((Response { status, body }, close))
}

fn read_chunks(connection: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(|_| bad("chunk size"))?;
        let begin = body.len();
        body.resize(begin + size, 0);
        connection.read_exact(&mut body[begin..])?;
        line.clear();
        connection.read_line(&mut line)?;
        if size == 0 {
            return Ok(());
        }
    }
}

/// Percent-encodes a query parameter.
#[must_use]
pub fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("text in memory");
        }
    }
    out
}
