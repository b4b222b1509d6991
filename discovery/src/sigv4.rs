//! Signature Version 4 of AWS, which others took over: what goes into the headers of a signed request.

use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256};

/// Who signs.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    /// Empty for keys that last.
    pub(crate) session_token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// Host, with the port if the URL has one.
    pub(crate) host: &'a str,
    /// As it stands in the URL, escapes included.
    pub(crate) path: &'a str,
    /// As it stands in the URL, the pairs sorted; empty if there is none.
    pub(crate) query: &'a str,
    /// Headers beside host, date and token: names in lower case, values.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) now_ms: i64,
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn hmac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text.as_bytes())
}

/// `20150830T123600Z`.
fn date(now_ms: i64) -> String {
    let text = model::timestamp::format_rfc3339(now_ms);
    let seconds = text.get(..19).unwrap_or(&text);
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

/// The headers that make the request a signed one: date, authorization, and the token of a session.
pub(crate) fn sign(credentials: &Credentials, request: &Signed<'_>) -> Vec<(&'static str, String)> {
    let date = date(request.now_ms);
    let day = date.get(..8).unwrap_or(&date);
    let mut headers: Vec<(&str, &str)> = request.headers.to_vec();
    headers.extend([("host", request.host), ("x-amz-date", &date)]);
    if !credentials.session_token.is_empty() {
        headers.push(("x-amz-security-token", &credentials.session_token));
    }
    headers.sort_unstable();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let body = hex(digest(&SHA256, request.body).as_ref());
    // What is escaped in a path is escaped once more for its signature.
    let path = request.path.replace('%', "%25");
    let canonical =
        format!("{}\n{path}\n{}\n{lines}\n{names}\n{body}", request.method, request.query);
    let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
    let hashed = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashed}");
    let mut key = hmac(format!("AWS4{}", credentials.secret_key).as_bytes(), day);
    for part in [request.region, request.service, "aws4_request"] {
        key = hmac(key.as_ref(), part);
    }
    let signature = hex(hmac(key.as_ref(), &text).as_ref());
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key
    );
    let mut out = vec![("x-amz-date", date), ("authorization", authorization)];
    if !credentials.session_token.is_empty() {
        out.push(("x-amz-security-token", credentials.session_token.clone()));
    }
    out
}

#[cfg(test)]
mod tests;
