//! The write-ahead log without a device behind it: commits in, records out.

use disk::{Disk, SimDisk};
use divan::counter::ItemsCount;
use std::path::Path;
use std::sync::Arc;
use wal::record::{Samples, decode_samples, encode_samples};
use wal::{Compression, Reader, Writer, WriterOptions};

const SAMPLES: usize = 2000;

fn main() {
    divan::main();
}

/// A scrape: one time, references that climb, values that differ.
fn scrape(round: usize) -> impl Iterator<Item = (u64, i64, f64)> {
    let time = 1_700_000_000_000 + round as i64 * 15_000;
    (0..SAMPLES as u64).map(move |n| (1000 + n, time, (n * 31 + round as u64 * 7) as f64 / 3.0))
}

fn record(round: usize) -> Vec<u8> {
    let mut out = Vec::new();
    encode_samples(&mut out, scrape(round));
    out
}

#[divan::bench]
fn encode(bencher: divan::Bencher<'_, '_>) {
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        out.clear();
        encode_samples(&mut out, scrape(1));
        out.len()
    });
}

#[divan::bench]
fn decode(bencher: divan::Bencher<'_, '_>) {
    let record = record(1);
    let mut samples = Samples::default();
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        decode_samples(&record, &mut samples).expect("our own record");
        samples.len()
    });
}

#[divan::bench(args = [false, true])]
fn log(bencher: divan::Bencher<'_, '_>, snappy: bool) {
    let compression = if snappy { Compression::Snappy } else { Compression::None };
    let options = WriterOptions { segment_bytes: 1 << 20, compression };
    let mut writer =
        Writer::open(Arc::new(SimDisk::new()), Path::new("wal"), options).expect("memory");
    let record = record(1);
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        writer.log(&[&record]).expect("memory");
        let last = writer.last_segment();
        writer.truncate(last).expect("memory");
    });
}

#[divan::bench(args = [false, true])]
fn read(bencher: divan::Bencher<'_, '_>, snappy: bool) {
    const ROUNDS: usize = 500;
    let compression = if snappy { Compression::Snappy } else { Compression::None };
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let options = WriterOptions { compression, ..WriterOptions::default() };
    let mut writer = Writer::open(Arc::clone(&disk), Path::new("wal"), options).expect("memory");
    for round in 0..ROUNDS {
        writer.log(&[&record(round)]).expect("memory");
    }
    let mut samples = Samples::default();
    bencher.counter(ItemsCount::new(SAMPLES * ROUNDS)).bench_local(|| {
        let mut reader = Reader::dir(Arc::clone(&disk), Path::new("wal")).expect("memory");
        let mut sum = 0;
        while let Some(record) = reader.next_record().expect("our own log") {
            decode_samples(record, &mut samples).expect("our own record");
            sum += samples.len();
        }
        sum
    });
}
