//! Protocol buffers on the wire: a reader that borrows everything and a writer that appends to one buffer.
//! Foreign bytes: every length is checked, nothing panics, nothing is allocated by a claimed size. What messages mean
//! is known to the modules that walk them.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub(crate) mod histogram;
#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "our own bytes")]
pub(crate) mod write;

/// Bytes that are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The message ends within a field.
    #[error("unexpected EOF")]
    CutOff,
    /// A number of more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A field of another kind than it should have.
    #[error("proto: wrong wireType for field {0}")]
    WireType(u64),
    /// A kind that no field has.
    #[error("proto: illegal wireType {0}")]
    IllegalWireType(u64),
    /// A field without a number.
    #[error("proto: illegal tag 0")]
    Tag,
    /// Messages in messages in messages.
    #[error("proto: nested too deeply")]
    TooDeep,
}

type Result<T> = std::result::Result<T, Malformed>;

/// The value of a field, by its wire type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'b> {
    Varint(u64),
    Fixed64(u64),
    /// Four bytes, or a group: no message here has any, and where they stand they are passed over.
    Other,
    Bytes(&'b [u8]),
}

impl<'b> Value<'b> {
    /// The bytes of a message or string; an error for another wire type.
    #[inline]
    pub(crate) fn bytes(self, field: u64) -> Result<&'b [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed::WireType(field)),
        }
    }

    /// A number without a sign, or one whose sign was folded in.
    #[inline]
    pub(crate) fn varint(self, field: u64) -> Result<u64> {
        match self {
            Self::Varint(number) => Ok(number),
            _ => Err(Malformed::WireType(field)),
        }
    }

    /// Eight bytes.
    pub(crate) fn fixed64(self, field: u64) -> Result<u64> {
        match self {
            Self::Fixed64(number) => Ok(number),
            _ => Err(Malformed::WireType(field)),
        }
    }

    /// A double.
    pub(crate) fn double(self, field: u64) -> Result<f64> {
        self.fixed64(field).map(f64::from_bits)
    }

    /// Adds the numbers of a repeated field, packed or single, to `out`.
    pub(crate) fn push_varints<T>(
        self,
        field: u64,
        out: &mut Vec<T>,
        read: impl Fn(u64) -> T,
    ) -> Result<()> {
        match self {
            Self::Varint(number) => out.push(read(number)),
            Self::Bytes(bytes) => {
                let mut reader = Reader(bytes);
                while !reader.0.is_empty() {
                    out.push(read(reader.varint()?));
                }
            }
            _ => return Err(Malformed::WireType(field)),
        }
        Ok(())
    }

    /// Adds the eight-byte numbers of a repeated field, packed or single, to `out`.
    pub(crate) fn push_fixed64s<T>(
        self,
        field: u64,
        out: &mut Vec<T>,
        read: impl Fn(u64) -> T,
    ) -> Result<()> {
        match self {
            Self::Fixed64(number) => out.push(read(number)),
            Self::Bytes(bytes) => {
                let (numbers, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(Malformed::CutOff);
                }
                out.extend(numbers.iter().map(|number| read(u64::from_le_bytes(*number))));
            }
            _ => return Err(Malformed::WireType(field)),
        }
        Ok(())
    }
}

/// A number whose sign was folded into its lowest bit.
pub(crate) fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg()
}

/// The fields of a message, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'b>(pub(crate) &'b [u8]);

impl<'b> Fields<'b> {
    /// Number and value of the next field; `None` at the end.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value<'b>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader(self.0);
        let key = reader.varint()?;
        let field = key >> 3;
        let value = match key & 7 {
            0 => Value::Varint(reader.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(reader.array()?)),
            2 => Value::Bytes(reader.prefixed()?),
            3 => {
                reader.skip_group()?;
                Value::Other
            }
            5 => {
                reader.array::<4>()?;
                Value::Other
            }
            kind => return Err(Malformed::IllegalWireType(kind)),
        };
        if field == 0 {
            return Err(Malformed::Tag);
        }
        self.0 = reader.0;
        Ok(Some((field, value)))
    }
}

/// Numbers and bytes from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl<'b> Reader<'b> {
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64> {
        if let [byte @ ..0x80, tail @ ..] = self.0 {
            self.0 = tail;
            return Ok(u64::from(*byte));
        }
        // Lengths of messages and places in tables mostly take two.
        if let [low, high @ ..0x80, tail @ ..] = self.0 {
            self.0 = tail;
            return Ok(u64::from(low & 0x7F) | u64::from(*high) << 7);
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut number = 0_u64;
        for (index, &byte) in self.0.iter().enumerate().take(10) {
            let shift = 7_u32.wrapping_mul(index as u32);
            number |= u64::from(byte & 0x7F).wrapping_shl(shift);
            if byte < 0x80 {
                self.0 = self.0.get(index.saturating_add(1)..).unwrap_or_default();
                return Ok(number);
            }
        }
        Err(if self.0.len() < 10 { Malformed::CutOff } else { Malformed::Overflow })
    }

    /// Passes over the fields of a group, with the groups in it, and its end.
    fn skip_group(&mut self) -> Result<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.varint()? & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.array::<8>()?),
                2 => drop(self.prefixed()?),
                3 => depth = depth.saturating_add(1),
                4 => depth = depth.saturating_sub(1),
                5 => drop(self.array::<4>()?),
                kind => return Err(Malformed::IllegalWireType(kind)),
            }
        }
        Ok(())
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, tail) = self.0.split_first_chunk().ok_or(Malformed::CutOff)?;
        self.0 = tail;
        Ok(*array)
    }

    /// Bytes after their length.
    #[inline]
    pub(crate) fn prefixed(&mut self) -> Result<&'b [u8]> {
        let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let (bytes, tail) = self.0.split_at_checked(len).ok_or(Malformed::CutOff)?;
        self.0 = tail;
        Ok(bytes)
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests may panic")]
mod tests;
