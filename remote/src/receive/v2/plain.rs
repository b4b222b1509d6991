//! Series messages as nearly every sender writes them: references, one sample, perhaps metadata, in this order and nothing
//! else. What does not look like that is left to the walk over all fields, which also tells what is wrong with it.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::Table;
use crate::proto::Fields;
use crate::receive::cache::{Joint, Key};
use crate::receive::v1::plain_sample;

/// What such a message holds.
pub(super) struct Plain {
    /// That of its labels.
    pub(super) key: Key,
    pub(super) timestamp_ms: i64,
    pub(super) value: f64,
}

/// Reads a message; `None` if it looks different.
#[inline]
pub(super) fn read(message: &[u8], table: &Table<'_>, mut joint: Joint) -> Option<Plain> {
    let (mut refs, tail) = field(0x0A, message)?;
    if refs.is_empty() {
        return None;
    }
    while !refs.is_empty() {
        let name = index(&mut refs)?;
        let value = index(&mut refs)?;
        joint.add_pair(*table.keys.get(name)?, *table.keys.get(value)?);
    }
    let (sample, tail) = field(0x12, tail)?;
    let (timestamp_ms, value) = plain_sample(sample)?;
    if !tail.is_empty() && !is_metadata(tail, table) {
        return None;
    }
    Some(Plain { key: joint.key(), timestamp_ms, value })
}

/// The content of a short field of this tag at the front of a message, and what follows.
#[inline]
fn field(tag: u8, message: &[u8]) -> Option<(&[u8], &[u8])> {
    match message {
        [first, len @ ..0x80, tail @ ..] if *first == tag => {
            tail.split_at_checked(usize::from(*len))
        }
        _ => None,
    }
}

/// A place in the table, of at most two bytes.
#[inline]
fn index(refs: &mut &[u8]) -> Option<usize> {
    let (index, tail) = match refs {
        [low @ ..0x80, tail @ ..] => (usize::from(*low), tail),
        [low, high @ ..0x80, tail @ ..] => {
            (usize::from(low & 0x7F) | usize::from(*high) << 7, tail)
        }
        _ => return None,
    };
    *refs = tail;
    Some(index)
}

/// Whether this is metadata, all of it, whose texts are in the table.
fn is_metadata(tail: &[u8], table: &Table<'_>) -> bool {
    let Some((metadata, [])) = field(0x2A, tail) else { return false };
    let mut fields = Fields(metadata);
    loop {
        match fields.next() {
            Ok(None) => return true,
            Ok(Some((field, value))) => {
                let text = if matches!(field, 3 | 4) { value.varint(field) } else { Ok(0) };
                // References are read as 32 bits where all fields are.
                if !text.is_ok_and(|text| (text as u32 as usize) < table.keys.len()) {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
}
