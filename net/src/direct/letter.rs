//! A request as it is sent: its bytes, and where they go. One that is the same each time is written once. Sends nothing.

use http::Request;
use http::header::{HOST, HeaderName};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use parking_lot::Mutex;
use std::sync::Arc;

/// The bytes of a request.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    authority: Authority,
    /// The first line, and the host if it is not among the headers.
    first: Box<[u8]>,
    /// The headers: the same for many.
    headers: Arc<[u8]>,
}

/// The headers of the letter that was written last: those of the next one are mostly the same.
#[derive(Debug, Default)]
pub(crate) struct LastHeaders(Mutex<Arc<[u8]>>);

impl LastHeaders {
    fn share(&self, headers: &[u8]) -> Arc<[u8]> {
        let mut last = self.0.lock();
        if **last != *headers {
            *last = headers.into();
        }
        Arc::clone(&last)
    }
}

impl Letter {
    /// Writes a request, its headers in their order behind the host, in the case that Go writes.
    pub(crate) fn new<B>(request: &Request<B>, last: &LastHeaders) -> Result<Self, Box<str>> {
        let authority = request.uri().authority().ok_or("http: no Host in request URL")?;
        let first = first_lines(request, authority).into();
        let mut headers = Vec::with_capacity(1024);
        for (name, value) in request.headers() {
            push_title_case(name, &mut headers);
            headers.extend_from_slice(b": ");
            headers.extend_from_slice(value.as_bytes());
            headers.extend_from_slice(b"\r\n");
        }
        headers.extend_from_slice(b"\r\n");
        Ok(Self { authority: authority.clone(), first, headers: last.share(&headers) })
    }

    /// Whom it is sent to.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The same for who connects, without a path.
    pub(crate) fn uri(&self) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        Uri::from_parts(parts).expect("all parts are there")
    }

    /// What is sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&*self.first, &*self.headers].concat()
    }
}

fn first_lines<B>(request: &Request<B>, authority: &Authority) -> Vec<u8> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut bytes = Vec::with_capacity(256);
    for part in ["GET ", if path.is_empty() { "/" } else { path }, " HTTP/1.1\r\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
    if !request.headers().contains_key(HOST) {
        bytes.extend_from_slice(b"Host: ");
        bytes.extend_from_slice(authority.host().as_bytes());
        if let Some(port) = authority.port_u16().filter(|&port| port != 80) {
            bytes.push(b':');
            bytes.extend_from_slice(port.to_string().as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn push_title_case(name: &HeaderName, bytes: &mut Vec<u8>) {
    let mut begins = true;
    for byte in name.as_str().bytes() {
        bytes.push(if begins { byte.to_ascii_uppercase() } else { byte });
        begins = byte == b'-';
    }
}
