//! Start timestamps inside a chunk, for the encodings that have them: a byte in the head of the chunk, and a field
//! behind each sample from the first one whose start differs. Shared by the float and the histogram codecs.

use crate::DecodeError;
use crate::bits::{BitReader, put_int, zigzag};

/// The sample from which on each has a field of its own, whether or not the start changed by then: seven bits hold its
/// number.
const LAST_CHANGE: u16 = 127;

/// What the writer and the reader of a chunk remember of start timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Starts {
    /// Whether the first sample has a start.
    first_known: bool,
    /// Number of the first sample with a field; zero if there is none.
    change_on: u8,
    last_ms: i64,
    /// Time of the sample before, less the start: what fields are differences of.
    distance: i64,
}

/// What is written behind a sample.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StartField {
    /// Behind the first sample: its time less its start.
    First(i64),
    /// Behind others.
    Later(i64),
}

impl StartField {
    /// Hands the field to `put` as bits and their number.
    pub(crate) fn put(self, mut put: impl FnMut(u64, u32)) {
        match self {
            Self::First(value) => {
                let mut rest = zigzag(value);
                while rest >= 0x80 {
                    put(rest & 0x7F | 0x80, 8);
                    rest >>= 7;
                }
                put(rest, 8);
            }
            Self::Later(value) => put_int(value, put),
        }
    }
}

impl Default for Starts {
    fn default() -> Self {
        Self::new()
    }
}

impl Starts {
    /// What is known before the first sample, and as long as no sample says since when it counts.
    #[must_use]
    pub const fn new() -> Self {
        Self { first_known: false, change_on: 0, last_ms: 0, distance: 0 }
    }

    /// The byte in the head of the chunk.
    #[must_use]
    pub const fn header(self) -> u8 {
        (self.first_known as u8) << 7 | self.change_on
    }

    /// What a chunk with this byte in its head says of its samples.
    pub(crate) const fn from_header(byte: u8) -> Self {
        Self { first_known: byte & 0x80 != 0, change_on: byte & 0x7F, last_ms: 0, distance: 0 }
    }

    /// The number of the first sample with a field of its own; all before have the start of the first.
    pub(crate) fn first_field(self) -> usize {
        if self.change_on == 0 { usize::MAX } else { usize::from(self.change_on) }
    }

    /// Start of the sample read or written last, in milliseconds; zero if nothing is known of it.
    #[must_use]
    pub fn last_ms(self) -> i64 {
        self.last_ms
    }

    /// Takes the start of sample number `index` in a chunk; what is to be written behind it.
    pub(crate) fn next(
        &mut self,
        index: u16,
        timestamp_ms: i64,
        previous_ms: i64,
        start_ms: i64,
    ) -> Option<StartField> {
        if index == 0 {
            self.last_ms = start_ms;
            self.first_known = start_ms != 0;
            return self
                .first_known
                .then(|| StartField::First(timestamp_ms.wrapping_sub(start_ms)));
        }
        let changes = self.change_on == 0 && (start_ms != self.last_ms || index == LAST_CHANGE);
        if changes {
            self.change_on = u8::try_from(index).expect("forced at 127 at the latest");
        }
        self.last_ms = start_ms;
        if self.change_on == 0 {
            return None;
        }
        let distance = previous_ms.wrapping_sub(start_ms);
        let before = if changes { 0 } else { self.distance };
        self.distance = distance;
        Some(StartField::Later(distance.wrapping_sub(before)))
    }

    /// Reads what stands behind the first sample, if anything does.
    pub(crate) fn read_first(
        &mut self,
        timestamp_ms: i64,
        bits: &mut BitReader<'_>,
    ) -> Result<(), DecodeError> {
        if self.first_known {
            self.last_ms = timestamp_ms.wrapping_sub(bits.zigzag_varint()?);
        }
        Ok(())
    }

    /// Reads what stands behind sample number `index`, not the first, if anything does.
    #[inline]
    pub(crate) fn read_later(&mut self, index: usize, previous_ms: i64, bits: &mut BitReader<'_>) {
        if index >= self.first_field() {
            self.distance = self.distance.wrapping_add(bits.int());
            self.last_ms = previous_ms.wrapping_sub(self.distance);
        }
    }
}
