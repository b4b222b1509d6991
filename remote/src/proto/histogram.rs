//! The `Histogram` message, the same in remote write 1.0 and 2.0 and in remote read, to and from the model.

use super::{Fields, Malformed, Value, write, zigzag};
use model::histogram::{CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout, Span};
use std::sync::Arc;

/// A histogram with its times.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) timestamp_ms: i64,
    /// Since when it counts; zero if not known.
    pub(crate) start_timestamp_ms: i64,
    pub(crate) histogram: Histogram,
}

/// What stands in either form of the message.
#[derive(Default)]
struct Parts {
    count: Option<Count>,
    zero_int: u64,
    zero_float: f64,
    sum: f64,
    layout: Layout,
    positive_deltas: Vec<i64>,
    negative_deltas: Vec<i64>,
    positive_counts: Vec<f64>,
    negative_counts: Vec<f64>,
    hint: CounterResetHint,
    timestamp_ms: i64,
    start_timestamp_ms: i64,
}

enum Count {
    Int(u64),
    Float(f64),
}

impl Parts {
    fn field(&mut self, field: u64, value: Value<'_>) -> Result<(), Malformed> {
        let layout = &mut self.layout;
        match field {
            1 => self.count = Some(Count::Int(value.varint(1)?)),
            2 => self.count = Some(Count::Float(value.double(2)?)),
            3 => self.sum = value.double(3)?,
            4 => layout.schema = zigzag(value.varint(4)?) as i32,
            5 => layout.zero_threshold = value.double(5)?,
            6 => (self.zero_int, self.zero_float) = (value.varint(6)?, 0.0),
            7 => (self.zero_int, self.zero_float) = (0, value.double(7)?),
            8 => layout.negative_spans.push(span(value.bytes(8)?)?),
            9 => value.push_varints(9, &mut self.negative_deltas, zigzag)?,
            10 => value.push_fixed64s(10, &mut self.negative_counts, f64::from_bits)?,
            11 => layout.positive_spans.push(span(value.bytes(11)?)?),
            12 => value.push_varints(12, &mut self.positive_deltas, zigzag)?,
            13 => value.push_fixed64s(13, &mut self.positive_counts, f64::from_bits)?,
            14 => {
                self.hint = match value.varint(14)? {
                    1 => CounterResetHint::CounterReset,
                    2 => CounterResetHint::NotCounterReset,
                    3 => CounterResetHint::Gauge,
                    _ => CounterResetHint::Unknown,
                }
            }
            15 => self.timestamp_ms = value.varint(15)?.cast_signed(),
            16 => value.push_fixed64s(16, &mut layout.custom_values, f64::from_bits)?,
            17 => self.start_timestamp_ms = value.varint(17)?.cast_signed(),
            _ => {}
        }
        Ok(())
    }
}

fn span(message: &[u8]) -> Result<Span, Malformed> {
    let mut span = Span::default();
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => span.offset = zigzag(value.varint(1)?) as i32,
            2 => span.length = value.varint(2)? as u32,
            _ => {}
        }
    }
    Ok(span)
}

/// Reads a `Histogram` message. The last layout read is shared if this one has the same buckets.
pub(crate) fn read(message: &[u8], last: &mut Arc<Layout>) -> Result<Point, Malformed> {
    let mut parts = Parts::default();
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        parts.field(field, value)?;
    }
    if **last != parts.layout {
        *last = Arc::new(std::mem::take(&mut parts.layout));
    }
    let layout = Arc::clone(last);
    let (hint, sum) = (parts.hint, parts.sum);
    let histogram = match parts.count {
        Some(Count::Float(count)) => Histogram::Float(FloatHistogram {
            layout,
            hint,
            zero_count: parts.zero_float,
            count,
            sum,
            positive: parts.positive_counts,
            negative: parts.negative_counts,
        }),
        count => Histogram::Int(IntHistogram {
            layout,
            hint,
            zero_count: parts.zero_int,
            count: if let Some(Count::Int(count)) = count { count } else { 0 },
            sum,
            positive_deltas: parts.positive_deltas,
            negative_deltas: parts.negative_deltas,
        }),
    };
    let Parts { timestamp_ms, start_timestamp_ms, .. } = parts;
    Ok(Point { timestamp_ms, start_timestamp_ms, histogram })
}

fn push_spans(out: &mut Vec<u8>, field: u32, spans: &[Span]) {
    for span in spans {
        write::message(out, field, |out| {
            write::sint(out, 1, i64::from(span.offset));
            write::uint(out, 2, u64::from(span.length));
        });
    }
}

/// Appends the content of a `Histogram` message. `start_timestamp_ms` is for 2.0; zero leaves it out.
pub(crate) fn push(
    out: &mut Vec<u8>,
    histogram: &Histogram,
    timestamp_ms: i64,
    start_timestamp_ms: i64,
) {
    let layout = histogram.layout();
    match histogram {
        Histogram::Int(histogram) => write::always_uint(out, 1, histogram.count),
        Histogram::Float(histogram) => write::always_double(out, 2, histogram.count),
    }
    write::double(out, 3, histogram.sum());
    write::sint(out, 4, i64::from(layout.schema));
    write::double(out, 5, layout.zero_threshold);
    match histogram {
        Histogram::Int(histogram) => write::always_uint(out, 6, histogram.zero_count),
        Histogram::Float(histogram) => write::always_double(out, 7, histogram.zero_count),
    }
    push_spans(out, 8, &layout.negative_spans);
    match histogram {
        Histogram::Int(histogram) => write::sints(out, 9, &histogram.negative_deltas),
        Histogram::Float(histogram) => write::doubles(out, 10, &histogram.negative),
    }
    push_spans(out, 11, &layout.positive_spans);
    match histogram {
        Histogram::Int(histogram) => write::sints(out, 12, &histogram.positive_deltas),
        Histogram::Float(histogram) => write::doubles(out, 13, &histogram.positive),
    }
    write::uint(out, 14, histogram.hint() as u64);
    write::int(out, 15, timestamp_ms);
    write::doubles(out, 16, &layout.custom_values);
    write::int(out, 17, start_timestamp_ms);
}
