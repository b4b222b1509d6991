//! One entry of the series section: label references, then the chunks, their times and places as differences.

use super::{Cursor, Flaw, put_svar, put_uvar};

const SECTION: &str = "series";

/// What the index knows of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkEntry {
    /// Timestamp of the first sample.
    pub min_ms: i64,
    /// Timestamp of the last sample.
    pub max_ms: i64,
    /// Segment file (upper half) and offset in it (lower half).
    pub reference: u64,
}

/// A series entry being read: first all labels, then the chunks.
#[derive(Clone, Debug)]
pub struct SeriesEntry<'a> {
    cursor: Cursor<'a>,
    offset: u64,
    labels_left: u64,
    chunks_left: Option<u64>,
    previous: ChunkEntry,
}

impl<'a> SeriesEntry<'a> {
    /// The entry at `offset` of the file; its checksum is verified.
    pub(super) fn open(data: &'a [u8], offset: u64) -> Result<Self, Flaw> {
        let flaw = |what: &'static str| Flaw::new(SECTION, offset, what);
        let begin = usize::try_from(offset).map_err(|_| flaw("lies beyond the file"))?;
        let mut frame = Cursor::at(data, begin);
        let content = frame.str_bytes().ok_or_else(|| flaw("ends beyond the file"))?;
        let checksum = frame.u32().ok_or_else(|| flaw("ends beyond the file"))?;
        if crc32c::crc32c(content) != checksum {
            return Err(flaw("invalid checksum"));
        }
        let mut cursor = Cursor::new(content);
        let labels_left = cursor.uvar().ok_or_else(|| flaw("has no label count"))?;
        let previous = ChunkEntry { min_ms: 0, max_ms: 0, reference: 0 };
        Ok(Self { cursor, offset, labels_left, chunks_left: None, previous })
    }

    fn flaw(&self, what: &'static str) -> Flaw {
        Flaw::new(SECTION, self.offset, what)
    }

    /// The next label as symbol references.
    #[inline]
    pub(crate) fn next_label(&mut self) -> Result<Option<(u32, u32)>, Flaw> {
        if self.labels_left == 0 {
            return Ok(None);
        }
        self.labels_left -= 1;
        let pair = self.cursor.uvar32().zip(self.cursor.uvar32());
        pair.map(Some).ok_or_else(|| self.flaw("ends inside its labels"))
    }

    /// The next chunk; labels not read yet are skipped.
    #[inline]
    pub(crate) fn next_chunk(&mut self) -> Result<Option<ChunkEntry>, Flaw> {
        let left = match self.chunks_left {
            Some(left) => left,
            None => {
                while self.next_label()?.is_some() {}
                self.cursor.uvar().ok_or_else(|| self.flaw("has no chunk count"))?
            }
        };
        if left == 0 {
            self.chunks_left = Some(0);
            return Ok(None);
        }
        let is_first = self.chunks_left.is_none();
        self.chunks_left = Some(left - 1);
        let chunk = self.read_chunk(is_first).ok_or_else(|| self.flaw("ends inside its chunks"))?;
        self.previous = chunk;
        Ok(Some(chunk))
    }

    fn read_chunk(&mut self, is_first: bool) -> Option<ChunkEntry> {
        let min_ms = if is_first {
            self.cursor.svar()?
        } else {
            self.previous.max_ms.wrapping_add(self.cursor.uvar()? as i64)
        };
        let max_ms = min_ms.wrapping_add(self.cursor.uvar()? as i64);
        let reference = if is_first {
            self.cursor.uvar()?
        } else {
            self.previous.reference.wrapping_add_signed(self.cursor.svar()?)
        };
        Some(ChunkEntry { min_ms, max_ms, reference })
    }
}

/// Appends the chunk part of a series entry: their number, times and references.
pub fn encode_chunks(chunks: &[ChunkEntry], out: &mut Vec<u8>) {
    put_uvar(out, chunks.len() as u64);
    let mut previous: Option<ChunkEntry> = None;
    for chunk in chunks {
        match previous {
            None => put_svar(out, chunk.min_ms),
            Some(p) => put_uvar(out, chunk.min_ms.wrapping_sub(p.max_ms) as u64),
        }
        put_uvar(out, chunk.max_ms.wrapping_sub(chunk.min_ms) as u64);
        match previous {
            None => put_uvar(out, chunk.reference),
            Some(p) => put_svar(out, chunk.reference.wrapping_sub(p.reference) as i64),
        }
        previous = Some(*chunk);
    }
}
