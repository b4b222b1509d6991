//! Pages of native histograms in protobuf, as instrumented programs answer them: integer counts, told as differences.

use super::proto::{double, field, varint};
use super::series::{mix, zigzag};

/// The content type of a page.
pub const CONTENT_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
const METRICS_OF_A_FAMILY: usize = 10;
const NUM_BUCKETS: usize = 12;
const HISTOGRAM: u64 = 4;

/// Buffers of the messages inside each other.
#[derive(Debug, Default)]
pub struct Scratch {
    family: Vec<u8>,
    metric: Vec<u8>,
    part: Vec<u8>,
    inner: Vec<u8>,
}

/// Writes `count` histograms of twelve buckets, which only grow with `turn`.
pub fn write_page(count: usize, turn: u64, scratch: &mut Scratch, page: &mut Vec<u8>) {
    for first in (0..count).step_by(METRICS_OF_A_FAMILY) {
        let Scratch { family, .. } = scratch;
        family.clear();
        let name = format!("load_latency_{:03}_seconds", first / METRICS_OF_A_FAMILY);
        field(1, name.as_bytes(), family);
        field(2, b"How long it took.", family);
        family.push(3 << 3);
        varint(HISTOGRAM, family);
        for index in first..count.min(first + METRICS_OF_A_FAMILY) {
            metric(index, turn, scratch);
            field(4, &scratch.metric, &mut scratch.family);
        }
        varint(scratch.family.len() as u64, page);
        page.extend_from_slice(&scratch.family);
    }
}

/// Writes a metric: its labels, then its histogram.
fn metric(index: usize, turn: u64, scratch: &mut Scratch) {
    let Scratch { metric, part, inner, .. } = scratch;
    metric.clear();
    for (name, value) in [("handler", format!("/api/thing{}", index % 10)), ("kind", "test".into())]
    {
        part.clear();
        field(1, name.as_bytes(), part);
        field(2, value.as_bytes(), part);
        field(1, part, metric);
    }
    let counts: [u64; NUM_BUCKETS] = std::array::from_fn(|bucket| {
        let seed = mix((index * NUM_BUCKETS + bucket) as u64);
        turn * (1 + seed % 9) + mix(seed ^ turn) % (1 + seed % 9)
    });
    part.clear();
    part.push(1 << 3);
    varint(counts.iter().sum(), part);
    double(2, counts.iter().sum::<u64>() as f64 * 0.017, part);
    part.push(5 << 3);
    zigzag(3, part);
    double(6, 1e-128, part);
    part.push(7 << 3);
    varint(0, part);
    inner.clear();
    inner.push(1 << 3);
    zigzag(-40, inner);
    inner.push(2 << 3);
    varint(NUM_BUCKETS as u64, inner);
    field(12, inner, part);
    let mut last = 0;
    for count in counts {
        part.push(13 << 3);
        zigzag(count as i64 - last, part);
        last = count as i64;
    }
    field(7, part, metric);
}
