//! Remote read in: a body with queries to samples in one answer, or to chunks in frames as they come.
//! Reading order: `request` (bodies to queries), here (who may ask, matchers), `samples`, `chunks`.

mod chunks;
mod labels;
mod request;
mod samples;

pub(crate) use request::push_request;
pub use request::{Form, Query};

use crate::proto::Malformed;
use arc_swap::ArcSwap;
use metrics::{Gauge, Registry};
use model::{Labels, MatchOp, Matcher, TimeRange};
use std::sync::Arc;
use storage::{Cancel, Queryable};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most bytes of a request, unpacked.
pub const MAX_BODY_BYTES: usize = 32 << 20;

/// Why a read was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be read.
    #[error("{0}")]
    Request(Box<str>),
    /// The answer would be larger than the limit.
    #[error("exceeded sample limit ({0})")]
    TooManySamples(u64),
    /// A condition on labels is none.
    #[error("{0}")]
    Matcher(Box<str>),
    /// The storage failed.
    #[error("{0}")]
    Storage(#[from] storage::Error),
    /// The reader went away.
    #[error("the reader went away")]
    Gone,
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::Request(malformed.to_string().into())
    }
}

/// What flags say about reads.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Samples of one query; zero means all. Chunks are not bound.
    pub max_samples: u64,
    /// Requests that are answered at one time; zero means all.
    pub max_concurrent: usize,
    /// How large a frame gets, more or less.
    pub max_frame_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_samples: 50_000_000, max_concurrent: 10, max_frame_bytes: 1 << 20 }
    }
}

/// The queries of a request and how they want to be answered.
#[derive(Debug)]
pub struct Request {
    queries: Vec<Query>,
    /// How they want to be answered.
    pub form: Form,
}

/// Leave to answer one request, and its place among those that are counted.
#[derive(Debug)]
pub struct Permit {
    _permit: Option<OwnedSemaphorePermit>,
    queries: Gauge,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.queries.dec();
    }
}

/// Answers remote reads from a storage.
pub struct Server {
    queryable: Arc<dyn Queryable>,
    limits: Limits,
    external_labels: Arc<ArcSwap<Labels>>,
    gate: Option<Arc<Semaphore>>,
    queries: Gauge,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("read::Server").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Server {
    /// A server that answers from `queryable`, with the external labels of the moment.
    #[must_use]
    pub fn new(
        queryable: Arc<dyn Queryable>,
        limits: Limits,
        external_labels: Arc<ArcSwap<Labels>>,
        registry: &Registry,
    ) -> Self {
        let permits = limits.max_concurrent.min(Semaphore::MAX_PERMITS);
        Self {
            queryable,
            limits,
            external_labels,
            gate: (permits > 0).then(|| Arc::new(Semaphore::new(permits))),
            queries: registry.gauge(
                "prometheus_remote_read_handler_queries",
                "The current number of remote read queries that are either in execution or queued on the handler.",
            ),
        }
    }

    /// Waits for leave to answer.
    pub async fn permit(&self) -> Permit {
        self.queries.inc();
        let mut permit = Permit { _permit: None, queries: self.queries.clone() };
        if let Some(gate) = &self.gate {
            permit._permit = Arc::clone(gate).acquire_owned().await.ok();
        }
        permit
    }

    /// Reads a snappy-packed request.
    pub fn parse(&self, packed: &[u8]) -> Result<Request, Error> {
        request::parse(packed)
    }

    /// The whole answer, packed.
    pub fn samples(&self, request: &Request, cancel: &Cancel) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::new();
        for query in &request.queries {
            let asked = self.asked(query)?;
            let mut result = Ok(());
            crate::proto::write::message(&mut plain, 1, |out| {
                result = samples::push_result(&*self.queryable, &asked, &self.limits, cancel, out);
            });
            result?;
        }
        let packed = snap::raw::Encoder::new().compress_vec(&plain);
        packed.map_err(|_| Error::Request("the answer is too large for one message".into()))
    }

    /// Appends the frames of the answer to `out`; after each of them `hand_on` may take what is there.
    pub fn chunks(
        &self,
        request: &Request,
        cancel: &Cancel,
        out: &mut Vec<u8>,
        hand_on: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (index, query) in request.queries.iter().enumerate() {
            let asked = self.asked(query)?;
            let max_frame_bytes = self.limits.max_frame_bytes;
            let mut stream =
                chunks::Stream::new(index, max_frame_bytes, (&mut *out, &mut *hand_on));
            stream.run(&*self.queryable, &asked, cancel)?;
        }
        Ok(())
    }

    /// What a query means here: conditions on external labels are settled, since no series has these labels.
    fn asked(&self, query: &Query) -> Result<Asked, Error> {
        let external_labels = Labels::clone(&self.external_labels.load());
        let matchers = query.matchers.iter().map(|matcher| {
            let op = match matcher.op {
                0 => MatchOp::Equal,
                1 => MatchOp::NotEqual,
                2 => MatchOp::Regex,
                3 => MatchOp::NotRegex,
                _ => return Err(Error::Matcher("invalid matcher type".into())),
            };
            let is_ours =
                op == MatchOp::Equal && external_labels.get(&matcher.name) == Some(&*matcher.value);
            let value = if is_ours { "" } else { &*matcher.value };
            Matcher::new(&matcher.name, op, value)
                .map_err(|error| Error::Matcher(error.to_string().into()))
        });
        let matchers = matchers.collect::<Result<_, _>>()?;
        let (start_ms, end_ms) = (query.start_ms, query.end_ms);
        Ok(Asked {
            matchers,
            range: (start_ms <= end_ms).then(|| TimeRange::new(start_ms, end_ms)),
            span: TimeRange::new(start_ms.min(end_ms), end_ms.max(start_ms)),
            labels_only: query.is_for_series,
            external_labels,
        })
    }
}

/// A query as the storage is asked.
struct Asked {
    matchers: Vec<Matcher>,
    /// The samples that are asked for; none if the end lies before the start.
    range: Option<TimeRange>,
    /// Where series are looked for.
    span: TimeRange,
    labels_only: bool,
    external_labels: Labels,
}

#[cfg(test)]
mod tests;
