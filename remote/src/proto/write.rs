//! Writes messages: fields appended to one buffer, lengths filled in behind. Zeros are left out, as senders do.

/// A number, seven bits a byte.
#[inline]
pub(crate) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// How many bytes [`varint`] appends.
#[inline]
pub(crate) fn varint_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros()).div_ceil(7) as usize
}

/// Folds the sign of a number into its lowest bit.
pub(crate) fn zigzag(number: i64) -> u64 {
    (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned()
}

/// The key of a field.
#[inline]
fn key(out: &mut Vec<u8>, field: u32, kind: u32) {
    varint(out, u64::from(field << 3 | kind));
}

/// A number without a sign; nothing if it is zero.
#[inline]
pub(crate) fn uint(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        always_uint(out, field, number);
    }
}

/// A number without a sign, even if it is zero: members of a choice.
#[inline]
pub(crate) fn always_uint(out: &mut Vec<u8>, field: u32, number: u64) {
    key(out, field, 0);
    varint(out, number);
}

/// A number with a sign as its two's complement; nothing if it is zero.
#[inline]
pub(crate) fn int(out: &mut Vec<u8>, field: u32, number: i64) {
    uint(out, field, number.cast_unsigned());
}

/// A number with its sign folded in; nothing if it is zero.
pub(crate) fn sint(out: &mut Vec<u8>, field: u32, number: i64) {
    uint(out, field, zigzag(number));
}

/// A double; nothing if all its bits are zero.
#[inline]
pub(crate) fn double(out: &mut Vec<u8>, field: u32, number: f64) {
    if number.to_bits() != 0 {
        always_double(out, field, number);
    }
}

/// A double, even if it is zero: members of a choice.
#[inline]
pub(crate) fn always_double(out: &mut Vec<u8>, field: u32, number: f64) {
    key(out, field, 1);
    out.extend_from_slice(&number.to_bits().to_le_bytes());
}

/// Bytes or a text; nothing if there are none.
#[inline]
pub(crate) fn bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        always_bytes(out, field, bytes);
    }
}

/// How many bytes [`bytes()`] appends for a field below 16.
#[inline]
pub(crate) fn bytes_len(bytes: &[u8]) -> usize {
    if bytes.is_empty() { 0 } else { 1 + varint_len(bytes.len() as u64) + bytes.len() }
}

/// Bytes or a text, even if there are none: elements of a list.
#[inline]
pub(crate) fn always_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    prefix(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// What stands before a text or message of `len` bytes.
#[inline]
pub(crate) fn prefix(out: &mut Vec<u8>, field: u32, len: usize) {
    key(out, field, 2);
    varint(out, len as u64);
}

/// A message, or a packed list, that `fill` writes.
#[inline]
pub(crate) fn message(out: &mut Vec<u8>, field: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, 2);
    let begin = out.len();
    out.push(0);
    fill(out);
    let len = out.len() - begin - 1;
    if len < 0x80 {
        out[begin] = len as u8;
        return;
    }
    let more = varint_len(len as u64) - 1;
    out.resize(out.len() + more, 0);
    out.copy_within(begin + 1..begin + 1 + len, begin + 1 + more);
    let mut rest = len;
    for byte in &mut out[begin..begin + more] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[begin + more] = rest as u8;
}

/// A packed list of doubles; nothing if it is empty.
pub(crate) fn doubles(out: &mut Vec<u8>, field: u32, numbers: &[f64]) {
    if numbers.is_empty() {
        return;
    }
    key(out, field, 2);
    varint(out, numbers.len() as u64 * 8);
    for number in numbers {
        out.extend_from_slice(&number.to_bits().to_le_bytes());
    }
}

/// A packed list of numbers with their signs folded in; nothing if it is empty.
pub(crate) fn sints(out: &mut Vec<u8>, field: u32, numbers: &[i64]) {
    if !numbers.is_empty() {
        message(out, field, |out| {
            for &number in numbers {
                varint(out, zigzag(number));
            }
        });
    }
}

/// A packed list of numbers without signs; nothing if it is empty.
pub(crate) fn uints(out: &mut Vec<u8>, field: u32, numbers: impl ExactSizeIterator<Item = u64>) {
    if numbers.len() > 0 {
        message(out, field, |out| {
            for number in numbers {
                varint(out, number);
            }
        });
    }
}
