//! The labels of a series that is not known yet: parsed, checked, sorted. The slow path.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::Error;
use super::walk::Fields;
use model::METRIC_NAME;

/// Label pairs of many series, back to back.
pub(super) type Pairs<'b> = Vec<(&'b str, &'b str)>;

/// Appends the labels of a series message to `pairs`, sorted by name, without empty values.
/// `false` if Prometheus skips such a series: no metric name, an empty or repeated label name, text that is not UTF-8.
/// What was appended is then to be thrown away.
pub(super) fn read<'b>(message: &'b [u8], pairs: &mut Pairs<'b>) -> Result<bool, Error> {
    let begin = pairs.len();
    let mut is_text = true;
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
        match (std::str::from_utf8(name), std::str::from_utf8(text)) {
            (Ok(name), Ok(text)) => pairs.push((name, text)),
            _ => is_text = false,
        }
    }
    let Some(own) = pairs.get_mut(begin..) else { return Ok(false) };
    if !own.is_sorted_by(|a, b| a.0 < b.0) {
        own.sort_unstable_by_key(|&(name, _)| name);
    }
    let is_valid = is_text
        && own.iter().all(|(name, _)| !name.is_empty())
        && own.iter().any(|&(name, value)| name == METRIC_NAME && !value.is_empty())
        && own.is_sorted_by(|a, b| a.0 < b.0);
    if is_valid && own.iter().any(|(_, value)| value.is_empty()) {
        let kept: Pairs<'b> = own.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
        pairs.truncate(begin);
        pairs.extend(kept);
    }
    Ok(is_valid)
}
