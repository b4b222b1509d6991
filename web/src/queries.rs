//! Queries under way and those of late: what was asked, by whom, how long it took. The endpoints that show it are in
//! `api::queries`; how a query runs is in `router::endpoints`.

#[cfg(test)]
mod tests;

use crate::api::query::Query;
use crate::query_log::Origin;
use http::HeaderMap;
use metrics::Stopwatch;
use model::hash::HashMap;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use storage::Cancel;
use tokio::sync::Notify;

/// Headers that tell who asked: dashboards, rules, proxies.
const CALLER_HEADERS: [&str; 10] = [
    "x-dashboard-uid",
    "x-dashboard-title",
    "x-panel-id",
    "x-panel-title",
    "x-rule-uid",
    "x-grafana-user",
    "x-grafana-org-id",
    "x-forwarded-for",
    "user-agent",
    "referer",
];

/// No value of a header is kept longer than this many bytes.
const MAX_HEADER_BYTES: usize = 256;

/// How many queries of late are remembered.
const MAX_PAST: usize = 20_000;

/// How many bytes their texts may take.
const MAX_PAST_BYTES: usize = 8 << 20;

/// A query that waits or runs.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) id: u64,
    pub(crate) query: Query,
    /// When it came, in milliseconds of the wall clock.
    pub(crate) since_ms: i64,
    /// What its caller said of itself.
    pub(crate) caller: Vec<(&'static str, String)>,
    pub(crate) origin: Origin,
    pub(crate) cancel: Arc<Cancel>,
    clock: Stopwatch,
    runs: AtomicBool,
    revoked: Notify,
}

impl Active {
    /// How long it has been there.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// It waits no longer.
    pub(crate) fn begin(&self) {
        self.runs.store(true, Ordering::Relaxed);
    }

    /// Whether its turn has come.
    pub(crate) fn runs(&self) -> bool {
        self.runs.load(Ordering::Relaxed)
    }

    /// Waits until someone wants it to end.
    pub(crate) async fn revoked(&self) {
        self.revoked.notified().await;
    }
}

/// A query that is over.
#[derive(Clone, Debug)]
struct Past {
    text: Arc<str>,
    span_seconds: i64,
    ended_ms: i64,
    took: Duration,
    peak_bytes: u64,
}

#[derive(Debug, Default)]
struct Log {
    past: VecDeque<Past>,
    text_bytes: usize,
}

/// What queries of one text and span took together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Usage {
    pub(crate) query: Arc<str>,
    /// From the first step to the last; zero for instant queries.
    pub(crate) span_seconds: i64,
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    pub(crate) peak_bytes: u64,
}

/// All queries of a server.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    next_id: AtomicU64,
    active: Mutex<BTreeMap<u64, Arc<Active>>>,
    log: Mutex<Log>,
}

impl Queries {
    /// Takes note of a query until the guard is dropped.
    pub(crate) fn enter(
        &self,
        query: Query,
        (headers, origin): (&HeaderMap, Origin),
        now_ms: i64,
    ) -> Entered<'_> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let active = Arc::new(Active {
            id,
            query,
            since_ms: now_ms,
            caller: caller(headers),
            origin,
            cancel: Arc::new(Cancel::new()),
            clock: Stopwatch::start(),
            runs: AtomicBool::new(false),
            revoked: Notify::new(),
        });
        self.active.lock().insert(id, Arc::clone(&active));
        Entered { queries: self, active }
    }

    /// The queries under way, oldest first.
    pub(crate) fn active(&self) -> Vec<Arc<Active>> {
        self.active.lock().values().cloned().collect()
    }

    /// Asks a query to end; `false` if it is not there.
    pub(crate) fn revoke(&self, id: u64) -> bool {
        let found = self.active.lock().get(&id).cloned();
        let Some(active) = found else { return false };
        active.cancel.cancel();
        active.revoked.notify_one();
        true
    }

    /// Remembers what a query took. Of a long text only the beginning is kept.
    pub(crate) fn remember(&self, active: &Active, now_ms: i64, peak_bytes: u64) {
        let text = beginning(active.query.text(), MAX_PAST_BYTES / 1000);
        let mut log = self.log.lock();
        log.text_bytes += text.len();
        log.past.push_back(Past {
            text: text.into(),
            span_seconds: active.query.span_ms() / 1000,
            ended_ms: now_ms,
            took: active.elapsed(),
            peak_bytes,
        });
        while log.past.len() > MAX_PAST || log.text_bytes > MAX_PAST_BYTES {
            let Some(oldest) = log.past.pop_front() else { break };
            log.text_bytes -= oldest.text.len();
        }
    }

    /// What the queries that ended since `since_ms` took, those of one text and span together.
    pub(crate) fn usage(&self, since_ms: i64) -> Vec<Usage> {
        let past = self.log.lock().past.clone();
        let mut places: HashMap<(Arc<str>, i64), usize> = HashMap::default();
        let mut out: Vec<Usage> = Vec::new();
        for past in past.into_iter().filter(|past| past.ended_ms >= since_ms) {
            let place =
                *places.entry((Arc::clone(&past.text), past.span_seconds)).or_insert_with(|| {
                    out.push(Usage {
                        query: past.text,
                        span_seconds: past.span_seconds,
                        count: 0,
                        seconds: 0.0,
                        peak_bytes: 0,
                    });
                    out.len() - 1
                });
            let usage = &mut out[place];
            usage.count += 1;
            usage.seconds += past.took.as_secs_f64();
            usage.peak_bytes = usage.peak_bytes.max(past.peak_bytes);
        }
        out
    }
}

/// A query that is listed; no longer once this is dropped.
#[derive(Debug)]
pub(crate) struct Entered<'q> {
    queries: &'q Queries,
    pub(crate) active: Arc<Active>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.queries.active.lock().remove(&self.active.id);
    }
}

/// What the headers of a request say of its sender.
fn caller(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    let given = CALLER_HEADERS.iter().filter_map(|&name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name, beginning(value, MAX_HEADER_BYTES).to_owned()))
    });
    given.collect()
}

/// The text, cut where it is longer than `len` bytes.
fn beginning(text: &str, len: usize) -> &str {
    &text[..text.floor_char_boundary(len.min(text.len()))]
}
