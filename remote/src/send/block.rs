//! A snappy block that is written by someone who knows what repeats: pieces are new, or the same as what lies so many
//! bytes before. Nothing is searched for, which is most of the work of packing. What the pieces are is up to `encode`.

/// Room for the length of what is packed, which is known at the end.
const HEAD_BYTES: usize = 5;
/// Bytes of new text under one tag of a single byte.
const MAX_LITERAL: usize = 60;
/// Bytes that one copy brings.
const MAX_COPY: usize = 64;
/// A repetition of fewer bytes is not worth its tag.
const MIN_COPY: usize = 4;
/// How far back repetitions reach.
pub(super) const MAX_OFFSET: usize = u16::MAX as usize;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Block {
    out: Vec<u8>,
    /// Bytes of what is packed, so far.
    len: usize,
    /// Where the tag of the new text at the end stands, and how long that is; zero where the end is none.
    tag_at: usize,
    literal_len: usize,
    /// A repetition that is not written yet, because it may go on: from how far back, how long.
    offset: usize,
    copy_len: usize,
}

impl Block {
    /// Begins a new block.
    pub(super) fn clear(&mut self) {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.resize(HEAD_BYTES, 0);
        *self = Self { out, ..Self::default() };
    }

    /// Bytes of what is packed, so far.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds bytes that are new.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.end_copy();
        self.len += bytes.len();
        while !bytes.is_empty() {
            if self.literal_len.is_multiple_of(MAX_LITERAL) {
                self.tag_at = self.out.len();
                self.out.push(0);
                self.literal_len = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(MAX_LITERAL - self.literal_len));
            self.out.extend_from_slice(now);
            self.literal_len += now.len();
            self.out[self.tag_at] = (self.literal_len as u8 - 1) << 2;
            bytes = later;
        }
    }

    /// Adds `bytes`, which are those that lie `offset` before.
    #[inline]
    pub(super) fn repeat(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.len() >= MIN_COPY || offset == self.offset && self.copy_len > 0 {
            self.copy(offset, bytes.len());
        } else {
            self.push(bytes);
        }
    }

    /// Adds `len` bytes that lie `offset` before, at least one and at most [`MAX_OFFSET`].
    #[inline]
    pub(super) fn copy(&mut self, offset: usize, len: usize) {
        if offset != self.offset {
            self.end_copy();
            self.offset = offset;
        }
        self.copy_len += len;
        self.len += len;
    }

    fn end_copy(&mut self) {
        while self.copy_len > 0 {
            let len = self.copy_len.min(MAX_COPY);
            let [low, high] = (self.offset as u16).to_le_bytes();
            self.out.extend_from_slice(&[(len as u8 - 1) << 2 | 2, low, high]);
            self.copy_len -= len;
            self.literal_len = 0;
        }
        self.offset = 0;
    }

    /// The whole block.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.end_copy();
        let mut head = Vec::with_capacity(HEAD_BYTES);
        crate::proto::write::varint(&mut head, self.len as u64);
        let begin = HEAD_BYTES - head.len();
        self.out[begin..HEAD_BYTES].copy_from_slice(&head);
        &self.out[begin..]
    }
}

#[cfg(test)]
mod tests;
