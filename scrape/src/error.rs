//! Why a scrape failed: the `lastError` of a target. Texts are Prometheus' where it has a text of its own.

use expfmt::{NegotiationError, ParseError};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A scrape, or a whole job, that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target could not be asked, or its answer not be read.
    #[error(transparent)]
    Fetch(#[from] crate::FetchError),
    /// The content type names no parser.
    #[error(transparent)]
    ContentType(#[from] NegotiationError),
    /// The body breaks the format.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A sample without a name, after relabelling.
    #[error("missing metric name (__name__ label)")]
    MissingName,
    /// A name that the validation scheme of the job forbids.
    #[error("invalid metric name or label names: {0}")]
    InvalidNames(Box<str>),
    /// A label twice in one series.
    #[error("label name \"{0}\" is not unique: invalid sample")]
    DuplicateLabel(Box<str>),
    /// A label limit of the job.
    #[error("{0}")]
    LabelLimit(Box<str>),
    /// More samples than the job allows.
    #[error("sample limit exceeded")]
    SampleLimit,
    /// A native histogram with more buckets than the job allows, at the lowest resolution.
    #[error("histogram bucket limit exceeded")]
    BucketLimit,
    /// More targets than the job allows.
    #[error("target_limit exceeded (number of targets: {num_targets}, limit: {limit})")]
    TargetLimit {
        /// Targets of the job.
        num_targets: usize,
        /// What it allows.
        limit: u64,
    },
    /// The storage refused a sample for a reason that fails the scrape.
    #[error("{0}")]
    Rejected(&'static str),
    /// The storage failed.
    #[error("storage: {0}")]
    Storage(#[from] storage::Error),
    /// A job whose HTTP client could not be built.
    #[error("scrape pool {job:?}: {source}")]
    Client {
        /// The job.
        job: Box<str>,
        /// What is wrong.
        source: net::Error,
    },
}
