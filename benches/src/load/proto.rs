//! The little of protobuf that the driver writes and reads.

/// Appends a number.
pub fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number off the front.
pub fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Appends a field of bytes.
pub fn field(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a field of a float.
pub fn double(number: u8, value: f64, out: &mut Vec<u8>) {
    out.push(number << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of a number.
pub fn number(number: u8, value: u64, out: &mut Vec<u8>) {
    out.push(number << 3);
    varint(value, out);
}

/// The fields of a message that hold bytes, with their numbers; ends at the first that makes no sense.
pub fn fields(message: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut rest = message;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let key = take_varint(&mut rest)?;
            let skip = match key & 7 {
                0 => {
                    take_varint(&mut rest)?;
                    0
                }
                1 => 8,
                2 => {
                    let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                    let (bytes, tail) = rest.split_at_checked(length)?;
                    rest = tail;
                    return Some((key >> 3, bytes));
                }
                _ => 4,
            };
            rest = rest.get(skip..)?;
        }
        None
    })
}
