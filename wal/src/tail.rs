//! Follows a log that is being written: whole records only, one after the other, over the ends of segments. Copies what
//! it reads, because the newest segment may be cut back after a failed write. Reading a log at rest is `reader`.

use crate::compress::Decompressor;
use crate::page::{HEADER_BYTES, PAGE_BYTES, kind, room};
use crate::{Corruption, Error, Position, Result, salvage, segment_path};
use disk::Disk;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much is read at once.
const READ_BYTES: usize = 256 * 1024;

/// Reads the records of a log from a position on, as they are written.
#[derive(Debug)]
pub struct Tail {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    position: Position,
    /// Bytes of the segment from `base` on.
    buffer: Vec<u8>,
    base: u64,
    record: Vec<u8>,
    decompressor: Decompressor,
    joined: Vec<u8>,
}

/// Why there is no further record.
enum Stop {
    /// It is not written yet.
    Pending,
    Corrupt(String),
    Failed(Error),
}

impl Tail {
    /// Follows the log in `dir` from the record that begins at `from`.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, from: Position) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            position: from,
            buffer: Vec::new(),
            base: from.offset,
            record: Vec::new(),
            decompressor: Decompressor::default(),
            joined: Vec::new(),
        }
    }

    /// Where the next record begins.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The record that [`Self::advance`] went to.
    #[must_use]
    pub fn record(&self) -> &[u8] {
        &self.record
    }

    /// Goes to the next record; `false` if it is not written yet. A segment is left once it has a successor.
    /// After an error the position stays: [`Self::skip_damage`] goes on behind the damage.
    pub fn advance(&mut self) -> Result<bool> {
        loop {
            if self.read_next()? {
                return Ok(true);
            }
            let next = segment_path(&self.dir, self.position.segment + 1);
            if !self.disk.exists(&next) {
                return Ok(false);
            }
            // Nothing is appended to a segment that has a successor, but something may have been since it was read.
            self.forget_buffer();
            if self.read_next()? {
                return Ok(true);
            }
            self.skip_segment();
        }
    }

    /// Goes on at the next record that can be read behind a damaged one: in the segment or, if it has no other, in the
    /// next one. To be called once the segment has a successor. Answers how many bytes are left out.
    pub fn skip_damage(&mut self) -> Result<u64> {
        let path = segment_path(&self.dir, self.position.segment);
        let begin = self.position.offset;
        let segment = self.disk.view(&path)?;
        match salvage::next_readable(&segment, usize::try_from(begin).unwrap_or(usize::MAX)) {
            Some(next) => {
                self.position.offset = next as u64;
                self.forget_buffer();
                Ok(next as u64 - begin)
            }
            None => {
                self.skip_segment();
                Ok((segment.len() as u64).saturating_sub(begin))
            }
        }
    }

    /// Leaves the rest of the segment out.
    fn skip_segment(&mut self) {
        self.position = Position { segment: self.position.segment + 1, offset: 0 };
        self.forget_buffer();
    }

    /// Looks at the disk again: what was read may have been cut off and written anew.
    pub fn reread(&mut self) {
        self.forget_buffer();
    }

    fn forget_buffer(&mut self) {
        self.buffer.clear();
        self.base = self.position.offset;
    }

    fn read_next(&mut self) -> Result<bool> {
        match self.read() {
            Ok(end) => {
                self.position.offset = end;
                Ok(true)
            }
            Err(Stop::Pending) => Ok(false),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Corrupt(what)) => {
                let Position { segment, offset } = self.position;
                Err(Error::Corrupt(Box::new(Corruption {
                    path: segment_path(&self.dir, segment),
                    segment,
                    offset,
                    good_bytes: offset,
                    what: what.into(),
                })))
            }
        }
    }

    /// The bytes `at..at + len` of the segment.
    fn fetch(&mut self, at: u64, len: usize) -> Result<&[u8], Stop> {
        let has =
            |base: u64, buffer: &[u8]| at >= base && at + len as u64 <= base + buffer.len() as u64;
        if !has(self.base, &self.buffer) {
            let path = segment_path(&self.dir, self.position.segment);
            // Asked first, because most looks find nothing new, and room for what is not there is not free.
            let read = self.disk.len(&path).and_then(|end| {
                let there = end.saturating_sub(at);
                if there < len as u64 {
                    return Ok(None);
                }
                self.disk
                    .read_at(&path, at, there.min(len.max(READ_BYTES) as u64) as usize)
                    .map(Some)
            });
            match read {
                Ok(Some(bytes)) => (self.base, self.buffer) = (at, bytes),
                Ok(None) => return Err(Stop::Pending),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Stop::Pending),
                Err(error) => return Err(Stop::Failed(error.into())),
            }
            if !has(self.base, &self.buffer) {
                return Err(Stop::Pending);
            }
        }
        let begin = (at - self.base) as usize;
        Ok(&self.buffer[begin..begin + len])
    }

    /// Reads the record at the position; answers where it ends.
    fn read(&mut self) -> Result<u64, Stop> {
        let mut at = self.position.offset;
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        let outcome = self.join(&mut at, &mut joined);
        let outcome = outcome.and_then(|flags| self.unpack(&joined, flags));
        self.joined = joined;
        outcome.map(|()| at)
    }

    /// Joins the fragments of a record; answers the first byte of its first header.
    fn join(&mut self, at: &mut u64, joined: &mut Vec<u8>) -> Result<u8, Stop> {
        let mut flags = None;
        loop {
            let first = self.fetch(*at, 1)?[0];
            let fragment = first & kind::MASK;
            if fragment == kind::PADDING {
                let left = room(*at);
                if self.fetch(*at, left)?.iter().any(|&byte| byte != 0) {
                    return Err(Stop::Corrupt(
                        "unexpected non-zero byte in padded page".to_owned(),
                    ));
                }
                *at += left as u64;
                continue;
            }
            let header = self.fetch(*at, HEADER_BYTES)?;
            let length = usize::from(u16::from_be_bytes([header[1], header[2]]));
            let expected = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
            if length > PAGE_BYTES - HEADER_BYTES {
                return Err(Stop::Corrupt(format!("invalid record size {length}")));
            }
            let data = self.fetch(*at + HEADER_BYTES as u64, length)?;
            let found = crc32c::crc32c(data);
            if found != expected {
                let what = format!("unexpected checksum {found:x}, expected {expected:x}");
                return Err(Stop::Corrupt(what));
            }
            joined.extend_from_slice(data);
            *at += (HEADER_BYTES + length) as u64;
            match (fragment, flags) {
                (kind::FULL, None) => return Ok(first),
                (kind::FIRST, None) => flags = Some(first),
                (kind::MIDDLE, Some(_)) => {}
                (kind::LAST, Some(first)) => return Ok(first),
                (other, _) => {
                    return Err(Stop::Corrupt(format!("unexpected record type {other}")));
                }
            }
        }
    }

    fn unpack(&mut self, joined: &[u8], flags: u8) -> Result<(), Stop> {
        if !Decompressor::is_packed(joined, flags) {
            self.record.clear();
            self.record.extend_from_slice(joined);
            return Ok(());
        }
        self.decompressor
            .decompress(joined, flags, &mut self.record)
            .map_err(|what| Stop::Corrupt(what.to_owned()))
    }
}

#[cfg(test)]
mod tests;
