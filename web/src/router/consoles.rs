//! Consoles: templates in a directory of the user, expanded with the parameters of the request. What a template is and
//! does is in the crate `template`; here are its files, its queries and the time that it may take.

use super::State;
use super::files::{Refused, readable};
use crate::Options;
use crate::body::{Body, CancelOnDrop};
use crate::params::Params;
use crate::response::{Answer, bare, error_text, set};
use http::header;
use http::{HeaderMap, StatusCode};
use promql::Request;
use std::path::Path;
use std::sync::Arc;
use storage::Cancel;
use template::{Host, Record, Sample, Template, Text, TextMap, Value, text_map};
use tokio::runtime::Handle;

/// The largest file that is read as a template.
const MAX_FILE_BYTES: u64 = 10 << 20;

/// The answer to `/consoles/<name>`.
pub(super) async fn answer(state: &Arc<State>, name: &str, query: &str) -> Answer {
    let options = &state.api.options;
    let failed = |what: &dyn std::fmt::Display| error_text(StatusCode::INTERNAL_SERVER_ERROR, what);
    let text = match readable(&options.console_templates, name).await {
        Ok(path) => match read(&path).await {
            Ok(text) => text,
            Err(error) => return failed(&error),
        },
        Err(Refused::Absent(what)) => return error_text(StatusCode::NOT_FOUND, what),
        Err(Refused::Directory(what)) => return failed(&what),
    };
    let params = Params::read(query, &HeaderMap::new(), &[]);
    if let Some(error) = params.error() {
        return error_text(StatusCode::BAD_REQUEST, error);
    }
    let libraries = match libraries(&options.console_libraries).await {
        Ok(libraries) => libraries,
        Err(error) => {
            let what = format!("error parsing template files for __console_/{name}: {error}");
            return failed(&what);
        }
    };
    let external = state.api.status.external_labels();
    let data =
        Record::console(params.pairs(), name.trim_start_matches('/'), text_map(external.iter()));
    let cancel = Arc::new(Cancel::new());
    let gone = CancelOnDrop(Arc::clone(&cancel));
    let console = Console::new(Arc::clone(state), Arc::clone(&cancel));
    let path = format!("/{name}");
    let mut work = tokio::task::spawn_blocking(move || {
        Template::console(&path, &text, &libraries)?.expand(data, &console)
    });
    let done = match tokio::time::timeout(options.query_timeout, &mut work).await {
        Ok(done) => done,
        Err(_elapsed) => {
            cancel.time_out();
            work.await
        }
    };
    drop(gone);
    match done {
        Ok(Ok(page)) => shown(page),
        Ok(Err(error)) => failed(&error),
        Err(_panicked) => {
            state.observer.panics.inc();
            failed(&"internal error: the console hit a bug; see the log")
        }
    }
}

/// Where consoles begin, if there are any: at their index, or at that of the user's assets.
pub(super) async fn link(options: &Options) -> Option<String> {
    let places = [(&options.console_templates, "consoles"), (&options.user_assets, "user")];
    for (folder, name) in places {
        let index = Path::new(folder).join("index.html");
        if !folder.is_empty() && tokio::fs::try_exists(&index).await.unwrap_or(false) {
            return Some(format!("{}/{name}/index.html", options.external_path));
        }
    }
    None
}

/// A file as text, what is not UTF-8 in it replaced.
async fn read(path: &Path) -> std::io::Result<String> {
    let name = path.display();
    let told = |error: std::io::Error| std::io::Error::other(format!("read {name}: {error}"));
    if tokio::fs::metadata(path).await.map_err(told)?.len() > MAX_FILE_BYTES {
        return Err(told(std::io::Error::other("larger than 10 MiB")));
    }
    let bytes = tokio::fs::read(path).await.map_err(told)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The libraries in a directory by name, in order; none if there is no directory.
async fn libraries(folder: &str) -> std::io::Result<Vec<(String, String)>> {
    let mut names = Vec::new();
    if let Ok(mut entries) = tokio::fs::read_dir(folder).await {
        while let Some(entry) = entries.next_entry().await? {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.retain(|name| name.ends_with(".lib"));
    names.sort_unstable();
    let mut libraries = Vec::with_capacity(names.len());
    for name in names {
        let text = read(&Path::new(folder).join(&name)).await?;
        libraries.push((name, text));
    }
    Ok(libraries)
}

/// A page with the media type that its beginning shows.
fn shown(page: String) -> Answer {
    if page.is_empty() {
        return bare(StatusCode::OK, Body::empty());
    }
    let media = media(&page);
    let mut answer = bare(StatusCode::OK, Body::full(page));
    set(&mut answer, header::CONTENT_TYPE, media);
    answer
}

/// Tags that begin a page.
const TAGS: &[&str] = &[
    "<!doctype html",
    "<html",
    "<head",
    "<script",
    "<iframe",
    "<h1",
    "<div",
    "<font",
    "<table",
    "<a",
    "<style",
    "<title",
    "<b",
    "<body",
    "<br",
    "<p",
    "<!--",
];

/// The media type of a text by its beginning, as Go finds it.
fn media(page: &str) -> &'static str {
    let begin = page.trim_start_matches(['\t', '\n', '\x0c', '\r', ' ']);
    let is_page = TAGS.iter().any(|tag| {
        begin.get(..tag.len()).is_some_and(|text| text.eq_ignore_ascii_case(tag))
            && begin[tag.len()..].starts_with([' ', '>'])
    });
    if is_page {
        "text/html; charset=utf-8"
    } else if begin.starts_with("<?xml") {
        "text/xml; charset=utf-8"
    } else {
        "text/plain; charset=utf-8"
    }
}

/// What a console asks: queries at one time, until its time is over or its reader is gone.
struct Console {
    state: Arc<State>,
    cancel: Arc<Cancel>,
    now_ms: i64,
    url: String,
    runtime: Handle,
}

impl Console {
    fn new(state: Arc<State>, cancel: Arc<Cancel>) -> Self {
        let options = &state.api.options;
        let (scheme, host) = &options.external;
        let url = format!("{scheme}://{host}{}", options.external_path);
        let now_ms = (state.api.now_ms)();
        Self { state, cancel, now_ms, url, runtime: Handle::current() }
    }
}

impl Host for Console {
    fn query(&self, text: &str) -> Result<Vec<Sample>, String> {
        let state = &self.state;
        // It waits for its turn like any other query.
        let permit = self.runtime.block_on(Arc::clone(&state.gate).acquire_owned());
        self.go_on()?;
        let request = Request::new(&self.cancel);
        let storage = &*state.api.queryable;
        let answer = state.api.engine.load().instant(storage, text, self.now_ms, &request);
        drop(permit);
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.value {
            promql::Value::Scalar { value, .. } => {
                let labels = text_map::<&str, &str>([]);
                Ok(vec![Sample { labels, value: Value::Float(value) }])
            }
            promql::Value::Vector(vector) => Ok(samples(&vector)),
            promql::Value::String { .. } | promql::Value::Matrix(_) => {
                Err("rule result is not a vector or scalar".to_owned())
            }
        }
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn external_url(&self) -> &str {
        &self.url
    }

    fn go_on(&self) -> Result<(), String> {
        self.cancel.check().map_err(|error| error.to_string())
    }
}

fn samples(vector: &promql::Vector) -> Vec<Sample> {
    let sample = |row: usize| {
        let pairs = vector.labels.get(row).iter();
        let text = |id| Text::from(vector.symbols.text(id));
        let labels: TextMap = pairs.map(|pair| (text(pair.name), text(pair.value))).collect();
        let histogram = vector.histograms.get(row).cloned().flatten();
        let value = histogram.map_or(Value::Float(vector.values[row]), Value::Histogram);
        Sample { labels, value }
    };
    (0..vector.values.len()).map(sample).collect()
}

#[cfg(test)]
mod tests;
