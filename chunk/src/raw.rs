//! Our own chunks, never on disk: samples as they are, for storages that keep them in memory. Little-endian.

use crate::{DecodeError, HistogramColumns, SampleColumns};
use model::histogram::{CounterResetHint, FloatHistogram, HistogramView, Layout, Span};
use std::sync::Arc;

/// Appends the first `count` pairs of timestamp and value to `out`, with their start timestamps if they follow.
pub(crate) fn decode_floats(
    count: usize,
    data: &[u8],
    out: &mut SampleColumns,
) -> Result<(), DecodeError> {
    let (rows, rest) = data.split_at_checked(16 * count).unwrap_or((data, &[]));
    let starts = starts(count, rest);
    let (rows, _) = rows.as_chunks::<16>();
    for (index, row) in rows.iter().enumerate() {
        let (time, value) = row.split_at(8);
        out.push_started(
            i64::from_le_bytes(time.try_into().expect("eight bytes")),
            f64::from_le_bytes(value.try_into().expect("eight bytes")),
            starts.get(index).map_or(0, |start| i64::from_le_bytes(*start)),
        );
    }
    if rows.len() < count { Err(DecodeError::Truncated) } else { Ok(()) }
}

/// The start timestamps behind `count` samples; none if they are not there.
fn starts(count: usize, rest: &[u8]) -> &[[u8; 8]] {
    let (starts, _) = rest.as_chunks::<8>();
    if starts.len() == count { starts } else { &[] }
}

/// Appends the start timestamps of all samples of a raw chunk, zero where they are not known; behind the last sample.
pub fn push_starts(out: &mut Vec<u8>, starts_ms: impl Iterator<Item = i64>) {
    starts_ms.for_each(|start_ms| out.extend_from_slice(&start_ms.to_le_bytes()));
}

/// Appends one native histogram to a raw chunk.
pub fn push_histogram(out: &mut Vec<u8>, timestamp_ms: i64, histogram: HistogramView<'_>) {
    let layout = histogram.layout;
    out.extend_from_slice(&timestamp_ms.to_le_bytes());
    out.push(histogram.hint as u8);
    out.extend_from_slice(&layout.schema.to_le_bytes());
    let totals = [layout.zero_threshold, histogram.zero_count, histogram.count, histogram.sum];
    totals.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    for spans in [&layout.positive_spans, &layout.negative_spans] {
        out.extend_from_slice(&(spans.len() as u32).to_le_bytes());
        for span in spans {
            out.extend_from_slice(&span.offset.to_le_bytes());
            out.extend_from_slice(&span.length.to_le_bytes());
        }
    }
    for list in [histogram.positive, histogram.negative, &layout.custom_values] {
        out.extend_from_slice(&(list.len() as u32).to_le_bytes());
        list.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    }
}

struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    fn take(&mut self, len: usize) -> Result<&'d [u8], DecodeError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self.take(N)?.try_into().expect("as long as asked for"))
    }

    fn float(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A count of things of `size` bytes that are all there.
    fn count(&mut self, size: usize) -> Result<usize, DecodeError> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        if count > self.0.len() / size { Err(DecodeError::Truncated) } else { Ok(count) }
    }

    fn floats(&mut self) -> Result<Vec<f64>, DecodeError> {
        (0..self.count(8)?).map(|_| self.float()).collect()
    }

    fn spans(&mut self) -> Result<Vec<Span>, DecodeError> {
        let count = self.count(8)?;
        let span = |reader: &mut Self| {
            let offset = i32::from_le_bytes(reader.array()?);
            Ok(Span { offset, length: u32::from_le_bytes(reader.array()?) })
        };
        (0..count).map(|_| span(self)).collect()
    }

    fn histogram(&mut self) -> Result<(i64, FloatHistogram), DecodeError> {
        let timestamp_ms = i64::from_le_bytes(self.array()?);
        let [hint] = self.array()?;
        let hint = match hint {
            0 => CounterResetHint::Unknown,
            1 => CounterResetHint::CounterReset,
            2 => CounterResetHint::NotCounterReset,
            3 => CounterResetHint::Gauge,
            _ => return Err(DecodeError::Malformed("unknown counter reset hint")),
        };
        let schema = i32::from_le_bytes(self.array()?);
        let zero_threshold = self.float()?;
        let (zero_count, count, sum) = (self.float()?, self.float()?, self.float()?);
        let (positive_spans, negative_spans) = (self.spans()?, self.spans()?);
        let (positive, negative) = (self.floats()?, self.floats()?);
        let custom_values = self.floats()?;
        let layout = Arc::new(Layout {
            schema,
            zero_threshold,
            positive_spans,
            negative_spans,
            custom_values,
        });
        let histogram = FloatHistogram { layout, hint, zero_count, count, sum, positive, negative };
        Ok((timestamp_ms, histogram))
    }
}

/// Appends the first `count` histograms of a raw chunk to `out`.
pub(crate) fn decode_histograms(
    count: usize,
    data: &[u8],
    out: &mut HistogramColumns,
) -> Result<(), DecodeError> {
    let mut reader = Reader(data);
    let mut layout: Option<Arc<Layout>> = None;
    for _ in 0..count {
        let (timestamp_ms, mut histogram) = reader.histogram()?;
        // Samples of one layout share it, as those of a real chunk do.
        if let Some(held) = layout.as_ref().filter(|held| ***held == *histogram.layout) {
            histogram.layout = Arc::clone(held);
        }
        layout = Some(Arc::clone(&histogram.layout));
        out.push(timestamp_ms, histogram.view());
    }
    let first = out.len() - count;
    for (index, start) in starts(count, reader.0).iter().enumerate() {
        out.set_start_ms(first + index, i64::from_le_bytes(*start));
    }
    Ok(())
}
