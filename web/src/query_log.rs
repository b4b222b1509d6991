//! The log of queries: one line of JSON for each that was evaluated, in the words of Prometheus. Where the lines go is
//! decided elsewhere; so is where queries under way are noted for the case that the server dies of one.

#[cfg(test)]
mod tests;

use crate::api::query::Query;
use crate::json::push_text;
use metrics::{Counter, Gauge, Registry};
use model::timestamp;
use parking_lot::Mutex;
use promql::Stats;
use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Notes the queries that run, so that after a crash the next start can tell which they were.
pub trait RunningQueries: Send + Sync {
    /// Notes a query that begins now; the place to give back when it has ended, if there was one.
    fn begin(&self, query: &str) -> Option<usize>;
    /// Forgets the query at this place.
    fn end(&self, place: usize);
}

/// Who sent a request, and to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Without its port; `None` if the connection does not say.
    pub(crate) client: Option<IpAddr>,
    pub(crate) method: String,
    pub(crate) path: String,
}

/// How a query went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Went<'a> {
    /// When it ended, in milliseconds of the wall clock.
    pub(crate) now_ms: i64,
    pub(crate) queued: Duration,
    pub(crate) evaluated: Duration,
    /// What it took, or why it has no answer.
    pub(crate) result: Result<&'a Stats, &'a str>,
}

/// Writes the log of queries, or nothing as long as it was not told where.
pub struct QueryLog {
    out: Mutex<Option<Box<dyn Write + Send>>>,
    /// Asked before the lock is.
    is_on: AtomicBool,
    /// The last line was not written; said once.
    is_broken: AtomicBool,
    enabled: Gauge,
    failures: Counter,
}

impl std::fmt::Debug for QueryLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryLog").field("is_on", &self.is_on).finish_non_exhaustive()
    }
}

impl QueryLog {
    /// A log that goes nowhere yet.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self {
            out: Mutex::new(None),
            is_on: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
            enabled: registry
                .gauge("prometheus_engine_query_log_enabled", "State of the query log."),
            failures: registry.counter(
                "prometheus_engine_query_log_failures_total",
                "The number of query log failures.",
            ),
        }
    }

    /// From now on lines go here, each with one call; `None` switches the log off.
    pub fn set(&self, out: Option<Box<dyn Write + Send>>) {
        let is_on = out.is_some();
        let before = std::mem::replace(&mut *self.out.lock(), out);
        // Relaxed: the lock orders what matters.
        self.is_on.store(is_on, Ordering::Relaxed);
        self.is_broken.store(false, Ordering::Relaxed);
        self.enabled.set(if is_on { 1.0 } else { 0.0 });
        drop(before);
    }

    /// Writes the line of a query.
    pub(crate) fn write(&self, query: &Query, origin: &Origin, went: &Went<'_>) {
        if !self.is_on.load(Ordering::Relaxed) {
            return;
        }
        let line = line(query, origin, went);
        let mut out = self.out.lock();
        let Some(out) = out.as_mut() else { return };
        let written = out.write_all(&line).and_then(|()| out.flush());
        let was_broken = self.is_broken.swap(written.is_err(), Ordering::Relaxed);
        if let Err(error) = written {
            self.failures.inc();
            if !was_broken {
                tracing::error!(
                    component = "query engine",
                    err = %error,
                    "can't log query; not said again until it works"
                );
            }
        }
    }
}

/// RFC 3339 with three decimals.
fn date(ms: i64) -> String {
    let whole = timestamp::format_rfc3339(ms.div_euclid(1000).saturating_mul(1000));
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), ms.rem_euclid(1000))
}

fn line(query: &Query, origin: &Origin, went: &Went<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(768);
    let (start_ms, end_ms, step_ms) = query.times();
    let mut text = |before: &str, text: &str| {
        out.extend_from_slice(before.as_bytes());
        push_text(&mut out, text);
    };
    text("{\"time\":", &date(went.now_ms));
    text(",\"level\":\"INFO\",\"source\":", concat!("query_log.rs:", line!()));
    text(",\"msg\":", "promql query logged");
    text(",\"params\":{\"end\":", &date(end_ms));
    text(",\"query\":", query.text());
    text(",\"start\":", &date(start_ms));
    out.extend_from_slice(format!(",\"step\":{}}}", step_ms / 1000).as_bytes());
    let nothing = Stats::default();
    if let Err(error) = went.result {
        out.extend_from_slice(b",\"error\":");
        push_text(&mut out, error);
    }
    out.extend_from_slice(b",\"stats\":");
    let [queued, evaluated] = [went.queued, went.evaluated].map(|took| took.as_secs_f64());
    query.push_stats(&mut out, went.result.unwrap_or(&nothing), queued, evaluated);
    // Queries are not traced; without a trace Prometheus writes zeros.
    let (span, trace) = ("0".repeat(16), "0".repeat(32));
    out.extend_from_slice(format!(",\"spanID\":\"{span}\",\"traceID\":\"{trace}\"").as_bytes());
    let client = origin.client.map(|ip| ip.to_canonical().to_string()).unwrap_or_default();
    for (before, text) in [
        (",\"httpRequest\":{\"clientIP\":", &client),
        (",\"method\":", &origin.method),
        (",\"path\":", &origin.path),
    ] {
        out.extend_from_slice(before.as_bytes());
        push_text(&mut out, text);
    }
    out.extend_from_slice(b"}}\n");
    out
}
