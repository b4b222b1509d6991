//! Why a server cannot start or go on. Each is shown once, on the way out.

use crate::config::ConfigError;

/// A failure of the whole server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is refused; the text shows file, line and column.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database does not open or close.
    #[error("opening storage failed: {0}")]
    Storage(#[from] tsdb::Error),
    /// The web configuration cannot be used.
    #[error("invalid web configuration: {0}")]
    Guard(#[from] web::GuardError),
    /// A port cannot be had.
    #[error("unable to start listening: {0}")]
    Listen(#[from] web::ListenError),
    /// A setting of the configuration that the flags do not allow.
    #[error("{setting}: {why}")]
    Setting {
        /// Where it is.
        setting: &'static str,
        /// Why, and what to do.
        why: &'static str,
    },
    /// A flag whose value cannot be used.
    #[error("--{flag}: {value:?} cannot be used")]
    Flag {
        /// Its name.
        flag: &'static str,
        /// What was given.
        value: String,
    },
    /// A file that queries or failed scrapes are logged to cannot be opened.
    #[error("can't create json log file: open {path}: {source}")]
    LogFile {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Parts of the server did not take the configuration; each said why in the log.
    #[error(
        "one or more errors occurred while applying the new configuration (--config.file={file:?})"
    )]
    Apply {
        /// The file.
        file: String,
    },
    /// The operating system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// A broken invariant on another thread.
    #[error("{0} panicked; this is a bug")]
    Panicked(&'static str),
}

impl Error {
    /// The exit code of a process that ends with it: 2 for what the user wrote, 1 for what happened.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            _ => 1,
        }
    }
}
