//! What goes wrong in a request, as the API shows it. The one place that turns failures into HTTP.

use http::StatusCode;

/// A result of a handler.
pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

/// The `errorType` of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    BadData,
    Execution,
    Canceled,
    Timeout,
    Internal,
    Unavailable,
    NotFound,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Canceled => "canceled",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            // Nobody reads it: the client is gone.
            Self::Canceled => StatusCode::from_u16(499).expect("three digits"),
            Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Internal | Self::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct ApiError {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

impl ApiError {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(crate) fn bad_data(text: impl Into<String>) -> Self {
        Self::new(Kind::BadData, text)
    }

    /// A parameter that cannot be used.
    pub(crate) fn parameter(name: &str, what: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter \"{name}\": {what}"))
    }
}

impl From<storage::Error> for ApiError {
    fn from(error: storage::Error) -> Self {
        let kind = match &error {
            storage::Error::Cancelled => Kind::Canceled,
            storage::Error::TimedOut => Kind::Timeout,
            storage::Error::LimitExceeded(_) => Kind::Execution,
            _ => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
