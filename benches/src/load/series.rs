//! What is written: series like those of node exporters and of container runtimes, their values, and remote-write
//! bodies made of them. Deterministic: the same call makes the same bytes. Bodies of remote write 2.0 and of OTLP live
//! in the files below.

mod otlp;
mod v2;

pub use otlp::body as otlp_body;
pub use v2::Tables;

use super::proto::{self, double, field, varint};
use std::collections::BTreeMap;

/// A series: its labels, already encoded as protobuf fields, and how its values move.
#[derive(Clone, Debug)]
pub struct Series {
    labels: Vec<u8>,
    seed: u64,
    counter: bool,
}

/// A well-mixed number from a counter.
#[must_use]
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Series {
    /// A series with these labels, sorted by name here.
    #[must_use]
    pub fn new(labels: &[(&str, &str)], counter: bool) -> Self {
        let mut sorted = labels.to_vec();
        sorted.sort_unstable();
        let mut bytes = Vec::new();
        let mut pair = Vec::new();
        let mut seed = 1_469_598_103_934_665_603_u64;
        for (name, value) in sorted {
            pair.clear();
            field(1, name.as_bytes(), &mut pair);
            field(2, value.as_bytes(), &mut pair);
            field(1, &pair, &mut bytes);
            for byte in pair.iter() {
                seed = (seed ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211);
            }
        }
        Self { labels: bytes, seed, counter }
    }

    /// Its labels, sorted by name.
    fn pairs(&self) -> BTreeMap<&str, &str> {
        let text = |bytes| std::str::from_utf8(bytes).expect("labels are texts");
        let pair = |(_, pair)| {
            let mut texts = proto::fields(pair).map(|(_, bytes)| text(bytes));
            texts.next().zip(texts.next()).expect("a name and a value")
        };
        proto::fields(&self.labels).map(pair).collect()
    }

    /// Its value at step `step`: counters grow by small random amounts, gauges wander with two decimals.
    #[must_use]
    pub fn value(&self, step: u64) -> f64 {
        let noise = mix(self.seed ^ step);
        if self.counter {
            let base = self.seed % 1_000_000;
            let pace = 1 + self.seed % 37;
            ((base + step * pace * 10) + noise % (pace * 10)) as f64
        } else {
            (self.seed % 1000) as f64 + (noise % 1000) as f64 / 100.0
        }
    }
}

/// One remote-write 1.0 body: one sample of each series, compressed. `scratch` is reused between calls.
pub fn body(series: &[Series], step: u64, timestamp_ms: i64, scratch: &mut Scratch) -> Vec<u8> {
    body_of(series, step, timestamp_ms, scratch)
}

/// The same of series that are not side by side.
pub fn body_of<'s>(
    series: impl IntoIterator<Item = &'s Series>,
    step: u64,
    timestamp_ms: i64,
    scratch: &mut Scratch,
) -> Vec<u8> {
    scratch.plain.clear();
    for one in series {
        scratch.sample.clear();
        scratch.sample.push(1 << 3 | 1);
        scratch.sample.extend_from_slice(&one.value(step).to_le_bytes());
        scratch.sample.push(2 << 3);
        varint(timestamp_ms as u64, &mut scratch.sample);
        let length = one.labels.len() + scratch.sample.len() + 2;
        scratch.plain.push(1 << 3 | 2);
        varint(length as u64, &mut scratch.plain);
        scratch.plain.extend_from_slice(&one.labels);
        field(2, &scratch.sample, &mut scratch.plain);
    }
    scratch.encoder.compress_vec(&scratch.plain).expect("bodies are far below 4 GiB")
}

pub(super) fn zigzag(value: i64, out: &mut Vec<u8>) {
    varint((value << 1 ^ value >> 63) as u64, out);
}

impl Series {
    /// A native histogram of twelve buckets that only grows, as a remote-write 1.0 message.
    fn histogram(&self, step: u64, timestamp_ms: i64, out: &mut Vec<u8>, scratch: &mut Vec<u8>) {
        let counts: [u64; 12] = std::array::from_fn(|bucket| {
            let seed = mix(self.seed ^ bucket as u64);
            step * (1 + seed % 9) + mix(seed ^ step) % (1 + seed % 9)
        });
        out.push(1 << 3);
        varint(counts.iter().sum(), out);
        double(3, counts.iter().sum::<u64>() as f64 * 0.017, out);
        out.push(4 << 3);
        zigzag(3, out);
        double(5, 1e-128, out);
        scratch.clear();
        scratch.push(1 << 3);
        zigzag(-40, scratch);
        scratch.push(2 << 3);
        varint(counts.len() as u64, scratch);
        field(11, scratch, out);
        scratch.clear();
        let mut last = 0;
        for count in counts {
            zigzag(count as i64 - last, scratch);
            last = count as i64;
        }
        field(12, scratch, out);
        out.push(15 << 3);
        varint(timestamp_ms as u64, out);
    }
}

/// One remote-write 1.0 body: one native histogram of each series, compressed.
pub fn histogram_body(
    series: &[Series],
    step: u64,
    timestamp_ms: i64,
    scratch: &mut Scratch,
) -> Vec<u8> {
    scratch.plain.clear();
    let mut message = Vec::new();
    let mut part = Vec::new();
    for one in series {
        scratch.sample.clear();
        one.histogram(step, timestamp_ms, &mut scratch.sample, &mut part);
        message.clear();
        message.extend_from_slice(&one.labels);
        field(4, &scratch.sample, &mut message);
        field(1, &message, &mut scratch.plain);
    }
    scratch.encoder.compress_vec(&scratch.plain).expect("bodies are far below 4 GiB")
}

/// `count` series of native histograms.
#[must_use]
pub fn latencies(count: usize) -> Vec<Series> {
    let series = |index: usize| {
        let instance = format!("app-{:04}:8080", index / 10);
        let handler = format!("/api/thing{}", index % 10);
        let labels = [
            ("__name__", "latency_seconds"),
            ("instance", instance.as_str()),
            ("job", "app"),
            ("handler", handler.as_str()),
        ];
        Series::new(&labels, true)
    };
    (0..count).map(series).collect()
}

/// Buffers of [`body`].
pub struct Scratch {
    plain: Vec<u8>,
    sample: Vec<u8>,
    encoder: snap::raw::Encoder,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { plain: Vec::new(), sample: Vec::new(), encoder: snap::raw::Encoder::new() }
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").field("plain", &self.plain.len()).finish_non_exhaustive()
    }
}

/// `count` series like those of node exporters: about five short labels.
#[must_use]
pub fn node(count: usize) -> Vec<Series> {
    let mut out = Vec::with_capacity(count);
    for index in 0.. {
        if out.len() == count {
            break;
        }
        let (host, metric) = (index / 1000, index % 1000);
        let instance = format!("node-{host:04}.example.com:9100");
        let name = format!("node_metric_{:03}_total", metric / 8);
        let device = format!("dev{}", metric % 8);
        let labels = [
            ("__name__", name.as_str()),
            ("instance", &instance),
            ("job", "node"),
            ("device", &device),
            ("region", ["eu-west", "us-east", "ap-south"][host % 3]),
        ];
        out.push(Series::new(&labels, metric % 2 == 0));
    }
    out
}

/// Series like those of a container runtime: `nodes` x `pods` x `metrics`, about ten long labels.
/// Pods are named after `generation`, so that a new one renames them all.
#[must_use]
pub fn containers(nodes: usize, pods: usize, metrics: usize, generation: u64) -> Vec<Series> {
    (0..nodes).flat_map(|node| container_node(node, pods, metrics, generation)).collect()
}

/// Those of one node.
#[must_use]
pub fn container_node(node: usize, pods: usize, metrics: usize, generation: u64) -> Vec<Series> {
    let mut out = Vec::with_capacity(pods * metrics);
    let instance = format!("10.{}.{}.7:10250", node / 250, node % 250);
    let node_name = format!("ip-10-{}-{}-7.eu-central-1.compute.internal", node / 250, node % 250);
    for pod in 0..pods {
        let identity = mix((node * pods + pod) as u64 ^ generation << 40);
        let namespace = format!("team-{:02}-production", pod % 40);
        let pod_name =
            format!("service-{:03}-{:08x}-{:05x}", pod, identity >> 32, identity & 0xfffff);
        let id = format!("/kubepods.slice/kubepods-burstable.slice/pod{identity:016x}");
        let image =
            format!("registry.example.com/team-{:02}/service-{pod:03}:1.{}", pod % 40, pod % 17);
        for metric in 0..metrics {
            let name = format!("container_metric_{metric:02}_total");
            let labels = [
                ("__name__", name.as_str()),
                ("container", "main"),
                ("id", &id),
                ("image", &image),
                ("instance", &instance),
                ("job", "kubelet"),
                ("metrics_path", "/metrics/cadvisor"),
                ("namespace", &namespace),
                ("node", &node_name),
                ("pod", &pod_name),
            ];
            out.push(Series::new(&labels, metric % 2 == 0));
        }
    }
    out
}
