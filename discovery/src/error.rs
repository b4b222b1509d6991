//! What can go wrong while targets are looked for. All of it means: keep what was found before.

/// Why a look for targets failed, or why a mechanism cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// An answer with a status that means failure.
    #[error("{url}: server returned HTTP status {status}: {body}")]
    Status {
        /// What was asked.
        url: Box<str>,
        /// The status.
        status: u16,
        /// The beginning of the body.
        body: Box<str>,
    },
    /// An answer that cannot be used.
    #[error("{place}: {what}")]
    Answer {
        /// The URL or name that was asked for.
        place: Box<str>,
        /// What is wrong with the answer.
        what: Box<str>,
    },
    /// The configuration cannot be used here: a file that is missing, a key that does not parse.
    #[error("{place}: {what}")]
    Config {
        /// The field or file.
        place: Box<str>,
        /// What is wrong with it.
        what: Box<str>,
    },
}

impl Error {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "errors and texts alike, mostly made on the spot"
    )]
    pub(crate) fn answer(place: &str, what: impl ToString) -> Self {
        Self::Answer { place: place.into(), what: what.to_string().into() }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "errors and texts alike, mostly made on the spot"
    )]
    pub(crate) fn config(place: &str, what: impl ToString) -> Self {
        Self::Config { place: place.into(), what: what.to_string().into() }
    }
}
