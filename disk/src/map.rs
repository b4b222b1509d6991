//! Files as mapped memory, and giving their pages back: the one place of this crate with `unsafe`.

use bytes::Bytes;
use memmap2::{Mmap, UncheckedAdvice};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use std::{fs::File, io};

/// The mappings there are, and some that were.
static MAPPED: Mutex<Vec<Weak<Mmap>>> = Mutex::new(Vec::new());

/// A mapping that others may look for.
struct Mapped(Arc<Mmap>);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The content of `file` without copying it; unmapped with the last clone.
#[expect(unsafe_code, reason = "mapping a file is unsafe by nature")]
pub(crate) fn map(file: &File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the contract of `Disk::view` is that mapped files do not shrink: files of the database are append-only
    // or written once, are replaced by rename and removed by unlink, and the lock file keeps other processes out.
    let map = Arc::new(unsafe { Mmap::map(file) }?);
    let mut mapped = MAPPED.lock();
    if mapped.len() == mapped.capacity() {
        // Each time that the list would grow: what it costs stays in proportion.
        mapped.retain(|map| map.strong_count() > 0);
    }
    mapped.push(Arc::downgrade(&map));
    drop(mapped);
    Ok(Bytes::from_owner(Mapped(map)))
}

/// Takes the pages of all views out of the memory of this process. They stay in the page cache, where the system may take
/// them from any process that needs room, and come back one fault for a group of pages when they are read again. Answers
/// how many bytes are in views.
#[expect(unsafe_code, reason = "advice may change memory, if it is not memory of a file")]
pub fn release_views() -> u64 {
    // Views may be made and dropped meanwhile: nobody waits for the system here.
    let mapped: Vec<Arc<Mmap>> = MAPPED.lock().iter().filter_map(Weak::upgrade).collect();
    let mut view_bytes = 0;
    for map in mapped {
        view_bytes += map.len() as u64;
        // SAFETY: the mapping is shared, of a file, and nobody writes to it: what a released page held is read from the
        // file again, whoever reads it meanwhile.
        let released = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
        // A page that the system does not give up stays: nothing is wrong with it.
        drop(released);
    }
    view_bytes
}
