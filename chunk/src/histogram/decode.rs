//! Histogram chunks, bytes to columns: foreign bytes. All samples of a chunk share one layout.

use super::{Delta, HEADER_BYTES};
use crate::bits::{BitReader, XorColumn};
use crate::layout::{self, ResetHeader};
use crate::{DecodeError, HistogramColumns};
use model::histogram::{
    CounterResetHint, FloatHistogram, Histogram, HistogramView, IntHistogram, Layout, MAX_SCHEMA,
};
use model::is_stale_nan;
use std::sync::Arc;

impl Delta {
    #[inline]
    fn read(&mut self, bits: &mut BitReader<'_>) -> i64 {
        self.delta = self.delta.wrapping_add(bits.int());
        self.last = self.last.wrapping_add(self.delta);
        self.last
    }
}

/// The counter reset header of a histogram chunk.
#[must_use]
pub fn reset_header(data: &[u8]) -> ResetHeader {
    data.get(2).map_or(ResetHeader::Unknown, |&byte| ResetHeader::from_byte(byte))
}

/// Where decoded samples go.
trait Sink {
    fn int(&mut self, timestamp_ms: i64, row: &IntRow<'_>);
    fn float(&mut self, timestamp_ms: i64, view: HistogramView<'_>);
}

/// An integer sample: buckets as the chunk has them.
struct IntRow<'c> {
    layout: &'c Arc<Layout>,
    hint: CounterResetHint,
    zero_count: u64,
    count: u64,
    sum: f64,
    positive_deltas: &'c [i64],
    negative_deltas: &'c [i64],
}

impl IntRow<'_> {
    fn to_owned(&self) -> IntHistogram {
        IntHistogram {
            layout: Arc::clone(self.layout),
            hint: self.hint,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive_deltas: self.positive_deltas.to_vec(),
            negative_deltas: self.negative_deltas.to_vec(),
        }
    }
}

impl Sink for HistogramColumns {
    fn int(&mut self, timestamp_ms: i64, row: &IntRow<'_>) {
        self.push_int(timestamp_ms, &row.to_owned());
    }

    fn float(&mut self, timestamp_ms: i64, view: HistogramView<'_>) {
        self.push(timestamp_ms, view);
    }
}

/// Whole samples as they were written, hints as they are read.
struct Exact<'o>(&'o mut Vec<(i64, Histogram)>);

impl Sink for Exact<'_> {
    fn int(&mut self, timestamp_ms: i64, row: &IntRow<'_>) {
        self.0.push((timestamp_ms, Histogram::Int(row.to_owned())));
    }

    fn float(&mut self, timestamp_ms: i64, view: HistogramView<'_>) {
        self.0.push((timestamp_ms, Histogram::Float(view.to_owned())));
    }
}

/// Appends the first `num_samples` histograms of a chunk to `out`; resolutions beyond ours are brought down. On error
/// `out` keeps the samples before the place that could not be read.
pub fn decode(
    is_integer: bool,
    num_samples: usize,
    data: &[u8],
    out: &mut HistogramColumns,
) -> Result<(), DecodeError> {
    let (bits, layout) = open(data)?;
    if layout.schema <= MAX_SCHEMA {
        return read(is_integer, num_samples, (data, bits, layout), out);
    }
    let mut exact = Vec::new();
    let outcome = read(is_integer, num_samples, (data, bits, layout), &mut Exact(&mut exact));
    for (timestamp_ms, histogram) in exact {
        let mut histogram = histogram.to_float();
        histogram.reduce_resolution(MAX_SCHEMA);
        out.push_float(timestamp_ms, &histogram);
    }
    outcome
}

/// Appends the first `num_samples` histograms of a chunk to `out`, integers as integers: for encoding them again.
pub fn decode_exact(
    is_integer: bool,
    num_samples: usize,
    data: &[u8],
    out: &mut Vec<(i64, Histogram)>,
) -> Result<(), DecodeError> {
    let (bits, layout) = open(data)?;
    read(is_integer, num_samples, (data, bits, layout), &mut Exact(out))
}

fn open(data: &[u8]) -> Result<(BitReader<'_>, Arc<Layout>), DecodeError> {
    if data.len() < HEADER_BYTES {
        return Err(DecodeError::Truncated);
    }
    let mut bits = BitReader::new(data, HEADER_BYTES);
    let layout = Arc::new(layout::read(&mut bits)?);
    Ok((bits, layout))
}

fn read(
    is_integer: bool,
    num_samples: usize,
    (data, bits, layout): (&[u8], BitReader<'_>, Arc<Layout>),
    out: &mut impl Sink,
) -> Result<(), DecodeError> {
    let is_gauge = reset_header(data) == ResetHeader::Gauge;
    let hint = move |index: usize, is_stale: bool| match (index, is_gauge) {
        _ if is_stale => CounterResetHint::Unknown,
        (_, true) => CounterResetHint::Gauge,
        (0, false) => CounterResetHint::Unknown,
        (_, false) => CounterResetHint::NotCounterReset,
    };
    // A sample takes a handful of bits at least: a foreign count does not keep us busy.
    let count = num_samples.min(data.len() * 8);
    let outcome = if is_integer {
        read_ints(count, bits, &layout, hint, out)
    } else {
        read_floats(count, bits, &layout, hint, out)
    };
    outcome.and(if count < num_samples { Err(DecodeError::Truncated) } else { Ok(()) })
}

fn read_ints(
    count: usize,
    mut bits: BitReader<'_>,
    layout: &Arc<Layout>,
    hint: impl Fn(usize, bool) -> CounterResetHint,
    out: &mut impl Sink,
) -> Result<(), DecodeError> {
    let num_positive = layout::num_buckets(&layout.positive_spans, bits.rest())?;
    let num_negative = layout::num_buckets(&layout.negative_spans, bits.rest())?;
    let [mut time, mut total, mut zero] = [Delta::default(); 3];
    let mut sum = XorColumn::new(0.0);
    let mut buckets = vec![Delta::default(); num_positive + num_negative];
    let mut deltas = vec![0; buckets.len()];
    for index in 0..count {
        if index == 0 {
            time.last = bits.int();
            total.last = bits.uint() as i64;
            zero.last = bits.uint() as i64;
            sum = XorColumn::new(f64::from_bits(bits.take(64)));
        } else {
            time.read(&mut bits);
            total.read(&mut bits);
            zero.read(&mut bits);
            sum.read(&mut bits)?;
        }
        let is_stale = is_stale_nan(sum.value());
        if !is_stale {
            for (column, delta) in buckets.iter_mut().zip(&mut deltas) {
                if index == 0 {
                    column.last = bits.int();
                } else {
                    column.read(&mut bits);
                }
                *delta = column.last;
            }
        }
        bits.check_end()?;
        let stale_layout;
        let (positive_deltas, negative_deltas) = deltas.split_at(num_positive);
        let mut row = IntRow {
            layout,
            hint: hint(index, is_stale),
            zero_count: zero.last as u64,
            count: total.last as u64,
            sum: sum.value(),
            positive_deltas,
            negative_deltas,
        };
        if is_stale {
            stale_layout = Arc::new(Layout::default());
            row = IntRow {
                layout: &stale_layout,
                zero_count: 0,
                count: 0,
                positive_deltas: &[],
                negative_deltas: &[],
                ..row
            };
        }
        out.int(time.last, &row);
    }
    Ok(())
}

fn read_floats(
    count: usize,
    mut bits: BitReader<'_>,
    layout: &Arc<Layout>,
    hint: impl Fn(usize, bool) -> CounterResetHint,
    out: &mut impl Sink,
) -> Result<(), DecodeError> {
    let num_positive = layout::num_buckets(&layout.positive_spans, bits.rest())?;
    let num_negative = layout::num_buckets(&layout.negative_spans, bits.rest())?;
    let mut time = Delta::default();
    let [mut total, mut zero, mut sum] = [XorColumn::new(0.0); 3];
    let mut buckets = vec![XorColumn::new(0.0); num_positive + num_negative];
    let mut counts = vec![0.0; buckets.len()];
    for index in 0..count {
        if index == 0 {
            time.last = bits.int();
            for column in [&mut total, &mut zero, &mut sum] {
                *column = XorColumn::new(f64::from_bits(bits.take(64)));
            }
        } else {
            time.read(&mut bits);
            for column in [&mut total, &mut zero, &mut sum] {
                column.read(&mut bits)?;
            }
        }
        let is_stale = is_stale_nan(sum.value());
        if is_stale {
            bits.check_end()?;
            let stale = FloatHistogram {
                sum: sum.value(),
                hint: hint(index, true),
                ..FloatHistogram::default()
            };
            out.float(time.last, stale.view());
            continue;
        }
        for (column, count) in buckets.iter_mut().zip(&mut counts) {
            if index == 0 {
                *column = XorColumn::new(f64::from_bits(bits.take(64)));
            } else {
                column.read(&mut bits)?;
            }
            *count = column.value();
        }
        bits.check_end()?;
        let (positive, negative) = counts.split_at(num_positive);
        let view = HistogramView {
            layout,
            hint: hint(index, false),
            zero_count: zero.value(),
            count: total.value(),
            sum: sum.value(),
            positive,
            negative,
        };
        out.float(time.last, view);
    }
    Ok(())
}
