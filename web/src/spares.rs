//! Buffers of the pieces of a streamed answer: one that was sent comes back to be filled again, so that an answer takes
//! the same few buffers from its beginning to its end, however long it is.

use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// What a buffer has room for: a piece, and what is written before it is looked at again.
const ROOM_BYTES: usize = 96 << 10;

/// A buffer that grew beyond this is not kept.
const MAX_ROOM_BYTES: usize = 1 << 20;

/// As many buffers wait at most: those of the pieces that a slow reader lets wait.
const MAX_SPARES: usize = 16;

/// The buffers of one answer. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spares(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spares {
    /// An empty buffer with room for a piece.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_else(|| Vec::with_capacity(ROOM_BYTES))
    }

    /// Bytes to send, whose buffer comes back once they are sent.
    pub(crate) fn lend(&self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { bytes, home: self.clone() })
    }
}

/// A buffer under way.
struct Lent {
    bytes: Vec<u8>,
    home: Spares,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut spares = self.home.0.lock();
        if spares.len() < MAX_SPARES && bytes.capacity() <= MAX_ROOM_BYTES {
            spares.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
