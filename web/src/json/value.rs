//! The result of a query: type and samples. At most `limit` series of a vector or matrix, zero means all.

use super::{
    Gone, LabelTexts, Out, push_fixed, push_html_text, push_seconds, push_timestamp, push_value,
};
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
            push_matrix(out, matrix, limit)?;
            Ok(matrix.ends.len() > limit)
        }
    }
}

fn push_sample(out: &mut Vec<u8>, timestamp_ms: i64, value: f64) {
    out.push(b'[');
    push_timestamp(out, timestamp_ms);
    out.extend_from_slice(b",\"");
    push_value(out, value);
    out.extend_from_slice(b"\"]");
}

fn push_vector(out: &mut Out<'_>, vector: &Vector, limit: usize) -> Result<(), Gone> {
    out.push("\"resultType\":\"vector\",\"result\":[");
    let mut texts = LabelTexts::new(&vector.symbols);
    let samples = vector.timestamps_ms.iter().zip(&vector.values);
    for (row, (&timestamp_ms, &value)) in samples.take(limit).enumerate() {
        out.push(if row == 0 { "{\"metric\":" } else { ",{\"metric\":" });
        texts.push(&mut out.bytes, vector.labels.get(row));
        out.push(",\"value\":");
        push_sample(&mut out.bytes, timestamp_ms, value);
        out.push("}");
        out.spill()?;
    }
    out.push("]");
    Ok(())
}

fn push_matrix(out: &mut Out<'_>, matrix: &Matrix, limit: usize) -> Result<(), Gone> {
    out.push("\"resultType\":\"matrix\",\"result\":[");
    let mut texts = LabelTexts::new(&matrix.symbols);
    // Steps of a range query repeat from series to series: each timestamp is printed once.
    let mut printed = PrintedTimes::default();
    let mut begin = 0;
    for (row, &end) in matrix.ends.iter().take(limit).enumerate() {
        out.push(if row == 0 { "{\"metric\":" } else { ",{\"metric\":" });
        texts.push(&mut out.bytes, matrix.labels.get(row));
        out.push(",\"values\":[");
        for first in (begin..end).step_by(SAMPLES_BETWEEN_SPILLS) {
            let last = end.min(first + SAMPLES_BETWEEN_SPILLS);
            for index in first..last {
                if index > begin {
                    out.bytes.push(b',');
                }
                out.bytes.push(b'[');
                printed.push(&mut out.bytes, index - begin, matrix.timestamps_ms[index]);
                out.bytes.extend_from_slice(b",\"");
                push_value(&mut out.bytes, matrix.values[index]);
                out.bytes.extend_from_slice(b"\"]");
            }
            out.spill()?;
        }
        out.push("]}");
        begin = end;
    }
    out.push("]");
    Ok(())
}

/// The text of the timestamp at each position of the series before.
#[derive(Debug, Default)]
struct PrintedTimes {
    times: Vec<(i64, u32, u32)>,
    arena: Vec<u8>,
}

impl PrintedTimes {
    /// How many positions are remembered; further ones are printed anew.
    const MAX: usize = 1 << 14;

    #[inline]
    fn push(&mut self, out: &mut Vec<u8>, position: usize, timestamp_ms: i64) {
        match self.times.get(position) {
            Some(&(time, begin, end)) if time == timestamp_ms => {
                out.extend_from_slice(&self.arena[begin as usize..end as usize]);
            }
            None if position == self.times.len() && position < Self::MAX => {
                let begin = self.arena.len() as u32;
                push_timestamp(&mut self.arena, timestamp_ms);
                self.times.push((timestamp_ms, begin, self.arena.len() as u32));
                out.extend_from_slice(&self.arena[begin as usize..]);
            }
            _ => push_timestamp(out, timestamp_ms),
        }
    }
}
