//! The wire format of protobuf: fields of a message, one after the other, without copies. Knows no message.

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error("a message ends in the middle of a field")]
    Cut,
    #[error("a number is longer than 64 bits")]
    Varint,
    #[error("field number {0} is not valid")]
    Number(u64),
    #[error("field {0} has wire type {1}, which does not belong to it")]
    Type(u32, u8),
    #[error("the end of a group that did not begin")]
    Group,
}

/// Groups within groups that are passed over at most.
const MAX_DEPTH: usize = 64;

/// A field: its number and what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    value: Value<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Field<'a> {
    fn wrong_type(&self) -> WireError {
        let wire_type = match self.value {
            Value::Varint(_) => 0,
            Value::Fixed64(_) => 1,
            Value::Bytes(_) => 2,
            Value::Fixed32 => 5,
        };
        WireError::Type(self.number, wire_type)
    }

    pub(super) fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong_type()),
        }
    }

    pub(super) fn varint(&self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(number) => Ok(number),
            _ => Err(self.wrong_type()),
        }
    }

    pub(super) fn double(&self) -> Result<f64, WireError> {
        match self.value {
            Value::Fixed64(bytes) => Ok(f64::from_le_bytes(bytes)),
            _ => Err(self.wrong_type()),
        }
    }

    /// Zigzag numbers of up to 32 bits.
    pub(super) fn sint32(&self) -> Result<i32, WireError> {
        self.varint().map(|number| zigzag(u64::from(number as u32)) as i32)
    }

    /// A repeated zigzag number, packed or a single one.
    pub(super) fn push_sint64(&self, out: &mut Vec<i64>) -> Result<(), WireError> {
        match self.value {
            Value::Varint(number) => out.push(zigzag(number)),
            Value::Bytes(bytes) => {
                // A number takes a byte or more.
                out.reserve(bytes.len());
                let mut fields = Fields::new(bytes);
                while !fields.rest.is_empty() {
                    out.push(zigzag(fields.varint()?));
                }
            }
            _ => return Err(self.wrong_type()),
        }
        Ok(())
    }

    /// A repeated float, packed or a single one.
    pub(super) fn push_double(&self, out: &mut Vec<f64>) -> Result<(), WireError> {
        match self.value {
            Value::Fixed64(bytes) => out.push(f64::from_le_bytes(bytes)),
            Value::Bytes(bytes) => {
                let (numbers, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(WireError::Cut);
                }
                out.extend(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)));
            }
            _ => return Err(self.wrong_type()),
        }
        Ok(())
    }
}

fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// The fields of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Bytes that are not read yet.
    pub(super) fn rest_len(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError::Cut)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        if let [byte @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        if let [low, high @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(low & 0x7f) | u64::from(*high) << 7);
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut number = 0_u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            if index == 9 && byte > 1 {
                return Err(WireError::Varint);
            }
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.take(index + 1)?;
                return Ok(number);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Cut } else { WireError::Varint })
    }

    /// A length and as many bytes.
    pub(super) fn delimited(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireError::Cut)?;
        self.take(length)
    }

    /// The next field; groups are passed over.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, WireError> {
        // Tags of fields below 16 are one byte.
        let [tag @ 8..0x80, rest @ ..] = self.rest else { return self.next_of_any() };
        let value = match tag & 7 {
            0..=2 => {
                self.rest = rest;
                match tag & 7 {
                    0 => Value::Varint(self.varint()?),
                    1 => Value::Fixed64(*self.take(8)?.first_chunk().ok_or(WireError::Cut)?),
                    _ => Value::Bytes(self.delimited()?),
                }
            }
            _ => return self.next_of_any(),
        };
        Ok(Some(Field { number: u32::from(tag >> 3), value }))
    }

    fn next_of_any(&mut self) -> Result<Option<Field<'a>>, WireError> {
        let mut depth = 0_usize;
        while !self.rest.is_empty() {
            let tag = self.varint()?;
            let number =
                u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
            let number = number.ok_or(WireError::Number(tag >> 3))?;
            let value = match tag & 7 {
                0 => Value::Varint(self.varint()?),
                1 => Value::Fixed64(*self.take(8)?.first_chunk().ok_or(WireError::Cut)?),
                2 => Value::Bytes(self.delimited()?),
                3 if depth < MAX_DEPTH => {
                    depth += 1;
                    continue;
                }
                4 if depth > 0 => {
                    depth -= 1;
                    continue;
                }
                5 => {
                    self.take(4)?;
                    Value::Fixed32
                }
                3 | 4 => return Err(WireError::Group),
                wire_type => return Err(WireError::Type(number, wire_type as u8)),
            };
            if depth == 0 {
                return Ok(Some(Field { number, value }));
            }
        }
        if depth == 0 { Ok(None) } else { Err(WireError::Cut) }
    }
}
