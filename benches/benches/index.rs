//! The index file: write it, open it, look up, stream what was selected.

use bytes::Bytes;
use disk::{Disk, SimDisk};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use std::path::Path;
use tsdb::index::{ChunkEntry, IndexReader, IndexWriter, encode_chunks};

fn main() {
    divan::main();
}

const SERIES: u32 = 100_000;
const METRICS: u32 = 100;

struct Data {
    symbols: Vec<String>,
    series: Vec<Vec<(u32, u32)>>,
    chunks: Vec<u8>,
}

/// 100 metrics on 1000 pods, ten labels each, sorted.
fn data() -> Data {
    let mut symbols: Vec<String> = (0..9).map(|i| format!("label_{i}")).collect();
    symbols.push("__name__".into());
    symbols.push("pod".into());
    symbols.extend((0..METRICS).map(|i| format!("metric_{i:03}_total")));
    symbols.extend((0..SERIES / METRICS).map(|i| format!("pod-{i:05}")));
    symbols.extend((0..8).map(|i| format!("value-{i}")));
    symbols.sort();
    let ordinal =
        |text: &str| symbols.binary_search_by(|s| s.as_str().cmp(text)).expect("there") as u32;
    let mut series = Vec::new();
    for metric in 0..METRICS {
        for pod in 0..SERIES / METRICS {
            let mut labels =
                vec![(ordinal("__name__"), ordinal(&format!("metric_{metric:03}_total")))];
            labels.extend((0..8).map(|i| {
                (ordinal(&format!("label_{i}")), ordinal(&format!("value-{}", pod % (i + 1))))
            }));
            labels.push((ordinal("pod"), ordinal(&format!("pod-{pod:05}"))));
            series.push(labels);
        }
    }
    series.sort();
    let mut chunks = Vec::new();
    let entries: Vec<ChunkEntry> = (0..4)
        .map(|i| ChunkEntry {
            min_ms: 1_700_000_000_000 + i * 1_800_000,
            max_ms: 1_700_000_000_000 + i * 1_800_000 + 1_785_000,
            reference: 8 + 150 * i as u64,
        })
        .collect();
    encode_chunks(&entries, &mut chunks);
    Data { symbols, series, chunks }
}

fn write(data: &Data) -> Bytes {
    let (disk, path) = (SimDisk::new(), Path::new("/index"));
    let symbols: Vec<&str> = data.symbols.iter().map(String::as_str).collect();
    let file = disk.create(path).expect("create");
    let mut writer = IndexWriter::new(file, "/index", &symbols).expect("writer");
    for labels in &data.series {
        writer.add_series(labels, &data.chunks).expect("series");
    }
    writer.finish().expect("finish");
    disk.view(path).expect("view")
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn write_series(bencher: Bencher<'_, '_>) {
    let data = data();
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| black_box(write(&data).len()));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn open(bencher: Bencher<'_, '_>) {
    let bytes = write(&data());
    bencher.bench_local(|| black_box(IndexReader::open(bytes.clone(), "index").is_ok()));
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn read_labels(bencher: Bencher<'_, '_>) {
    let reader = IndexReader::open(write(&data()), "index").expect("open");
    let ids: Vec<u32> = reader.all().expect("all").iter().collect();
    let mut labels = Vec::new();
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| {
        for &id in &ids {
            reader.labels(id, &mut labels).expect("labels");
        }
    });
}

#[divan::bench]
fn find_list(bencher: Bencher<'_, '_>) {
    let reader = IndexReader::open(write(&data()), "index").expect("open");
    bencher.bench_local(|| reader.list("pod", black_box("pod-00777")).expect("list").len());
}

#[divan::bench]
fn find_symbol(bencher: Bencher<'_, '_>) {
    let reader = IndexReader::open(write(&data()), "index").expect("open");
    bencher.bench_local(|| reader.find_symbol(black_box("pod-00777")));
}
