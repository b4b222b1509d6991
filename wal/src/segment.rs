//! Numbered segment files: names and listing.

use crate::{Error, Result};
use disk::Disk;
use std::io;
use std::path::{Path, PathBuf};

/// The path of segment `number`.
#[must_use]
pub fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}"))
}

/// The numbers of the segments in `dir`, in order and without a gap; none if there is no such directory.
/// Other files are left alone.
pub fn list_segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<u32>> {
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let digits = |name: &&String| name.bytes().all(|b| b.is_ascii_digit());
    let mut numbers: Vec<u32> =
        names.iter().filter(digits).filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    match numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        Some(gap) => {
            Err(Error::NotSequential { dir: dir.to_owned(), before: gap[0], after: gap[1] })
        }
        None => Ok(numbers),
    }
}
