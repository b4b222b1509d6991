//! The symbol section: all strings of the index, sorted. Only the position of every eighth string is kept in memory.

use super::{Cursor, Flaw, Version, section};

const SECTION: &str = "symbol table";
/// Strings between two kept positions: at most seven are skipped to reach one.
const STRIDE: u32 = 8;

/// Finds strings by reference and references by string.
#[derive(Debug)]
pub(super) struct SymbolTable {
    version: Version,
    /// Offset of the section's content in the file.
    begin: u64,
    /// End of the content, counted from `begin`.
    end: u32,
    count: u32,
    /// Position of every [`STRIDE`]th string, counted from `begin`.
    fences: Vec<u32>,
    /// False for files that list them in another order; then looking up a string walks the table.
    is_sorted: bool,
}

impl SymbolTable {
    /// Verifies the section and takes note of where its strings are.
    pub(super) fn open(data: &[u8], offset: u64, version: Version) -> Result<Self, Flaw> {
        let content = section(data, SECTION, offset)?;
        let begin = offset + 4;
        let mut cursor = Cursor::new(content);
        let count =
            cursor.u32().ok_or_else(|| Flaw::new(SECTION, offset, "has no room for a count"))?;
        let mut fences =
            Vec::with_capacity((count.min(content.len() as u32) / STRIDE + 1) as usize);
        let (mut is_sorted, mut previous) = (true, None);
        for ordinal in 0..count {
            let position = cursor.position();
            if ordinal % STRIDE == 0 {
                fences.push(position as u32);
            }
            let symbol = cursor.str_bytes().ok_or_else(|| {
                Flaw::new(SECTION, begin + position as u64, "ends before its last string")
            })?;
            is_sorted &= previous.is_none_or(|previous| previous < symbol);
            previous = Some(symbol);
        }
        Ok(Self { version, begin, end: content.len() as u32, count, fences, is_sorted })
    }

    /// One above the largest reference: the size of a table by reference.
    pub(super) fn bound(&self) -> usize {
        match self.version {
            Version::V1 => (self.begin + u64::from(self.end)) as usize,
            Version::V2 => self.count as usize,
        }
    }

    fn content<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        let begin = self.begin as usize;
        data.get(begin..begin + self.end as usize).unwrap_or_default()
    }

    fn dangling(&self, reference: u32) -> Flaw {
        Flaw::new(SECTION, self.begin, format!("has no string for reference {reference}"))
    }

    /// A cursor at the string with this ordinal.
    fn seek<'a>(&self, data: &'a [u8], ordinal: u32) -> Option<Cursor<'a>> {
        let fence = *self.fences.get((ordinal / STRIDE) as usize)?;
        let mut cursor = Cursor::at(self.content(data), fence as usize);
        for _ in 0..ordinal % STRIDE {
            cursor.str_bytes()?;
        }
        Some(cursor)
    }

    /// The string with this reference.
    pub(super) fn text<'a>(&self, data: &'a [u8], reference: u32) -> Result<&'a str, Flaw> {
        let cursor = match self.version {
            Version::V1 => u64::from(reference)
                .checked_sub(self.begin)
                .map(|position| Cursor::at(self.content(data), position as usize)),
            Version::V2 if reference < self.count => self.seek(data, reference),
            Version::V2 => None,
        };
        let bytes = cursor
            .and_then(|mut cursor| cursor.str_bytes())
            .ok_or_else(|| self.dangling(reference))?;
        std::str::from_utf8(bytes).map_err(|_| {
            Flaw::new(SECTION, self.begin, format!("string {reference} is not valid UTF-8"))
        })
    }

    /// The reference of a string.
    pub(super) fn find(&self, data: &[u8], text: &str) -> Option<u32> {
        let content = self.content(data);
        let fence_text = |fence: u32| Cursor::at(content, fence as usize).str_bytes();
        let first = if self.is_sorted {
            let above = self
                .fences
                .partition_point(|&fence| fence_text(fence).is_some_and(|t| t <= text.as_bytes()));
            above.checked_sub(1)? as u32 * STRIDE
        } else {
            0
        };
        let last = if self.is_sorted { (first + STRIDE).min(self.count) } else { self.count };
        let mut cursor = self.seek(data, first)?;
        for ordinal in first..last {
            let position = cursor.position();
            if cursor.str_bytes()? == text.as_bytes() {
                return Some(match self.version {
                    Version::V1 => (self.begin + position as u64) as u32,
                    Version::V2 => ordinal,
                });
            }
        }
        None
    }
}
