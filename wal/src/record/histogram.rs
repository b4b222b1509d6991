//! Records of native histograms, kinds 7 to 10: integer and float counts, custom buckets in records of their own. The
//! bytes of a histogram are the same in the kinds with start timestamps, which are in `started`.

use super::decode::{Cursor, DecodeError};
use super::encode::{push_uvarint, push_varints, zigzag};
use super::{
    CUSTOM_FLOAT_HISTOGRAMS, CUSTOM_HISTOGRAMS, FLOAT_HISTOGRAMS, FLOAT_HISTOGRAMS_STARTED,
    HISTOGRAMS, HISTOGRAMS_STARTED, started,
};
use model::histogram::{
    CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout,
    MAX_SCHEMA, Span,
};
use std::sync::Arc;

/// Native histograms as columns of equal length.
#[derive(Clone, Debug, Default)]
pub struct Histograms {
    /// The series.
    pub refs: Vec<u64>,
    /// Their times.
    pub timestamps_ms: Vec<i64>,
    /// The samples.
    pub values: Vec<Histogram>,
    /// Since when they count, in milliseconds; zero where that is not known. Nearly always empty: what is missing at the
    /// end is not known either.
    pub start_timestamps_ms: Vec<i64>,
    /// How many were left out because nobody knows their schema.
    pub unknown_schemas: usize,
    /// How many were left out because their spans and buckets disagree.
    pub contradictory: usize,
    /// Histograms of before, whose memory the next ones get.
    retired: Vec<Histogram>,
}

/// How many retired histograms are kept.
const MAX_RETIRED: usize = 4096;

impl Histograms {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.refs.clear();
        self.timestamps_ms.clear();
        let room = MAX_RETIRED.saturating_sub(self.retired.len());
        self.values.truncate(room);
        self.retired.append(&mut self.values);
        self.start_timestamps_ms.clear();
        self.unknown_schemas = 0;
        self.contradictory = 0;
    }

    /// Since when a histogram counts; zero if that is not known.
    #[must_use]
    pub fn start_ms(&self, row: usize) -> i64 {
        self.start_timestamps_ms.get(row).copied().unwrap_or(0)
    }

    /// Adds number `row` of a record, counted from one: series, time, start. What nobody can read is counted only.
    pub(super) fn take(
        &mut self,
        row: usize,
        (number, timestamp_ms, start_ms): (u64, i64, i64),
        mut value: Histogram,
    ) -> Result<(), DecodeError> {
        let schema = value.layout().schema;
        if schema != CUSTOM_BUCKETS_SCHEMA && !(-9..=52).contains(&schema) {
            self.unknown_schemas += 1;
            return Ok(());
        }
        if !has_its_buckets(&value) {
            if schema > MAX_SCHEMA {
                return Err(DecodeError::HistogramBuckets { histogram: row });
            }
            // The reference takes it and dies of it later.
            self.contradictory += 1;
            return Ok(());
        }
        value.fit_schema();
        self.push(number, timestamp_ms, value, start_ms);
        Ok(())
    }

    /// Adds a copy of a histogram, see [`Self::push`].
    pub fn push_copy(&mut self, number: u64, timestamp_ms: i64, value: &Histogram, start_ms: i64) {
        let value = match self.retired.pop() {
            Some(mut copy) => {
                copy.copy_from(value);
                copy
            }
            None => value.clone(),
        };
        self.push(number, timestamp_ms, value, start_ms);
    }

    /// Adds a histogram; a start of zero is not known.
    pub fn push(&mut self, number: u64, timestamp_ms: i64, value: Histogram, start_ms: i64) {
        if start_ms != 0 {
            self.start_timestamps_ms.resize(self.refs.len(), 0);
            self.start_timestamps_ms.push(start_ms);
        }
        self.refs.push(number);
        self.timestamps_ms.push(timestamp_ms);
        self.values.push(value);
    }

    /// The rows with their starts: series, time, start, value.
    pub fn iter_started(&self) -> impl Iterator<Item = (u64, i64, i64, &Histogram)> + Clone {
        let rows = self.iter().enumerate();
        rows.map(|(row, (number, time, value))| (number, time, self.start_ms(row), value))
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = (u64, i64, &Histogram)> + Clone {
        let columns = self.refs.iter().zip(&self.timestamps_ms).zip(&self.values);
        columns.map(|((&number, &timestamp_ms), value)| (number, timestamp_ms, value))
    }
}

/// Replaces `out` with the histograms of a record of kind 7 to 10, 12 or 13. Resolutions finer than ours are brought
/// down.
pub fn decode_histograms(record: &[u8], out: &mut Histograms) -> Result<(), DecodeError> {
    out.clear();
    let is_float = match record.first() {
        Some(&(HISTOGRAMS | CUSTOM_HISTOGRAMS)) => false,
        Some(&(FLOAT_HISTOGRAMS | CUSTOM_FLOAT_HISTOGRAMS)) => true,
        Some(&(HISTOGRAMS_STARTED | FLOAT_HISTOGRAMS_STARTED)) => {
            return started::decode_histograms(record, out);
        }
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
        let mut next = || {
            let (ref_delta, ms_delta) = (body.varint()?, body.varint()?);
            Some((ref_delta, ms_delta, read(is_float, &mut body)?))
        };
        let Some((ref_delta, ms_delta, value)) = next() else {
            return Err(DecodeError::HistogramSize { histograms: row + 1 });
        };
        row += 1;
        let number = base_ref.wrapping_add_signed(ref_delta);
        out.take(row, (number, base_ms.wrapping_add(ms_delta), 0), value)?;
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

/// Reads the bytes of one histogram.
pub(super) fn read(is_float: bool, body: &mut Cursor<'_>) -> Option<Histogram> {
    if is_float { float(body) } else { int(body) }
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
    for (is_float, kind, custom_kind) in
        [(false, HISTOGRAMS, CUSTOM_HISTOGRAMS), (true, FLOAT_HISTOGRAMS, CUSTOM_FLOAT_HISTOGRAMS)]
    {
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
                push(&mut out, value);
            }
            records.push(out);
        }
    }
}

/// Appends the bytes of one histogram.
pub(super) fn push(out: &mut Vec<u8>, histogram: &Histogram) {
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
                push_varints(out, deltas);
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
