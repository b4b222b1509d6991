//! A disk that counts the bytes written through it, by whatever its owner tells files apart. It changes nothing else.

use crate::{Disk, DiskFile, Lock, Space};
use bytes::Bytes;
use metrics::Counter;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Counts what is written to the disk below. Reads pass.
pub struct CountedDisk {
    inner: Arc<dyn Disk>,
    counter_of: Box<dyn Fn(&Path) -> Counter + Send + Sync>,
}

struct CountedFile {
    inner: Box<dyn DiskFile>,
    written_bytes: Counter,
}

impl fmt::Debug for CountedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedDisk").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl fmt::Debug for CountedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedFile").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl CountedDisk {
    /// Counts the bytes of each file with the counter that `counter_of` its path answers when it is opened.
    pub fn new(
        inner: Arc<dyn Disk>,
        counter_of: impl Fn(&Path) -> Counter + Send + Sync + 'static,
    ) -> Self {
        Self { inner, counter_of: Box::new(counter_of) }
    }

    fn count(&self, path: &Path, inner: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(CountedFile { inner, written_bytes: (self.counter_of)(path) })
    }
}

impl Disk for CountedDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.count(path, self.inner.create(path)?))
    }

    fn open_append(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.count(path, self.inner.open_append(path, len)?))
    }

    fn view(&self, path: &Path) -> io::Result<Bytes> {
        self.inner.view(path)
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.inner.read_at(path, offset, len)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.inner.len(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn exists(&self, path: &Path) -> bool {
        self.inner.exists(path)
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.inner.is_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn space(&self, path: &Path) -> io::Result<Option<Space>> {
        self.inner.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        self.inner.lock(path)
    }
}

impl DiskFile for CountedFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.inner.append(data)?;
        self.written_bytes.inc_by(data.len() as u64);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, data)?;
        self.written_bytes.inc_by(data.len() as u64);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }
}
