//! A whole log from its beginning: the newest checkpoint, then the segments behind it. Where it stops, salvage or repair begins.

use crate::{Corruption, Error, PackedRecord, Position, Reader, Result, checkpoint, list_segments};
use crate::{salvage, segment_path};
use disk::Disk;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The records of a log, in order.
///
/// Each segment is read on its own, as Prometheus does: a record torn at the end of one does not reach into the next.
#[derive(Debug)]
pub struct Replay {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The files of the checkpoint, then those of the log.
    parts: Vec<(u32, PathBuf)>,
    /// How many of them are of the checkpoint.
    num_covered: usize,
    /// The first segment behind the checkpoint.
    first: u32,
    /// The part to open next.
    next: usize,
    reader: Reader,
}

impl Replay {
    /// Finds the parts of the log in `dir`. Fails if segments between them are missing.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self> {
        let segments = list_segments(&*disk, dir)?;
        let newest = checkpoint::last(&*disk, dir)?;
        let first = newest.as_ref().map_or(0, |checkpoint| checkpoint.segment + 1);
        // Segments that the checkpoint covers may have been left behind; they are not read.
        let behind = segments.last().is_some_and(|&last| last >= first);
        if behind && segments.binary_search(&first).is_err() {
            return Err(Error::MissingSegment { dir: dir.to_owned(), segment: first });
        }
        let newest = newest.as_ref().map(|checkpoint| &*checkpoint.path);
        let last = segments.last().copied().unwrap_or(0);
        Self::of_parts(disk, dir, newest, first, behind.then_some(first..=last))
    }

    /// Only a checkpoint.
    pub fn of_checkpoint(disk: Arc<dyn Disk>, checkpoint: &checkpoint::Checkpoint) -> Result<Self> {
        let dir = checkpoint.path.parent().unwrap_or(Path::new(""));
        Self::of_parts(disk, dir, Some(&checkpoint.path), checkpoint.segment + 1, None)
    }

    /// A checkpoint and segments behind it.
    pub(crate) fn of_parts(
        disk: Arc<dyn Disk>,
        dir: &Path,
        checkpoint: Option<&Path>,
        first: u32,
        segments: Option<RangeInclusive<u32>>,
    ) -> Result<Self> {
        let mut parts = Vec::new();
        if let Some(path) = checkpoint {
            let numbers = list_segments(&*disk, path)?;
            parts.extend(numbers.into_iter().map(|number| (number, segment_path(path, number))));
        }
        let num_covered = parts.len();
        parts.extend(segments.into_iter().flatten().map(|n| (n, segment_path(dir, n))));
        let reader = Reader::segments(Arc::clone(&disk), dir, [])?;
        Ok(Self { disk, dir: dir.to_owned(), parts, num_covered, first, next: 0, reader })
    }

    /// Leaves out what is before a segment: somebody knows it already. Fails if that segment cannot be read. A checkpoint
    /// may cover it, where a crash came before covered segments were removed.
    pub fn begin_at(&mut self, segment: u32) -> Result<()> {
        self.reader = Reader::segment(Arc::clone(&self.disk), &self.dir, segment)?;
        let segments = list_segments(&*self.disk, &self.dir)?;
        let behind = segments.into_iter().filter(|&number| number >= segment);
        self.parts = behind.map(|number| (number, segment_path(&self.dir, number))).collect();
        (self.first, self.num_covered, self.next) = (segment, 0, 1);
        Ok(())
    }

    /// Goes on in a segment that was damaged and is whole again: behind the records that were read from it.
    pub fn resume(&mut self, corruption: &Corruption) -> Result<()> {
        self.go_to(corruption, corruption.good_bytes)
    }

    /// Goes on behind damage that stays where it is, with the next record that can be read. Answers how many bytes are
    /// left out.
    pub fn skip_damage(&mut self, corruption: &Corruption) -> Result<u64> {
        let begin = corruption.good_bytes;
        let segment = self.disk.view(&corruption.path)?;
        let end = segment.len() as u64;
        let next = salvage::next_readable(&segment, usize::try_from(begin).unwrap_or(usize::MAX));
        let next = next.map_or(end, |next| next as u64);
        self.go_to(corruption, next)?;
        Ok(next.saturating_sub(begin))
    }

    fn go_to(&mut self, corruption: &Corruption, offset: u64) -> Result<()> {
        let (dir, segment) = (corruption.dir(), corruption.segment);
        self.reader = Reader::segment_from(Arc::clone(&self.disk), dir, segment, offset)?;
        // Later ones may have been read ahead.
        let place = self.parts.iter().position(|part| part.1 == corruption.path);
        self.next = place.expect("a part that was read") + 1;
        Ok(())
    }

    /// The first segment behind the checkpoint.
    #[must_use]
    pub fn first_segment(&self) -> u32 {
        self.first
    }

    /// The last segment; `None` if there is none behind the checkpoint.
    #[must_use]
    pub fn last_segment(&self) -> Option<u32> {
        self.parts[self.num_covered..].last().map(|part| part.0)
    }

    /// The segment being read; `None` within the checkpoint.
    #[must_use]
    pub fn current_segment(&self) -> Option<u32> {
        let behind = self.next > self.num_covered;
        behind.then(|| self.parts[self.next - 1].0)
    }

    /// Where the next record begins.
    #[must_use]
    pub fn position(&self) -> Position {
        self.reader.position()
    }

    /// The next record; `None` behind the last.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>> {
        while !self.reader.advance()? {
            if !self.next_part()? {
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
            if !self.next_part()? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next part; `false` behind the last.
    fn next_part(&mut self) -> Result<bool> {
        let Some((segment, path)) = self.parts.get(self.next) else { return Ok(false) };
        let dir = path.parent().unwrap_or(&self.dir);
        self.reader = Reader::segment(Arc::clone(&self.disk), dir, *segment)?;
        self.next += 1;
        Ok(true)
    }

    /// The error that the record read last is corrupt: its frame is good, its content is not.
    #[must_use]
    pub fn corruption(&self, what: &str) -> Error {
        self.reader.corruption(what)
    }
}

#[cfg(test)]
mod tests;
