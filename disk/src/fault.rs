//! A disk that fails on purpose: the n-th change, every change from the n-th on, or once a byte budget is used up.
//! For tests, around any other disk.

use crate::{Disk, DiskFile, Lock, Space};
use bytes::Bytes;
use parking_lot::Mutex;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// How a change fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device reports an error (EIO).
    Io,
    /// No space is left (ENOSPC).
    Full,
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::Io => io::Error::other("input/output error (injected)"),
            Self::Full => {
                io::Error::new(ErrorKind::StorageFull, "no space left on device (injected)")
            }
        }
    }
}

#[derive(Debug, Default)]
struct Plan {
    changes: u64,
    fail_once: Option<(u64, Fault)>,
    fail_from: Option<u64>,
    budget_bytes: Option<u64>,
    /// The size of the disk, if it has one: then what is removed makes room.
    total_bytes: Option<u64>,
}

impl Plan {
    /// Counts one change; fails if its turn has come.
    fn change(&mut self) -> io::Result<()> {
        let number = self.changes;
        self.changes += 1;
        if self.fail_from.is_some_and(|from| number >= from) {
            return Err(Fault::Io.error());
        }
        match self.fail_once {
            Some((at, fault)) if at == number => Err(fault.error()),
            _ => Ok(()),
        }
    }

    /// How much of an append of `len` bytes fits, and whether that is all of it.
    fn spend(&mut self, len: usize) -> (usize, bool) {
        let Some(budget) = &mut self.budget_bytes else { return (len, true) };
        let fits = len.min(usize::try_from(*budget).unwrap_or(usize::MAX));
        *budget -= fits as u64;
        (fits, fits == len)
    }
}

/// Fails changes to the disk below as told. Reads pass. Clones share the plan.
#[derive(Clone, Debug)]
pub struct FaultDisk {
    inner: Arc<dyn Disk>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug)]
struct FaultFile {
    inner: Box<dyn DiskFile>,
    plan: Arc<Mutex<Plan>>,
}

impl FaultDisk {
    /// Wraps `inner`; nothing fails yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        Self { inner, plan: Arc::default() }
    }

    /// How many changes were tried so far: creating, appending, syncing, renaming, removing.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.plan.lock().changes
    }

    /// Fails the change with this number, counted from zero since the beginning; only that one.
    /// A failing append leaves half of its bytes behind.
    pub fn fail_once(&self, number: u64, fault: Fault) {
        self.plan.lock().fail_once = Some((number, fault));
    }

    /// Fails the change with this number and all after it: the power went.
    pub fn fail_from(&self, number: u64) {
        self.plan.lock().fail_from = Some(number);
    }

    /// Lets `bytes` more be appended, then the disk is full; `None`: no bound. Full appends leave what fitted.
    pub fn set_budget(&self, bytes: Option<u64>) {
        self.plan.lock().budget_bytes = bytes;
    }

    /// Gives the disk a size, of which `free_bytes` are left; what is removed makes room from then on.
    pub fn set_size(&self, total_bytes: u64, free_bytes: u64) {
        let mut plan = self.plan.lock();
        (plan.total_bytes, plan.budget_bytes) = (Some(total_bytes), Some(free_bytes));
    }

    fn change(&self) -> io::Result<()> {
        self.plan.lock().change()
    }

    fn wrap(&self, inner: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultFile { inner, plan: Arc::clone(&self.plan) })
    }
}

impl Disk for FaultDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        self.inner.create_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.change()?;
        Ok(self.wrap(self.inner.create(path)?))
    }

    fn open_append(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        self.change()?;
        Ok(self.wrap(self.inner.open_append(path, len)?))
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
        self.change()?;
        self.inner.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        self.inner.hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        let is_sized = self.plan.lock().total_bytes.is_some();
        let freed = if !is_sized {
            0
        } else if self.inner.is_dir(path) {
            crate::dir_size(&*self.inner, path)?
        } else {
            self.inner.len(path)?
        };
        self.inner.remove(path)?;
        if let Some(budget) = &mut self.plan.lock().budget_bytes {
            *budget += freed;
        }
        Ok(())
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
        self.change()?;
        self.inner.sync_dir(dir)
    }

    fn space(&self, path: &Path) -> io::Result<Option<Space>> {
        let plan = self.plan.lock();
        match (plan.total_bytes, plan.budget_bytes) {
            (Some(total_bytes), Some(free_bytes)) => Ok(Some(Space { total_bytes, free_bytes })),
            _ => self.inner.space(path),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        self.inner.lock(path)
    }
}

impl DiskFile for FaultFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        let (turn, (fits, all)) = {
            let mut plan = self.plan.lock();
            (plan.change(), plan.spend(data.len()))
        };
        if let Err(error) = turn {
            self.inner.append(&data[..fits / 2])?;
            return Err(error);
        }
        self.inner.append(&data[..fits])?;
        if all { Ok(()) } else { Err(Fault::Full.error()) }
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.plan.lock().change()?;
        self.inner.write_at(offset, data)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.plan.lock().change()?;
        self.inner.sync()
    }
}
