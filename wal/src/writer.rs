//! Appends records to the newest segment: one write a batch. Knows what to do after a failed write or sync.

use crate::compress::Compressor;
use crate::page::{HEADER_BYTES, PAGE_BYTES, page_end, push_record, room};
use crate::{Compression, Error, Position, Result, segment};
use disk::{Disk, DiskFile};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterOptions {
    /// Segments are at most this long, a multiple of the page, unless one record alone is longer.
    pub segment_bytes: u64,
    /// Compression of new records.
    pub compression: Compression,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { segment_bytes: 128 * 1024 * 1024, compression: Compression::Snappy }
    }
}

/// What a writer did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Writes to segment files.
    pub page_flushes: u64,
    /// Fragments of records.
    pub fragments: u64,
    /// Bytes of fragments, their headers included.
    pub fragment_bytes: u64,
    /// Pages filled to their end.
    pub completed_pages: u64,
    /// Calls of [`Writer::truncate`].
    pub truncations: u64,
    /// Calls of [`Writer::truncate`] that failed.
    pub truncations_failed: u64,
    /// Calls of [`Writer::log`] that failed.
    pub writes_failed: u64,
}

/// The newest segment on disk, as far as it is known.
enum Tail {
    /// The file ends where the last good record does.
    Open(Box<dyn DiskFile>),
    /// A write failed: the file is cut back before the next.
    Torn,
    /// Closed in good order.
    Closed,
}

/// The open end of a log.
pub struct Writer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: WriterOptions,
    segment: u32,
    /// Bytes of the segment that are good.
    len: u64,
    tail: Tail,
    /// Whether the directory entry of a segment may not be durable yet.
    names_pending: bool,
    retired: Vec<Box<dyn DiskFile>>,
    /// Segments of an earlier process, which may have been killed before it synced them.
    inherited: Vec<PathBuf>,
    /// Set for good by a failed sync, here or of retired segments.
    failed: Arc<AtomicBool>,
    compressor: Compressor,
    out: Vec<u8>,
    stats: WriterStats,
}

/// Full segments that are not synced yet, to be synced without holding up the writer.
pub struct Retired {
    disk: Arc<dyn Disk>,
    files: Vec<Box<dyn DiskFile>>,
    inherited: Vec<PathBuf>,
    failed: Arc<AtomicBool>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("dir", &self.dir)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retired")
            .field("files", &self.files.len())
            .field("inherited", &self.inherited.len())
            .finish_non_exhaustive()
    }
}

impl Retired {
    /// Makes them durable. A failure closes the writer they came from.
    pub fn sync(mut self) -> Result<()> {
        let outcome = self.try_sync();
        outcome.inspect_err(|_| self.failed.store(true, Ordering::Release))?;
        Ok(())
    }

    fn try_sync(&mut self) -> std::io::Result<()> {
        for path in &self.inherited {
            // Those that were truncated meanwhile are not missed.
            if self.disk.exists(path) {
                self.disk.open_append(path, self.disk.len(path)?)?.sync()?;
            }
        }
        self.files.iter_mut().try_for_each(|file| file.sync())
    }
}

impl Writer {
    /// Opens the log in `dir`, created if absent, with a new segment behind the last one.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: WriterOptions) -> Result<Self> {
        if !disk.is_dir(dir) {
            disk.create_dir(dir)?;
            disk.sync_dir(dir.parent().unwrap_or(Path::new("")))?;
        }
        let segments = segment::list_segments(&*disk, dir)?;
        let segment = segments.last().map_or(0, |&last| last + 1);
        let file = disk.create(&segment::segment_path(dir, segment))?;
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            options,
            segment,
            len: 0,
            tail: Tail::Open(file),
            names_pending: true,
            retired: Vec::new(),
            inherited: segments.into_iter().map(|n| segment::segment_path(dir, n)).collect(),
            failed: Arc::default(),
            compressor: Compressor::new(options.compression)?,
            out: Vec::new(),
            stats: WriterStats::default(),
        })
    }

    /// The directory of the log.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of the segment at hand: no greater one exists.
    #[must_use]
    pub fn last_segment(&self) -> u32 {
        self.segment
    }

    /// Where the next record will begin.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { segment: self.segment, offset: self.len }
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        self.stats
    }

    /// Appends `records` in order, with one write unless a segment fills up. Handed to the operating system when this
    /// returns, durable after [`Self::sync`]. After a failure none or the first of them may be read back later; the
    /// next call cuts a torn end off.
    pub fn log(&mut self, records: &[&[u8]]) -> Result<()> {
        let outcome = self.try_log(records);
        self.stats.writes_failed += u64::from(outcome.is_err());
        outcome
    }

    fn try_log(&mut self, records: &[&[u8]]) -> Result<()> {
        self.ready()?;
        self.out.clear();
        for record in records {
            let (body, flags) = self.compressor.compress(record);
            let body_bytes = body.len() as u64;
            let begin = self.len + self.out.len() as u64;
            let fragments = if body.len() as i64 > payload_left(begin, self.options.segment_bytes) {
                // The compressor's buffer is borrowed by `body`, so it is put aside while the segment changes.
                let body = body.to_vec();
                self.flush()?;
                self.cut()?;
                push_record(&mut self.out, self.len, &body, flags)
            } else {
                push_record(&mut self.out, self.len, body, flags)
            };
            self.stats.fragments += fragments;
            self.stats.fragment_bytes += body_bytes + fragments * HEADER_BYTES as u64;
        }
        self.flush()
    }

    /// Fails if the log is closed; brings a torn end back to the last good record.
    fn ready(&mut self) -> Result<()> {
        if self.failed.load(Ordering::Acquire) {
            return Err(Error::Closed("an earlier sync failed; restart to replay it".into()));
        }
        if matches!(self.tail, Tail::Closed) {
            return Err(Error::Closed("the storage was shut down".into()));
        }
        if matches!(self.tail, Tail::Torn) {
            let path = segment::segment_path(&self.dir, self.segment);
            self.tail = Tail::Open(self.disk.open_append(&path, self.len)?);
        }
        Ok(())
    }

    /// Writes what is staged.
    fn flush(&mut self) -> Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        if let Tail::Open(file) = &mut self.tail
            && let Err(error) = file.append(&self.out)
        {
            self.tail = Tail::Torn;
            self.out.clear();
            return Err(error.into());
        }
        let end = self.len + self.out.len() as u64;
        let page = PAGE_BYTES as u64;
        self.stats.page_flushes += 1;
        self.stats.completed_pages += end / page - self.len / page;
        self.len = end;
        self.out.clear();
        Ok(())
    }

    /// Fills the last page with zeros, if it holds anything.
    fn pad(&mut self) -> Result<()> {
        let zeros = page_end(self.len) - self.len;
        self.out.clear();
        self.out.resize(zeros as usize, 0);
        self.flush()
    }

    /// Ends the segment and begins the next. The ended one is synced by [`Self::sync`] or through
    /// [`Self::take_retired`].
    pub fn cut(&mut self) -> Result<()> {
        self.ready()?;
        self.pad()?;
        let file = self.disk.create(&segment::segment_path(&self.dir, self.segment + 1))?;
        self.names_pending = true;
        if let Tail::Open(full) = std::mem::replace(&mut self.tail, Tail::Open(file)) {
            self.retired.push(full);
        }
        self.segment += 1;
        self.len = 0;
        Ok(())
    }

    /// The full segments that wait for a sync.
    #[must_use]
    pub fn take_retired(&mut self) -> Retired {
        Retired {
            disk: Arc::clone(&self.disk),
            files: std::mem::take(&mut self.retired),
            inherited: std::mem::take(&mut self.inherited),
            failed: Arc::clone(&self.failed),
        }
    }

    /// Makes everything logged so far durable, by earlier processes, too: behind a hole in what they wrote nothing could
    /// be read. After a failure the log takes nothing more.
    pub fn sync(&mut self) -> Result<()> {
        self.ready()?;
        self.take_retired().sync()?;
        let outcome = match &mut self.tail {
            Tail::Open(file) => file.sync(),
            Tail::Torn | Tail::Closed => Ok(()),
        };
        let outcome = outcome.and_then(|()| {
            if std::mem::take(&mut self.names_pending) {
                self.disk.sync_dir(&self.dir)
            } else {
                Ok(())
            }
        });
        outcome.inspect_err(|_| self.failed.store(true, Ordering::Release))?;
        Ok(())
    }

    /// Fills the last page and makes everything durable; nothing can be logged from then on.
    pub fn close(&mut self) -> Result<()> {
        self.ready()?;
        self.pad()?;
        self.sync()?;
        self.tail = Tail::Closed;
        Ok(())
    }

    /// Removes the segments before `keep_from`.
    pub fn truncate(&mut self, keep_from: u32) -> Result<()> {
        let outcome = self.try_truncate(keep_from);
        self.stats.truncations += 1;
        self.stats.truncations_failed += u64::from(outcome.is_err());
        outcome
    }

    fn try_truncate(&mut self, keep_from: u32) -> Result<()> {
        for number in segment::list_segments(&*self.disk, &self.dir)? {
            if number < keep_from && number != self.segment {
                self.disk.remove(&segment::segment_path(&self.dir, number))?;
            }
        }
        Ok(())
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Goes on in a new segment of this number, all others having been dealt with.
    pub(crate) fn restart(&mut self, segment: u32) -> Result<()> {
        let file = self.disk.create(&segment::segment_path(&self.dir, segment))?;
        self.tail = Tail::Open(file);
        self.retired.clear();
        self.names_pending = true;
        self.segment = segment;
        self.len = 0;
        Ok(())
    }
}

/// How many bytes of a record still fit behind `begin` into a segment, fragment headers paid; negative if none.
fn payload_left(begin: u64, segment_bytes: u64) -> i64 {
    let header = HEADER_BYTES as i64;
    let page = PAGE_BYTES as i64;
    let pages = segment_bytes as i64 / page;
    let pages_done = begin as i64 / page;
    room(begin) as i64 - header + (page - header) * (pages - pages_done - 1)
}

#[cfg(test)]
mod tests;
