//! What can go wrong with a log, by what the caller can do: repair it, make room, or give up.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes of a segment break the format: [`crate::Writer::repair`] cuts the log there.
    #[error("{0}")]
    Corrupt(Box<Corruption>),
    /// A segment between the first and the last is missing.
    #[error("{}: segments are not sequential: {before:08} is followed by {after:08}", dir.display())]
    NotSequential {
        /// The directory.
        dir: PathBuf,
        /// The last segment in sequence.
        before: u32,
        /// The segment found next.
        after: u32,
    },
    /// The first segment to be read is missing.
    #[error("open WAL segment: {segment}: {} is missing", crate::segment_path(dir, *segment).display())]
    MissingSegment {
        /// The directory.
        dir: PathBuf,
        /// The segment behind the checkpoint, or the very first.
        segment: u32,
    },
    /// A checkpoint does not reach the segments that follow it.
    #[error("{}: unexpected gap to last checkpoint. expected:{expected}, requested:{requested}", dir.display())]
    CheckpointGap {
        /// The directory.
        dir: PathBuf,
        /// The segment that should follow the checkpoint.
        expected: u32,
        /// The first segment there is.
        requested: u32,
    },
    /// The disk said no. After a failed append the log can be used again once there is room.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A sync failed earlier, so written data may be gone: the log takes nothing until it is opened again.
    #[error("write-ahead log is closed: {0}")]
    Closed(Box<str>),
}

/// Where a log breaks its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// The segment file.
    pub path: PathBuf,
    /// Number of the segment.
    pub segment: u32,
    /// How far the segment was read, in bytes, as Prometheus reports it.
    pub offset: u64,
    /// End of the last good record of the segment, in bytes: repair keeps what is before it.
    pub good_bytes: u64,
    /// What was found.
    pub what: Box<str>,
}

impl Corruption {
    /// The directory of the log or checkpoint.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, offset, what, .. } = self;
        write!(f, "corruption in segment {} at {offset}: {what}", path.display())
    }
}
