//! An open index file: looks up symbols, series and postings lists in the mapped bytes.

use super::offsets::OffsetTable;
use super::symbols::SymbolTable;
use super::{
    ChunkEntry, Cursor, Flaw, HEADER_LEN, MAGIC, PostingsList, SeriesEntry, TOC_LEN, Toc, Version,
};
use crate::postings::AnswerCache;
use bytes::Bytes;
use model::hash::HashSet;
use parking_lot::Mutex;
use storage::Result;

/// Lists above this size are checked against their checksum once, not at each use: a large list is often touched at
/// a few places only.
const CHECK_ONCE_BYTES: usize = 4096;

/// A readable index. Opening verifies the table of contents, the symbols and the offset table; series and postings
/// are verified when used.
#[derive(Debug)]
pub struct IndexReader {
    data: Bytes,
    path: Box<str>,
    version: Version,
    toc: Toc,
    symbols: SymbolTable,
    offsets: OffsetTable,
    verified: Mutex<HashSet<u64>>,
    answers: AnswerCache,
}

fn read_version(data: &[u8]) -> Result<Version, Flaw> {
    let mut cursor = Cursor::new(data);
    let header = cursor.u32().zip(cursor.u8());
    let (magic, version) = header.ok_or_else(|| Flaw::new("header", 0, "invalid size"))?;
    if magic != MAGIC {
        return Err(Flaw::new("header", 0, format!("invalid magic number {magic:x}")));
    }
    match version {
        1 => Ok(Version::V1),
        2 | 3 => Ok(Version::V2),
        _ => Err(Flaw::new("header", 4, format!("unknown index file version {version}"))),
    }
}

fn read_toc(data: &[u8]) -> Result<Toc, Flaw> {
    let begin = data.len().saturating_sub(TOC_LEN);
    let flaw = |what: &'static str| Flaw::new("table of contents", begin as u64, what);
    if begin < HEADER_LEN {
        return Err(flaw("invalid size"));
    }
    let mut cursor = Cursor::at(data, begin);
    let content = cursor.bytes(TOC_LEN - 4).ok_or_else(|| flaw("invalid size"))?;
    if Some(crc32c::crc32c(content)) != cursor.u32() {
        return Err(flaw("invalid checksum"));
    }
    let mut fields = Cursor::new(content);
    let mut offset = || fields.u64().ok_or_else(|| flaw("invalid size"));
    let (symbols, series, label_indices) = (offset()?, offset()?, offset()?);
    let (_, postings, postings_table) = (offset()?, offset()?, offset()?);
    Ok(Toc { symbols, series, label_indices, postings, postings_table })
}

impl IndexReader {
    /// Opens the index file `data`; `path` names it in errors.
    pub fn open(data: Bytes, path: &str) -> Result<Self> {
        Self::open_parts(data, path).map_err(|flaw| flaw.into_error(path))
    }

    fn open_parts(data: Bytes, path: &str) -> Result<Self, Flaw> {
        let version = read_version(&data)?;
        let toc = read_toc(&data)?;
        let symbols = SymbolTable::open(&data, toc.symbols, version)?;
        let offsets = OffsetTable::open(&data, toc.postings_table)?;
        let verified = Mutex::default();
        let answers = AnswerCache::default();
        Ok(Self { data, path: path.into(), version, toc, symbols, offsets, verified, answers })
    }

    /// A flaw of this file as an error.
    pub(crate) fn error(&self, flaw: Flaw) -> storage::Error {
        flaw.into_error(&self.path)
    }

    /// Size of the file.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.data.len() as u64
    }

    /// One above the largest symbol reference.
    #[must_use]
    pub fn symbol_bound(&self) -> usize {
        self.symbols.bound()
    }

    /// The string of a symbol reference.
    pub fn symbol(&self, reference: u32) -> Result<&str> {
        self.symbols.text(&self.data, reference).map_err(|flaw| self.error(flaw))
    }

    /// The symbol reference of a string, if any series could have it.
    #[must_use]
    pub fn find_symbol(&self, text: &str) -> Option<u32> {
        self.symbols.find(&self.data, text)
    }

    /// All label names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.offsets.names().iter().map(|entry| &*entry.name).filter(|name| !name.is_empty())
    }

    /// How many values label `name` has.
    #[must_use]
    pub fn num_values(&self, name: &str) -> u32 {
        self.offsets.name(name).map_or(0, |entry| entry.count)
    }

    /// The values of label `name` that are not below `from`, in order, each with the offset of its postings list.
    pub fn values<'a>(
        &'a self,
        name: &str,
        from: &str,
    ) -> impl Iterator<Item = Result<(&'a str, u64)>> {
        let all = self.placed_values(name, from);
        all.map(|value| value.map(|(_, value, offset)| (value, offset)))
    }

    /// The same, each with its place among all values of the label.
    pub(crate) fn placed_values<'a>(
        &'a self,
        name: &str,
        from: &str,
    ) -> impl Iterator<Item = Result<(usize, &'a str, u64)>> {
        let values =
            self.offsets.name(name).map(|entry| self.offsets.values(&self.data, entry, from));
        values.into_iter().flatten().map(|value| value.map_err(|flaw| self.error(flaw)))
    }

    /// The lists of the values of label `name` at these places, which ascend.
    pub(crate) fn lists_at_places<'a>(
        &'a self,
        name: &str,
        places: impl Iterator<Item = usize>,
    ) -> impl Iterator<Item = Result<PostingsList<'a>>> {
        let mut values =
            self.offsets.name(name).map(|entry| self.offsets.values(&self.data, entry, ""));
        places.map(move |place| {
            let found = values.as_mut().map_or(Ok(None), |values| values.list_at_place(place));
            match found.map_err(|flaw| self.error(flaw))? {
                Some(offset) => self.list_at(offset),
                None => Ok(PostingsList::empty()),
            }
        })
    }

    /// What patterns were found to match among the values of its labels, by the places of these. It never changes, so
    /// all of it is version 0.
    pub(crate) fn answers(&self) -> &AnswerCache {
        &self.answers
    }

    /// The series with label `name` equal to `value`.
    pub fn list(&self, name: &str, value: &str) -> Result<PostingsList<'_>> {
        match self.values(name, value).next().transpose()? {
            Some((found, offset)) if found == value => self.list_at(offset),
            _ => Ok(PostingsList::empty()),
        }
    }

    /// All series.
    pub fn all(&self) -> Result<PostingsList<'_>> {
        self.list("", "")
    }

    /// The list at an offset that [`Self::values`] gave.
    pub fn list_at(&self, offset: u64) -> Result<PostingsList<'_>> {
        self.read_list(offset).map_err(|flaw| self.error(flaw))
    }

    fn read_list(&self, offset: u64) -> Result<PostingsList<'_>, Flaw> {
        let flaw = |what: &'static str| Flaw::new("postings", offset, what);
        let begin = usize::try_from(offset).map_err(|_| flaw("lies beyond the file"))?;
        let mut cursor = Cursor::at(&self.data, begin);
        let len = cursor.u32().ok_or_else(|| flaw("lies beyond the file"))? as usize;
        let content = cursor.bytes(len).ok_or_else(|| flaw("ends beyond the file"))?;
        let checksum = cursor.u32().ok_or_else(|| flaw("ends beyond the file"))?;
        let is_large = len > CHECK_ONCE_BYTES;
        if !(is_large && self.verified.lock().contains(&offset)) {
            if crc32c::crc32c(content) != checksum {
                return Err(flaw("invalid checksum"));
            }
            if is_large {
                self.verified.lock().insert(offset);
            }
        }
        let mut list = Cursor::new(content);
        let ids = list.u32().and_then(|count| list.bytes((count as usize).checked_mul(4)?));
        ids.map(PostingsList::from_bytes).ok_or_else(|| flaw("has fewer ids than announced"))
    }

    /// One above the largest id of a series.
    #[must_use]
    pub fn series_bound(&self) -> u64 {
        let end = self.toc.label_indices.max(self.toc.postings).min(self.size_bytes());
        match self.version {
            Version::V1 => end,
            Version::V2 => end.div_ceil(16),
        }
    }

    /// Where the series section begins.
    #[must_use]
    pub fn series_begin(&self) -> u64 {
        self.toc.series
    }

    /// The entry of a series; its checksum is verified.
    pub(crate) fn series(&self, id: u32) -> Result<SeriesEntry<'_>> {
        let offset = match self.version {
            Version::V1 => u64::from(id),
            Version::V2 => u64::from(id) * 16,
        };
        SeriesEntry::open(&self.data, offset).map_err(|flaw| self.error(flaw))
    }

    /// Replaces `out` with the labels of a series as symbol references, in the order of their names.
    pub fn labels(&self, id: u32, out: &mut Vec<(u32, u32)>) -> Result<()> {
        out.clear();
        let mut entry = self.series(id)?;
        while let Some(pair) = entry.next_label().map_err(|flaw| self.error(flaw))? {
            out.push(pair);
        }
        Ok(())
    }

    /// Replaces `out` with the chunks of a series, in time order.
    pub fn chunks(&self, id: u32, out: &mut Vec<ChunkEntry>) -> Result<()> {
        out.clear();
        let mut entry = self.series(id)?;
        while let Some(chunk) = entry.next_chunk().map_err(|flaw| self.error(flaw))? {
            out.push(chunk);
        }
        Ok(())
    }

    /// The value of the label whose name has symbol `name`, of one series, as symbol reference.
    pub fn label_value(&self, id: u32, name: u32) -> Result<Option<u32>> {
        let mut entry = self.series(id)?;
        while let Some((n, value)) = entry.next_label().map_err(|flaw| self.error(flaw))? {
            if n == name {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}
