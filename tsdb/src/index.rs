//! The index file of a block: which series there are, where their chunks lie, which series carry a label pair.
//! Layout: header, symbols, series, postings lists, postings offset table, table of contents (docs/format/block.md).
//! Everything read here is foreign: no byte is trusted, every error names file, section and offset.

mod cursor;
mod offsets;
mod postings;
mod reader;
mod series;
mod symbols;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use cursor::{Cursor, put_svar, put_uvar};
pub use postings::PostingsList;
pub use reader::IndexReader;
pub use series::{ChunkEntry, SeriesEntry, encode_chunks};
pub use writer::IndexWriter;

use std::borrow::Cow;

/// First bytes of an index file.
const MAGIC: u32 = 0xBAAA_D700;
/// The version that is written.
const VERSION: u8 = 2;
/// Magic number and version.
const HEADER_LEN: usize = 5;
/// Table of contents: six offsets and a checksum.
const TOC_LEN: usize = 52;

/// How references are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// Symbols and series by byte offset; the offset table is not sorted.
    V1,
    /// Symbols by ordinal, series by offset / 16. Version 3 reads alike.
    V2,
}

/// Where the sections begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Toc {
    symbols: u64,
    series: u64,
    label_indices: u64,
    postings: u64,
    postings_table: u64,
}

/// A finding in an index file, not yet with the name of the file.
#[derive(Debug)]
pub(crate) struct Flaw {
    section: &'static str,
    offset: u64,
    what: Cow<'static, str>,
}

impl Flaw {
    fn new(section: &'static str, offset: u64, what: impl Into<Cow<'static, str>>) -> Self {
        Self { section, offset, what: what.into() }
    }

    fn into_error(self, path: &str) -> storage::Error {
        storage::Error::Corrupt {
            place: format!("{path}, {} at offset {}", self.section, self.offset).into(),
            what: self.what.into(),
        }
    }
}

/// The content of a `u32 length | content | checksum` section at `offset`, its checksum verified.
fn section<'a>(data: &'a [u8], name: &'static str, offset: u64) -> Result<&'a [u8], Flaw> {
    let flaw = |what: &'static str| Flaw::new(name, offset, what);
    let begin = usize::try_from(offset).map_err(|_| flaw("lies beyond the file"))?;
    let mut cursor = Cursor::at(data, begin);
    let len = cursor.u32().ok_or_else(|| flaw("lies beyond the file"))?;
    let content = cursor.bytes(len as usize).ok_or_else(|| flaw("ends beyond the file"))?;
    let checksum = cursor.u32().ok_or_else(|| flaw("ends beyond the file"))?;
    if crc32c::crc32c(content) == checksum { Ok(content) } else { Err(flaw("invalid checksum")) }
}
