//! Reading and writing the integers of the block files: big-endian fixed ones, LEB128 varints, zigzag.
//! Reads answer `None` where the bytes end or a varint overflows; the caller knows where that was.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// A position in foreign bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// At the begin of `data`.
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// At `position` of `data`; reads beyond its end fail.
    pub(crate) fn at(data: &'a [u8], position: usize) -> Self {
        Self { data, position }
    }

    /// Goes to `position`.
    pub(crate) fn seek(&mut self, position: usize) {
        self.position = position;
    }

    /// Bytes read so far, counted from the begin of the data.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Whether all bytes are read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.position >= self.data.len()
    }

    /// The next `len` bytes.
    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.position.checked_add(len)?;
        let bytes = self.data.get(self.position..end)?;
        self.position = end;
        Some(bytes)
    }

    /// One byte.
    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.position)?;
        self.position = self.position.wrapping_add(1);
        Some(byte)
    }

    /// A big-endian number of four bytes.
    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// A big-endian number of eight bytes.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.bytes(8)?.try_into().ok()?))
    }

    /// A LEB128 varint.
    #[inline]
    pub(crate) fn uvar(&mut self) -> Option<u64> {
        let byte = self.u8()?;
        if byte < 0x80 { Some(u64::from(byte)) } else { self.uvar_rest(byte) }
    }

    fn uvar_rest(&mut self, first: u8) -> Option<u64> {
        let mut value = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let byte = self.u8()?;
            let payload = u64::from(byte & 0x7F);
            if shift == 63 && payload > 1 {
                return None;
            }
            value |= payload.checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A varint that fits 32 bits.
    #[inline]
    pub(crate) fn uvar32(&mut self) -> Option<u32> {
        u32::try_from(self.uvar()?).ok()
    }

    /// A zigzag varint.
    #[inline]
    pub(crate) fn svar(&mut self) -> Option<i64> {
        let raw = self.uvar()?;
        Some((raw >> 1) as i64 ^ ((raw & 1) as i64).wrapping_neg())
    }

    /// Bytes after their length.
    #[inline]
    pub(crate) fn str_bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.uvar()?).ok()?;
        self.bytes(len)
    }
}

/// Appends a LEB128 varint.
#[inline]
pub(crate) fn put_uvar(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a zigzag varint.
#[inline]
pub(crate) fn put_svar(out: &mut Vec<u8>, value: i64) {
    put_uvar(out, ((value << 1) ^ (value >> 63)) as u64);
}
