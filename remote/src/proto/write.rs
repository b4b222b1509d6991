//! Writes messages: fields appended to one buffer, lengths filled in behind. Zeros are left out, as senders do.

/// A number, seven bits a byte.
pub(crate) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Folds the sign of a number into its lowest bit.
pub(crate) fn zigzag(number: i64) -> u64 {
    (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned()
}

/// The key of a field.
fn key(out: &mut Vec<u8>, field: u32, kind: u32) {
    varint(out, u64::from(field << 3 | kind));
}

/// A number without a sign; nothing if it is zero.
pub(crate) fn uint(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        always_uint(out, field, number);
    }
}

/// A number without a sign, even if it is zero: members of a choice.
pub(crate) fn always_uint(out: &mut Vec<u8>, field: u32, number: u64) {
    key(out, field, 0);
    varint(out, number);
}

/// A number with a sign as its two's complement; nothing if it is zero.
pub(crate) fn int(out: &mut Vec<u8>, field: u32, number: i64) {
    uint(out, field, number.cast_unsigned());
}

/// A number with its sign folded in; nothing if it is zero.
pub(crate) fn sint(out: &mut Vec<u8>, field: u32, number: i64) {
    uint(out, field, zigzag(number));
}

/// A double; nothing if all its bits are zero.
pub(crate) fn double(out: &mut Vec<u8>, field: u32, number: f64) {
    if number.to_bits() != 0 {
        always_double(out, field, number);
    }
}

/// A double, even if it is zero: members of a choice.
pub(crate) fn always_double(out: &mut Vec<u8>, field: u32, number: f64) {
    key(out, field, 1);
    out.extend_from_slice(&number.to_bits().to_le_bytes());
}

/// Bytes or a text; nothing if there are none.
pub(crate) fn bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        always_bytes(out, field, bytes);
    }
}

/// Bytes or a text, even if there are none: elements of a list.
pub(crate) fn always_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    key(out, field, 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A message, or a packed list, that `fill` writes.
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
    let mut prefix = Vec::with_capacity(10);
    varint(&mut prefix, len as u64);
    out.splice(begin..=begin, prefix);
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
