//! What can go wrong at the seam, by what the caller can do about it. Not where it went wrong: that is in the text.

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A storage failure. A refused sample is not a failure: see [`crate::Rejected`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller gave up.
    #[error("cancelled")]
    Cancelled,
    /// The deadline passed.
    #[error("timed out")]
    TimedOut,
    /// A configured bound was hit; a narrower request may pass.
    #[error("limit exceeded: {0}")]
    LimitExceeded(Box<str>),
    /// Bytes on disk or from a peer break their format.
    #[error("corrupt data in {place}: {what}")]
    Corrupt {
        /// File and offset, or peer.
        place: Box<str>,
        /// What was found.
        what: Box<str>,
    },
    /// Sound data that this version cannot process; it stays as it is.
    #[error("not supported: {0}")]
    Unsupported(Box<str>),
    /// The disk or the network said no; trying again may help.
    #[error("{op}: {source}")]
    Io {
        /// What was attempted, with the path.
        op: Box<str>,
        /// The cause.
        source: std::io::Error,
    },
    /// Not ready yet, shut down, or a sync failed earlier: nothing is accepted until the storage is opened again.
    #[error("storage is closed: {0}")]
    Closed(Box<str>),
}
