//! Files as mapped memory: the one place of this crate with `unsafe`.

use bytes::Bytes;
use std::{fs::File, io};

/// The content of `file` without copying it; unmapped with the last clone.
#[expect(unsafe_code, reason = "mapping a file is unsafe by nature")]
pub(crate) fn map(file: &File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the contract of `Disk::view` is that mapped files do not shrink: files of the database are append-only
    // or written once, are replaced by rename and removed by unlink, and the lock file keeps other processes out.
    let map = unsafe { memmap2::Mmap::map(file) }?;
    Ok(Bytes::from_owner(map))
}
