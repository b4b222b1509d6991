//! The head of an answer: what of it matters here, and how the body is told to end. Reads no socket.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::response::Parts;
use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};
use hyper::ext::ReasonPhrase;

/// Most headers of an answer.
const MAX_HEADERS: usize = 128;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With a chunk of no bytes.
    Chunked,
    /// With the connection.
    UntilEnd,
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) reason: Box<str>,
    /// Empty if there is none.
    pub(crate) content_type: Box<str>,
    pub(crate) location: Option<HeaderValue>,
    pub(crate) is_gzip: bool,
    pub(super) framing: Framing,
    /// Whether the connection goes on after the body.
    pub(super) goes_on: bool,
}

impl Head {
    /// Of an answer that somebody else reads.
    pub(crate) fn of(parts: &Parts) -> Self {
        let text = |name: HeaderName| {
            let value = parts.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
            Box::<str>::from(String::from_utf8_lossy(value))
        };
        Self {
            status: parts.status.as_u16(),
            reason: match parts.extensions.get::<ReasonPhrase>() {
                Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into(),
                None => parts.status.canonical_reason().unwrap_or_default().into(),
            },
            content_type: text(CONTENT_TYPE),
            location: parts.headers.get(LOCATION).cloned(),
            is_gzip: &*text(CONTENT_ENCODING) == "gzip",
            framing: Framing::UntilEnd,
            goes_on: false,
        }
    }

    /// Whether it only announces another answer.
    pub(super) fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// What headers tell about the body and the connection.
#[derive(Default)]
struct Told<'a> {
    length: Option<&'a [u8]>,
    encodings: Vec<&'a [u8]>,
    closes: bool,
    keeps: bool,
}

impl Told<'_> {
    fn framing(&self, status: u16, is_old: bool) -> Result<Framing, Box<str>> {
        if status < 200 || status == 204 || status == 304 {
            return Ok(Framing::Length(0));
        }
        match self.encodings[..] {
            _ if is_old => {}
            [] => {}
            [one] if one.eq_ignore_ascii_case(b"chunked") => return Ok(Framing::Chunked),
            [one] => {
                let one = one.escape_ascii();
                return Err(format!("unsupported transfer encoding: \"{one}\"").into());
            }
            _ => return Err("too many transfer encodings".into()),
        }
        let Some(length) = self.length else { return Ok(Framing::UntilEnd) };
        let digits = std::str::from_utf8(length).ok();
        let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(length) if length <= i64::MAX as u64 => Ok(Framing::Length(length)),
            _ => Err(format!("bad Content-Length \"{}\"", length.escape_ascii()).into()),
        }
    }
}

/// Parses the head that `bytes` begin with, and its length; `None` if it does not end there.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Box<str>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response(&mut answer, bytes);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(malformed(error, bytes)),
    };
    let status = answer.code.unwrap_or_default();
    let is_old = answer.version == Some(0);
    let mut head = Head {
        status,
        reason: answer.reason.unwrap_or_default().into(),
        content_type: Box::default(),
        location: None,
        is_gzip: false,
        framing: Framing::UntilEnd,
        goes_on: false,
    };
    let told = read_headers(answer.headers, &mut head)?;
    head.framing = told.framing(status, is_old)?;
    let stays = if is_old { told.keeps } else { !told.closes };
    head.goes_on = stays && head.framing != Framing::UntilEnd && status != 101;
    Ok(Some((head, length)))
}

fn read_headers<'a>(headers: &[Header<'a>], head: &mut Head) -> Result<Told<'a>, Box<str>> {
    let mut told = Told::default();
    let (mut has_type, mut has_encoding) = (false, false);
    for &Header { name, value } in headers {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("content-type") && !has_type {
            has_type = true;
            head.content_type = String::from_utf8_lossy(value).into();
        } else if is("content-encoding") && !has_encoding {
            has_encoding = true;
            head.is_gzip = value == b"gzip";
        } else if is(LOCATION.as_str()) && head.location.is_none() {
            head.location = HeaderValue::from_bytes(value).ok();
        } else if is("content-length") {
            let value = value.trim_ascii();
            if told.length.is_some_and(|before| before != value) {
                return Err("http: message cannot contain multiple Content-Length headers".into());
            }
            told.length = Some(value);
        } else if is("transfer-encoding") {
            told.encodings.push(value);
        } else if is("connection") {
            for token in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                told.closes |= token.eq_ignore_ascii_case(b"close");
                told.keeps |= token.eq_ignore_ascii_case(b"keep-alive");
            }
        }
    }
    Ok(told)
}

/// What is wrong with a head, in the words of Go.
fn malformed(error: httparse::Error, bytes: &[u8]) -> Box<str> {
    let mut lines =
        bytes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    match error {
        httparse::Error::TooManyHeaders => "too many headers".into(),
        httparse::Error::HeaderName | httparse::Error::HeaderValue => {
            let bad = lines.find(|line| !line.contains(&b':')).unwrap_or_default();
            format!("malformed MIME header line: {}", bad.escape_ascii()).into()
        }
        _ => malformed_line(first).into(),
    }
}

fn malformed_line(line: &[u8]) -> String {
    let mut words = line.splitn(2, |&byte| byte == b' ');
    let (version, Some(rest)) = (words.next().unwrap_or_default(), words.next()) else {
        return format!("malformed HTTP response \"{}\"", line.escape_ascii());
    };
    let code = rest.trim_ascii_start().split(|&byte| byte == b' ').next().unwrap_or_default();
    if code.len() == 3 && code.iter().all(u8::is_ascii_digit) {
        format!("malformed HTTP version \"{}\"", version.escape_ascii())
    } else {
        format!("malformed HTTP status code \"{}\"", code.escape_ascii())
    }
}

#[cfg(test)]
mod tests;
