//! Histogram chunks, bytes to columns: foreign bytes. All samples of a chunk share one layout.

use super::{Delta, HEADER_BYTES};
use crate::bits::{BitReader, XorColumn};
use crate::exact::{ExactSample, ExactValue};
use crate::layout::{self, ResetHeader};
use crate::start::Starts;
use crate::{DecodeError, Encoding, HistogramColumns};
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
pub fn reset_header(encoding: Encoding, data: &[u8]) -> ResetHeader {
    let place = if encoding.has_starts() { 0 } else { 2 };
    data.get(place).map_or(ResetHeader::Unknown, |&byte| ResetHeader::from_byte(byte))
}

/// Where decoded samples go.
trait Sink {
    /// Whether buckets are wanted; those of integers are skipped otherwise.
    const BUCKETS: bool = true;
    fn int(&mut self, when: When, row: &IntRow<'_>);
    fn float(&mut self, when: When, view: HistogramView<'_>);
}

/// Time of a sample, and since when it counts, zero if that is not known.
#[derive(Clone, Copy)]
pub(super) struct When {
    pub(super) timestamp_ms: i64,
    pub(super) start_ms: i64,
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
    fn int(&mut self, when: When, row: &IntRow<'_>) {
        let counts = (row.zero_count, row.count, row.sum);
        let buckets = [row.positive_deltas, row.negative_deltas];
        self.push_deltas(when.timestamp_ms, (row.layout, row.hint), counts, buckets);
        if when.start_ms != 0 {
            self.set_start_ms(self.len() - 1, when.start_ms);
        }
    }

    fn float(&mut self, when: When, view: HistogramView<'_>) {
        self.push(when.timestamp_ms, view);
        if when.start_ms != 0 {
            self.set_start_ms(self.len() - 1, when.start_ms);
        }
    }
}

/// Counts and sums; what the first sample of the chunk says of a reset comes from outside.
struct Totals<'o> {
    out: &'o mut HistogramColumns,
    first_hint: CounterResetHint,
    is_first: bool,
}

impl Totals<'_> {
    fn push(&mut self, when: When, view: HistogramView<'_>) {
        let is_first = std::mem::take(&mut self.is_first);
        let is_open = view.hint == CounterResetHint::Unknown && !is_stale_nan(view.sum);
        let hint = if is_first && is_open { self.first_hint } else { view.hint };
        let view = HistogramView { hint, ..view };
        self.out.push_totals(when.timestamp_ms, view);
        if when.start_ms != 0 {
            self.out.set_start_ms(self.out.len() - 1, when.start_ms);
        }
    }
}

impl Sink for Totals<'_> {
    const BUCKETS: bool = false;

    fn int(&mut self, when: When, row: &IntRow<'_>) {
        let view = HistogramView {
            layout: row.layout,
            hint: row.hint,
            zero_count: 0.0,
            count: row.count as f64,
            sum: row.sum,
            positive: &[],
            negative: &[],
        };
        self.push(when, view);
    }

    fn float(&mut self, when: When, view: HistogramView<'_>) {
        self.push(when, view);
    }
}

/// Whole samples as they were written, hints as they are read.
struct Exact<'o>(&'o mut Vec<(When, Histogram)>);

impl Sink for Exact<'_> {
    fn int(&mut self, when: When, row: &IntRow<'_>) {
        self.0.push((when, Histogram::Int(row.to_owned())));
    }

    fn float(&mut self, when: When, view: HistogramView<'_>) {
        self.0.push((when, Histogram::Float(view.to_owned())));
    }
}

/// Appends the first `num_samples` histograms of a chunk to `out`; resolutions beyond ours are brought down. On error
/// `out` keeps the samples before the place that could not be read.
pub fn decode(
    encoding: Encoding,
    num_samples: usize,
    data: &[u8],
    out: &mut HistogramColumns,
) -> Result<(), DecodeError> {
    let mut open = Open::new(encoding, data)?;
    if open.layout.schema <= MAX_SCHEMA {
        open.layout = out.shared_layout(open.layout);
        return open.read(num_samples, out);
    }
    let mut exact = Vec::new();
    let outcome = open.read(num_samples, &mut Exact(&mut exact));
    for (when, histogram) in exact {
        let mut histogram = histogram.to_float();
        histogram.reduce_resolution(MAX_SCHEMA);
        out.float(when, histogram.view());
    }
    outcome
}

/// Appends the first `num_samples` histograms of a chunk to `out` without their buckets; `first_hint` is what is known of
/// a reset before the first of them, for counters.
pub fn decode_totals(
    encoding: Encoding,
    (num_samples, first_hint): (usize, CounterResetHint),
    data: &[u8],
    out: &mut HistogramColumns,
) -> Result<(), DecodeError> {
    let mut totals = Totals { out, first_hint, is_first: true };
    Open::new(encoding, data)?.read(num_samples, &mut totals)
}

/// Appends the first `num_samples` histograms of a chunk to `out`, integers as integers: for encoding them again.
pub fn decode_exact(
    encoding: Encoding,
    num_samples: usize,
    data: &[u8],
    out: &mut Vec<ExactSample>,
) -> Result<(), DecodeError> {
    let mut exact = Vec::new();
    let outcome = read_all(encoding, num_samples, data, &mut exact);
    out.extend(exact.into_iter().map(|(when, histogram)| ExactSample {
        timestamp_ms: when.timestamp_ms,
        start_ms: when.start_ms,
        value: ExactValue::Histogram(histogram),
    }));
    outcome
}

/// See [`decode_exact`].
pub(super) fn read_all(
    encoding: Encoding,
    num_samples: usize,
    data: &[u8],
    out: &mut Vec<(When, Histogram)>,
) -> Result<(), DecodeError> {
    Open::new(encoding, data)?.read(num_samples, &mut Exact(out))
}

/// A chunk whose head was read.
struct Open<'d> {
    bits: BitReader<'d>,
    layout: Arc<Layout>,
    starts: Starts,
    is_integer: bool,
    is_gauge: bool,
}

impl<'d> Open<'d> {
    fn new(encoding: Encoding, data: &'d [u8]) -> Result<Self, DecodeError> {
        if data.len() < HEADER_BYTES {
            return Err(DecodeError::Truncated);
        }
        let mut bits = BitReader::new(data, HEADER_BYTES);
        let layout = Arc::new(layout::read(&mut bits)?);
        let starts = if encoding.has_starts() { data[2] } else { 0 };
        Ok(Self {
            bits,
            layout,
            starts: Starts::from_header(starts),
            is_integer: matches!(encoding, Encoding::Histogram | Encoding::StartedHistogram),
            is_gauge: reset_header(encoding, data) == ResetHeader::Gauge,
        })
    }

    fn read<S: Sink>(mut self, num_samples: usize, out: &mut S) -> Result<(), DecodeError> {
        // A sample takes a handful of bits at least: a foreign count does not keep us busy.
        let count = num_samples.min(self.bits.rest());
        if self.is_integer {
            self.read_ints(count, out)?;
        } else {
            self.read_floats(count, out)?;
        }
        if count < num_samples { Err(DecodeError::Truncated) } else { Ok(()) }
    }

    fn hint(&self, index: usize, is_stale: bool) -> CounterResetHint {
        match (index, self.is_gauge) {
            _ if is_stale => CounterResetHint::Unknown,
            (_, true) => CounterResetHint::Gauge,
            (0, false) => CounterResetHint::Unknown,
            (_, false) => CounterResetHint::NotCounterReset,
        }
    }

    /// Reads the start behind sample number `index`, if there is one; then the sample must have ended in time.
    #[inline]
    fn end(&mut self, index: usize, time: Delta, before_ms: i64) -> Result<When, DecodeError> {
        let timestamp_ms = time.last;
        if index == 0 {
            self.starts.read_first(timestamp_ms, &mut self.bits)?;
        } else {
            self.starts.read_later(index, before_ms, &mut self.bits);
        }
        self.bits.check_end()?;
        Ok(When { timestamp_ms, start_ms: self.starts.last_ms() })
    }

    fn read_ints<S: Sink>(&mut self, count: usize, out: &mut S) -> Result<(), DecodeError> {
        let layout = Arc::clone(&self.layout);
        let num_positive = layout::num_buckets(&layout.positive_spans, self.bits.rest())?;
        let num_negative = layout::num_buckets(&layout.negative_spans, self.bits.rest())?;
        let [mut time, mut total, mut zero] = [Delta::default(); 3];
        let mut sum = XorColumn::new(0.0);
        let mut buckets = vec![Delta::default(); num_positive + num_negative];
        let mut deltas = vec![0; buckets.len()];
        for index in 0..count {
            let before_ms = time.last;
            let bits = &mut self.bits;
            if index == 0 {
                time.last = bits.int();
                total.last = bits.uint() as i64;
                zero.last = bits.uint() as i64;
                sum = XorColumn::new(f64::from_bits(bits.take(64)));
            } else {
                time.read(bits);
                total.read(bits);
                zero.read(bits);
                sum.read(bits)?;
            }
            let is_stale = is_stale_nan(sum.value());
            if !is_stale && !S::BUCKETS {
                self.bits.skip_ints(buckets.len());
            } else if !is_stale {
                self.bits.ints(buckets.len(), |at, change| {
                    let column = &mut buckets[at];
                    if index > 0 {
                        column.delta = column.delta.wrapping_add(change);
                        column.last = column.last.wrapping_add(column.delta);
                    } else {
                        column.last = change;
                    }
                    deltas[at] = column.last;
                });
            }
            let when = self.end(index, time, before_ms)?;
            let stale_layout;
            let (positive_deltas, negative_deltas) = deltas.split_at(num_positive);
            let mut row = IntRow {
                layout: &layout,
                hint: self.hint(index, is_stale),
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
            out.int(when, &row);
        }
        Ok(())
    }

    fn read_floats(&mut self, count: usize, out: &mut impl Sink) -> Result<(), DecodeError> {
        let layout = Arc::clone(&self.layout);
        let num_positive = layout::num_buckets(&layout.positive_spans, self.bits.rest())?;
        let num_negative = layout::num_buckets(&layout.negative_spans, self.bits.rest())?;
        let mut time = Delta::default();
        let [mut total, mut zero, mut sum] = [XorColumn::new(0.0); 3];
        let mut buckets = vec![XorColumn::new(0.0); num_positive + num_negative];
        let mut counts = vec![0.0; buckets.len()];
        for index in 0..count {
            let before_ms = time.last;
            let bits = &mut self.bits;
            if index == 0 {
                time.last = bits.int();
            } else {
                time.read(bits);
            }
            for column in [&mut total, &mut zero, &mut sum] {
                read_float(column, index, bits)?;
            }
            let is_stale = is_stale_nan(sum.value());
            if !is_stale {
                for (column, count) in buckets.iter_mut().zip(&mut counts) {
                    *count = read_float(column, index, bits)?;
                }
            }
            let when = self.end(index, time, before_ms)?;
            let hint = self.hint(index, is_stale);
            if is_stale {
                let stale = FloatHistogram { sum: sum.value(), hint, ..FloatHistogram::default() };
                out.float(when, stale.view());
                continue;
            }
            let (positive, negative) = counts.split_at(num_positive);
            let view = HistogramView {
                layout: &layout,
                hint,
                zero_count: zero.value(),
                count: total.value(),
                sum: sum.value(),
                positive,
                negative,
            };
            out.float(when, view);
        }
        Ok(())
    }
}

/// The first value of a column stands as it is, others against the one before.
#[inline]
fn read_float(
    column: &mut XorColumn,
    index: usize,
    bits: &mut BitReader<'_>,
) -> Result<f64, DecodeError> {
    if index == 0 {
        *column = XorColumn::new(f64::from_bits(bits.take(64)));
        return Ok(column.value());
    }
    column.read(bits)
}
