//! Parameters of a request as Go reads them: URL and form merged, the form's values first; malformed pairs dropped.
//! What a value means (times, durations, limits, selectors) is below; who needs which is up to the handlers.

use crate::error::{ApiError, Result};
use http::{HeaderMap, header};
use model::timestamp;

/// What is wrong with a query string or form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    /// A percent sign without two hexadecimal digits.
    #[error("invalid URL escape {0:?}")]
    Escape(String),
    /// A pair with a semicolon.
    #[error("invalid semicolon separator in query")]
    Semicolon,
}

/// The values of a request, in the order in which they count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    /// The first malformed pair. Most handlers do not care.
    error: Option<FormError>,
}

impl Params {
    /// Reads the query string, and the body if it is a form.
    pub(crate) fn read(query: &str, headers: &HeaderMap, body: &[u8]) -> Self {
        let mut params = Self::default();
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        let media = content_type.split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            params.add(body);
        }
        params.add(query.as_bytes());
        if media.eq_ignore_ascii_case("multipart/form-data")
            && let Some(boundary) = boundary(content_type)
        {
            params.pairs.extend(multipart(body, &boundary));
        }
        params
    }

    fn add(&mut self, encoded: &[u8]) {
        for pair in encoded.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            match read_pair(pair) {
                Ok(pair) => self.pairs.push(pair),
                Err(error) => {
                    self.error.get_or_insert(error);
                }
            }
        }
    }

    /// The first value of a parameter, empty if it is absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// All parameters in order.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The first malformed pair.
    pub(crate) fn error(&self) -> Option<&FormError> {
        self.error.as_ref()
    }

    /// All values of a parameter.
    pub(crate) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.pairs.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Names and values as one text of bounded length, to be read by people.
    pub(crate) fn shown(&self) -> String {
        const MAX_CHARS: usize = 1000;
        let pairs = self.pairs.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("&").chars().take(MAX_CHARS).collect()
    }

    /// Fails on any malformed pair, for the handlers that insist.
    pub(crate) fn insist(&self) -> Result<()> {
        match &self.error {
            None => Ok(()),
            Some(error) => Err(ApiError::bad_data(format!("error parsing form values: {error}"))),
        }
    }

    /// A time in milliseconds, or `default` if it is absent.
    pub(crate) fn time_or(&self, name: &str, default: i64) -> Result<i64> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(default);
        }
        timestamp::parse_time(text).map_err(|error| {
            ApiError::parameter(name, format!("invalid time value for '{name}': {error}"))
        })
    }

    /// A time in milliseconds that must be there.
    pub(crate) fn time(&self, name: &str) -> Result<i64> {
        timestamp::parse_time(self.get(name)).map_err(|error| ApiError::parameter(name, error))
    }

    /// The most elements of an answer; zero means all.
    pub(crate) fn limit(&self) -> Result<usize> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(0);
        }
        let limit = parse_int(text).map_err(|error| ApiError::parameter("limit", error))?;
        usize::try_from(limit)
            .map_err(|_| ApiError::parameter("limit", "limit must be non-negative"))
    }
}

/// A decimal integer as Go's `strconv.Atoi` reads it.
pub(crate) fn parse_int(text: &str) -> std::result::Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.Atoi: parsing {text:?}: invalid syntax"));
    }
    text.parse().map_err(|_| format!("strconv.Atoi: parsing {text:?}: value out of range"))
}

fn read_pair(pair: &[u8]) -> std::result::Result<(String, String), FormError> {
    if pair.contains(&b';') {
        return Err(FormError::Semicolon);
    }
    let equals = pair.iter().position(|&byte| byte == b'=');
    let (name, value) = equals.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
    let text = |part| decode(part, true).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok((text(name)?, text(value)?))
}

/// Takes the percent escapes off; in forms and query strings a plus is a space.
pub(crate) fn decode(text: &[u8], plus_is_space: bool) -> std::result::Result<Vec<u8>, FormError> {
    let hex = |byte: Option<&u8>| byte.and_then(|&byte| (byte as char).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'%' => {
                let (Some(high), Some(low)) = (hex(text.get(at)), hex(text.get(at + 1))) else {
                    let shown = &text[at - 1..text.len().min(at + 2)];
                    return Err(FormError::Escape(String::from_utf8_lossy(shown).into_owned()));
                };
                out.push((high << 4 | low) as u8);
                at += 2;
            }
            b'+' if plus_is_space => out.push(b' '),
            other => out.push(other),
        }
    }
    Ok(out)
}

fn boundary(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1);
    parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty())
            .then(|| value.to_owned())
    })
}

/// The plain fields of a multipart form; nothing if it is malformed.
fn multipart(body: &[u8], boundary: &str) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let delimiter = format!("--{boundary}");
    let mut pairs = Vec::new();
    for part in text.split(delimiter.as_str()).skip(1) {
        if part.starts_with("--") {
            return pairs;
        }
        let Some((head, value)) = part.split_once("\r\n\r\n") else { break };
        let name = head.lines().find_map(|line| {
            let (field, rest) = line.split_once(':')?;
            let is_disposition = field.trim().eq_ignore_ascii_case("content-disposition");
            let (_, name) = rest.split_once("name=\"").filter(|_| is_disposition)?;
            name.split_once('"').map(|(name, _)| name.to_owned())
        });
        if let Some(name) = name {
            pairs.push((name, value.strip_suffix("\r\n").unwrap_or(value).to_owned()));
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
