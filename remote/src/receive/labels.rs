//! The labels of a series that is not known yet: parsed, checked, sorted. The slow path.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::proto::{Fields, Malformed};
use model::METRIC_NAME;

/// Label pairs of many series, back to back.
pub(super) type Pairs<'b> = Vec<(&'b str, &'b str)>;

/// Name and value before it is known whether they are text.
type RawPair<'b> = (&'b [u8], &'b [u8]);

/// Name and value of each label message of `message`, the labels being its field 1.
fn raw(message: &[u8]) -> Result<Vec<RawPair<'_>>, Malformed> {
    let mut raw = Vec::new();
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        if field != 1 {
            continue;
        }
        let (mut name, mut text): (&[u8], &[u8]) = (&[], &[]);
        let mut label = Fields(value.bytes(1)?);
        while let Some((field, value)) = label.next()? {
            match field {
                1 => name = value.bytes(1)?,
                2 => text = value.bytes(2)?,
                _ => {}
            }
        }
        raw.push((name, text));
    }
    Ok(raw)
}

/// Appends labels to `pairs`, sorted by name, without empty values. `false`, and nothing is appended, if one is not
/// UTF-8.
pub(super) fn push_sorted<'b>(
    raw: impl Iterator<Item = (&'b [u8], &'b [u8])>,
    pairs: &mut Pairs<'b>,
) -> bool {
    let begin = pairs.len();
    for (name, value) in raw {
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else {
            pairs.truncate(begin);
            return false;
        };
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    if let Some(own) = pairs.get_mut(begin..)
        && !own.is_sorted_by(|a, b| a.0 < b.0)
    {
        own.sort_by_key(|&(name, _)| name);
    }
    true
}

/// Appends the labels of a series message to `pairs`, sorted by name, without empty values.
/// `false`, and nothing is appended, if Prometheus skips such a series: no metric name, an empty or repeated label
/// name, text that is not UTF-8.
pub(super) fn read<'b>(message: &'b [u8], pairs: &mut Pairs<'b>) -> Result<bool, Malformed> {
    let begin = pairs.len();
    let mut raw = raw(message)?;
    raw.sort_by_key(|&(name, _)| name);
    let is_valid = raw.is_sorted_by(|a, b| a.0 < b.0)
        && raw.iter().all(|(name, _)| !name.is_empty())
        && raw.iter().any(|(name, value)| *name == METRIC_NAME.as_bytes() && !value.is_empty())
        && push_sorted(raw.into_iter(), pairs);
    if !is_valid {
        pairs.truncate(begin);
    }
    Ok(is_valid)
}

/// Appends the labels of an exemplar message of 1.0, and answers its time and value; `None` if a label is not UTF-8.
pub(super) fn exemplar<'b>(
    message: &'b [u8],
    pairs: &mut Pairs<'b>,
) -> Result<Option<(i64, f64)>, Malformed> {
    let is_text = push_sorted(raw(message)?.into_iter(), pairs);
    let (mut timestamp_ms, mut number) = (0, 0.0);
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            2 => number = value.double(2)?,
            3 => timestamp_ms = value.varint(3)?.cast_signed(),
            _ => {}
        }
    }
    Ok(is_text.then_some((timestamp_ms, number)))
}
