//! The postings offset table: for each label pair, where its postings list is. Names are kept in memory, of their
//! values only the position of every 32nd; the rest is read from the mapped file.

use super::{Cursor, Flaw, section};

const SECTION: &str = "postings offset table";
/// Values between two kept positions.
const STRIDE: u32 = 32;

/// Finds postings lists by label pair.
#[derive(Debug)]
pub(super) struct OffsetTable {
    /// Offset of the section's content in the file.
    begin: usize,
    /// Length of the content.
    len: usize,
    /// Sorted by name.
    names: Vec<NameEntry>,
}

/// One label name and its values, in the order of the values.
#[derive(Debug)]
pub(super) struct NameEntry {
    pub(super) name: Box<str>,
    /// Number of values.
    pub(super) count: u32,
    /// Position of every `stride`th entry.
    fences: Vec<u32>,
    /// One if the file does not list the values in order.
    stride: u32,
}

/// An entry of the table.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    name: &'a [u8],
    value: &'a [u8],
    list_offset: u64,
}

fn read_entry<'a>(cursor: &mut Cursor<'a>) -> Option<Entry<'a>> {
    if cursor.uvar()? != 2 {
        return None;
    }
    let (name, value) = (cursor.str_bytes()?, cursor.str_bytes()?);
    Some(Entry { name, value, list_offset: cursor.uvar()? })
}

fn name_text(name: &[u8], offset: u64) -> Result<Box<str>, Flaw> {
    std::str::from_utf8(name)
        .map(Box::from)
        .map_err(|_| Flaw::new(SECTION, offset, "holds a label name that is not valid UTF-8"))
}

impl OffsetTable {
    /// Verifies the section and takes note of its names.
    pub(super) fn open(data: &[u8], offset: u64) -> Result<Self, Flaw> {
        let content = section(data, SECTION, offset)?;
        let begin = offset as usize + 4;
        let mut table = Self { begin, len: content.len(), names: Vec::new() };
        if !table.load_sorted(content, offset)? {
            table.load_unsorted(content, offset)?;
        }
        Ok(table)
    }

    fn entries<'a>(
        content: &'a [u8],
        offset: u64,
    ) -> impl Iterator<Item = Result<(usize, Entry<'a>), Flaw>> {
        let mut cursor = Cursor::new(content);
        let count = cursor.u32().unwrap_or(0);
        (0..count).map(move |_| {
            let position = cursor.position();
            let entry = read_entry(&mut cursor).ok_or_else(|| {
                Flaw::new(SECTION, offset + 4 + position as u64, "holds a malformed entry")
            })?;
            Ok((position, entry))
        })
    }

    /// False if the entries turn out not to be sorted.
    fn load_sorted(&mut self, content: &[u8], offset: u64) -> Result<bool, Flaw> {
        let mut previous: Option<Entry<'_>> = None;
        for entry in Self::entries(content, offset) {
            let (position, entry) = entry?;
            if previous.is_some_and(|p| (p.name, p.value) >= (entry.name, entry.value)) {
                return Ok(false);
            }
            if previous.is_none_or(|p| p.name != entry.name) {
                let name = name_text(entry.name, offset)?;
                self.names.push(NameEntry { name, count: 0, fences: Vec::new(), stride: STRIDE });
            }
            let name = self.names.last_mut().expect("pushed with its first value");
            if name.count.is_multiple_of(STRIDE) {
                name.fences.push(position as u32);
            }
            name.count += 1;
            previous = Some(entry);
        }
        Ok(true)
    }

    fn load_unsorted(&mut self, content: &[u8], offset: u64) -> Result<(), Flaw> {
        let mut all = Self::entries(content, offset).collect::<Result<Vec<_>, Flaw>>()?;
        all.sort_by(|(_, a), (_, b)| (a.name, a.value).cmp(&(b.name, b.value)));
        all.dedup_by(|(_, a), (_, b)| (a.name, a.value) == (b.name, b.value));
        self.names.clear();
        for group in all.chunk_by(|(_, a), (_, b)| a.name == b.name) {
            self.names.push(NameEntry {
                name: name_text(group[0].1.name, offset)?,
                count: group.len() as u32,
                fences: group.iter().map(|(position, _)| *position as u32).collect(),
                stride: 1,
            });
        }
        Ok(())
    }

    /// All names in order; the empty one stands for all series.
    pub(super) fn names(&self) -> &[NameEntry] {
        &self.names
    }

    /// What is known of a label name.
    pub(super) fn name(&self, name: &str) -> Option<&NameEntry> {
        let index = self.names.binary_search_by(|entry| (*entry.name).cmp(name)).ok()?;
        self.names.get(index)
    }

    fn content<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        data.get(self.begin..self.begin + self.len).unwrap_or_default()
    }

    /// The values of a name from the first one that is not below `from`, with the offsets of their lists.
    pub(super) fn values<'a>(&self, data: &'a [u8], name: &'a NameEntry, from: &str) -> Values<'a> {
        let content = self.content(data);
        let fence_value = |fence: u32| {
            read_entry(&mut Cursor::at(content, fence as usize)).map_or(&[][..], |e| e.value)
        };
        let above = name.fences.partition_point(|&fence| fence_value(fence) < from.as_bytes());
        let mut values =
            Values { cursor: Cursor::new(content), name, index: 0, section: self.begin as u64 };
        values.index = (above as u32).saturating_sub(1) * name.stride;
        while values.index < name.count {
            let mut ahead = values.clone();
            match ahead.step() {
                Some(entry) if entry.value < from.as_bytes() => values = ahead,
                _ => break,
            }
        }
        values
    }
}

/// The values of one label name, in order.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    cursor: Cursor<'a>,
    name: &'a NameEntry,
    index: u32,
    section: u64,
}

impl<'a> Values<'a> {
    /// The offset of the list of the value at `place`, which is not before where this is; `None` behind the last one.
    pub(super) fn list_at_place(&mut self, place: usize) -> Result<Option<u64>, Flaw> {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        if place >= self.name.count {
            return Ok(None);
        }
        // The kept position at or before it, unless this is behind that already.
        self.index = self.index.max(place - place % self.name.stride);
        loop {
            let is_there = self.index == place;
            let entry =
                self.step().ok_or(Flaw::new(SECTION, self.section, "holds a malformed entry"))?;
            if is_there {
                return Ok(Some(entry.list_offset));
            }
        }
    }

    fn step(&mut self) -> Option<Entry<'a>> {
        if let Some(fence) = self
            .index
            .is_multiple_of(self.name.stride)
            .then(|| self.name.fences.get((self.index / self.name.stride) as usize))
        {
            self.cursor.seek(*fence? as usize);
        }
        self.index += 1;
        read_entry(&mut self.cursor)
    }
}

impl<'a> Iterator for Values<'a> {
    /// Its place among the values of its name, the value, the offset of its list.
    type Item = Result<(usize, &'a str, u64), Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.name.count {
            return None;
        }
        let section = self.section;
        let flaw = |what| Some(Err(Flaw::new(SECTION, section, what)));
        let place = self.index as usize;
        let Some(entry) = self.step() else {
            return flaw("holds a malformed entry");
        };
        match std::str::from_utf8(entry.value) {
            Ok(value) => Some(Ok((place, value, entry.list_offset))),
            Err(_) => flaw("holds a label value that is not valid UTF-8"),
        }
    }
}
