//! What can go wrong with a request, by what the caller does about it.

/// A request that failed, or a client that cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is well formed but cannot be used: keys that do not parse, versions that exclude each other.
    #[error("{place}: {what}")]
    Config {
        /// The field or file.
        place: Box<str>,
        /// What is wrong with it.
        what: Box<str>,
    },
    /// A file named by the configuration cannot be read.
    #[error("unable to read {what}: unable to read file {path}: open {path}: {}", system(source))]
    File {
        /// What the file holds.
        what: &'static str,
        /// Its path.
        path: Box<str>,
        /// The cause.
        source: std::io::Error,
    },
    /// The URL cannot be requested.
    #[error("parse {url:?}: {what}")]
    Url {
        /// The URL.
        url: Box<str>,
        /// What is wrong with it.
        what: Box<str>,
    },
    /// No answer within the time limit.
    #[error("Get {url:?}: context deadline exceeded")]
    Timeout {
        /// The URL.
        url: Box<str>,
    },
    /// No connection, or no answer that makes sense.
    #[error("Get {url:?}: {what}")]
    Request {
        /// The URL.
        url: Box<str>,
        /// The chain of causes.
        what: Box<str>,
    },
    /// The answer broke off, or its compression is broken.
    #[error("{0}")]
    Body(Box<str>),
    /// The uncompressed body reached the limit.
    #[error("body size limit exceeded")]
    BodyTooLarge,
    /// The body does not fit into the memory that is left.
    #[error(
        "body of {length} bytes or more does not fit into what --storage.tsdb.memory-budget leaves"
    )]
    BodyBeyondMemory {
        /// Its length in bytes, uncompressed, as told or come so far.
        length: u64,
    },
}

/// A failure of the system in the words of Go.
fn system(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// What happened to a socket in the words of Go.
pub(crate) fn io_words(error: &std::io::Error) -> Box<str> {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "unexpected EOF".into(),
        std::io::ErrorKind::ConnectionReset => "read: connection reset by peer".into(),
        std::io::ErrorKind::BrokenPipe => "write: broken pipe".into(),
        _ => system(error).into(),
    }
}

/// What breaks a connection, by what our libraries say and what Go does.
const WORDS: &[(&str, &str)] = &[
    ("InvalidContentType", "tls: first record does not look like a TLS handshake"),
    ("Invalid chunk size", "invalid byte in chunk length"),
];

/// An error and its causes in one line, without saying anything twice. Where one of them is ours, that says it all; what
/// operators know by the words of Go has these.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> Box<str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match (error.downcast_ref::<Error>(), error.downcast_ref::<hyper::Error>()) {
            (Some(Error::Request { what, .. }), _) => return what.clone(),
            (Some(error), _) => return error.to_string().into(),
            (_, Some(error)) if error.is_incomplete_message() => return "EOF".into(),
            _ => {}
        }
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof) {
            return "unexpected EOF".into();
        }
        cause = error.source();
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    match WORDS.iter().find(|(ours, _)| text.contains(ours)) {
        Some((_, words)) => (*words).into(),
        None => text.into(),
    }
}
