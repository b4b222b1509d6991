//! The layout of pages: fragment headers, their types and flags, and how a record is cut into fragments.

/// Pages are this long; no fragment crosses the end of one.
pub const PAGE_BYTES: usize = 32 * 1024;

/// Type and flags (1 byte), data length (2), CRC-32C of the data (4).
pub(crate) const HEADER_BYTES: usize = 7;

/// Where in a record a fragment lies. Numbers are those on disk.
pub(crate) mod kind {
    pub(crate) const PADDING: u8 = 0;
    pub(crate) const FULL: u8 = 1;
    pub(crate) const FIRST: u8 = 2;
    pub(crate) const MIDDLE: u8 = 3;
    pub(crate) const LAST: u8 = 4;
    pub(crate) const MASK: u8 = 0b111;
}

/// The record is compressed with snappy; wins if both flags are set.
pub(crate) const SNAPPY_FLAG: u8 = 1 << 3;
/// The record is compressed with zstd.
pub(crate) const ZSTD_FLAG: u8 = 1 << 4;

/// Bytes from `offset` to the end of its page; a whole page at a page start.
pub(crate) fn room(offset: u64) -> usize {
    PAGE_BYTES - (offset % PAGE_BYTES as u64) as usize
}

/// The first page end at or behind `offset`.
pub(crate) fn page_end(offset: u64) -> u64 {
    offset.next_multiple_of(PAGE_BYTES as u64)
}

/// Appends the fragments of one record to `out`, whose first byte lies at `begin` of the segment. Fills the page with
/// zeros when no further header fits into it. Answers how many fragments there are.
pub(crate) fn push_record(out: &mut Vec<u8>, begin: u64, record: &[u8], flags: u8) -> u64 {
    let mut num_fragments = 0;
    let mut rest = record;
    let mut first = true;
    // An empty record is written too: one header.
    while first || !rest.is_empty() {
        let room_bytes = room(begin + out.len() as u64) - HEADER_BYTES;
        let (data, after) = rest.split_at(rest.len().min(room_bytes));
        let kind = match (first, after.is_empty()) {
            (true, true) => kind::FULL,
            (true, false) => kind::FIRST,
            (false, true) => kind::LAST,
            (false, false) => kind::MIDDLE,
        };
        out.push(kind | flags);
        out.extend_from_slice(&(data.len() as u16).to_be_bytes());
        out.extend_from_slice(&crc32c::crc32c(data).to_be_bytes());
        out.extend_from_slice(data);
        let left = room(begin + out.len() as u64);
        if left < HEADER_BYTES {
            out.resize(out.len() + left, 0);
        }
        rest = after;
        first = false;
        num_fragments += 1;
    }
    num_fragments
}
