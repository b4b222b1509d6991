//! Records of native histograms, kinds 7 to 10: integer and float counts, custom buckets in records of their own.
//! The same bytes follow each other in the kinds with start timestamps, which are not read here yet.

use super::decode::{Cursor, DecodeError};
use super::encode::{push_uvarint, zigzag};
use model::histogram::{
    CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout,
    MAX_SCHEMA, Span,
};
use std::sync::Arc;

const INT: u8 = 7;
const FLOAT: u8 = 8;
const CUSTOM_INT: u8 = 9;
const CUSTOM_FLOAT: u8 = 10;

/// Native histograms as columns of equal length.
#[derive(Clone, Debug, Default)]
pub struct Histograms {
    /// The series.
    pub refs: Vec<u64>,
    /// Their times.
    pub timestamps_ms: Vec<i64>,
    /// The samples.
    pub values: Vec<Histogram>,
    /// How many were left out because nobody knows their schema.
    pub unknown_schemas: usize,
    /// How many were left out because their spans and buckets disagree.
    pub contradictory: usize,
}

impl Histograms {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.refs.clear();
        self.timestamps_ms.clear();
        self.values.clear();
        self.unknown_schemas = 0;
        self.contradictory = 0;
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = (u64, i64, &Histogram)> + Clone {
        let columns = self.refs.iter().zip(&self.timestamps_ms).zip(&self.values);
        columns.map(|((&number, &timestamp_ms), value)| (number, timestamp_ms, value))
    }
}

/// Replaces `out` with the histograms of a record of kind 7 to 10. Resolutions finer than ours are brought down.
pub fn decode_histograms(record: &[u8], out: &mut Histograms) -> Result<(), DecodeError> {
    out.clear();
    let is_float = match record.first() {
        Some(&(INT | CUSTOM_INT)) => false,
        Some(&(FLOAT | CUSTOM_FLOAT)) => true,
        _ => return Err(DecodeError::Kind),
    };
    let mut body = Cursor(&record[1..]);
    if body.0.is_empty() {
        return Ok(());
    }
    let none = DecodeError::HistogramSize { histograms: 0 };
    let base_ref = body.u64_be().ok_or(none)?;
    let base_ms = body.u64_be().ok_or(none)? as i64;
    let mut row = 0;
    while !body.0.is_empty() {
        let mut read = || {
            let (ref_delta, ms_delta) = (body.varint()?, body.varint()?);
            let value = if is_float { float(&mut body)? } else { int(&mut body)? };
            Some((ref_delta, ms_delta, value))
        };
        let Some((ref_delta, ms_delta, mut value)) = read() else {
            return Err(DecodeError::HistogramSize { histograms: row + 1 });
        };
        row += 1;
        let schema = value.layout().schema;
        if schema != CUSTOM_BUCKETS_SCHEMA && !(-9..=52).contains(&schema) {
            out.unknown_schemas += 1;
            continue;
        }
        if !has_its_buckets(&value) {
            if schema > MAX_SCHEMA {
                return Err(DecodeError::HistogramBuckets { histogram: row });
            }
            // The reference takes it and dies of it later.
            out.contradictory += 1;
            continue;
        }
        value.fit_schema();
        out.refs.push(base_ref.wrapping_add_signed(ref_delta));
        out.timestamps_ms.push(base_ms.wrapping_add(ms_delta));
        out.values.push(value);
    }
    Ok(())
}

/// Whether there are as many buckets as the spans say.
fn has_its_buckets(histogram: &Histogram) -> bool {
    let layout = histogram.layout();
    let needed = |spans: &[Span]| spans.iter().map(|span| u64::from(span.length)).sum::<u64>();
    let (positive, negative) = match histogram {
        Histogram::Int(h) => (h.positive_deltas.len(), h.negative_deltas.len()),
        Histogram::Float(h) => (h.positive.len(), h.negative.len()),
    };
    needed(&layout.positive_spans) == positive as u64
        && needed(&layout.negative_spans) == negative as u64
}

impl Cursor<'_> {
    fn float(&mut self) -> Option<f64> {
        self.u64_be().map(f64::from_bits)
    }

    /// A count of things of at least `size` bytes that are all there.
    fn count(&mut self, size: usize) -> Option<usize> {
        let count = usize::try_from(self.uvarint()?).ok()?;
        (count <= self.0.len() / size).then_some(count)
    }

    fn floats(&mut self) -> Option<Vec<f64>> {
        (0..self.count(8)?).map(|_| self.float()).collect()
    }

    fn varints(&mut self) -> Option<Vec<i64>> {
        (0..self.count(1)?).map(|_| self.varint()).collect()
    }

    fn spans(&mut self) -> Option<Vec<Span>> {
        let count = self.count(2)?;
        let span = |cursor: &mut Self| {
            let offset = i32::try_from(cursor.varint()?).ok()?;
            Some(Span { offset, length: u32::try_from(cursor.uvarint()?).ok()? })
        };
        (0..count).map(|_| span(self)).collect()
    }

    fn head(&mut self) -> Option<(CounterResetHint, Layout)> {
        let (&hint, rest) = self.0.split_first()?;
        self.0 = rest;
        let hint = match hint {
            1 => CounterResetHint::CounterReset,
            2 => CounterResetHint::NotCounterReset,
            3 => CounterResetHint::Gauge,
            _ => CounterResetHint::Unknown,
        };
        let schema = i32::try_from(self.varint()?).ok()?;
        let zero_threshold = self.float()?;
        Some((hint, Layout { schema, zero_threshold, ..Layout::default() }))
    }

    fn custom_values(&mut self, layout: &mut Layout) -> Option<()> {
        if layout.schema == CUSTOM_BUCKETS_SCHEMA {
            layout.custom_values = self.floats()?;
        }
        Some(())
    }
}

fn int(body: &mut Cursor<'_>) -> Option<Histogram> {
    let (hint, mut layout) = body.head()?;
    let (zero_count, count, sum) = (body.uvarint()?, body.uvarint()?, body.float()?);
    (layout.positive_spans, layout.negative_spans) = (body.spans()?, body.spans()?);
    let (positive_deltas, negative_deltas) = (body.varints()?, body.varints()?);
    body.custom_values(&mut layout)?;
    let layout = Arc::new(layout);
    Some(Histogram::Int(IntHistogram {
        layout,
        hint,
        zero_count,
        count,
        sum,
        positive_deltas,
        negative_deltas,
    }))
}

fn float(body: &mut Cursor<'_>) -> Option<Histogram> {
    let (hint, mut layout) = body.head()?;
    let (zero_count, count, sum) = (body.float()?, body.float()?, body.float()?);
    (layout.positive_spans, layout.negative_spans) = (body.spans()?, body.spans()?);
    let (positive, negative) = (body.floats()?, body.floats()?);
    body.custom_values(&mut layout)?;
    let layout = Arc::new(layout);
    Some(Histogram::Float(FloatHistogram {
        layout,
        hint,
        zero_count,
        count,
        sum,
        positive,
        negative,
    }))
}

/// Appends to `records` the records of histograms of one transaction, in the order in which Prometheus logs them:
/// integers, those with custom buckets, floats, those with custom buckets.
pub fn encode_histograms<'h>(
    rows: &(impl Iterator<Item = (u64, i64, &'h Histogram)> + Clone),
    records: &mut Vec<Vec<u8>>,
) {
    for (is_float, kind, custom_kind) in [(false, INT, CUSTOM_INT), (true, FLOAT, CUSTOM_FLOAT)] {
        let of_kind = rows.clone().filter(|row| matches!(row.2, Histogram::Float(_)) == is_float);
        // Both records count from the first sample of the kind, whichever of them it is in.
        let Some((base_ref, base_ms, _)) = of_kind.clone().next() else { continue };
        for (kind, is_custom) in [(kind, false), (custom_kind, true)] {
            let mut part =
                of_kind.clone().filter(|row| row.2.layout().is_custom() == is_custom).peekable();
            if part.peek().is_none() {
                continue;
            }
            let mut out = vec![kind];
            let base = if is_custom {
                part.peek().map_or((0, 0), |row| (row.0, row.1))
            } else {
                (base_ref, base_ms)
            };
            out.extend_from_slice(&base.0.to_be_bytes());
            out.extend_from_slice(&base.1.to_be_bytes());
            for (number, timestamp_ms, value) in part {
                push_uvarint(&mut out, zigzag(number.wrapping_sub(base.0) as i64));
                push_uvarint(&mut out, zigzag(timestamp_ms.wrapping_sub(base.1)));
                push_histogram(&mut out, value);
            }
            records.push(out);
        }
    }
}

fn push_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    let layout = histogram.layout();
    out.push(histogram.hint() as u8);
    push_uvarint(out, zigzag(i64::from(layout.schema)));
    push_float(out, layout.zero_threshold);
    match histogram {
        Histogram::Int(histogram) => {
            push_uvarint(out, histogram.zero_count);
            push_uvarint(out, histogram.count);
        }
        Histogram::Float(histogram) => {
            push_float(out, histogram.zero_count);
            push_float(out, histogram.count);
        }
    }
    push_float(out, histogram.sum());
    for spans in [&layout.positive_spans, &layout.negative_spans] {
        push_uvarint(out, spans.len() as u64);
        for span in spans {
            push_uvarint(out, zigzag(i64::from(span.offset)));
            push_uvarint(out, u64::from(span.length));
        }
    }
    match histogram {
        Histogram::Int(histogram) => {
            for deltas in [&histogram.positive_deltas, &histogram.negative_deltas] {
                push_uvarint(out, deltas.len() as u64);
                deltas.iter().for_each(|&delta| push_uvarint(out, zigzag(delta)));
            }
        }
        Histogram::Float(histogram) => {
            push_floats(out, &histogram.positive);
            push_floats(out, &histogram.negative);
        }
    }
    if layout.is_custom() {
        push_floats(out, &layout.custom_values);
    }
}

fn push_float(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_be_bytes());
}

fn push_floats(out: &mut Vec<u8>, values: &[f64]) {
    push_uvarint(out, values.len() as u64);
    values.iter().for_each(|&value| push_float(out, value));
}
