//! The result of a query: type and samples. At most `limit` series of a vector or matrix, zero means all.

use super::{
    Gone, LabelTexts, Out, push_fixed, push_html_text, push_seconds, push_timestamp, push_value,
};
use model::histogram::{Bucket, FloatHistogram};
use promql::{Matrix, Value, Vector};

/// How many samples are written before a piece may be handed on.
const SAMPLES_BETWEEN_SPILLS: usize = 1024;

/// Appends `"resultType":...,"result":...`; answers whether `limit` cut something off.
pub fn push_result(out: &mut Out<'_>, value: &Value, limit: usize) -> Result<bool, Gone> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    match value {
        Value::Scalar { timestamp_ms, value } => {
            out.push("\"resultType\":\"scalar\",\"result\":[");
            push_seconds(&mut out.bytes, *timestamp_ms);
            out.push(",\"");
            push_fixed(&mut out.bytes, *value);
            out.push("\"]");
            Ok(false)
        }
        Value::String { timestamp_ms, value } => {
            out.push("\"resultType\":\"string\",\"result\":[");
            push_seconds(&mut out.bytes, *timestamp_ms);
            out.push(",");
            push_html_text(&mut out.bytes, value);
            out.push("]");
            Ok(false)
        }
        Value::Vector(vector) => {
            push_vector(out, vector, limit)?;
            Ok(vector.values.len() > limit)
        }
        Value::Matrix(matrix) => {
            let mut rows = Rows::new(limit);
            rows.push(out, matrix)?;
            Ok(rows.end(out))
        }
    }
}

/// The rows of a matrix, which may come in parts.
#[derive(Debug)]
pub(crate) struct Rows {
    limit: usize,
    /// Rows so far, written or not.
    seen: usize,
    begun: bool,
    printed: PrintedTimes,
}

impl Rows {
    /// No rows yet; so many are written at most.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, seen: 0, begun: false, printed: PrintedTimes::default() }
    }

    /// Whether something was written.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Writes what comes next.
    pub(crate) fn push(&mut self, out: &mut Out<'_>, matrix: &Matrix) -> Result<(), Gone> {
        if !std::mem::replace(&mut self.begun, true) {
            out.push("\"resultType\":\"matrix\",\"result\":[");
        }
        let is_first = self.seen == 0;
        let wanted = self.limit.saturating_sub(self.seen);
        self.seen += matrix.labels.len();
        push_rows(out, matrix, &mut self.printed, (is_first, wanted))
    }

    /// Ends them; answers whether some were left out.
    pub(crate) fn end(self, out: &mut Out<'_>) -> bool {
        out.push("]");
        self.seen > self.limit
    }
}

fn push_sample(out: &mut Vec<u8>, timestamp_ms: i64, value: f64) {
    out.push(b'[');
    push_timestamp(out, timestamp_ms);
    out.extend_from_slice(b",\"");
    push_value(out, value);
    out.extend_from_slice(b"\"]");
}

/// `[timestamp,{"count":...,"sum":...,"buckets":[[boundaries,lower,upper,count],...]}]`, empty buckets left out.
fn push_histogram(
    out: &mut Vec<u8>,
    timestamp_ms: i64,
    histogram: &FloatHistogram,
    buckets: &mut Vec<Bucket>,
) {
    out.push(b'[');
    push_timestamp(out, timestamp_ms);
    out.extend_from_slice(b",{\"count\":\"");
    push_value(out, histogram.count);
    out.extend_from_slice(b"\",\"sum\":\"");
    push_value(out, histogram.sum);
    out.push(b'"');
    buckets.clear();
    histogram.view().all_buckets(buckets);
    let mut any = false;
    for bucket in buckets.iter().filter(|bucket| bucket.count != 0.0) {
        out.extend_from_slice(if any { b",[" } else { b",\"buckets\":[[" });
        any = true;
        out.push(match (bucket.lower_inclusive, bucket.upper_inclusive) {
            (false, true) => b'0',
            (true, false) => b'1',
            (false, false) => b'2',
            (true, true) => b'3',
        });
        for value in [bucket.lower, bucket.upper, bucket.count] {
            out.extend_from_slice(b",\"");
            push_value(out, value);
            out.push(b'"');
        }
        out.push(b']');
    }
    out.extend_from_slice(if any { b"]}]" } else { b"}]" });
}

fn push_vector(out: &mut Out<'_>, vector: &Vector, limit: usize) -> Result<(), Gone> {
    out.push("\"resultType\":\"vector\",\"result\":[");
    let mut texts = LabelTexts::new(&vector.symbols);
    let samples = vector.timestamps_ms.iter().zip(&vector.values);
    let mut buckets = Vec::new();
    for (row, (&timestamp_ms, &value)) in samples.take(limit).enumerate() {
        out.push(if row == 0 { "{\"metric\":" } else { ",{\"metric\":" });
        texts.push(&mut out.bytes, vector.labels.get(row));
        if let Some(histogram) = vector.histogram(row) {
            out.push(",\"histogram\":");
            push_histogram(&mut out.bytes, timestamp_ms, histogram, &mut buckets);
        } else {
            out.push(",\"value\":");
            push_sample(&mut out.bytes, timestamp_ms, value);
        }
        out.push("}");
        out.spill()?;
    }
    out.push("]");
    Ok(())
}

fn push_rows(
    out: &mut Out<'_>,
    matrix: &Matrix,
    printed: &mut PrintedTimes,
    (is_first, wanted): (bool, usize),
) -> Result<(), Gone> {
    let mut texts = LabelTexts::new(&matrix.symbols);
    let mut buckets = Vec::new();
    for (row, pairs) in matrix.labels.iter().take(wanted).enumerate() {
        out.push(if is_first && row == 0 { "{\"metric\":" } else { ",{\"metric\":" });
        texts.push(&mut out.bytes, pairs);
        let (times, histograms) = matrix.histograms.of(row);
        let mut num_floats = 0;
        for (place, timestamp_ms, value) in matrix.floats.of(row) {
            let text = printed.at(place, timestamp_ms);
            if num_floats == 0 {
                out.push(",\"values\":[");
                out.bytes.extend_from_slice(&text.bytes[OPENING..text.len]);
            } else {
                // A copy of known length is quicker than one of the length that is needed.
                let len = out.bytes.len() + text.len;
                out.bytes.extend_from_slice(&text.bytes);
                out.bytes.truncate(len);
            }
            push_value(&mut out.bytes, value);
            num_floats += 1;
            if num_floats % SAMPLES_BETWEEN_SPILLS == 0 {
                out.spill()?;
            }
        }
        if num_floats > 0 {
            out.push("\"]]");
        } else if histograms.is_empty() {
            out.push(",\"values\":[]");
        }
        out.spill()?;
        for (index, (&timestamp_ms, histogram)) in times.iter().zip(histograms).enumerate() {
            out.push(if index == 0 { ",\"histograms\":[" } else { "," });
            push_histogram(&mut out.bytes, timestamp_ms, histogram, &mut buckets);
            out.spill()?;
        }
        out.push(if histograms.is_empty() { "}" } else { "]}" });
    }
    Ok(())
}

/// What stands in a [`PrintedTime`] before its own sample.
const OPENING: usize = "\"],".len();

/// What stands between the values of two samples: the end of one and the beginning of the other, with its time.
#[derive(Clone, Copy, Debug)]
struct PrintedTime {
    timestamp_ms: i64,
    len: usize,
    bytes: [u8; 32],
}

impl PrintedTime {
    fn new(timestamp_ms: i64) -> Self {
        let mut text = Vec::with_capacity(32);
        text.extend_from_slice(b"\"],[");
        push_timestamp(&mut text, timestamp_ms);
        text.extend_from_slice(b",\"");
        let mut bytes = [0; 32];
        bytes[..text.len()].copy_from_slice(&text);
        Self { timestamp_ms, len: text.len(), bytes }
    }
}

/// The times at each place of the series before: steps of a range query repeat from series to series, and each is
/// printed once.
#[derive(Debug, Default)]
struct PrintedTimes(Vec<PrintedTime>);

impl PrintedTimes {
    /// How many places are remembered; further ones are printed anew.
    const MAX: usize = 1 << 14;

    #[inline]
    fn at(&mut self, place: usize, timestamp_ms: i64) -> PrintedTime {
        match self.0.get(place) {
            Some(printed) if printed.timestamp_ms == timestamp_ms => *printed,
            _ => self.print(place, timestamp_ms),
        }
    }

    #[cold]
    fn print(&mut self, place: usize, timestamp_ms: i64) -> PrintedTime {
        let printed = PrintedTime::new(timestamp_ms);
        if place < Self::MAX {
            let len = self.0.len().max(place + 1);
            self.0.resize(len, printed);
            self.0[place] = printed;
        }
        printed
    }
}
