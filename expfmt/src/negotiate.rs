//! Which parser reads a body: media types of answers, and what a job falls back to. Not which formats are asked for.

use std::fmt;

/// A family of exposition formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics text.
    OpenMetrics,
    /// Length-delimited protobuf.
    Protobuf,
}

impl Format {
    /// The media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::OpenMetrics => "application/openmetrics-text",
            Self::Protobuf => "application/vnd.google.protobuf",
        }
    }

    fn of(media_type: &str) -> Option<Self> {
        [Self::Text, Self::OpenMetrics, Self::Protobuf]
            .into_iter()
            .find(|format| media_type.eq_ignore_ascii_case(format.media_type()))
    }
}

/// What is wrong with a content type.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Blank,
    Malformed(&'static str),
    Unsupported,
}

/// A content type that names no parser; its text is the `lastError` of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiationError {
    content_type: Box<str>,
    fault: Fault,
    fallback: Option<Format>,
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { content_type, fault, fallback } = self;
        match (fault, fallback) {
            (Fault::Blank, None) => f.write_str(
                "non-compliant scrape target sending blank Content-Type and no \
                 fallback_scrape_protocol specified for target",
            ),
            (Fault::Blank, Some(format)) => write!(
                f,
                "non-compliant scrape target sending blank Content-Type, using \
                 fallback_scrape_protocol {:?}",
                format.media_type()
            ),
            (Fault::Malformed(what), None) => write!(
                f,
                "cannot parse Content-Type {content_type:?} and no fallback_scrape_protocol for \
                 target\n{what}"
            ),
            (Fault::Malformed(what), Some(format)) => write!(
                f,
                "could not parse received Content-Type {content_type:?}, using \
                 fallback_scrape_protocol {:?}\n{what}",
                format.media_type()
            ),
            (Fault::Unsupported, None) => write!(
                f,
                "received unsupported Content-Type {content_type:?} and no \
                 fallback_scrape_protocol specified for target"
            ),
            (Fault::Unsupported, Some(format)) => write!(
                f,
                "received unsupported Content-Type {content_type:?}, using \
                 fallback_scrape_protocol {:?}",
                format.media_type()
            ),
        }
    }
}

impl std::error::Error for NegotiationError {}

/// The parser to use, and what was wrong with the header if it is the fallback.
pub type Negotiated = (Format, Option<NegotiationError>);

/// Chooses the parser for the header `content_type` (empty if absent).
pub fn negotiate(
    content_type: &str,
    fallback: Option<Format>,
) -> Result<Negotiated, NegotiationError> {
    let fault = if content_type.is_empty() {
        Fault::Blank
    } else {
        match media_type(content_type) {
            Err(what) => Fault::Malformed(what),
            Ok(media_type) => match Format::of(media_type) {
                Some(format) => return Ok((format, None)),
                None => Fault::Unsupported,
            },
        }
    };
    let error = NegotiationError { content_type: content_type.into(), fault, fallback };
    match fallback {
        Some(format) => Ok((format, Some(error))),
        None => Err(error),
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

/// Splits off the token at the beginning.
fn token(text: &str) -> (&str, &str) {
    let length = text.bytes().take_while(|&b| is_token_byte(b)).count();
    text.split_at(length)
}

/// The media type of a header whose parameters are well formed too.
fn media_type(header: &str) -> Result<&str, &'static str> {
    let (base, mut parameters) = header.find(';').map_or((header, ""), |at| header.split_at(at));
    let base = base.trim();
    let (kind, rest) = token(base);
    if kind.is_empty() {
        return Err("mime: no media type");
    }
    if !rest.is_empty() {
        let rest = rest.strip_prefix('/').ok_or("mime: expected slash after first token")?;
        let (subtype, rest) = token(rest);
        if subtype.is_empty() {
            return Err("mime: expected token after slash");
        }
        if !rest.is_empty() {
            return Err("mime: unexpected content after media subtype");
        }
    }
    let mut seen: Vec<(String, String)> = Vec::new();
    loop {
        parameters = parameters.trim_start();
        let Some(rest) = parameters.strip_prefix(';') else { break };
        let rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(base);
        }
        let (name, value, rest) = parameter(rest).ok_or("mime: invalid media parameter")?;
        let name = name.to_ascii_lowercase();
        if seen.iter().any(|(n, v)| *n == name && *v != value) {
            return Err("mime: duplicate parameter name");
        }
        seen.push((name, value));
        parameters = rest;
    }
    if parameters.is_empty() { Ok(base) } else { Err("mime: invalid media parameter") }
}

/// The parameter `name=value` or `name="value"` at the beginning, and what follows it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = token(text);
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    if name.is_empty() {
        return None;
    }
    let Some(quoted) = rest.strip_prefix('"') else {
        let (value, rest) = token(rest);
        return (!value.is_empty()).then(|| (name, value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((name, value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            '\r' | '\n' => return None,
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests;
