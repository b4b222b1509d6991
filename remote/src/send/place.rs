//! Where a queue goes on after a restart or a crash, kept in two files: one that is durable and replaced now and then,
//! and one that is written over after each request and flushed by nobody, so that a kill repeats no more than what was
//! under way. What the place is, `ledger` knows.

use super::ledger::Ledger;
use disk::{Disk, DiskFile};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wal::Position;

/// No line is longer.
const MAX_LINE_BYTES: usize = 64;

/// Where to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Everything before is sent, or dropped for good.
    pub(super) position: Position,
    /// Into how many shards what comes behind it was sorted by the numbers of its series; zero if not always into as
    /// many.
    pub(super) shards: usize,
}

impl Place {
    /// A line that always has the same length, so that the next one covers it.
    fn line(self) -> String {
        let Position { segment, offset } = self.position;
        let numbers = format!("{segment:010} {offset:020} {:05}", self.shards);
        let hash = model::stable_hash([("place", numbers.as_str())].into_iter());
        format!("{numbers} {hash:016x}\n")
    }

    /// Reads a line. Of the durable file the first two numbers are enough: that is what older releases wrote.
    fn parse(text: &str, is_durable: bool) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (segment, offset) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let place = Self { position: Position { segment, offset }, shards: 0 };
        let shards = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let whole = Self { shards, ..place };
        if whole.line() == text { Some(whole) } else { is_durable.then_some(place) }
    }
}

/// The file that is written over.
#[derive(Debug, Default)]
struct Hasty {
    noted: Option<Place>,
    file: Option<Box<dyn DiskFile>>,
}

/// The files of one queue.
#[derive(Debug)]
pub(super) struct PlaceFiles {
    disk: Arc<dyn Disk>,
    durable_path: PathBuf,
    hasty_path: PathBuf,
    saved: Mutex<Option<Place>>,
    hasty: Mutex<Hasty>,
}

impl PlaceFiles {
    /// The files in `dir` of the queue with this key; nothing happens yet.
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path, key: &str) -> Self {
        Self {
            disk,
            durable_path: dir.join(format!("{key}.position")),
            hasty_path: dir.join(format!("{key}.acknowledged")),
            saved: Mutex::default(),
            hasty: Mutex::default(),
        }
    }

    /// Where the queue went on to, as far as the log in `log` still is the one it read.
    pub(super) fn read(&self, log: &Path) -> io::Result<Option<Place>> {
        let mut newest: Option<Place> = None;
        let mut lost = None;
        for (path, is_durable) in [(&self.durable_path, true), (&self.hasty_path, false)] {
            let Some(place) = self.read_file(path, is_durable)? else { continue };
            let segment = wal::segment_path(log, place.position.segment);
            let is_there =
                self.disk.exists(&segment) && self.disk.len(&segment)? >= place.position.offset;
            if !is_there {
                lost = Some(place);
            } else if newest.is_none_or(|newest| newest.position < place.position) {
                newest = Some(place);
            }
        }
        if let (None, Some(Place { position, .. })) = (newest, lost) {
            tracing::warn!(
                component = "remote",
                segment = position.segment,
                offset = position.offset,
                "The log is not the one that was sent before: sending begins with new samples"
            );
        }
        Ok(newest)
    }

    fn read_file(&self, path: &Path, is_durable: bool) -> io::Result<Option<Place>> {
        if !self.disk.exists(path) {
            return Ok(None);
        }
        let len = usize::try_from(self.disk.len(path)?).unwrap_or(0).min(MAX_LINE_BYTES);
        let bytes = self.disk.read_at(path, 0, len)?;
        Ok(Place::parse(&String::from_utf8_lossy(&bytes), is_durable))
    }

    /// Writes down where to go on, durably.
    pub(super) fn save(&self, ledger: &Ledger) -> io::Result<()> {
        let mut saved = self.saved.lock();
        let place = ledger.place();
        if *saved != Some(place) {
            disk::write_atomic(&*self.disk, &self.durable_path, place.line().as_bytes())?;
            *saved = Some(place);
        }
        Ok(())
    }

    /// Writes down where to go on if this process is killed. Where that fails the durable place counts, whose failures
    /// are told.
    pub(super) fn note(&self, ledger: &Ledger) {
        let mut hasty = self.hasty.lock();
        let place = ledger.place();
        if hasty.noted != Some(place) {
            let written = self.write_over(&mut hasty.file, place.line().as_bytes());
            hasty.noted = written.is_ok().then_some(place);
        }
    }

    fn write_over(&self, file: &mut Option<Box<dyn DiskFile>>, line: &[u8]) -> io::Result<()> {
        if let Some(held) = file {
            return held.write_at(0, line).inspect_err(|_| *file = None);
        }
        if self.disk.exists(&self.hasty_path) {
            self.disk.remove(&self.hasty_path)?;
        }
        let mut fresh = self.disk.create(&self.hasty_path)?;
        fresh.append(line)?;
        *file = Some(fresh);
        Ok(())
    }

    /// Removes the files.
    pub(super) fn forget(&self) -> io::Result<()> {
        for path in [&self.hasty_path, &self.durable_path] {
            if self.disk.exists(path) {
                self.disk.remove(path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
