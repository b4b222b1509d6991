//! Why a database cannot be opened or go on. At the seam these become [`storage::Error`].

use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the database as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting makes no sense.
    #[error("invalid storage settings: {0}")]
    Options(Box<str>),
    /// Another process has the data directory.
    #[error("lock DB directory: {} is held by another process; stop it or choose another directory", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The write-ahead log cannot be read or written.
    #[error(transparent)]
    Log(#[from] wal::Error),
    /// Blocks or head chunks cannot be read or written.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The disk said no; the text names the file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A failure of the log as those at the seam see it.
pub(crate) fn from_log(error: wal::Error) -> storage::Error {
    match error {
        wal::Error::Io(source) => storage::Error::Io { op: "write-ahead log".into(), source },
        wal::Error::Corrupt(corruption) => storage::Error::Corrupt {
            place: format!("{} at {}", corruption.path.display(), corruption.offset).into(),
            what: corruption.what,
        },
        wal::Error::Closed(why) => storage::Error::Closed(why),
        other => storage::Error::Closed(other.to_string().into()),
    }
}

impl From<Error> for storage::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Storage(error) => error,
            Error::Log(error) => from_log(error),
            Error::Io(source) => Self::Io { op: "storage".into(), source },
            other => Self::Closed(other.to_string().into()),
        }
    }
}
