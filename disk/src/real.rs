//! The disk of the operating system. No policy: each method is its system calls and an error that names the path.

use crate::{Disk, DiskFile, Lock, Space, map, named};
use bytes::Bytes;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile {
    file: File,
    path: PathBuf,
    len: u64,
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path).map_err(|error| named("open", path, &error))
}

impl Disk for RealDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path).map_err(|error| named("create directory", path, &error))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(|error| named("create", path, &error))?;
        Ok(Box::new(RealFile { file, path: path.to_owned(), len: 0 }))
    }

    fn open_append(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        let cut = || {
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len(len)?;
            Ok(file)
        };
        let file = cut().map_err(|error| named("open for appending", path, &error))?;
        Ok(Box::new(RealFile { file, path: path.to_owned(), len }))
    }

    fn view(&self, path: &Path) -> io::Result<Bytes> {
        map::map(&open(path)?).map_err(|error| named("map", path, &error))
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = open(path)?;
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(named("read", path, &error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path).map_err(|error| named("length of", path, &error))?.len())
    }

    #[expect(clippy::disallowed_methods, reason = "this crate is where the others are sent")]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Renaming onto a directory needs an empty one; what is there goes first, as a file would.
        if to.is_dir() {
            fs::remove_dir_all(to).map_err(|error| named("remove", to, &error))?;
        }
        fs::rename(from, to).map_err(|error| named("rename", from, &error))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to).map_err(|error| named("link", from, &error))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let remove = || {
            if fs::symlink_metadata(path)?.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            }
        };
        remove().map_err(|error| named("remove", path, &error))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let read = || {
            let mut names = Vec::new();
            for entry in fs::read_dir(dir)? {
                // The database names its files in ASCII: anything else is not ours.
                names.extend(entry?.file_name().into_string().ok());
            }
            names.sort_unstable();
            Ok(names)
        };
        read().map_err(|error| named("list", dir, &error))
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        open(dir)?.sync_all().map_err(|error| named("sync", dir, &error))
    }

    fn space(&self, path: &Path) -> io::Result<Option<Space>> {
        let stat = rustix::fs::statvfs(path);
        let stat = stat.map_err(|error| named("room around", path, &error.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Some(Space { total_bytes: bytes(stat.f_blocks), free_bytes: bytes(stat.f_bavail) }))
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let was_there = path.exists();
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = file.map_err(|error| named("open", path, &error))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => named("lock", path, &error),
            TryLockError::WouldBlock => {
                named("lock", path, &io::Error::new(io::ErrorKind::WouldBlock, "already in use"))
            }
        })?;
        Ok(Lock::new(path, was_there, Box::new(file)))
    }
}

impl DiskFile for RealFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        // Written at a known offset rather than in append mode, where writing at an offset would append as well.
        self.file
            .write_all_at(data, self.len)
            .map_err(|error| named("append to", &self.path, &error))?;
        self.len += data.len() as u64;
        Ok(())
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        debug_assert!(
            offset + data.len() as u64 <= self.len,
            "only what was appended is overwritten"
        );
        self.file.write_all_at(data, offset).map_err(|error| named("write to", &self.path, &error))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data().map_err(|error| named("sync", &self.path, &error))
    }
}
