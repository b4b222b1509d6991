//! The lock file that keeps a second process out. What the lock rests on is known to each disk.

use crate::Disk;
use std::any::Any;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// A held lock file. Dropping it frees the lock and leaves the file, as a crash would; [`Lock::release`] removes it.
pub struct Lock {
    path: PathBuf,
    was_there: bool,
    guard: Box<dyn Any + Send + Sync>,
}

impl Lock {
    pub(crate) fn new(path: &Path, was_there: bool, guard: Box<dyn Any + Send + Sync>) -> Self {
        Self { path: path.to_owned(), was_there, guard }
    }

    /// Whether the file existed before: the last holder did not shut down cleanly.
    #[must_use]
    pub fn was_there(&self) -> bool {
        self.was_there
    }

    /// Removes the file, then frees the lock: a clean shutdown.
    pub fn release(self, disk: &dyn Disk) -> io::Result<()> {
        let removed = disk.remove(&self.path);
        drop(self.guard);
        removed
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("path", &self.path).finish_non_exhaustive()
    }
}
