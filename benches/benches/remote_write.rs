//! Receiving remote write 1.0 up to the storage, which here takes everything: unpacking, walking, finding references.

use divan::Bencher;
use divan::counter::ItemsCount;
use metrics::Registry;
use model::SeriesRef;
use remote::Receiver;
use remote::receive::{Message, Options};
use std::sync::Arc;
use storage::{Appendable, Appender, FloatBatch, LabelBatch, Rejected, Result};

fn main() {
    divan::main();
}

const NUM_SERIES: usize = 2000;

struct TakesAll;

impl Appendable for TakesAll {
    fn appender(&self, _now_ms: i64) -> Box<dyn Appender> {
        Box::new(Self)
    }
}

impl Appender for TakesAll {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        _rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        refs.extend((0..labels.len() as u64).map(|index| SeriesRef::new(index + 1)));
        Ok(())
    }

    fn append_floats(
        &mut self,
        batch: FloatBatch<'_>,
        _rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        divan::black_box(batch.columns());
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn field(out: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    out.push(key);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// One sample for each of many series with ten labels; `salt` tells bodies of other series apart.
fn body(salt: u64) -> Vec<u8> {
    let mut body = Vec::new();
    for index in 0..NUM_SERIES {
        let mut series = Vec::new();
        let pod = format!("frontend-6d8f7c9b4-{:05x}", index as u64 + salt * 100_000);
        let pairs = [
            ("__name__", "container_network_receive_bytes_total"),
            ("container", "frontend"),
            ("id", "/kubepods/burstable/pod5f3a"),
            ("image", "registry.example/team/frontend:v1.42.7"),
            ("instance", "10.1.2.3:10250"),
            ("interface", "eth0"),
            ("job", "kubelet"),
            ("namespace", "production"),
            ("node", "node-17.eu-west.example"),
            ("pod", pod.as_str()),
        ];
        for (name, value) in pairs {
            let mut label = Vec::new();
            field(&mut label, 0x0A, name.as_bytes());
            field(&mut label, 0x12, value.as_bytes());
            field(&mut series, 0x0A, &label);
        }
        let mut sample = vec![0x09];
        sample.extend_from_slice(&(index as f64 * 1.5).to_le_bytes());
        sample.push(0x10);
        varint(&mut sample, 1_793_494_800_000);
        field(&mut series, 0x12, &sample);
        field(&mut body, 0x0A, &series);
    }
    snap::raw::Encoder::new().compress_vec(&body).expect("small")
}

#[divan::bench]
fn known_series(bencher: Bencher<'_, '_>) {
    let receiver = Receiver::new(Arc::new(TakesAll), Options::default(), &Registry::new());
    let body = body(0);
    receiver.write(Message::V1, &body, 1_793_494_800_000).1.expect("stored");
    bencher
        .counter(ItemsCount::new(NUM_SERIES))
        .bench(|| receiver.write(Message::V1, divan::black_box(&body), 1_793_494_800_000));
}

#[divan::bench]
fn new_series(bencher: Bencher<'_, '_>) {
    let body = body(0);
    bencher
        .counter(ItemsCount::new(NUM_SERIES))
        .with_inputs(|| Receiver::new(Arc::new(TakesAll), Options::default(), &Registry::new()))
        .bench_values(|receiver| {
            receiver.write(Message::V1, &body, 1_793_494_800_000).1.expect("stored");
            receiver
        });
}

#[divan::bench]
fn unpacking_alone(bencher: Bencher<'_, '_>) {
    let body = body(0);
    let mut plain = vec![0; snap::raw::decompress_len(&body).expect("length")];
    bencher.counter(ItemsCount::new(NUM_SERIES)).bench_local(|| {
        snap::raw::Decoder::new().decompress(divan::black_box(&body), &mut plain).expect("snappy")
    });
}
