//! XOR2 floats, bytes to columns: foreign bytes, whole chunks at a time. Runs of samples that repeat both the interval
//! and the value, one zero bit each, are filled without looking at them singly.

use super::{HEADER_BYTES, Xor2Appender};
use crate::bits::BitReader;
use crate::start::Starts;
use crate::xor::{Bits, Window, XorAppender};
use crate::{DecodeError, SampleColumns};
use model::STALE_NAN_BITS;

/// The state of a reader between two samples.
struct Cursor<'a> {
    bits: Bits<'a>,
    at: usize,
    time: i64,
    delta: u64,
    baseline: u64,
    is_stale: bool,
    window: Window,
    starts: Starts,
}

impl<'a> Cursor<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self {
            bits: Bits { data },
            at: HEADER_BYTES * 8,
            time: 0,
            delta: 0,
            baseline: 0,
            is_stale: false,
            window: Window::whole(),
            starts: Starts::from_header(data.get(HEADER_BYTES - 1).copied().unwrap_or(0)),
        }
    }

    fn check_end(&self) -> Result<(), DecodeError> {
        if self.at > self.bits.data.len() * 8 { Err(DecodeError::Truncated) } else { Ok(()) }
    }

    #[inline]
    fn value(&self) -> f64 {
        f64::from_bits(if self.is_stale { STALE_NAN_BITS } else { self.baseline })
    }

    /// Reads sample number `index`.
    #[inline]
    fn step(&mut self, index: usize) -> Result<(), DecodeError> {
        let previous_ms = self.time;
        match index {
            0 => return self.first(),
            1 => self.second()?,
            _ => self.next()?,
        }
        if index >= self.starts.first_field() {
            let mut bits = BitReader::at(self.bits.data, self.at);
            self.starts.read_later(index, previous_ms, &mut bits);
            self.at = bits.position();
        }
        self.check_end()
    }

    fn first(&mut self) -> Result<(), DecodeError> {
        let (raw, length) = self.bits.varint(self.at)?;
        self.time = (raw >> 1) as i64 ^ -((raw & 1) as i64);
        let value = self.bits.take(self.at + length, 64);
        self.is_stale = value == STALE_NAN_BITS;
        if !self.is_stale {
            self.baseline = value;
        }
        let mut bits = BitReader::at(self.bits.data, self.at + length + 64);
        self.starts.read_first(self.time, &mut bits)?;
        self.at = bits.position();
        self.check_end()
    }

    fn second(&mut self) -> Result<(), DecodeError> {
        let (delta, length) = self.bits.varint(self.at)?;
        self.at += length;
        self.delta = delta;
        self.time = self.time.wrapping_add(delta as i64);
        self.value_after(self.bits.peek(self.at))
    }

    #[inline]
    fn next(&mut self) -> Result<(), DecodeError> {
        let word = self.bits.peek(self.at);
        // The longest short field takes 24 bits, so 33 bits stay good for the code of the value and its window.
        let (dod, length) = match word.leading_ones() {
            0 => {
                self.at += 1;
                self.is_stale = false;
                self.repeat_interval();
                return Ok(());
            }
            1 => {
                self.repeat_interval();
                self.at += 3;
                self.is_stale = false;
                return self.changed(word << 3, word >> 61 & 1 == 1);
            }
            2 => (signed(word << 3, 13), 16),
            3 => (signed(word << 4, 20), 24),
            4 => (self.bits.take(self.at + 5, 64), 69),
            _ => {
                self.at += 5;
                self.is_stale = true;
                self.repeat_interval();
                return Ok(());
            }
        };
        self.at += length;
        self.delta = self.delta.wrapping_add(dod);
        self.repeat_interval();
        self.value_after(if length < 64 { word << length } else { self.bits.peek(self.at) })
    }

    #[inline]
    fn repeat_interval(&mut self) {
        self.time = self.time.wrapping_add(self.delta as i64);
    }

    /// Reads the value at `self.at`, whose first bits are on top of `word`.
    #[inline]
    fn value_after(&mut self, word: u64) -> Result<(), DecodeError> {
        let ones = word.leading_ones().min(3);
        self.is_stale = ones == 3;
        self.at += (ones as usize + 1).min(3);
        match ones {
            0 | 3 => Ok(()),
            ones => self.changed(word << (ones + 1), ones == 2),
        }
    }

    /// Reads the bits that changed, behind a window if it is new; they are on top of `word`.
    #[inline]
    fn changed(&mut self, word: u64, has_window: bool) -> Result<(), DecodeError> {
        if has_window {
            self.window = Window::read(word)?;
            self.at += Window::BITS as usize;
        }
        let width = self.window.width();
        self.baseline ^= self.bits.take(self.at, width) << self.window.trailing;
        self.at += width as usize;
        Ok(())
    }

    /// How many samples from number `index` on repeat the interval and the value, as far as is quickly seen.
    #[inline]
    fn run(&self, index: usize, count: usize) -> usize {
        let left = (self.bits.data.len() * 8).saturating_sub(self.at);
        let most = count.min(self.starts.first_field()).saturating_sub(index).min(left);
        (self.bits.peek(self.at).leading_zeros().min(57) as usize).min(most)
    }
}

/// The two's complement field of `width` bits on top of `word`.
#[inline]
fn signed(word: u64, width: u32) -> u64 {
    (word as i64 >> (64 - width)) as u64
}

/// Appends the first `num_samples` samples of an XOR2 chunk to `out`, with their starts.
/// On error `out` keeps the samples before the place that could not be read.
pub fn decode(num_samples: usize, data: &[u8], out: &mut SampleColumns) -> Result<(), DecodeError> {
    // A sample takes a bit at least: a foreign count does not size our memory.
    let count = num_samples.min(data.len() * 8);
    out.timestamps_ms.reserve(count);
    out.values.reserve(count);
    let mut cursor = Cursor::new(data);
    let mut index = 0;
    while index < count {
        let run = if index < 2 { 0 } else { cursor.run(index, count) };
        if run > 1 {
            cursor.at += run;
            cursor.is_stale = false;
            for _ in 0..run {
                cursor.repeat_interval();
                out.push_started(cursor.time, cursor.value(), cursor.starts.last_ms());
            }
            index += run;
            continue;
        }
        cursor.step(index)?;
        out.push_started(cursor.time, cursor.value(), cursor.starts.last_ms());
        index += 1;
    }
    if count < num_samples { Err(DecodeError::Truncated) } else { Ok(()) }
}

/// The timestamp of the first sample of an XOR2 chunk.
pub fn first_ms(data: &[u8]) -> Result<i64, DecodeError> {
    let mut cursor = Cursor::new(data);
    cursor.first()?;
    Ok(cursor.time)
}

/// See [`Xor2Appender::resume`].
pub(super) fn resume(data: &[u8]) -> Result<Xor2Appender, DecodeError> {
    let count = data.first_chunk().ok_or(DecodeError::Truncated)?;
    let num_samples = u16::from_be_bytes(*count);
    let mut cursor = Cursor::new(data);
    for index in 0..usize::from(num_samples) {
        cursor.step(index)?;
    }
    let open = XorAppender {
        last_ms: cursor.time,
        last_bits: cursor.baseline,
        delta: cursor.delta,
        bit_len: u32::try_from(cursor.at).map_err(|_| DecodeError::Malformed("512 MiB long"))?,
        num_samples,
        window: if num_samples == 0 { Window::none() } else { cursor.window },
    };
    Ok(Xor2Appender { open, is_stale: cursor.is_stale, starts: cursor.starts })
}
