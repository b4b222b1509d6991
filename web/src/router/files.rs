//! What lies in directories of the user: assets below `/user/`, and where consoles are. Nothing outside of these
//! directories is shown, whatever a path or a link says.

use crate::body::Body;
use crate::params::decode;
use crate::response::{Answer, bare, error_text, not_found, redirect, set};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write;
use std::fs::Metadata;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};

/// Media types by the end of a name.
const TYPES: &[(&str, &str)] = &[
    ("css", "text/css; charset=utf-8"),
    ("gif", "image/gif"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("webp", "image/webp"),
    ("woff2", "font/woff2"),
    ("xml", "text/xml; charset=utf-8"),
];

/// Where `name` of a path leads below `root`; `None` if it leads nowhere, or out of it.
async fn inside(root: &str, name: &str) -> Option<PathBuf> {
    let name = String::from_utf8(decode(name.as_bytes(), false).ok()?).ok()?;
    let relative = Path::new(name.trim_start_matches('/'));
    if relative.components().any(|part| !matches!(part, Component::Normal(_))) {
        return None;
    }
    let root = tokio::fs::canonicalize(root).await.ok()?;
    let found = tokio::fs::canonicalize(root.join(relative)).await.ok()?;
    found.starts_with(&root).then_some(found)
}

/// An asset of the user, `name` below the directory `root`.
pub(super) async fn asset(root: &str, name: &str, parts: &Parts) -> Answer {
    let Some(path) = inside(root, name).await else { return not_found() };
    let Ok(about) = tokio::fs::metadata(&path).await else { return not_found() };
    let wants_directory = name.is_empty() || name.ends_with('/');
    let base = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if about.is_dir() {
        if !wants_directory {
            return redirect(StatusCode::MOVED_PERMANENTLY, &format!("{base}/"), false);
        }
        let index = path.join("index.html");
        return match tokio::fs::metadata(&index).await {
            Ok(about) if about.is_file() => file(&index, &about, parts).await,
            _ => listing(&path, &about).await,
        };
    }
    if wants_directory {
        return redirect(StatusCode::MOVED_PERMANENTLY, &format!("../{base}"), false);
    }
    if base == "index.html" {
        return redirect(StatusCode::MOVED_PERMANENTLY, "./", false);
    }
    file(&path, &about, parts).await
}

/// When a file changed, as HTTP writes it.
fn modified(about: &Metadata) -> Option<HeaderValue> {
    let time = Timestamp::try_from(about.modified().ok()?).ok()?.to_zoned(TimeZone::UTC);
    HeaderValue::from_str(&time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}

async fn file(path: &Path, about: &Metadata, parts: &Parts) -> Answer {
    let modified = modified(about);
    let told = parts.headers.get(header::IF_MODIFIED_SINCE);
    if modified.is_some() && told == modified.as_ref() {
        let mut answer = bare(StatusCode::NOT_MODIFIED, Body::empty());
        answer.headers_mut().extend(modified.map(|time| (header::LAST_MODIFIED, time)));
        return answer;
    }
    let Ok(bytes) = tokio::fs::read(path).await else {
        return error_text(StatusCode::FORBIDDEN, "403 Forbidden");
    };
    let len = bytes.len();
    let mut answer = match range(&parts.headers, len) {
        None => bare(StatusCode::OK, Body::full(bytes)),
        Some(range) => {
            let told = format!("bytes {}-{}/{len}", range.start(), range.end());
            let mut answer = bare(StatusCode::PARTIAL_CONTENT, Body::full(bytes[range].to_vec()));
            let told = HeaderValue::from_str(&told).expect("digits are visible");
            answer.headers_mut().insert(header::CONTENT_RANGE, told);
            answer
        }
    };
    let extension = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let known = TYPES.iter().find(|(end, _)| end.eq_ignore_ascii_case(extension));
    set(&mut answer, header::CONTENT_TYPE, known.map_or("application/octet-stream", |(_, t)| t));
    set(&mut answer, header::ACCEPT_RANGES, "bytes");
    answer.headers_mut().extend(modified.map(|time| (header::LAST_MODIFIED, time)));
    answer
}

/// The one range of bytes that is asked for; `None` for all of them, which may be answered to any wish.
fn range(headers: &HeaderMap, len: usize) -> Option<RangeInclusive<usize>> {
    let asked = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
    let (first, last) = asked.split_once('-')?;
    let end = len.checked_sub(1)?;
    let range = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => first..=last.min(end),
        (Ok(first), Err(_)) if last.is_empty() => first..=end,
        (Err(_), Ok(last)) if first.is_empty() && last > 0 => len.saturating_sub(last)..=end,
        _ => return None,
    };
    (!range.is_empty()).then_some(range)
}

/// The names in a directory, as links.
async fn listing(path: &Path, about: &Metadata) -> Answer {
    let mut names = Vec::new();
    let Ok(mut entries) = tokio::fs::read_dir(path).await else {
        return error_text(StatusCode::INTERNAL_SERVER_ERROR, "Error reading directory");
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let is_dir = entry.file_type().await.is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name().to_string_lossy().into_owned();
        names.push(if is_dir { format!("{name}/") } else { name });
    }
    names.sort_unstable();
    let mut page =
        "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n"
            .to_owned();
    for name in names {
        writeln!(page, "<a href=\"{}\">{}</a>", link(&name), shown(&name))
            .expect("writing to memory cannot fail");
    }
    page.push_str("</pre>\n");
    let mut answer = bare(StatusCode::OK, Body::full(page));
    set(&mut answer, header::CONTENT_TYPE, "text/html; charset=utf-8");
    answer.headers_mut().extend(modified(about).map(|time| (header::LAST_MODIFIED, time)));
    answer
}

/// A name as a relative link.
fn link(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                out.push(byte as char);
            }
            _ => write!(out, "%{byte:02X}").expect("writing to memory cannot fail"),
        }
    }
    out
}

/// A name as text of a page.
fn shown(name: &str) -> String {
    let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    name.replace('"', "&#34;").replace('\'', "&#39;")
}

/// Why a file of a directory is not read, in the words of Prometheus.
pub(super) enum Refused {
    Absent(String),
    Directory(String),
}

/// The file `name` below the directory `root`.
pub(super) async fn readable(root: &str, name: &str) -> Result<PathBuf, Refused> {
    let shown = Path::new(root).join(name);
    let absent = || Refused::Absent(format!("open {}: no such file or directory", shown.display()));
    let path = inside(root, name).await.ok_or_else(absent)?;
    let about = tokio::fs::metadata(&path).await.map_err(|_| absent())?;
    if about.is_dir() {
        let shown = shown.to_string_lossy();
        let shown = shown.trim_end_matches('/');
        return Err(Refused::Directory(format!("read {shown}: is a directory")));
    }
    Ok(path)
}
