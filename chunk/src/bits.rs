//! Bits of the histogram codecs, most significant first: a writer that grows a byte vector, a reader of foreign bytes,
//! and the variable-length integers and xored floats that both sides share.

use crate::DecodeError;

/// Appends bits to a byte vector, by way of a word: what was put is there once it is settled. The last byte is padded
/// with zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// The bits behind the whole bytes, from the top.
    word: u64,
    /// How many of the word count, up to 63.
    used: u32,
    /// Whether the last byte repeats what the word begins with.
    is_padded: bool,
}

impl BitWriter {
    /// A writer behind whole bytes.
    pub(crate) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, word: 0, used: 0, is_padded: false }
    }

    /// What was settled.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, to change what comes first.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Appends the low `width` bits of `value`, up to 64.
    #[inline]
    pub(crate) fn put(&mut self, value: u64, width: u32) {
        if width == 0 {
            return;
        }
        let value = value << (64 - width);
        self.word |= value >> self.used;
        let end = self.used + width;
        if end < 64 {
            self.used = end;
            return;
        }
        self.flush_word();
        self.used = end - 64;
        let written = width - self.used;
        self.word = if written < 64 { value << written } else { 0 };
    }

    fn unpad(&mut self) {
        if self.is_padded {
            self.bytes.pop();
            self.is_padded = false;
        }
    }

    fn flush_word(&mut self) {
        self.unpad();
        self.bytes.extend_from_slice(&self.word.to_be_bytes());
    }

    /// Brings what was put into the bytes.
    pub(crate) fn settle(&mut self) {
        self.unpad();
        let length = self.used.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.word.to_be_bytes()[..length]);
        let whole = self.used / 8 * 8;
        self.word <<= whole;
        self.used -= whole;
        self.is_padded = self.used > 0;
    }

    /// A signed integer: short for small ones.
    #[inline]
    pub(crate) fn put_int(&mut self, value: i64) {
        put_int(value, |bits, width| self.put(bits, width));
    }

    /// An unsigned integer: short for small ones.
    pub(crate) fn put_uint(&mut self, value: u64) {
        let class = CLASSES.iter().position(|(_, width)| value >> width == 0);
        let class = class.map_or(CLASSES.len() + 1, |class| if value == 0 { 0 } else { class + 1 });
        put_class(value, class, |bits, width| self.put(bits, width));
    }
}

/// Prefixes with the width of what follows; zero has a prefix of its own, and so has what fits nowhere.
const CLASSES: [(u64, u32); 7] = [
    (0b10, 3),
    (0b110, 6),
    (0b1110, 9),
    (0b1_1110, 12),
    (0b11_1110, 18),
    (0b111_1110, 25),
    (0b1111_1110, 56),
];

/// The widths of integers by the number of ones in front, as far as one word has room for them.
const SHORT_WIDTHS: [u32; 7] = [0, 3, 6, 9, 12, 18, 25];

/// The lengths of integers by the number of ones in front, a byte each; the last one fits no word.
const SHORT_LENGTHS: u64 = u64::from_le_bytes([1, 5, 9, 13, 17, 24, 32, 0x7F]);

/// How many bits of a word that is read ahead count at least.
const WORD_BITS: usize = 57;

/// The class of a signed integer by the bits of its distance from the smaller of zero and one, plus one; zero has a class
/// of its own. What fits nowhere is behind the last.
const SIGNED_CLASSES: [u8; 66] = {
    let mut classes = [0; 66];
    let mut bits = 0;
    while bits <= 64 {
        let mut class = 0;
        while class < CLASSES.len() && CLASSES[class].1 < bits + 1 {
            class += 1;
        }
        classes[bits as usize + 1] = class as u8 + 1;
        bits += 1;
    }
    classes
};

/// Hands the bits of a signed integer, short for small ones, to `put`, which takes bits and their number.
///
/// A class of n bits holds `-(2^(n-1) - 1) ..= 2^(n-1)`.
#[inline]
pub(crate) fn put_int(value: i64, put: impl FnMut(u64, u32)) {
    let distance = if value > 0 { value as u64 - 1 } else { value.unsigned_abs() };
    let bits = 64 - distance.leading_zeros();
    let class = if value == 0 { 0 } else { SIGNED_CLASSES[bits as usize + 1] };
    put_class(value as u64, class.into(), put);
}

/// Class zero is that of zero, the one behind the last takes all 64 bits.
#[inline]
fn put_class(value: u64, class: usize, mut put: impl FnMut(u64, u32)) {
    match class.checked_sub(1).map(|class| CLASSES.get(class)) {
        None => put(0, 1),
        Some(Some(&(prefix, width))) => {
            // The longest are 8 and 56 bits.
            let value = value & (u64::MAX >> (64 - width));
            put(prefix << width | value, 64 - prefix.leading_zeros() + width);
        }
        Some(None) => {
            put(0xFF, 8);
            put(value, 64);
        }
    }
}

/// A signed integer with its sign in the lowest bit.
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// Reads bits of foreign bytes; beyond the end there are zeros, and [`Self::check_end`] tells.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'d> {
    data: &'d [u8],
    at: usize,
}

impl<'d> BitReader<'d> {
    pub(crate) fn new(data: &'d [u8], first_byte: usize) -> Self {
        Self { data, at: first_byte * 8 }
    }

    /// A reader from bit number `at` on.
    pub(crate) fn at(data: &'d [u8], at: usize) -> Self {
        Self { data, at }
    }

    /// Number of the next bit.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// A signed integer in groups of seven bits.
    pub(crate) fn zigzag_varint(&mut self) -> Result<i64, DecodeError> {
        let (raw, length) = crate::xor::Bits { data: self.data }.varint(self.at)?;
        self.at += length;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// How many bits are left.
    pub(crate) fn rest(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.at)
    }

    pub(crate) fn check_end(&self) -> Result<(), DecodeError> {
        if self.at > self.data.len() * 8 { Err(DecodeError::Truncated) } else { Ok(()) }
    }

    /// The next `width` bits, 1 to 64, right-aligned.
    #[inline]
    pub(crate) fn take(&mut self, width: u32) -> u64 {
        let (byte, shift) = (self.at / 8, (self.at % 8) as u32);
        self.at += width as usize;
        let word = match self.data.get(byte..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => {
                let rest = self.data.get(byte..).unwrap_or_default();
                let mut bytes = [0; 8];
                bytes[..rest.len()].copy_from_slice(rest);
                u64::from_be_bytes(bytes)
            }
        };
        let mut bits = word << shift;
        if width + shift > 64 {
            let next = self.data.get(byte + 8).copied().unwrap_or(0);
            bits |= u64::from(next) >> (8 - shift);
        }
        bits >> (64 - width)
    }

    /// How many ones come before a zero, at most eight; the zero is eaten, too.
    #[inline]
    fn prefix(&mut self) -> u32 {
        let mut ahead = self.clone();
        let ones = (ahead.take(8) << 56).leading_ones().min(8);
        self.at += (ones as usize + 1).min(8);
        ones
    }

    /// The bits that come next, left-aligned: 57 of them at least, zeros behind the end.
    #[inline]
    fn ahead(&self) -> u64 {
        let (byte, shift) = (self.at / 8, (self.at % 8) as u32);
        match self.data.get(byte..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_be_bytes(*bytes) << shift,
            None => self.clone().take(57) << 7,
        }
    }

    /// The payload of a variable-length integer, and its width.
    #[inline]
    fn payload(&mut self) -> (u64, u32) {
        let word = self.ahead();
        let ones = word.leading_ones();
        if ones == 0 {
            self.at += 1;
            return (0, 0);
        }
        // Nearly all of them are short enough to be taken from one word.
        if ones < 7 {
            let width = CLASSES[ones as usize - 1].1;
            self.at += (ones + 1 + width) as usize;
            return (word << (ones + 1) >> (64 - width), width);
        }
        self.long_payload()
    }

    /// Hands `count` signed integers to `take`, as many of them from one word as it holds whole.
    #[inline]
    pub(crate) fn ints(&mut self, count: usize, mut take: impl FnMut(usize, i64)) {
        let mut index = 0;
        while index < count {
            let (mut word, mut used) = (self.ahead(), 0);
            while index < count {
                let ones = word.leading_ones() as usize;
                let Some(&width) = SHORT_WIDTHS.get(ones) else { break };
                let length = ones + 1 + width as usize;
                if used + length > WORD_BITS {
                    break;
                }
                let raw = word << (ones + 1) >> 1 >> (63 - width);
                let is_negative = raw > (1 << width) >> 1;
                take(index, raw.wrapping_sub(u64::from(is_negative) << width) as i64);
                word <<= length;
                used += length;
                index += 1;
            }
            self.at += used;
            if used == 0 {
                take(index, self.int());
                index += 1;
            }
        }
    }

    /// Goes past `count` variable-length integers.
    #[inline]
    pub(crate) fn skip_ints(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let (mut word, mut used) = (self.ahead(), 0);
            while left > 0 {
                let ones = word.leading_ones().min(7);
                let length = (SHORT_LENGTHS >> (8 * ones) & 0x7F) as usize;
                if used + length > WORD_BITS {
                    break;
                }
                word <<= length;
                used += length;
                left -= 1;
            }
            self.at += used;
            if used == 0 {
                self.payload();
                left -= 1;
            }
        }
    }

    #[cold]
    fn long_payload(&mut self) -> (u64, u32) {
        match self.prefix() {
            0 => (0, 0),
            8 => (self.take(64), 64),
            ones => {
                let width = CLASSES[ones as usize - 1].1;
                (self.take(width), width)
            }
        }
    }

    /// A signed integer.
    #[inline]
    pub(crate) fn int(&mut self) -> i64 {
        let (raw, width) = self.payload();
        let is_negative = width > 0 && width < 64 && raw > 1 << (width - 1);
        if is_negative { raw.wrapping_sub(1 << width) as i64 } else { raw as i64 }
    }

    /// An unsigned integer.
    #[inline]
    pub(crate) fn uint(&mut self) -> u64 {
        self.payload().0
    }
}

/// A column of floats, each xored with the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct XorColumn {
    pub(crate) bits: u64,
    leading: u8,
    trailing: u8,
    has_window: bool,
}

impl XorColumn {
    pub(crate) fn new(first: f64) -> Self {
        Self { bits: first.to_bits(), leading: 0, trailing: 0, has_window: false }
    }

    pub(crate) fn value(self) -> f64 {
        f64::from_bits(self.bits)
    }

    pub(crate) fn put(&mut self, value: f64, out: &mut BitWriter) {
        let xor = value.to_bits() ^ self.bits;
        self.bits = value.to_bits();
        if xor == 0 {
            out.put(0, 1);
            return;
        }
        let leading = (xor.leading_zeros() as u8).min(31);
        let trailing = xor.trailing_zeros() as u8;
        if self.has_window && leading >= self.leading && trailing >= self.trailing {
            out.put(0b10, 2);
        } else {
            (self.leading, self.trailing, self.has_window) = (leading, trailing, true);
            let width = 64 - u64::from(leading) - u64::from(trailing);
            // Width 64 does not fit its six bits and is written as zero.
            out.put(0b11 << 11 | u64::from(leading) << 6 | width & 63, 13);
        }
        let width = 64 - u32::from(self.leading) - u32::from(self.trailing);
        out.put(xor >> self.trailing, width);
    }

    #[inline]
    pub(crate) fn read(&mut self, bits: &mut BitReader<'_>) -> Result<f64, DecodeError> {
        let word = bits.ahead();
        if word >> 63 == 0 {
            bits.at += 1;
            return Ok(self.value());
        }
        let mut used = 2;
        if word >> 62 == 0b11 {
            used = 13;
            let leading = (word >> 57 & 31) as u8;
            let width = match (word >> 51 & 63) as u8 {
                0 => 64,
                width => width,
            };
            if leading + width > 64 {
                return Err(DecodeError::Malformed("a value window is wider than 64 bits"));
            }
            (self.leading, self.trailing, self.has_window) = (leading, 64 - leading - width, true);
        }
        let width = 64 - u32::from(self.leading) - u32::from(self.trailing);
        bits.at += used;
        let changed = if used + width as usize <= WORD_BITS {
            bits.at += width as usize;
            word << used >> (64 - width)
        } else {
            bits.take(width)
        };
        self.bits ^= changed << self.trailing;
        Ok(self.value())
    }
}

#[cfg(test)]
mod tests;
