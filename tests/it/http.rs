//! The recorded HTTP transcripts of Prometheus, replayed against a server in this process, line by line.

pub(crate) mod serve;

pub(crate) use tests::http::client;

use model::{Labels, MatchOp, Matcher, TimeRange};
use promql::EngineOptions;
use serde_json::Value;
use serve::{Running, Setup};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use storage::{Appendable, Querier, Queryable};
use tests::http::client::exchange;
use tests::http::{ask, difference};
use tests::{Scratch, golden, golden_bytes};
use web::Readiness;
use web::notifications::{STARTING, STOPPING};

fn setup(server: &str) -> Setup {
    let mut setup = Setup::default();
    match server {
        "bare" => setup.receiver = false,
        "stats" => {
            setup.engine.features.experimental_functions = true;
            setup.change = |options| options.per_step_stats = true;
        }
        "starting" => setup.readiness = Readiness::Starting,
        "stopping" => setup.readiness = Readiness::Stopping,
        "search" => {
            setup.change = |options| options.search_max_limit = Some(50);
            // The recorded server was asked long after the last sample.
            setup.now_ms = || 1_795_000_000_000;
        }
        "agent" => {
            setup.change = |options| {
                (options.agent, options.admin_asked) = (true, true);
                options.search_max_limit = Some(10_000);
            };
        }
        "federate" => {
            setup.engine.lookback_ms = 5_000 * 86_400_000;
            setup.external_labels = Labels::from_pairs([("cluster", "golden"), ("job", "extjob")]);
        }
        "max-samples" => setup.engine = EngineOptions { max_samples: 1000, ..setup.engine },
        "timeout" => setup.query_timeout = Duration::from_millis(1),
        "prefix" => {
            setup.change = |options| {
                options.external = ("https".to_owned(), "prom.example".to_owned());
                options.external_path = "/a/b".to_owned();
                options.route_prefix = "/a/b".to_owned();
                let origins = "https?://(x|y)\\.example";
                options.cors_origin =
                    Matcher::new("origin", MatchOp::Regex, origins).expect("regex");
            };
        }
        _ => {}
    }
    setup
}

/// The recorded web configurations.
fn web_config(server: &str) -> Option<&'static str> {
    match server {
        "auth" => Some(
            "basic_auth_users:\n  \
             admin: $2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n\
             http_server_config:\n  headers:\n    X-Frame-Options: deny\n    \
             Content-Security-Policy: \"default-src 'self'\"\n    \
             Strict-Transport-Security: max-age=1\n    X-Content-Type-Options: nosniff\n    \
             X-XSS-Protection: \"1\"\n",
        ),
        "ratelimit" => Some("rate_limit: {interval: 1h, burst: 3}\n"),
        _ => None,
    }
}

/// What an agent's storage is to those who ask.
struct WriteOnly;

impl Queryable for WriteOnly {
    fn querier(&self, _range: TimeRange) -> storage::Result<Box<dyn Querier>> {
        Err(storage::Error::Unsupported("unsupported operation with WAL-only storage".into()))
    }
}

/// A fresh server with the recorded floats in it, except the bare one.
fn start(server: &str, scratch: &Scratch) -> Running {
    let mut setup = setup(server);
    if let Some(text) = web_config(server) {
        let path = scratch.path().join("web.yml");
        std::fs::write(&path, text).expect("web configuration");
        setup.guard = Some(path);
    }
    let running = if matches!(server, "starting" | "stopping") {
        let storage = Arc::new(serve::head());
        let mut api = serve::api(Arc::clone(&storage) as _, Some(storage), &setup);
        let (text, lifecycle) = match server {
            "starting" => (STARTING, None),
            _ => {
                let (wishes, asked) = tokio::sync::mpsc::channel(1);
                // Somebody listens as long as the test runs.
                Box::leak(Box::new(asked));
                (STOPPING, Some(wishes))
            }
        };
        api.notifications.add(text, (setup.now_ms)());
        api.lifecycle = lifecycle;
        Running::start_api(api)
    } else if server == "agent" {
        let head: Arc<dyn Appendable> = Arc::new(serve::head());
        Running::start_api(serve::api(Arc::new(WriteOnly), Some(head), &setup))
    } else {
        let with_exemplars = server == "main";
        let head =
            if with_exemplars { serve::head_with_exemplars(&mut setup) } else { serve::head() };
        Running::start(Arc::new(head), &setup)
    };
    let bodies: &[&str] = match server {
        "bare" | "prefix" | "agent" | "auth" | "ratelimit" | "starting" | "stopping" => &[],
        "main" | "federate" => &["dataset.rw", "http/extra.rw"],
        _ => &["dataset.rw"],
    };
    for name in bodies {
        let bytes = golden_bytes(name);
        let mut rest = &bytes[..];
        while let Some((len, tail)) = rest.split_first_chunk::<4>() {
            let (body, tail) = tail.split_at(u32::from_le_bytes(*len) as usize);
            let answer = exchange(running.address, "POST", "/api/v1/write", &[], body);
            assert_eq!(answer.status, 204, "{name}: {answer:?}");
            rest = tail;
        }
    }
    running
}

/// What is left out of the replay in this process, and why.
fn left_out(line: &Value) -> Option<&'static str> {
    // The binary itself is asked these: configuration, flags and data directory are its own.
    let server = line["server"].as_str().expect("server");
    match Some(server) {
        Some("lifecycle") => return Some("asked of the binary"),
        Some("rules") => return Some("rules are not evaluated yet"),
        Some("admin" | "block") => return Some("asked of the binary"),
        _ => {}
    }
    let path = line["request"]["path"].as_str().expect("path");
    let path = path.strip_prefix("/a/b").unwrap_or(path);
    if server != "prefix" {
        return None;
    }
    let reasons = [("/consoles/", "asked of the binary"), ("/user", "asked of the binary")];
    reasons.into_iter().find(|(begin, _)| path.starts_with(begin)).map(|(_, reason)| reason)
}

/// Replays a file; every line agrees but those `excused`, each with its reason, and those do differ.
#[expect(clippy::print_stdout, reason = "the count is what a replay is for")]
fn replay(file: &str, excused: &[(&str, &str)]) {
    let lines = golden(&format!("http/{file}.jsonl"));
    let scratch = Scratch::new("http");
    let mut servers: BTreeMap<&str, Running> = BTreeMap::new();
    let (mut agreed, mut failures) = (0, Vec::new());
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        if let Some(reason) = left_out(line) {
            *left.entry(reason).or_default() += 1;
            continue;
        }
        let server = line["server"].as_str().expect("server");
        let name = line["name"].as_str().expect("name");
        let running = servers.entry(server).or_insert_with(|| {
            let running = start(server, &scratch);
            if server == "ratelimit" {
                // The recording asked once whether the server was there.
                drop(exchange(running.address, "GET", "/-/healthy", &[], &[]));
            }
            running
        });
        for step in line["before"].as_array().into_iter().flatten() {
            for (name, text) in step["write_file"].as_object().into_iter().flatten() {
                let text = text.as_str().expect("text");
                std::fs::write(scratch.path().join(name), text).expect("written");
            }
        }
        let difference = difference(line, &ask(running.address, &line["request"]));
        let excuse = excused.iter().find(|(excused, _)| *excused == name);
        match (difference, excuse) {
            (None, None) => agreed += 1,
            (None, Some((_, reason))) => {
                failures.push(format!("{name}: agrees, yet is excused: {reason}"));
            }
            (Some(difference), None) => failures.push(format!("{name} ({server}): {difference}")),
            (Some(_), Some(_)) => {}
        }
    }
    println!(
        "{file}.jsonl {agreed}/{} agreed, {} excused, left out: {left:?}",
        lines.len(),
        excused.len(),
    );
    assert!(failures.is_empty(), "{} of {file}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn params() {
    replay("params", &[]);
}

#[test]
fn metadata() {
    replay("metadata", &[]);
}

#[test]
fn format_parse() {
    replay("format_parse", &[]);
}

#[test]
fn query() {
    replay("query", &[]);
}

#[test]
fn query_range() {
    replay("query_range", &[]);
}

/// Why a redirect differs: the reference forgets a part of the path.
const KEEPS_PREFIX: &str = "the reference loses /api/v1 on the way to its own page";

#[test]
fn envelope() {
    let exact_case = "paths are told apart by case; the reference leads to its own page instead";
    replay(
        "envelope",
        &[
            ("path /api/v1/query/", KEEPS_PREFIX),
            ("path with trailing slash, POST", KEEPS_PREFIX),
            ("path /api/v1/QUERY?query=1", exact_case),
        ],
    );
}

#[test]
fn web() {
    replay("web", &[("prefix flags", "the flags are those of this test")]);
}

#[test]
fn exemplars() {
    replay("exemplars", &[]);
}

/// What Grafana's data source asks, call by call, and what Prometheus answered.
#[test]
fn grafana() {
    replay("grafana", &[]);
}

#[test]
fn rules() {
    replay("rules", &[]);
}

#[test]
fn admin() {
    replay("admin", &[]);
}

#[test]
fn search() {
    replay("search", &[]);
}

#[test]
fn federate() {
    replay("federate", &[]);
}

#[test]
fn agent() {
    let own = "what this test's server is told about itself";
    replay("agent", &[("agent /api/v1/status/config", own), ("agent /api/v1/features", own)]);
}

#[test]
fn lifecycle() {
    let own = "the progress is what this test says";
    replay("lifecycle", &[("starting /api/v1/status/walreplay", own)]);
}
