//! Remote read as a storage: each selection is a request to another server; its answer, samples or chunks, becomes
//! batches. A failure is a warning beside the local answer. Blocks its thread, as every storage does; the request runs
//! on the runtime.

mod config;
mod response;

pub use config::ReadConfig;

use crate::read::push_request;
use bytes::Bytes;
use metrics::{Counter, CounterVec, Gauge, Histogram, Registry, Stopwatch};
use model::{Labels, LabelsBuilder, MatchOp, Matcher, Symbols, TimeRange};
use net::client::{Client, ClientOptions, Post};
use net::dialer::Dialers;
use response::Series;
use std::sync::Arc;
use std::time::Duration;
use storage::{
    Annotations, Cancel, Querier, Queryable, Result, SelectHints, SeriesBatch, SeriesSet,
};
use tokio::runtime::Handle;

/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 512 << 20;

/// How often a waiting query looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Since when the local storage has everything, in milliseconds.
pub type LocalStart = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A server that is asked beside the local storage.
pub struct ReadClient {
    config: ReadConfig,
    client: Client,
    external_labels: Labels,
    local_start: LocalStart,
    runtime: Handle,
    queries: Gauge,
    total: CounterVec,
    chunked_seconds: Histogram,
    failures: Counter,
}

impl std::fmt::Debug for ReadClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadClient").field("url", &self.config.url).finish_non_exhaustive()
    }
}

impl ReadClient {
    /// A client of one server; requests run on `runtime`.
    pub fn new(
        config: ReadConfig,
        external_labels: &Labels,
        local_start: LocalStart,
        user_agent: &str,
        runtime: Handle,
        registry: &Registry,
    ) -> std::result::Result<Self, net::Error> {
        let options = ClientOptions {
            user_agent: user_agent.into(),
            dialer: Some(Dialers::new(registry).with("remote_storage_read_client")),
            ..ClientOptions::default()
        };
        let client = Client::new(&config.http, options)?;
        let names = ["remote_name", "url"];
        let values = [config.name.as_str(), config.url.as_str()];
        let queries = registry.gauge_vec(
            "prometheus_remote_read_client_queries",
            "The number of in-flight remote read queries.",
            &names,
        );
        let seconds = registry.histogram_vec(
            "prometheus_remote_read_client_request_duration_seconds",
            "Histogram of the latency for remote read requests.",
            &["remote_name", "url", "response_type"],
            &metrics::DEFAULT_BUCKETS,
        );
        let failures = registry.counter_vec(
            "firesteel_remote_read_client_failures_total",
            "Remote read queries that failed and left a warning in the answer.",
            &names,
        );
        Ok(Self {
            queries: queries.with(&values),
            total: registry.counter_vec(
                "prometheus_remote_read_client_queries_total",
                "The total number of remote read queries.",
                &["remote_name", "url", "code"],
            ),
            chunked_seconds: seconds.with(&[values[0], values[1], "chunked"]),
            failures: failures.with(&values),
            config,
            client,
            external_labels: external_labels.clone(),
            local_start,
            runtime,
        })
    }

    /// A querier over what the local storage does not have; `None` if it has everything of `range`.
    #[must_use]
    pub fn querier(self: &Arc<Self>, range: TimeRange) -> Option<Box<dyn Querier>> {
        let mut range = range;
        if !self.config.read_recent {
            let start_ms = (self.local_start)();
            if range.min_ms > start_ms {
                return None;
            }
            range.max_ms = range.max_ms.min(start_ms);
        }
        Some(Box::new(RemoteQuerier { client: Arc::clone(self), range }))
    }

    /// Whether the query has the conditions that this server wants.
    fn is_for(&self, matchers: &[Matcher]) -> bool {
        self.config.required_matchers.iter().all(|(name, value)| {
            matchers.iter().any(|matcher| {
                matcher.op() == MatchOp::Equal && matcher.name() == name && matcher.value() == value
            })
        })
    }

    /// Conditions on our external labels, which the other server adds to what it got from us; and their names.
    fn own_conditions(&self, matchers: &[Matcher]) -> Vec<Matcher> {
        if !self.config.filter_external_labels {
            return Vec::new();
        }
        let is_free = |name: &str| matchers.iter().all(|matcher| matcher.name() != name);
        let free = self.external_labels.iter().filter(|(name, _)| is_free(name));
        free.filter_map(|(name, value)| Matcher::new(name, MatchOp::Equal, value).ok()).collect()
    }

    /// Asks and reads the whole answer.
    fn ask(&self, body: Bytes, cancel: &Cancel) -> std::result::Result<Vec<Series>, String> {
        let post = Post {
            url: &self.config.url,
            headers: &[
                ("content-encoding", "snappy"),
                ("accept-encoding", "snappy"),
                ("content-type", "application/x-protobuf"),
                ("x-prometheus-remote-read-version", "0.1.0"),
            ],
            body,
            timeout: self.config.timeout,
            max_answer_bytes: MAX_ANSWER_BYTES,
        };
        let clock = Stopwatch::start();
        self.queries.inc();
        let posted = self.runtime.block_on(async {
            let request = self.client.post(&post);
            tokio::pin!(request);
            loop {
                tokio::select! {
                    posted = &mut request => return posted.map_err(|error| error.to_string()),
                    () = tokio::time::sleep(LOOK) => cancel.check().map_err(|error| error.to_string())?,
                }
            }
        });
        self.queries.dec();
        self.chunked_seconds.observe(clock.elapsed_seconds());
        let posted = posted?;
        let code = posted.status.to_string();
        self.total.with(&[&self.config.name, &self.config.url, &code]).inc();
        if !(200..300).contains(&posted.status) {
            let said = String::from_utf8_lossy(&posted.body);
            let said: String = said.trim().chars().take(256).collect();
            return Err(format!(
                "remote server {} returned http status {code}: {said}",
                self.config.url
            ));
        }
        if posted.body.len() >= MAX_ANSWER_BYTES {
            return Err(format!(
                "remote server {} answered more than {MAX_ANSWER_BYTES} bytes",
                self.config.url
            ));
        }
        let content_type = posted.headers.get("content-type").and_then(|value| value.to_str().ok());
        response::read(content_type.unwrap_or_default(), &posted.body, self.config.max_frame_bytes)
    }
}

struct RemoteQuerier {
    client: Arc<ReadClient>,
    range: TimeRange,
}

impl RemoteQuerier {
    fn select_series(
        &self,
        matchers: &[Matcher],
        hints: &SelectHints,
        cancel: &Cancel,
    ) -> std::result::Result<Vec<Series>, String> {
        let client = &self.client;
        let added = client.own_conditions(matchers);
        let mut range = self.range;
        if let Some(wanted) = hints.range {
            range.min_ms = range.min_ms.max(wanted.min_ms);
            range.max_ms = range.max_ms.min(wanted.max_ms);
        }
        let mut plain = Vec::new();
        push_request(&mut plain, range, &[matchers, &added].concat(), hints);
        let packed = snap::raw::Encoder::new().compress_vec(&plain).map_err(|e| e.to_string())?;
        let mut series = client.ask(Bytes::from(packed), cancel)?;
        if !added.is_empty() {
            let mut builder = LabelsBuilder::new();
            for series in &mut series {
                builder.reset(&series.labels);
                builder.retain(|name, _| added.iter().all(|matcher| matcher.name() != name));
                series.labels = builder.labels();
            }
        }
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        if hints.limit > 0 {
            series.truncate(hints.limit);
        }
        Ok(series)
    }
}

impl Querier for RemoteQuerier {
    fn select<'q>(
        &'q self,
        matchers: &[Matcher],
        hints: &SelectHints,
        symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> Result<Box<dyn SeriesSet + 'q>> {
        let mut annotations = Annotations::default();
        let series = if self.client.is_for(matchers) {
            self.select_series(matchers, hints, cancel).unwrap_or_else(|what| {
                self.client.failures.inc();
                annotations.warnings.push(format!("remote_read: {what}").into());
                Vec::new()
            })
        } else {
            Vec::new()
        };
        cancel.check()?;
        let labels_only = hints.labels_only;
        Ok(Box::new(Answer { series: series.into_iter(), symbols, annotations, labels_only }))
    }

    // The protocol asks for samples only: names and values are those of the local storage, as in Prometheus.
    fn label_names(&self, _matchers: &[Matcher], _limit: usize) -> Result<Vec<Box<str>>> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: &[Matcher], _: usize) -> Result<Vec<Box<str>>> {
        Ok(Vec::new())
    }
}

struct Answer<'q> {
    series: std::vec::IntoIter<Series>,
    symbols: &'q Symbols,
    annotations: Annotations,
    labels_only: bool,
}

impl SeriesSet for Answer<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> Result<bool> {
        out.clear();
        let mut pairs = Vec::new();
        for series in self.series.by_ref().take(SeriesBatch::TARGET_SERIES) {
            if !self.labels_only {
                series.push_chunks(out);
            }
            pairs.clear();
            self.symbols.intern_labels(&series.labels, &mut pairs);
            out.finish_series(&pairs);
        }
        Ok(!out.is_empty())
    }

    fn annotations(&self) -> Annotations {
        self.annotations.clone()
    }
}

/// A storage and the servers that are asked beside it.
pub struct ReadThrough {
    local: Arc<dyn Queryable>,
    clients: arc_swap::ArcSwap<Vec<Arc<ReadClient>>>,
}

impl std::fmt::Debug for ReadThrough {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadThrough").field("clients", &self.clients.load()).finish_non_exhaustive()
    }
}

impl ReadThrough {
    /// Only `local`, at first.
    #[must_use]
    pub fn new(local: Arc<dyn Queryable>) -> Self {
        Self { local, clients: arc_swap::ArcSwap::default() }
    }

    /// Asks these servers from now on.
    pub fn set_clients(&self, clients: Vec<Arc<ReadClient>>) {
        self.clients.store(Arc::new(clients));
    }
}

impl Queryable for ReadThrough {
    fn querier(&self, range: TimeRange) -> Result<Box<dyn Querier>> {
        let local = self.local.querier(range)?;
        let clients = self.clients.load();
        let mut queriers: Vec<_> =
            clients.iter().filter_map(|client| client.querier(range)).collect();
        if queriers.is_empty() {
            return Ok(local);
        }
        queriers.insert(0, local);
        Ok(Box::new(storage::MergeQuerier::new(queriers)))
    }
}

#[cfg(test)]
mod tests;
