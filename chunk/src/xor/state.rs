//! The state of an open chunk as bytes of our own, so that it is taken up again without reading the chunk.

use super::{Window, XorAppender};

/// Length of a state.
pub const STATE_BYTES: usize = 32;

impl XorAppender {
    /// The state as bytes; integers are little-endian.
    #[must_use]
    pub fn to_state(&self) -> [u8; STATE_BYTES] {
        let mut out = [0; STATE_BYTES];
        out[..8].copy_from_slice(&self.last_ms.to_le_bytes());
        out[8..16].copy_from_slice(&self.last_bits.to_le_bytes());
        out[16..24].copy_from_slice(&self.delta.to_le_bytes());
        out[24..28].copy_from_slice(&self.bit_len.to_le_bytes());
        out[28..30].copy_from_slice(&self.num_samples.to_le_bytes());
        out[30..].copy_from_slice(&[self.window.leading, self.window.trailing]);
        out
    }

    /// The state that [`Self::to_state`] wrote; `None` if it cannot be that of a chunk of `len_bytes`. Foreign bytes may
    /// tell wrong samples, as those of a chunk may.
    #[must_use]
    pub fn from_state(state: &[u8; STATE_BYTES], len_bytes: usize) -> Option<Self> {
        let (words, rest) = state.as_chunks::<8>();
        debug_assert!(rest.is_empty(), "four words");
        let &[last_ms, last_bits, delta, [b0, b1, b2, b3, c0, c1, leading, trailing]] = words
        else {
            return None;
        };
        let open = Self {
            last_ms: i64::from_le_bytes(last_ms),
            last_bits: u64::from_le_bytes(last_bits),
            delta: u64::from_le_bytes(delta),
            bit_len: u32::from_le_bytes([b0, b1, b2, b3]),
            num_samples: u16::from_le_bytes([c0, c1]),
            window: Window { leading, trailing },
        };
        let has_window = leading <= 31 && leading + trailing.min(64) < 64;
        let is_sound = (has_window || open.window == Window::none())
            && (1..u16::MAX).contains(&open.num_samples)
            && open.len_bytes() == len_bytes;
        is_sound.then_some(open)
    }
}
