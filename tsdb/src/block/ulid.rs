//! The names of blocks: 48 bits of milliseconds, 80 random bits, written in base 32 so that text order is time order.

use std::fmt;
use std::str::FromStr;

/// The digits: no I, L, O, U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LEN: usize = 26;

/// Names a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ulid(u128);

/// A text that is not a ULID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a ULID: 26 digits of Crockford's base 32 are expected")]
pub struct ParseUlidError;

impl Ulid {
    /// All zeros: stands for no block.
    pub const ZERO: Self = Self(0);

    /// A name for a block made at `now_ms`; the low 80 bits of `random` tell it from others of that time.
    #[must_use]
    pub fn new(now_ms: i64, random: u128) -> Self {
        let time = u128::from(now_ms.max(0) as u64 & ((1 << 48) - 1));
        Self(time << 80 | random & ((1 << 80) - 1))
    }

    /// When the block was made.
    #[must_use]
    pub fn time_ms(self) -> i64 {
        (self.0 >> 80) as i64
    }
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; LEN];
        for (place, byte) in text.iter_mut().enumerate() {
            *byte = DIGITS[(self.0 >> (5 * (LEN - 1 - place)) & 31) as usize];
        }
        f.pad(std::str::from_utf8(&text).expect("the digits are ASCII"))
    }
}

impl FromStr for Ulid {
    type Err = ParseUlidError;
    fn from_str(text: &str) -> Result<Self, ParseUlidError> {
        let bytes = text.as_bytes();
        // The first digit has three bits only: 26 digits hold 130 bits.
        if bytes.len() != LEN || bytes[0] > b'7' {
            return Err(ParseUlidError);
        }
        let mut number = 0;
        for byte in bytes {
            let upper = byte.to_ascii_uppercase();
            let digit = DIGITS.iter().position(|&d| d == upper).ok_or(ParseUlidError)?;
            number = number << 5 | digit as u128;
        }
        Ok(Self(number))
    }
}
