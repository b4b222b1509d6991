//! Records of what is told beside samples: exemplars, and type, unit and help of series. Both ways.

use super::decode::Cursor;
use super::encode::{push_text, push_uvarint, zigzag};
use super::{DecodeError, EXEMPLARS, METADATA};
use model::metadata::{Metadata, MetricType};

/// Exemplars as columns; their labels are borrowed pairs, back to back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exemplars<'a> {
    /// References of the series they belong to.
    pub refs: Vec<u64>,
    /// Times in milliseconds.
    pub timestamps_ms: Vec<i64>,
    /// Values.
    pub values: Vec<f64>,
    /// Names and values of the labels of all exemplars.
    pub pairs: Vec<(&'a str, &'a str)>,
    /// For each exemplar, the end of its pairs.
    pub ends: Vec<u32>,
    /// Exemplars left out because a label is not UTF-8.
    pub not_text: usize,
}

/// An exemplar of a record: series, time in milliseconds, value, labels.
pub type ExemplarRow<'a> = (u64, i64, f64, &'a [(&'a str, &'a str)]);

impl Exemplars<'_> {
    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = ExemplarRow<'_>> {
        (0..self.refs.len()).map(|row| {
            let begin = row.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
            let pairs = &self.pairs[begin..self.ends[row] as usize];
            (self.refs[row], self.timestamps_ms[row], self.values[row], pairs)
        })
    }
}

/// The exemplars of a record of that kind.
pub fn decode_exemplars(record: &[u8]) -> Result<Exemplars<'_>, DecodeError> {
    let mut body = Cursor::body(record, EXEMPLARS)?;
    let mut out = Exemplars::default();
    if body.0.is_empty() {
        return Ok(out);
    }
    let none = DecodeError::ExemplarSize { exemplars: 0 };
    let base_ref = body.u64_be().ok_or(none)?;
    let base_ms = body.u64_be().ok_or(none)? as i64;
    let mut begun = 0;
    while !body.0.is_empty() {
        begun += 1;
        let broken = DecodeError::ExemplarSize { exemplars: begun };
        let mut head = || Some((body.varint()?, body.varint()?, body.u64_be()?, body.uvarint()?));
        let (ref_delta, ms_delta, bits, count) = head().ok_or(broken)?;
        let begin = out.pairs.len();
        let mut is_text = true;
        for _ in 0..count {
            let mut pair = || Some((body.text()?, body.text()?));
            match pair().ok_or(broken)? {
                (Some(name), Some(value)) => out.pairs.push((name, value)),
                _ => is_text = false,
            }
        }
        if !is_text {
            out.pairs.truncate(begin);
            out.not_text += 1;
            continue;
        }
        out.refs.push(base_ref.wrapping_add_signed(ref_delta));
        out.timestamps_ms.push(base_ms.wrapping_add(ms_delta));
        out.values.push(f64::from_bits(bits));
        out.ends.push(u32::try_from(out.pairs.len()).map_err(|_| broken)?);
    }
    Ok(out)
}

/// Appends one record of exemplars: series, time in milliseconds, value, labels.
pub fn encode_exemplars<'a, L>(
    out: &mut Vec<u8>,
    rows: impl IntoIterator<Item = (u64, i64, f64, L)>,
) where
    L: Iterator<Item = (&'a str, &'a str)> + Clone,
{
    out.push(EXEMPLARS);
    let mut base = None;
    for (number, timestamp_ms, value, pairs) in rows {
        let (base_ref, base_ms) = *base.get_or_insert_with(|| {
            out.extend_from_slice(&number.to_be_bytes());
            out.extend_from_slice(&timestamp_ms.to_be_bytes());
            (number, timestamp_ms)
        });
        push_uvarint(out, zigzag(number.wrapping_sub(base_ref) as i64));
        push_uvarint(out, zigzag(timestamp_ms.wrapping_sub(base_ms)));
        out.extend_from_slice(&value.to_bits().to_be_bytes());
        push_uvarint(out, pairs.clone().count() as u64);
        for (name, value) in pairs {
            push_text(out, name);
            push_text(out, value);
        }
    }
}

/// The metric types by their number on disk.
const TYPES: [MetricType; 8] = [
    MetricType::Unknown,
    MetricType::Counter,
    MetricType::Gauge,
    MetricType::Histogram,
    MetricType::GaugeHistogram,
    MetricType::Summary,
    MetricType::Info,
    MetricType::StateSet,
];

/// Replaces `out` with what a record says of series. A number that is no type is read as an unknown one, a field that
/// has no meaning passed over; bytes that are no UTF-8 are replaced, for a text that only people read.
pub fn decode_metadata(record: &[u8], out: &mut Vec<(u64, Metadata)>) -> Result<(), DecodeError> {
    out.clear();
    let mut body = Cursor::body(record, METADATA)?;
    while !body.0.is_empty() {
        let mut head = || Some((body.uvarint()?, body.u8()?, body.uvarint()?));
        let (number, metric_type, count) = head().ok_or(DecodeError::Size)?;
        let metric_type = TYPES.get(usize::from(metric_type)).copied().unwrap_or_default();
        let mut told = Metadata { metric_type, ..Metadata::default() };
        for _ in 0..count {
            let mut field = || Some((body.bytes()?, body.bytes()?));
            let (key, value) = field().ok_or(DecodeError::Size)?;
            let text = || String::from_utf8_lossy(value).into_owned().into_boxed_str();
            match key {
                b"UNIT" => told.unit = text(),
                b"HELP" => told.help = text(),
                _ => {}
            }
        }
        out.push((number, told));
    }
    Ok(())
}

/// Appends one record of what series are.
pub fn encode_metadata<'a>(out: &mut Vec<u8>, rows: impl IntoIterator<Item = (u64, &'a Metadata)>) {
    out.push(METADATA);
    for (number, told) in rows {
        push_uvarint(out, number);
        let place = TYPES.iter().position(|kind| *kind == told.metric_type);
        out.push(place.expect("every type has a number") as u8);
        push_uvarint(out, 2);
        push_text(out, "UNIT");
        push_text(out, &told.unit);
        push_text(out, "HELP");
        push_text(out, &told.help);
    }
}
