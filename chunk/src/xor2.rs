//! XOR2 floats, encoding 4, the sample appender: shorter than XOR where values or intervals change, staleness markers in
//! five bits, and a start timestamp for each sample where there are any. Byte for byte as Prometheus writes it. The
//! state of an open chunk is a plain copyable value, its bytes belong to the caller. Reading lives in `decode`.
//!
//! Layout: `u16` number of samples (big-endian), a byte about start timestamps, then bits, most significant first, the
//! last byte padded with zeros.

mod decode;

pub use decode::{decode, first_ms};

use crate::DecodeError;
use crate::start::Starts;
use crate::xor::{BitWriter, Window, XorAppender, XorPiece};
use model::{STALE_NAN_BITS, is_stale_nan};

/// Bytes of the count and the byte about start timestamps in front of the bits.
pub const HEADER_BYTES: usize = 3;

/// What an open chunk remembers between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xor2Appender {
    /// What it has in common with XOR. Its value is the newest one that is no staleness marker: the next one is written
    /// against it.
    open: XorAppender,
    is_stale: bool,
    starts: Starts,
}

impl Default for Xor2Appender {
    fn default() -> Self {
        Self::new()
    }
}

impl Xor2Appender {
    /// The state of a chunk without samples.
    #[must_use]
    pub const fn new() -> Self {
        let open = XorAppender::behind(HEADER_BYTES);
        Self { open, is_stale: false, starts: Starts::new() }
    }

    /// Puts a state together again that [`Self::into_parts`] took apart.
    #[inline]
    #[must_use]
    pub const fn from_parts(open: XorAppender, is_stale: bool, starts: Starts) -> Self {
        Self { open, is_stale, starts }
    }

    /// The state in parts, for whoever keeps many and few with start timestamps: what it has in common with XOR, whether
    /// the newest sample is a staleness marker, which the first part does not know, and what is known of starts.
    #[inline]
    #[must_use]
    pub const fn into_parts(self) -> (XorAppender, bool, Starts) {
        (self.open, self.is_stale, self.starts)
    }

    /// Takes up a chunk where its bytes end, so that it can be continued.
    pub fn resume(data: &[u8]) -> Result<Self, DecodeError> {
        decode::resume(data)
    }

    /// Number of samples so far; the chunk takes at most 65535.
    #[inline]
    #[must_use]
    pub const fn num_samples(&self) -> u16 {
        self.open.num_samples
    }

    /// Timestamp of the newest sample; zero if there is none.
    #[inline]
    #[must_use]
    pub const fn last_ms(&self) -> i64 {
        self.open.last_ms
    }

    /// Value of the newest sample; zero if there is none.
    #[inline]
    #[must_use]
    pub const fn last_value(&self) -> f64 {
        f64::from_bits(if self.is_stale { STALE_NAN_BITS } else { self.open.last_bits })
    }

    /// Length of the chunk in bytes, its head included.
    #[inline]
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.open.bit_len.div_ceil(8) as usize
    }

    /// The bytes in front of the bits.
    #[inline]
    #[must_use]
    pub const fn header(&self) -> [u8; HEADER_BYTES] {
        let [high, low] = self.open.num_samples.to_be_bytes();
        [high, low, self.starts.header()]
    }

    /// Encodes one sample, `start_ms` being zero where nothing is known of its start. `last_byte` is the last byte of
    /// the chunk so far. The caller puts the piece in place, and [`Self::header`] in front.
    #[must_use]
    pub fn encode(
        &mut self,
        timestamp_ms: i64,
        value: f64,
        start_ms: i64,
        last_byte: u8,
    ) -> XorPiece {
        let bits = value.to_bits();
        let used = self.open.bit_len % 8;
        let mut out = BitWriter::new(if used == 0 { 0 } else { last_byte }, used);
        match self.open.num_samples {
            0 => {
                out.zigzag_varint(timestamp_ms);
                out.put(bits, 64);
            }
            1 => {
                self.open.delta = timestamp_ms.wrapping_sub(self.open.last_ms) as u64;
                out.varint(self.open.delta);
                self.put_value(&mut out, bits);
            }
            _ => {
                let delta = timestamp_ms.wrapping_sub(self.open.last_ms) as u64;
                let dod = delta.wrapping_sub(self.open.delta) as i64;
                self.open.delta = delta;
                self.put_both(&mut out, dod, bits);
            }
        }
        if let Some(field) =
            self.starts.next(self.open.num_samples, timestamp_ms, self.open.last_ms, start_ms)
        {
            field.put(|bits, width| out.put(bits, width));
        }
        self.is_stale = is_stale_nan(value);
        if !self.is_stale {
            self.open.last_bits = bits;
        }
        let at = (self.open.bit_len / 8) as usize;
        self.open.last_ms = timestamp_ms;
        self.open.num_samples += 1;
        self.open.bit_len = (self.open.bit_len / 8) * 8 + out.bit_len();
        let len = self.len_bytes() - at;
        XorPiece { at, len, bytes: out.finish() }
    }

    /// Adds one sample to the chunk in `chunk`, head included.
    pub fn append(&mut self, chunk: &mut Vec<u8>, timestamp_ms: i64, value: f64, start_ms: i64) {
        if self.open.num_samples == 0 {
            chunk.clear();
            chunk.resize(HEADER_BYTES, 0);
        }
        let last_byte = chunk.last().copied().unwrap_or(0);
        let piece = self.encode(timestamp_ms, value, start_ms, last_byte);
        chunk.truncate(piece.at);
        chunk.extend_from_slice(&piece.bytes[..piece.len]);
        chunk[..HEADER_BYTES].copy_from_slice(&self.header());
    }

    /// Time and value under one control code.
    #[inline]
    fn put_both(&mut self, out: &mut BitWriter, dod: i64, bits: u64) {
        match dod {
            0 if bits == STALE_NAN_BITS => return out.put(0b1_1111, 5),
            0 if bits == self.open.last_bits => return out.put(0, 1),
            0 => {
                out.put(0b10, 2);
                return self.put_window(out, bits, (0, 1), (1, 1));
            }
            -4096..=4095 => out.put(0b110 << 13 | (dod as u64 & 0x1FFF), 16),
            -524_288..=524_287 => out.put(0b1110 << 20 | (dod as u64 & 0xF_FFFF), 24),
            _ => {
                out.put(0b1_1110, 5);
                out.put(dod as u64, 64);
            }
        }
        self.put_value(out, bits);
    }

    #[inline]
    fn put_value(&mut self, out: &mut BitWriter, bits: u64) {
        match bits {
            STALE_NAN_BITS => out.put(0b111, 3),
            same if same == self.open.last_bits => out.put(0, 1),
            _ => self.put_window(out, bits, (0b10, 2), (0b110, 3)),
        }
    }

    /// The bits that changed, behind the code for the window at hand or that for a new one.
    #[inline]
    fn put_window(&mut self, out: &mut BitWriter, bits: u64, same: (u64, u32), new: (u64, u32)) {
        let xor = bits ^ self.open.last_bits;
        if self.open.window.holds(xor) {
            out.put(same.0, same.1);
        } else {
            out.put(new.0, new.1);
            self.open.window = Window::of(xor);
            out.put(self.open.window.field(), Window::BITS);
        }
        out.put(xor >> self.open.window.trailing, self.open.window.width());
    }
}

#[cfg(test)]
mod tests;
