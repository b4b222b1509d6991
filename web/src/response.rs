//! Answers: JSON envelopes, texts, redirects, and the headers that go with them.

use crate::Options;
use crate::body::Body;
use crate::error::ApiError;
use crate::json::push_html_text;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

pub(crate) type Answer = Response<Body>;

/// An answer without headers.
pub(crate) fn bare(status: StatusCode, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
}

pub(crate) fn set(answer: &mut Answer, name: HeaderName, value: &'static str) {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
}

/// Plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Answer {
    let mut answer = bare(status, Body::full(text.into()));
    set(&mut answer, header::CONTENT_TYPE, "text/plain; charset=utf-8");
    answer
}

/// Plain text that says what is wrong, as Go's `http.Error` writes it.
pub(crate) fn error_text(status: StatusCode, what: impl std::fmt::Display) -> Answer {
    let mut answer = text(status, format!("{what}\n"));
    set(&mut answer, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer
}

pub(crate) fn not_found() -> Answer {
    error_text(StatusCode::NOT_FOUND, "404 page not found")
}

/// To another place, with the note that Go puts into answers to GET.
pub(crate) fn redirect(status: StatusCode, to: &str, with_note: bool) -> Answer {
    let Ok(location) = HeaderValue::from_str(to) else { return not_found() };
    let mut answer = bare(status, Body::empty());
    if with_note {
        let shown = to.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let shown = shown.replace('"', "&#34;").replace('\'', "&#39;");
        let reason = status.canonical_reason().unwrap_or_default();
        *answer.body_mut() = Body::full(format!("<a href=\"{shown}\">{reason}</a>.\n\n"));
        set(&mut answer, header::CONTENT_TYPE, "text/html; charset=utf-8");
    }
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}

/// The envelope of a failure, as bytes.
pub(crate) fn error_envelope(error: &ApiError) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(b"{\"status\":\"error\",\"errorType\":\"");
    out.extend_from_slice(error.kind.as_str().as_bytes());
    out.extend_from_slice(b"\",\"error\":");
    push_html_text(&mut out, &error.text);
    out.push(b'}');
    out
}

/// What browsers want to know before a page of another origin may read the answer.
pub(crate) fn cross_origin(headers: &mut HeaderMap, asked: &HeaderMap, options: &Options) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = asked.get(header::ORIGIN).filter(|origin| !origin.is_empty()) else {
        return;
    };
    let fixed = [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Authorization, Content-Type, Origin"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if origin.to_str().is_ok_and(|origin| options.cors_origin.matches(origin)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}
