//! A disk that lets somebody in before and after each of its changes, on the same thread: what happens while files are
//! written then happens the same way each time. What is done there is not known here.

use bytes::Bytes;
use disk::{Disk, DiskFile, Lock, Space};
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Visitor = Box<dyn FnMut(&Path) + Send>;

/// Who is let in. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Visits(Arc<Mutex<Option<Visitor>>>);

impl fmt::Debug for Visits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visits")
    }
}

impl Visits {
    /// From now on calls `visitor` with the path of each change, but not of those it makes itself.
    pub(super) fn begin(&self, visitor: impl FnMut(&Path) + Send + 'static) {
        *self.0.lock() = Some(Box::new(visitor));
    }

    pub(super) fn end(&self) {
        *self.0.lock() = None;
    }

    fn visit(&self, path: &Path) {
        let visitor = self.0.lock().take();
        if let Some(mut visitor) = visitor {
            visitor(path);
            *self.0.lock() = Some(visitor);
        }
    }

    fn around<T>(&self, path: &Path, change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.visit(path);
        let done = change();
        self.visit(path);
        done
    }
}

/// The disk below, with visits.
#[derive(Clone, Debug)]
pub(super) struct BetweenDisk {
    pub(super) inner: Arc<dyn Disk>,
    pub(super) visits: Visits,
}

#[derive(Debug)]
struct BetweenFile {
    inner: Box<dyn DiskFile>,
    path: PathBuf,
    visits: Visits,
}

impl BetweenDisk {
    fn wrap(&self, path: &Path, inner: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(BetweenFile { inner, path: path.to_owned(), visits: self.visits.clone() })
    }
}

impl Disk for BetweenDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.visits.around(path, || self.inner.create_dir(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.visits.around(path, || self.inner.create(path))?;
        Ok(self.wrap(path, file))
    }

    fn open_append(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        let file = self.visits.around(path, || self.inner.open_append(path, len))?;
        Ok(self.wrap(path, file))
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
        self.visits.around(to, || self.inner.rename(from, to))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.visits.around(to, || self.inner.hard_link(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.visits.around(path, || self.inner.remove(path))
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
        self.visits.around(dir, || self.inner.sync_dir(dir))
    }

    fn space(&self, path: &Path) -> io::Result<Option<Space>> {
        self.inner.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        self.inner.lock(path)
    }
}

impl DiskFile for BetweenFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        let Self { inner, path, visits } = self;
        visits.around(path, || inner.append(data))
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let Self { inner, path, visits } = self;
        visits.around(path, || inner.write_at(offset, data))
    }

    fn sync(&mut self) -> io::Result<()> {
        let Self { inner, path, visits } = self;
        visits.around(path, || inner.sync())
    }
}
