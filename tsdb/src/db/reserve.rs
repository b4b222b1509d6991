//! A full disk: a file that is kept for that moment is removed, so that the log can go on, retention runs at once, and
//! the file comes back when there is room again. Writing resumes by itself: each commit tries again.

use super::Db;
use crate::Result;
use disk::{Disk, Space};
use std::path::Path;

/// The file that is removed when the disk is full. Prometheus does not look at it.
const RESERVE_FILE: &str = "reserve";
/// What it is filled with at a time: zeros take no room on a disk that packs.
const PIECE: usize = 1 << 20;

/// How a disk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing is to be done.
    Rest,
    /// Full: the reserve has to go.
    Release,
    /// Below the low-water mark: retention has to run.
    Retain,
    /// There is room for a new reserve.
    Refill,
}

fn next_step(space: Space, has_reserve: bool, reserve_bytes: u64, low_water_bytes: u64) -> Step {
    let Space { free_bytes, .. } = space;
    // The log is written in pieces far smaller than this.
    if has_reserve && free_bytes < reserve_bytes / 4 {
        Step::Release
    } else if free_bytes < low_water_bytes {
        Step::Retain
    } else if !has_reserve
        && reserve_bytes > 0
        && free_bytes > low_water_bytes.saturating_add(reserve_bytes.saturating_mul(2))
    {
        Step::Refill
    } else {
        Step::Rest
    }
}

/// Writes the reserve; what was written of it is removed if that fails.
fn fill(disk: &dyn Disk, path: &Path, bytes: u64) -> std::io::Result<()> {
    let write = || {
        let mut file = disk.create(path)?;
        let zeros = vec![0; PIECE];
        let mut left = bytes;
        while left > 0 {
            let len = left.min(PIECE as u64);
            file.append(&zeros[..len as usize])?;
            left -= len;
        }
        file.sync()
    };
    write().inspect_err(|_| {
        // The failure to tell is the first one.
        drop(disk.remove(path));
    })
}

impl Db {
    /// Looks at the room on the disk, to be called every second or so from one thread: at low water retention runs,
    /// on a full disk the reserve goes, and it comes back when there is room.
    pub fn watch_disk(&self) -> Result<()> {
        let (reserve_bytes, low_bytes) =
            (self.options.disk_reserve_bytes, self.options.disk_low_water_bytes);
        if reserve_bytes == 0 && low_bytes == 0 {
            return Ok(());
        }
        let Some(space) = self.disk.space(&self.dir)? else { return Ok(()) };
        let path = self.dir.join(RESERVE_FILE);
        let free = space.free_bytes;
        match next_step(space, self.disk.exists(&path), reserve_bytes, low_bytes) {
            Step::Rest => Ok(()),
            Step::Release => {
                self.disk.remove(&path)?;
                self.metrics.reserve_releases.inc();
                self.log.error(
                    "The disk is full: removed the reserve, so that the log can go on; make room",
                    &[("free_bytes", &free), ("reserve_bytes", &reserve_bytes)],
                );
                self.retain_early()
            }
            Step::Retain => self.retain_early(),
            Step::Refill => {
                let filled = fill(&*self.disk, &path, reserve_bytes);
                if filled.is_ok() {
                    let fields: [(_, &dyn std::fmt::Display); 2] =
                        [("free_bytes", &free), ("reserve_bytes", &reserve_bytes)];
                    self.log.info("Keeping room for a full disk", &fields);
                }
                Ok(filled?)
            }
        }
    }

    /// Retention now, not at the next round; unless other work holds it up.
    fn retain_early(&self) -> Result<()> {
        match self.work.try_lock() {
            Some(_alone) => self.reload(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
