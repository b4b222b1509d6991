//! Patterns over any disk: replacing a file atomically, sizes of directories.

use crate::Disk;
use std::{io, path::Path};

/// Replaces `path` with `data` so that a crash leaves the old or the new content, durably the new once this returns.
/// Writes `<path>.tmp` aside; a leftover of an earlier crash is overwritten.
pub fn write_atomic(disk: &dyn Disk, path: &Path, data: &[u8]) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".tmp");
    let aside = Path::new(&aside);
    if disk.exists(aside) {
        disk.remove(aside)?;
    }
    let mut file = disk.create(aside)?;
    file.append(data)?;
    file.sync()?;
    drop(file);
    disk.rename(aside, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new("")))
}

/// Bytes of all files below `dir`; zero if there is no such directory.
pub fn dir_size(disk: &dyn Disk, dir: &Path) -> io::Result<u64> {
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut size = 0;
    for name in names {
        let path = dir.join(name);
        size += if disk.is_dir(&path) {
            dir_size(disk, &path)?
        } else {
            match disk.len(&path) {
                Ok(len) => len,
                // Files come and go while the directory is walked.
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(error),
            }
        };
    }
    Ok(size)
}
