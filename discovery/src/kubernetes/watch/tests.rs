//! What `watch` promises of servers that fail in every way.

use super::*;
use crate::loopback::{Asked, Loopback, Surroundings, section};
use serde_json::json as object;
use std::io::{Result, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{Receiver, channel};

fn pod(name: &str, version: u64) -> Value {
    object!({"metadata": {"name": name, "namespace": "n", "resourceVersion": version.to_string()}})
}

fn whole(stream: &mut dyn Write, status: u16, body: &str) -> Result<bool> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}")?;
    Ok(true)
}

/// A list of one page.
fn listed(stream: &mut dyn Write, version: u64, names: &[&str]) -> Result<bool> {
    let items: Vec<Value> = names.iter().map(|name| pod(name, version)).collect();
    let list = object!({"items": items, "metadata": {"resourceVersion": version.to_string()}});
    whole(stream, 200, &list.to_string())
}

/// The beginning of a stream, and what comes first in it.
fn stream_of(stream: &mut dyn Write, events: &str) -> Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{events}")?;
    stream.flush()
}

fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", object!({"type": kind, "object": object}))
}

type Step = Box<dyn Fn(&mut dyn Write) -> Result<bool> + Send>;

/// A server that takes one step for each request; after the last one its watches stay silent.
fn scripted(steps: Vec<(&'static str, Step)>) -> Loopback {
    let (next, steps) = (AtomicUsize::new(0), Mutex::new(steps));
    Loopback::raw(move |asked: &Asked, stream| {
        let steps = steps.lock().expect("steps");
        match steps.get(next.fetch_add(1, Ordering::Relaxed)) {
            Some((want, step)) => {
                assert!(asked.target.contains(want), "{} instead of {want}", asked.target);
                step(stream)
            }
            None => {
                stream_of(stream, "")?;
                std::thread::park();
                Ok(false)
            }
        }
    })
}

fn step(f: impl Fn(&mut dyn Write) -> Result<bool> + Send + 'static) -> Step {
    Box::new(f)
}

struct Watching {
    surroundings: Surroundings,
    changes: Receiver<Change>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watching {
    fn start(server: &Loopback) -> Self {
        let surroundings = Surroundings::new(&[]);
        let context = surroundings.context();
        let config = net::config::HttpClientConfig::from_section(&section(
            "kubernetes_sd_configs",
            "{role: pod, api_server: 'http://x'}",
        ));
        let api = Api::with_config(&context, &config, TIMEOUT, None).expect("a client");
        let (sender, changes) = channel(16);
        let scope = Scope {
            index: 0,
            resource: Resource::Pods,
            namespace: String::new(),
            labels: String::new(),
            fields: String::new(),
        };
        let watcher = Watcher {
            scope,
            api: Arc::new(api),
            server: server.url(),
            sender,
            failures: super::super::register(context.registry).failures,
            job: "j".into(),
            min_pause: Duration::from_millis(1),
        };
        Self { task: tokio::spawn(watcher.watch()), changes, surroundings }
    }

    /// The next change, in short: `=` and the names of a list, `+` one that is new, `-` one that is gone.
    async fn next(&mut self) -> String {
        let change = timeout(Duration::from_secs(30), self.changes.recv()).await;
        match change.expect("in time").expect("the watcher lives") {
            Change::Listed { objects, .. } => {
                let names: Vec<String> = objects.iter().map(key_of).collect();
                format!("={}", names.join(","))
            }
            Change::Set { object, .. } => format!("+{}", key_of(&object)),
            Change::Deleted { key, .. } => format!("-{key}"),
        }
    }

    fn failures(&self) -> f64 {
        let name = "prometheus_sd_kubernetes_failures_total";
        self.surroundings.metric(name).expect("a counter")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_asked_for_until_one_is_good() {
    let page =
        object!({"items": [pod("a", 1)], "metadata": {"resourceVersion": "1", "continue": "c"}});
    let page = page.to_string();
    let first = page.clone();
    let server = scripted(vec![
        ("limit=500", step(|s| whole(s, 500, "down"))),
        ("limit=500", step(|s| whole(s, 200, "{\"items\": [{\"meta"))),
        ("limit=500", step(|s| whole(s, 200, "<html>"))),
        // The server forgets the list between its pages.
        ("limit=500", step(move |s| whole(s, 200, &first))),
        ("continue=c", step(|s| whole(s, 410, "{\"code\": 410}"))),
        ("limit=500", step(move |s| whole(s, 200, &page))),
        ("continue=c", step(|s| listed(s, 1, &["b"]))),
    ]);
    let mut watching = Watching::start(&server);
    assert_eq!(watching.next().await, "=n/a,n/b");
    assert!(watching.failures() >= 4.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_is_taken_up_where_it_was() {
    let server = scripted(vec![
        ("limit=500", step(|s| listed(s, 5, &["a"]))),
        (
            "resourceVersion=5&",
            step(|s| {
                let whole = event("ADDED", &pod("b", 6));
                // Slowly, and the second event breaks off.
                stream_of(s, "")?;
                for byte in whole.bytes().chain(event("ADDED", &pod("c", 7)).bytes().take(20)) {
                    s.write_all(&[byte])?;
                    s.flush()?;
                }
                Ok(false)
            }),
        ),
        (
            "resourceVersion=6&",
            step(|s| {
                stream_of(s, &event("BOOKMARK", &object!({"metadata": {"resourceVersion": "9"}})))?;
                Ok(false)
            }),
        ),
        (
            "resourceVersion=9&",
            step(|s| {
                stream_of(s, &event("DELETED", &pod("a", 10)))?;
                Ok(false)
            }),
        ),
        ("resourceVersion=10&", step(|s| whole(s, 503, "down"))),
        (
            "resourceVersion=10&",
            step(|s| {
                stream_of(s, &event("MODIFIED", &pod("b", 11)))?;
                Ok(false)
            }),
        ),
    ]);
    let mut watching = Watching::start(&server);
    for want in ["=n/a", "+n/b", "-n/a", "+n/b"] {
        assert_eq!(watching.next().await, want);
    }
    assert!(watching.failures() >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_gone_means_a_new_list() {
    let gone = event("ERROR", &object!({"code": 410, "message": "too old"}));
    let other = event("ERROR", &object!({"code": 500, "message": "etcd"}));
    let server = scripted(vec![
        ("limit=500", step(|s| listed(s, 5, &["a"]))),
        ("resourceVersion=5&", step(|s| whole(s, 410, "gone"))),
        ("limit=500", step(|s| listed(s, 7, &["b"]))),
        (
            "resourceVersion=7&",
            step(move |s| {
                stream_of(s, &gone)?;
                Ok(false)
            }),
        ),
        ("limit=500", step(|s| listed(s, 8, &["c"]))),
        (
            "resourceVersion=8&",
            step(move |s| {
                stream_of(s, &other)?;
                Ok(false)
            }),
        ),
        ("limit=500", step(|s| listed(s, 9, &["d"]))),
    ]);
    let mut watching = Watching::start(&server);
    for want in ["=n/a", "=n/b", "=n/c", "=n/d"] {
        assert_eq!(watching.next().await, want);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_cannot_be_read_are_left_behind_by_a_list() {
    let broken = || {
        step(|s| {
            stream_of(s, "{\"type\": \"ADDED\", \"object\": {\n")?;
            Ok(false)
        })
    };
    let server = scripted(vec![
        ("limit=500", step(|s| listed(s, 5, &["a"]))),
        ("resourceVersion=5&", broken()),
        ("resourceVersion=5&", broken()),
        ("resourceVersion=5&", broken()),
        ("limit=500", step(|s| listed(s, 6, &["b"]))),
    ]);
    let mut watching = Watching::start(&server);
    assert_eq!(watching.next().await, "=n/a");
    assert_eq!(watching.next().await, "=n/b");
    assert!(watching.failures() >= 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_end_is_refused() {
    let server = scripted(vec![
        ("limit=500", step(|s| listed(s, 5, &["a"]))),
        (
            "resourceVersion=5&",
            step(|s| {
                stream_of(s, "")?;
                let part = vec![b' '; 1 << 20];
                // The client hangs up before all of it is written.
                for _ in 0..(4 * MAX_EVENT_BYTES / part.len()) {
                    s.write_all(&part)?;
                }
                panic!("all of it was read");
            }),
        ),
        (
            "resourceVersion=5&",
            step(|s| {
                stream_of(s, &event("ADDED", &pod("b", 6)))?;
                Ok(false)
            }),
        ),
    ]);
    let mut watching = Watching::start(&server);
    assert_eq!(watching.next().await, "=n/a");
    assert_eq!(watching.next().await, "+n/b");
}
