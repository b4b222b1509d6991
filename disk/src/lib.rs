//! The only crate that touches the file system: a real, a simulated and a faulty disk behind one contract.
//! What files mean is known above: here are bytes, names and durability.
#![deny(unsafe_code)]

mod atomic;
mod counted;
mod fault;
mod lock;
mod map;
mod real;
mod sim;

pub use atomic::{dir_size, write_atomic};
pub use counted::CountedDisk;
pub use fault::{Fault, FaultDisk};
pub use lock::Lock;
pub use map::release_views;
pub use real::RealDisk;
pub use sim::SimDisk;

use bytes::Bytes;
use std::{fmt, io, path::Path};

/// The file operations the database relies on, and nothing more.
///
/// Data is durable after [`DiskFile::sync`]; a name is durable after [`Disk::sync_dir`] on its parent.
/// Whatever was not synced may be gone, cut or torn after a crash; the simulated disk does all three.
/// Errors name the operation and the path and keep the kind of the cause.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a directory and its parents; fine if it exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates a new file for appending; fails if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for appending, after cutting it to `len` bytes.
    fn open_append(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>>;
    /// The content of a file that will not shrink any more; mapped memory on a real disk.
    fn view(&self, path: &Path) -> io::Result<Bytes>;
    /// A copy of `len` bytes at `offset` of a file that may still grow; shorter at its end.
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// Length of a file in bytes.
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// Renames a file or directory, atomically, over what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file or a directory tree.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted; `NotFound` if there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Whether there is a file or directory of this name.
    fn exists(&self, path: &Path) -> bool;
    /// Whether there is a directory of this name.
    fn is_dir(&self, path: &Path) -> bool;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Room on the file system that holds `path`; `None` where nobody tells.
    fn space(&self, _path: &Path) -> io::Result<Option<Space>> {
        Ok(None)
    }
    /// Takes the lock file `path`, created if absent; `WouldBlock` if another holder is alive.
    fn lock(&self, path: &Path) -> io::Result<Lock>;
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total_bytes: u64,
    /// What may still be written.
    pub free_bytes: u64,
}

/// A file that only grows.
pub trait DiskFile: Send + fmt::Debug {
    /// Appends all of `data`. After an error the length is unknown: reopen with [`Disk::open_append`].
    fn append(&mut self, data: &[u8]) -> io::Result<()>;
    /// Overwrites bytes that were appended earlier: headers and offsets known only at the end.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Makes everything appended so far durable. After an error the file must not be used again.
    fn sync(&mut self) -> io::Result<()>;
}

/// An error of the same kind that says what was attempted on which path.
fn named(op: &'static str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{op} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
