//! Gorilla floats, bytes to columns: foreign bytes, whole chunks at a time. Bits come from 64-bit loads; runs of
//! samples that repeat both the interval and the value, two zero bits each, are filled without looking at them singly.

use super::{HEADER_BYTES, Window, XorAppender};
use crate::{DecodeError, SampleColumns};

/// Bits of a byte slice by position; beyond the end there are zeros, so that the end is checked once per sample.
#[derive(Clone, Copy)]
pub(crate) struct Bits<'a> {
    pub(crate) data: &'a [u8],
}

impl Bits<'_> {
    #[inline]
    fn word(self, byte: usize) -> u64 {
        match self.data.get(byte..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => self.last_word(byte),
        }
    }

    #[cold]
    fn last_word(self, byte: usize) -> u64 {
        let rest = self.data.get(byte..).unwrap_or_default();
        let mut bytes = [0; 8];
        bytes[..rest.len()].copy_from_slice(rest);
        u64::from_be_bytes(bytes)
    }

    /// The bits from `at` on, first one on top; at least 57 of them count.
    #[inline]
    pub(crate) fn peek(self, at: usize) -> u64 {
        self.word(at / 8) << (at % 8)
    }

    /// The `width` bits at `at`, right-aligned; `width` is 1 to 64.
    #[inline]
    pub(crate) fn take(self, at: usize, width: u32) -> u64 {
        let shift = (at % 8) as u32;
        let mut bits = self.word(at / 8) << shift;
        if width + shift > 64 {
            let next = self.data.get(at / 8 + 8).copied().unwrap_or(0);
            bits |= u64::from(next) >> (8 - shift);
        }
        bits >> (64 - width)
    }

    /// A varint at `at` and its length in bits.
    pub(crate) fn varint(self, at: usize) -> Result<(u64, usize), DecodeError> {
        let mut value = 0;
        for index in 0..10 {
            let byte = self.take(at + index * 8, 8);
            if index == 9 && byte > 1 {
                break;
            }
            value |= (byte & 0x7F) << (7 * index);
            if byte < 0x80 {
                return Ok((value, (index + 1) * 8));
            }
        }
        Err(DecodeError::Malformed("a varint is longer than 64 bits"))
    }
}

/// No sample but one with a full timestamp reaches beyond so many bytes from the byte it begins in.
const WHOLE_BYTES: usize = 16;

/// What a sample may lie in.
type Whole = [u8; WHOLE_BYTES];

/// No wider value is taken whole from the eight bytes that its sample begins in.
const MAX_FITTING: u32 = 54;

/// Eight bytes from number `byte` on, up to the seventh.
#[inline]
fn eight(bytes: &Whole, byte: usize) -> u64 {
    let byte = byte % 8;
    let word: &[u8; 8] = bytes[byte..byte + 8].first_chunk().expect("eight bytes");
    u64::from_be_bytes(*word)
}

/// The state of a reader between two samples.
struct Cursor<'a> {
    bits: Bits<'a>,
    at: usize,
    time: i64,
    delta: u64,
    value: u64,
    window: Window,
}

impl<'a> Cursor<'a> {
    fn new(data: &'a [u8]) -> Self {
        let bits = Bits { data };
        let window = Window::whole();
        Self { bits, at: HEADER_BYTES * 8, time: 0, delta: 0, value: 0, window }
    }

    fn check_end(&self) -> Result<(), DecodeError> {
        if self.at > self.bits.data.len() * 8 { Err(DecodeError::Truncated) } else { Ok(()) }
    }

    fn first(&mut self) -> Result<(), DecodeError> {
        let (raw, length) = self.bits.varint(self.at)?;
        self.time = (raw >> 1) as i64 ^ -((raw & 1) as i64);
        self.value = self.bits.take(self.at + length, 64);
        self.at += length + 64;
        self.check_end()
    }

    fn second(&mut self) -> Result<(), DecodeError> {
        let (delta, length) = self.bits.varint(self.at)?;
        self.at += length;
        self.delta = delta;
        self.time = self.time.wrapping_add(delta as i64);
        self.value_after(self.bits.peek(self.at))?;
        self.check_end()
    }

    #[inline]
    fn next(&mut self) -> Result<(), DecodeError> {
        let word = self.bits.peek(self.at);
        // The longest short field takes 24 bits, so 33 bits stay good for the control bits of the value.
        let (dod, length) = match word.leading_ones() {
            0 => (0, 1),
            _ => short_change(word).unwrap_or((self.bits.take(self.at + 4, 64), 68)),
        };
        self.at += length;
        self.delta = self.delta.wrapping_add(dod);
        self.time = self.time.wrapping_add(self.delta as i64);
        self.value_after(if length < 64 { word << length } else { self.bits.peek(self.at) })?;
        self.check_end()
    }

    /// Samples that change, one after the other, as long as all their bytes are there for sure; returns how many it
    /// read. Stops before a run of samples that repeat, a full timestamp and whatever is malformed.
    fn changing(&mut self, times: &mut [i64], values: &mut [f64]) -> usize {
        let data = self.bits.data;
        if self.at / 8 + WHOLE_BYTES < data.len() {
            return self.changing_within::<false>((data, 0), times, values);
        }
        // The end of the chunk, with zeros behind it.
        let begin = self.at / 8;
        let rest = data.get(begin..).unwrap_or_default();
        let mut padded = [0; 3 * WHOLE_BYTES];
        padded[..rest.len()].copy_from_slice(rest);
        self.at %= 8;
        let read = self.changing_within::<true>((&padded, rest.len() * 8), times, values);
        self.at += begin * 8;
        read
    }

    /// The same within `data`; at the `END` of a chunk within its first `limit` bits. Values that fit the window of the
    /// one before at an interval that stays are nearly all there are: the first eight bytes hold all of them.
    #[inline(never)]
    fn changing_within<const END: bool>(
        &mut self,
        (data, limit): (&[u8], usize),
        times: &mut [i64],
        values: &mut [f64],
    ) -> usize {
        let (mut at, mut time, mut delta, mut value) = (self.at, self.time, self.delta, self.value);
        let mut window = self.window;
        let mut fitting = Fitting::of(window);
        let mut read = 0;
        for (time_out, value_out) in times.iter_mut().zip(values) {
            let Some(bytes) = data.get(at / 8..).and_then(<[u8]>::first_chunk) else { break };
            let word = eight(bytes, 0) << (at % 8);
            if word >> 61 == FITTING {
                let next = at + fitting.length;
                if END && next > limit {
                    break;
                }
                value ^= if fitting.is_wide {
                    value_at(bytes, at + 3 - at / 8 * 8, fitting.length - 3) << window.trailing
                } else {
                    (word << 3 & fitting.mask) >> fitting.leading
                };
                at = next;
            } else {
                let Some(sample) = other(bytes, at, word, window) else { break };
                if END && sample.next > limit {
                    break;
                }
                at = sample.next;
                delta = delta.wrapping_add(sample.dod);
                value ^= sample.change;
                if sample.window != window {
                    window = sample.window;
                    fitting = Fitting::of(window);
                }
            }
            time = time.wrapping_add(delta as i64);
            *time_out = time;
            *value_out = f64::from_bits(value);
            read += 1;
        }
        (self.at, self.time, self.delta, self.value) = (at, time, delta, value);
        self.window = window;
        read
    }

    /// Reads the value at `self.at`, whose first bits are on top of `word`.
    #[inline]
    fn value_after(&mut self, word: u64) -> Result<(), DecodeError> {
        if word >> 63 == 0 {
            self.at += 1;
            return Ok(());
        }
        if word >> 62 == 0b11 {
            self.window = Window::read(word << 2)?;
            self.at += 2 + Window::BITS as usize;
        } else {
            self.at += 2;
        }
        let width = self.window.width();
        self.value ^= self.bits.take(self.at, width) << self.window.trailing;
        self.at += width as usize;
        Ok(())
    }
}

/// The first three bits of a sample that keeps the interval and whose value fits the window of the one before.
const FITTING: u64 = 0b010;

/// How a sample looks that keeps the interval and whose value fits the window of the one before.
struct Fitting {
    /// The bits of the value behind its first three.
    mask: u64,
    /// The value may reach beyond the word that the sample begins in.
    is_wide: bool,
    leading: u32,
    /// All its bits.
    length: usize,
}

impl Fitting {
    #[inline]
    fn of(window: Window) -> Self {
        let width = window.width();
        Self {
            mask: !(u64::MAX.checked_shr(width).unwrap_or(0)),
            is_wide: width > MAX_FITTING,
            leading: u32::from(window.leading),
            length: 3 + width as usize,
        }
    }
}

/// A sample that changes something else than its value alone.
struct Other {
    next: usize,
    dod: u64,
    /// What is different in the bits of the value.
    change: u64,
    window: Window,
}

/// The sample at bit `at` of the chunk, which is on top of `word` and in the first of `bytes`; none where a run of samples
/// that repeat begins, for a full timestamp and for what is malformed.
#[inline]
fn other(bytes: &Whole, at: usize, mut word: u64, mut window: Window) -> Option<Other> {
    let (mut next, mut dod) = (at + 1, 0);
    if word >> 63 == 0 {
        if word >> 60 == 0 {
            return None;
        }
        word <<= 1;
    } else {
        let (change, length) = short_change(word)?;
        dod = change;
        next = at + length;
        word <<= length;
    }
    if word >> 63 == 0 {
        return Some(Other { next: next + 1, dod, change: 0, window });
    }
    next += 2;
    if word >> 62 == 0b11 {
        window = Window::read(word << 2).ok()?;
        next += Window::BITS as usize;
    }
    let width = window.width() as usize;
    let change = value_at(bytes, next - at / 8 * 8, width) << window.trailing;
    Some(Other { next: next + width, dod, change, window })
}

/// The `width` bits, 1 to 64, at bit `at`, which is in the first eight of `bytes`.
#[inline]
fn value_at(bytes: &Whole, at: usize, width: usize) -> u64 {
    let (byte, shift) = (at / 8, at % 8);
    let behind = u64::from(bytes[byte % 8 + 8]) >> (8 - shift);
    (eight(bytes, byte) << shift | behind) >> (64 - width)
}

/// The change of the interval on top of `word` with its length in bits, unless it is none or a full one.
#[inline]
fn short_change(word: u64) -> Option<(u64, usize)> {
    if word >> 62 == 0b10 {
        return Some((signed(word << 2, 14), 16));
    }
    match word.leading_ones() {
        2 => Some((signed(word << 3, 17), 20)),
        3 => Some((signed(word << 4, 20), 24)),
        _ => None,
    }
}

/// The field of `width` bits on top of `word`: a one and zeros mean plus. Without a branch: signs of jitter are random.
#[inline]
fn signed(word: u64, width: u32) -> u64 {
    let one = 1_u64 << (64 - width);
    let less = (word & one.wrapping_neg()).wrapping_sub(one) as i64 >> (64 - width);
    (less as u64).wrapping_add(1)
}

/// Appends the first `num_samples` samples of an XOR chunk (count included) to `out`.
/// On error `out` keeps the samples before the place that could not be read.
pub fn decode(num_samples: usize, data: &[u8], out: &mut SampleColumns) -> Result<(), DecodeError> {
    // A sample takes two bits at least: a foreign count does not size our memory.
    let count = num_samples.min(data.len() * 4);
    let begin = out.timestamps_ms.len();
    out.timestamps_ms.resize(begin + count, 0);
    out.values.resize(begin + count, 0.0);
    let times = &mut out.timestamps_ms[begin..];
    let values = &mut out.values[begin..];
    let (read, result) = decode_into(&mut Cursor::new(data), times, values);
    if read < count {
        out.timestamps_ms.truncate(begin + read);
        out.values.truncate(begin + read);
    }
    result?;
    if count < num_samples { Err(DecodeError::Truncated) } else { Ok(()) }
}

/// The timestamp of the first sample of an XOR chunk (count included).
pub fn first_ms(data: &[u8]) -> Result<i64, DecodeError> {
    let mut cursor = Cursor::new(data);
    cursor.first()?;
    Ok(cursor.time)
}

/// Fills both columns; returns how many samples were read and what ended it early.
fn decode_into(
    cursor: &mut Cursor<'_>,
    times: &mut [i64],
    values: &mut [f64],
) -> (usize, Result<(), DecodeError>) {
    let count = times.len().min(values.len());
    let (times, values) = (&mut times[..count], &mut values[..count]);
    let mut index = 0;
    while index < count {
        let step = match index {
            0 => cursor.first(),
            1 => cursor.second(),
            _ => {
                let run = cursor.bits.peek(cursor.at).leading_zeros().min(57) as usize / 2;
                if run > 1 {
                    let left = (cursor.bits.data.len() * 8).saturating_sub(cursor.at) / 2;
                    let run = run.min(count - index).min(left);
                    fill(cursor, &mut times[index..index + run], &mut values[index..index + run]);
                    index += run;
                    if run > 0 {
                        continue;
                    }
                }
                let read = cursor.changing(&mut times[index..], &mut values[index..]);
                index += read;
                if read > 0 {
                    continue;
                }
                cursor.next()
            }
        };
        if let Err(error) = step {
            return (index, Err(error));
        }
        times[index] = cursor.time;
        values[index] = f64::from_bits(cursor.value);
        index += 1;
    }
    (index, Ok(()))
}

/// Samples that repeat the interval and the value.
#[inline]
fn fill(cursor: &mut Cursor<'_>, times: &mut [i64], values: &mut [f64]) {
    cursor.at += times.len() * 2;
    values.fill(f64::from_bits(cursor.value));
    for time in times {
        cursor.time = cursor.time.wrapping_add(cursor.delta as i64);
        *time = cursor.time;
    }
}

/// See [`XorAppender::resume`].
pub(super) fn resume(data: &[u8]) -> Result<XorAppender, DecodeError> {
    let count = data.first_chunk().ok_or(DecodeError::Truncated)?;
    let num_samples = u16::from_be_bytes(*count);
    let mut cursor = Cursor::new(data);
    for index in 0..num_samples {
        match index {
            0 => cursor.first()?,
            1 => cursor.second()?,
            _ => cursor.next()?,
        }
    }
    Ok(XorAppender {
        last_ms: cursor.time,
        last_bits: cursor.value,
        delta: cursor.delta,
        bit_len: u32::try_from(cursor.at).map_err(|_| DecodeError::Malformed("512 MiB long"))?,
        num_samples,
        window: if num_samples == 0 { Window::none() } else { cursor.window },
    })
}

#[cfg(test)]
mod tests;
