//! Whole records in order, from segments or a checkpoint. Takes the bytes as Prometheus does, damaged ones included:
//! segments are one stream, each as if filled with zeros to the end of its last page.

use crate::compress::Decompressor;
use crate::packed::{PackedRecord, Spot};
use crate::page::{HEADER_BYTES, PAGE_BYTES, kind, page_end, room};
use crate::{Error, Position, Result, segment};
use bytes::Bytes;
use disk::Disk;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads the records of a run of segments.
#[derive(Debug)]
pub struct Reader {
    disk: Arc<dyn Disk>,
    segments: Vec<(u32, Arc<Path>)>,
    /// Index of the segment at hand.
    current: usize,
    data: Bytes,
    offset: u64,
    /// End of the last good record of the segment at hand.
    good_bytes: u64,
    /// Type of the fragment read last.
    fragment: u8,
    joined: Vec<u8>,
    unpacked: Vec<u8>,
    decompressor: Decompressor,
    crossing: Vec<u8>,
    /// The record read last.
    record: Place,
}

/// Why a record could not be read.
enum Stop {
    /// The stream ended where a fragment could have begun.
    End,
    Corrupt(String),
    Failed(Error),
}

/// Where the bytes of a fragment or record are.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the mapped segment, from this offset.
    Mapped {
        begin: usize,
        len: usize,
    },
    /// In `crossing`: they reach into the zeros behind the segment or into the next one.
    Crossing,
    Joined,
    Unpacked,
}

impl Reader {
    /// Reads these segments of `dir` as one stream.
    pub fn segments(
        disk: Arc<dyn Disk>,
        dir: &Path,
        numbers: impl IntoIterator<Item = u32>,
    ) -> Result<Self> {
        let paths = numbers.into_iter().map(|n| (n, segment::segment_path(dir, n))).collect();
        Self::new(disk, paths)
    }

    /// Reads one segment, as replay does: a record torn at its end does not reach into the next.
    pub fn segment(disk: Arc<dyn Disk>, dir: &Path, number: u32) -> Result<Self> {
        Self::segments(disk, dir, [number])
    }

    /// Reads one segment from where a record begins.
    pub fn segment_from(disk: Arc<dyn Disk>, dir: &Path, number: u32, offset: u64) -> Result<Self> {
        Ok(Self { offset, ..Self::segment(disk, dir, number)? })
    }

    /// Reads all segments of a directory, such as a checkpoint.
    pub fn dir(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self> {
        let numbers = segment::list_segments(&*disk, dir)?;
        Self::segments(disk, dir, numbers)
    }

    pub(crate) fn new(disk: Arc<dyn Disk>, segments: Vec<(u32, PathBuf)>) -> Result<Self> {
        let data = match segments.first() {
            Some((_, path)) => disk.view(path)?,
            None => Bytes::new(),
        };
        let segments = segments.into_iter().map(|(number, path)| (number, path.into())).collect();
        Ok(Self {
            disk,
            segments,
            current: 0,
            data,
            offset: 0,
            good_bytes: 0,
            fragment: kind::PADDING,
            joined: Vec::new(),
            unpacked: Vec::new(),
            decompressor: Decompressor::default(),
            crossing: Vec::new(),
            record: Place::Mapped { begin: 0, len: 0 },
        })
    }

    /// Another reader at the same place.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            disk: Arc::clone(&self.disk),
            segments: self.segments.clone(),
            current: self.current,
            data: self.data.clone(),
            offset: self.offset,
            good_bytes: self.good_bytes,
            fragment: self.fragment,
            joined: self.joined.clone(),
            unpacked: self.unpacked.clone(),
            decompressor: Decompressor::default(),
            crossing: self.crossing.clone(),
            record: self.record,
        }
    }

    /// The next record; `None` behind the last.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>> {
        Ok(if self.advance()? { Some(self.record()) } else { None })
    }

    /// Goes to the next record; `false` behind the last.
    pub fn advance(&mut self) -> Result<bool> {
        let Some((record, flags)) = self.advance_packed()? else { return Ok(false) };
        self.record = self.unpack(record, flags)?;
        Ok(true)
    }

    /// The next record as it lies in the log; `None` behind the last. The bytes are shared where they lie in one piece.
    pub fn next_packed(&mut self) -> Result<Option<PackedRecord>> {
        let Some((record, flags)) = self.advance_packed()? else { return Ok(None) };
        let body = match record {
            Place::Mapped { begin, len } => self.data.slice(begin..begin + len),
            _ => Bytes::copy_from_slice(self.bytes(record)),
        };
        Ok(Some(PackedRecord { body, flags, spot: self.spot() }))
    }

    /// Goes to the next record: where it is and the flags of its fragments.
    fn advance_packed(&mut self) -> Result<Option<(Place, u8)>> {
        self.good_bytes = self.offset;
        match self.read() {
            Ok(found) => Ok(Some(found)),
            Err(Stop::End) if matches!(self.fragment, kind::FIRST | kind::MIDDLE) => {
                Err(self.corruption("last record is torn"))
            }
            Err(Stop::End) => Ok(None),
            Err(Stop::Corrupt(what)) => Err(self.corruption(&what)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// The record that [`Self::advance`] went to.
    #[must_use]
    pub fn record(&self) -> &[u8] {
        self.bytes(self.record)
    }

    /// Where the next record begins.
    #[must_use]
    pub fn position(&self) -> Position {
        let segment = self.segments.get(self.current).map_or(0, |&(number, _)| number);
        Position { segment, offset: self.offset }
    }

    /// The error that the record read last is corrupt: its frame is good, its content is not.
    #[must_use]
    pub fn corruption(&self, what: &str) -> Error {
        self.spot().corruption(what)
    }

    /// Where the record read last lies.
    fn spot(&self) -> Spot {
        let (segment, path) = match self.segments.get(self.current) {
            Some((segment, path)) => (*segment, Arc::clone(path)),
            None => (0, Path::new("").into()),
        };
        Spot { path, segment, offset: self.offset, good_bytes: self.good_bytes }
    }

    fn bytes(&self, place: Place) -> &[u8] {
        match place {
            Place::Mapped { begin, len } => &self.data[begin..begin + len],
            Place::Crossing => &self.crossing,
            Place::Joined => &self.joined,
            Place::Unpacked => &self.unpacked,
        }
    }

    /// Takes `len` bytes of the stream; `None` if it is at its end, an error if it ends within them.
    fn take(&mut self, len: usize) -> Result<Option<Place>, Stop> {
        let begin = self.offset as usize;
        if begin + len <= self.data.len() {
            self.offset += len as u64;
            return Ok(Some(Place::Mapped { begin, len }));
        }
        self.crossing.clear();
        while self.crossing.len() < len {
            let end = page_end(self.data.len() as u64);
            if self.offset < end {
                let from = (self.offset as usize).min(self.data.len());
                let have = &self.data[from..];
                let have = &have[..have.len().min(len - self.crossing.len())];
                self.crossing.extend_from_slice(have);
                let zeros = (end - self.offset) as usize - have.len();
                let zeros = zeros.min(len - self.crossing.len());
                self.crossing.resize(self.crossing.len() + zeros, 0);
                self.offset += (have.len() + zeros) as u64;
                continue;
            }
            let Some((_, path)) = self.segments.get(self.current + 1) else {
                if self.crossing.is_empty() {
                    return Ok(None);
                }
                return Err(Stop::Corrupt("unexpected EOF".to_owned()));
            };
            self.data = self.disk.view(path).map_err(|error| Stop::Failed(error.into()))?;
            self.current += 1;
            self.offset = 0;
            self.good_bytes = 0;
        }
        Ok(Some(Place::Crossing))
    }

    fn take_some(&mut self, len: usize) -> Result<Place, Stop> {
        self.take(len)?.ok_or(Stop::End)
    }

    fn read(&mut self) -> Result<(Place, u8), Stop> {
        self.joined.clear();
        let mut fragments = 0;
        loop {
            let place = self.take_some(1)?;
            let first = self.bytes(place)[0];
            self.fragment = first & kind::MASK;
            if self.fragment == kind::PADDING {
                self.skip_padding()?;
                continue;
            }
            let data = self.fragment_data()?;
            match (self.fragment, fragments) {
                (kind::FULL, 0) | (kind::FIRST, 0) => {}
                (kind::MIDDLE | kind::LAST, 1..) => {}
                (kind::FULL, _) => return corrupt("unexpected full record"),
                (kind::FIRST, _) => return corrupt("unexpected first record, dropping buffer"),
                (kind::MIDDLE, _) => return corrupt("unexpected middle record, dropping buffer"),
                (kind::LAST, _) => return corrupt("unexpected last record, dropping buffer"),
                (other, _) => return corrupt(&format!("unexpected record type {other}")),
            }
            let record = if fragments == 0 && self.fragment == kind::FULL {
                data
            } else {
                let mut joined = std::mem::take(&mut self.joined);
                joined.extend_from_slice(self.bytes(data));
                self.joined = joined;
                Place::Joined
            };
            if matches!(self.fragment, kind::FULL | kind::LAST) {
                return Ok((record, first));
            }
            fragments += 1;
        }
    }

    /// Goes to the end of the page, which must be zeros.
    fn skip_padding(&mut self) -> Result<(), Stop> {
        let left = room(self.offset);
        if left == PAGE_BYTES {
            return Ok(());
        }
        let place = self.take_some(left)?;
        if self.bytes(place).iter().any(|&byte| byte != 0) {
            return corrupt("unexpected non-zero byte in padded page");
        }
        Ok(())
    }

    /// The rest of the header, then the data it announces.
    fn fragment_data(&mut self) -> Result<Place, Stop> {
        let place = self.take_some(HEADER_BYTES - 1)?;
        let header: [u8; HEADER_BYTES - 1] =
            self.bytes(place).try_into().expect("as many bytes as were asked for");
        let [l0, l1, c0, c1, c2, c3] = header;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let expected = u32::from_be_bytes([c0, c1, c2, c3]);
        if length > PAGE_BYTES - HEADER_BYTES {
            return corrupt(&format!("invalid record size {length}"));
        }
        let data = self.take_some(length)?;
        let found = crc32c::crc32c(self.bytes(data));
        if found != expected {
            return corrupt(&format!("unexpected checksum {found:x}, expected {expected:x}"));
        }
        Ok(data)
    }

    fn unpack(&mut self, record: Place, flags: u8) -> Result<Place> {
        if !Decompressor::is_packed(self.bytes(record), flags) {
            return Ok(record);
        }
        let mut unpacked = std::mem::take(&mut self.unpacked);
        let mut decompressor = std::mem::take(&mut self.decompressor);
        let outcome = decompressor.decompress(self.bytes(record), flags, &mut unpacked);
        self.decompressor = decompressor;
        self.unpacked = unpacked;
        outcome.map_err(|what| self.corruption(what))?;
        Ok(Place::Unpacked)
    }
}

fn corrupt<T>(what: &str) -> Result<T, Stop> {
    Err(Stop::Corrupt(what.to_owned()))
}

#[cfg(test)]
mod tests;
