//! Gorilla floats, the sample appender: delta of delta timestamps, xor of values, byte for byte as Prometheus writes
//! them. The state of an open chunk is a plain copyable value; its bytes belong to the caller, who may keep them in
//! slabs. Reading lives in `decode`, the state as bytes in `state`.
//!
//! Layout: `u16` number of samples (big-endian), then bits, most significant first, the last byte padded with zeros.

mod decode;
mod state;

pub(crate) use decode::Bits;
pub use decode::{decode, first_ms};
pub use state::STATE_BYTES;

use crate::DecodeError;
use crate::bits::zigzag;

/// No sample takes more bytes than this, the first one and its two bytes of count apart.
pub const MAX_SAMPLE_BYTES: usize = 19;

/// Bytes of the count in front of the bits.
pub const HEADER_BYTES: usize = 2;

/// What an open chunk remembers between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XorAppender {
    pub(crate) last_ms: i64,
    pub(crate) last_bits: u64,
    pub(crate) delta: u64,
    pub(crate) bit_len: u32,
    pub(crate) num_samples: u16,
    pub(crate) window: Window,
}

impl Default for XorAppender {
    fn default() -> Self {
        Self::new()
    }
}

/// The bytes a sample adds: they replace the content of the chunk from byte `at` on.
#[derive(Clone, Copy, Debug)]
pub struct XorPiece {
    /// Where the bytes go; the byte there may already hold bits of the previous sample, which are repeated here.
    pub at: usize,
    /// How many of `bytes` count; the rest is zero.
    pub len: usize,
    /// The bytes.
    pub bytes: [u8; 32],
}

impl XorAppender {
    /// The state of a chunk without samples.
    #[must_use]
    pub const fn new() -> Self {
        Self::behind(HEADER_BYTES)
    }

    /// The same where so many bytes are in front of the bits.
    pub(crate) const fn behind(header_bytes: usize) -> Self {
        Self {
            last_ms: 0,
            last_bits: 0,
            delta: 0,
            bit_len: header_bytes as u32 * 8,
            num_samples: 0,
            window: Window::none(),
        }
    }

    /// Takes up a chunk where its bytes end, so that it can be continued.
    ///
    /// Unlike Prometheus this restores the bit position within the last byte, so the result stays readable.
    pub fn resume(data: &[u8]) -> Result<Self, DecodeError> {
        decode::resume(data)
    }

    /// Number of samples so far; the chunk takes at most 65535.
    #[inline]
    #[must_use]
    pub const fn num_samples(&self) -> u16 {
        self.num_samples
    }

    /// Timestamp of the newest sample; zero if there is none.
    #[inline]
    #[must_use]
    pub const fn last_ms(&self) -> i64 {
        self.last_ms
    }

    /// Value of the newest sample; zero if there is none.
    #[inline]
    #[must_use]
    pub const fn last_value(&self) -> f64 {
        f64::from_bits(self.last_bits)
    }

    /// Length of the chunk in bytes, the count included.
    #[inline]
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.bit_len.div_ceil(8) as usize
    }

    /// Encodes one sample. `last_byte` is the last byte of the chunk so far (any byte while it has no samples).
    /// The caller puts the piece in place; the count in front is not part of it: see [`set_count`].
    #[inline]
    #[must_use]
    pub fn encode(&mut self, timestamp_ms: i64, value: f64, last_byte: u8) -> XorPiece {
        let bits = value.to_bits();
        let used = self.bit_len % 8;
        let mut out = BitWriter::new(if used == 0 { 0 } else { last_byte }, used);
        match self.num_samples {
            0 => {
                out.zigzag_varint(timestamp_ms);
                out.put(bits, 64);
            }
            1 => {
                self.delta = timestamp_ms.wrapping_sub(self.last_ms) as u64;
                out.varint(self.delta);
                self.put_value(&mut out, bits);
            }
            _ => {
                let delta = timestamp_ms.wrapping_sub(self.last_ms) as u64;
                put_delta(&mut out, delta.wrapping_sub(self.delta) as i64);
                self.delta = delta;
                self.put_value(&mut out, bits);
            }
        }
        let at = (self.bit_len / 8) as usize;
        self.last_ms = timestamp_ms;
        self.last_bits = bits;
        self.num_samples += 1;
        self.bit_len = (self.bit_len / 8) * 8 + out.bit_len();
        let len = self.len_bytes() - at;
        XorPiece { at, len, bytes: out.finish() }
    }

    /// Adds one sample to the chunk in `chunk`, count included. An empty `chunk` gets its count first.
    pub fn append(&mut self, chunk: &mut Vec<u8>, timestamp_ms: i64, value: f64) {
        if self.num_samples == 0 {
            chunk.clear();
            chunk.extend_from_slice(&[0; HEADER_BYTES]);
        }
        let piece = self.encode(timestamp_ms, value, chunk.last().copied().unwrap_or(0));
        chunk.truncate(piece.at);
        chunk.extend_from_slice(&piece.bytes[..piece.len]);
        set_count(chunk, self.num_samples);
    }

    #[inline]
    fn put_value(&mut self, out: &mut BitWriter, bits: u64) {
        let xor = bits ^ self.last_bits;
        if xor == 0 {
            out.put(0, 1);
            return;
        }
        if self.window.holds(xor) {
            out.put(0b10, 2);
        } else {
            self.window = Window::of(xor);
            out.put(0b11 << Window::BITS | self.window.field(), 2 + Window::BITS);
        }
        out.put(xor >> self.window.trailing, self.window.width());
    }
}

/// Where in 64 bits the significant ones lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    leading: u8,
    pub(crate) trailing: u8,
}

impl Window {
    /// Bits of the field that tells a window.
    pub(crate) const BITS: u32 = 11;

    /// No window was written yet: nothing fits.
    pub(crate) const fn none() -> Self {
        Self { leading: 0xFF, trailing: 0 }
    }

    /// All bits: what a reader has before any window was told.
    pub(crate) const fn whole() -> Self {
        Self { leading: 0, trailing: 0 }
    }

    /// The narrowest window for these bits, not all zero.
    #[inline]
    pub(crate) fn of(xor: u64) -> Self {
        // The field has five bits for the leading zeros.
        let leading = (xor.leading_zeros() as u8).min(31);
        Self { leading, trailing: xor.trailing_zeros() as u8 }
    }

    /// Whether these bits, not all zero, lie within.
    #[inline]
    pub(crate) fn holds(self, xor: u64) -> bool {
        let other = Self::of(xor);
        other.leading >= self.leading && other.trailing >= self.trailing
    }

    #[inline]
    pub(crate) fn width(self) -> u32 {
        64 - u32::from(self.leading) - u32::from(self.trailing)
    }

    /// As it is written: width 64 does not fit its six bits and is zero there, which no other width needs.
    #[inline]
    pub(crate) fn field(self) -> u64 {
        u64::from(self.leading) << 6 | u64::from(self.width() & 63)
    }

    /// The window whose field is on top of `word`.
    #[inline]
    pub(crate) fn read(word: u64) -> Result<Self, DecodeError> {
        let leading = (word >> 59) as u8;
        let width = match (word >> 53) as u8 & 63 {
            0 => 64,
            width => width,
        };
        if leading + width > 64 {
            return Err(DecodeError::Malformed("a value window is wider than 64 bits"));
        }
        Ok(Self { leading, trailing: 64 - leading - width })
    }
}

/// Writes the number of samples in front of a chunk.
#[inline]
pub fn set_count(chunk: &mut [u8], num_samples: u16) {
    chunk[..HEADER_BYTES].copy_from_slice(&num_samples.to_be_bytes());
}

/// Fields of n bits hold `-(2^(n-1) - 1) ..= 2^(n-1)`: the range is shifted by one against two's complement.
#[inline]
fn put_delta(out: &mut BitWriter, dod: i64) {
    match dod {
        0 => out.put(0, 1),
        -8191..=8192 => out.put(0b10 << 14 | (dod as u64 & 0x3FFF), 16),
        -65535..=65536 => out.put(0b110 << 17 | (dod as u64 & 0x1_FFFF), 20),
        -524_287..=524_288 => out.put(0b1110 << 20 | (dod as u64 & 0xF_FFFF), 24),
        _ => {
            out.put(0b1111, 4);
            out.put(dod as u64, 64);
        }
    }
}

/// Collects the bits of one sample, at most 256 with those that were in the first byte before.
pub(crate) struct BitWriter {
    bytes: [u8; 32],
    word: u64,
    free: u32,
    filled: usize,
}

impl BitWriter {
    /// A writer behind the `used` first bits of `byte`.
    #[inline]
    pub(crate) fn new(byte: u8, used: u32) -> Self {
        Self { bytes: [0; 32], word: u64::from(byte) << 56, free: 64 - used, filled: 0 }
    }

    /// Appends the low `width` bits of `value`; the bits above must be zero.
    #[inline]
    pub(crate) fn put(&mut self, value: u64, width: u32) {
        if width < self.free {
            self.free -= width;
            self.word |= value << self.free;
            return;
        }
        let rest = width - self.free;
        self.word |= value >> rest.min(63) >> (rest / 64);
        self.bytes[self.filled..self.filled + 8].copy_from_slice(&self.word.to_be_bytes());
        self.filled += 8;
        self.free = 64 - rest;
        self.word = if rest == 0 { 0 } else { value << self.free };
    }

    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(value & 0x7F | 0x80, 8);
            value >>= 7;
        }
        self.put(value, 8);
    }

    pub(crate) fn zigzag_varint(&mut self, value: i64) {
        self.varint(zigzag(value));
    }

    #[inline]
    pub(crate) fn bit_len(&self) -> u32 {
        self.filled as u32 * 8 + 64 - self.free
    }

    #[inline]
    pub(crate) fn finish(mut self) -> [u8; 32] {
        self.bytes[self.filled..self.filled + 8].copy_from_slice(&self.word.to_be_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests;
