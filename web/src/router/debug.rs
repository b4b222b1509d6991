//! `/debug/pprof/`: profiles for the tools that read pprof's format. Those of Go's own runtime refuse.

use super::State;
use crate::body::Body;
use crate::call::{self, Done, Form};
use crate::compress::Encoding;
use crate::error::{ApiError, Kind};
use crate::json::Out;
use crate::params::{Params, parse_int};
use crate::profile::Profiler;
use crate::response::{Answer, bare, error_text, not_found, set, text};
use http::header;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use storage::Cancel;

/// How long processors are watched unless the request says so, and at most.
const DEFAULT_SECONDS: i64 = 30;
const MAX_SECONDS: i64 = 3600;

/// Profiles of Go programs that have no counterpart.
const OF_GO: &[&str] =
    &["allocs", "block", "fgprof", "goroutine", "mutex", "threadcreate", "trace"];

/// What the index says.
const INDEX: &str = "<!doctype html>\n<title>/debug/pprof/</title>\n<h1>Profiles</h1>\n<ul>\n\
    <li><a href=\"profile?seconds=30\">profile</a>: where the processors spend their time; <code>seconds</code> says \
    how long they are watched</li>\n\
    <li><a href=\"heap\">heap</a>: resident memory by what it is mapped for; stacks of allocations are not recorded</li>\n\
    <li><a href=\"cmdline\">cmdline</a>: the command line</li>\n</ul>\n";

/// Answers what is below `/debug/pprof/`.
pub(super) async fn answer(state: &Arc<State>, name: &str, parts: &Parts) -> Answer {
    let Some(profiler) = &state.api.profiler else { return not_found() };
    match name {
        "" => {
            let mut answer = bare(StatusCode::OK, Body::full(INDEX));
            set(&mut answer, header::CONTENT_TYPE, "text/html; charset=utf-8");
            answer
        }
        "cmdline" => text(StatusCode::OK, profiler.command_line().join("\0")),
        // Addresses are resolved already: there are no symbols to ask for.
        "symbol" => text(StatusCode::OK, "num_symbols: 1\n"),
        "heap" | "profile" => profile(state, profiler, name == "profile", parts).await,
        name if OF_GO.contains(&name) => error_text(
            StatusCode::NOT_IMPLEMENTED,
            format_args!("there is no profile {name:?} of this server; there are profile and heap"),
        ),
        _ => error_text(StatusCode::NOT_FOUND, "Unknown profile"),
    }
}

async fn profile(
    state: &Arc<State>,
    profiler: &Arc<dyn Profiler>,
    of_processors: bool,
    parts: &Parts,
) -> Answer {
    let params = Params::read(parts.uri.query().unwrap_or_default(), &HeaderMap::new(), &[]);
    let seconds = match params.get("seconds") {
        "" => DEFAULT_SECONDS,
        given => match parse_int(given) {
            Ok(seconds @ 1..=MAX_SECONDS) => seconds,
            _ => {
                let what =
                    format_args!("seconds must be a number from 1 to {MAX_SECONDS}, not {given:?}");
                return error_text(StatusCode::BAD_REQUEST, what);
            }
        },
    };
    let (profiler, length) = (Arc::clone(profiler), Duration::from_secs(seconds as u64));
    let handler = move |cancel: &Cancel, out: &mut Out<'_>| {
        let profile =
            if of_processors { profiler.processors(length, cancel) } else { profiler.memory() };
        let profile = profile.map_err(|what| ApiError::new(Kind::Internal, what))?;
        out.bytes.extend(profile.encode());
        Ok(Done::Written)
    };
    let form = Form { plain_errors: true, ..Form::of("application/octet-stream") };
    let ran = call::run((form.clone(), Encoding::Identity), &state.readers, None, handler).await;
    let mut answer = ran.unwrap_or_else(|call::Panicked| {
        state.observer.panics.inc();
        call::panicked((&form, Encoding::Identity))
    });
    if answer.status() == StatusCode::OK {
        let name = if of_processors {
            "attachment; filename=\"profile\""
        } else {
            "attachment; filename=\"heap\""
        };
        set(&mut answer, header::CONTENT_DISPOSITION, name);
    }
    answer
}
