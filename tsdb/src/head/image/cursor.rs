//! The numbers, texts and chunks of an image, one after the other.

use chunk::{ChunkMeta, Encoding};

/// The rest of a record.
pub(super) struct Cursor<'r>(pub(super) &'r [u8]);

impl<'r> Cursor<'r> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A number of variable length.
    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for (at, &byte) in self.0.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7F) << (7 * at);
            if byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Some(number);
            }
        }
        None
    }

    pub(super) fn len(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(super) fn bytes(&mut self) -> Option<&'r [u8]> {
        let len = self.len()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn text(&mut self) -> Option<&'r str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(super) fn chunk(&mut self) -> Option<(ChunkMeta, &'r [u8])> {
        let [encoding] = self.array()?;
        let encoding = Encoding::from_disk(encoding)?;
        let (min_ms, max_ms) = (self.i64()?, self.i64()?);
        let num_samples = u32::from(u16::from_le_bytes(self.array()?));
        let data = self.bytes()?;
        (min_ms <= max_ms && num_samples > 0)
            .then_some((ChunkMeta { min_ms, max_ms, num_samples, encoding }, data))
    }
}
