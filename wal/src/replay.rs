//! A whole log from its beginning: the newest checkpoint, then the segments behind it. Where it stops, salvage or repair begins.

use crate::{
    Checkpoint, Corruption, Error, PackedRecord, Position, Reader, Result, checkpoint,
    list_segments,
};
use disk::Disk;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The records of a log, in order.
///
/// Each segment is read on its own, as Prometheus does: a record torn at the end of one does not reach into the next.
#[derive(Debug)]
pub struct Replay {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    first: u32,
    /// One behind the last segment.
    end: u32,
    /// The segment to open next.
    next: u32,
    reader: Reader,
    in_checkpoint: bool,
}

impl Replay {
    /// Finds the parts of the log in `dir`. Fails if segments between them are missing.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self> {
        let segments = list_segments(&*disk, dir)?;
        let checkpoint: Option<Checkpoint> = checkpoint::last(&*disk, dir)?;
        let first = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.segment + 1);
        // Segments that the checkpoint covers may have been left behind; they are not read.
        let end = segments.last().map_or(first, |&last| first.max(last + 1));
        if end > first && segments.binary_search(&first).is_err() {
            return Err(Error::MissingSegment { dir: dir.to_owned(), segment: first });
        }
        let reader = match &checkpoint {
            Some(checkpoint) => Reader::dir(Arc::clone(&disk), &checkpoint.path)?,
            None => Reader::segments(Arc::clone(&disk), dir, [])?,
        };
        let in_checkpoint = checkpoint.is_some();
        Ok(Self { disk, dir: dir.to_owned(), first, end, next: first, reader, in_checkpoint })
    }

    /// Leaves out what is before a segment: somebody knows it already. Fails if that segment cannot be read.
    pub fn begin_at(&mut self, segment: u32) -> Result<()> {
        self.reader = Reader::segment(Arc::clone(&self.disk), &self.dir, segment)?;
        (self.first, self.next, self.in_checkpoint) = (segment, segment + 1, false);
        Ok(())
    }

    /// Goes on in a segment that was damaged and is whole again: behind the records that were read from it.
    pub fn resume(&mut self, corruption: &Corruption) -> Result<()> {
        let (segment, offset) = (corruption.segment, corruption.good_bytes);
        self.reader = Reader::segment_from(Arc::clone(&self.disk), &self.dir, segment, offset)?;
        // Later ones may have been read ahead.
        self.next = segment + 1;
        Ok(())
    }

    /// The first segment behind the checkpoint.
    #[must_use]
    pub fn first_segment(&self) -> u32 {
        self.first
    }

    /// The last segment; less than the first if there is none.
    #[must_use]
    pub fn last_segment(&self) -> Option<u32> {
        (self.end > self.first).then(|| self.end - 1)
    }

    /// The segment being read; `None` within the checkpoint.
    #[must_use]
    pub fn current_segment(&self) -> Option<u32> {
        (!self.in_checkpoint).then(|| self.next.saturating_sub(1).max(self.first))
    }

    /// Where the next record begins.
    #[must_use]
    pub fn position(&self) -> Position {
        self.reader.position()
    }

    /// The next record; `None` behind the last.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>> {
        while !self.reader.advance()? {
            if !self.next_segment()? {
                return Ok(None);
            }
        }
        Ok(Some(self.reader.record()))
    }

    /// The next record as it lies in the log; `None` behind the last.
    pub fn next_packed(&mut self) -> Result<Option<PackedRecord>> {
        loop {
            if let Some(record) = self.reader.next_packed()? {
                return Ok(Some(record));
            }
            if !self.next_segment()? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next segment; `false` behind the last.
    fn next_segment(&mut self) -> Result<bool> {
        if self.next == self.end {
            return Ok(false);
        }
        self.reader = Reader::segment(Arc::clone(&self.disk), &self.dir, self.next)?;
        self.in_checkpoint = false;
        self.next += 1;
        Ok(true)
    }

    /// The error that the record read last is corrupt: its frame is good, its content is not.
    #[must_use]
    pub fn corruption(&self, what: &str) -> Error {
        self.reader.corruption(what)
    }
}
