//! The float codec on five shapes of data: a constant, a counter, a gauge of two decimals, random increments, and a
//! counter whose scrape times jitter.

use chunk::SampleColumns;
use chunk::xor::{XorAppender, decode};
use divan::Bencher;
use divan::counter::ItemsCount;

const SAMPLES: usize = 120;
const SHAPES: [&str; 5] = ["constant", "counter", "gauge", "random", "jitter"];

fn main() {
    divan::main();
}

fn samples(shape: &str) -> Vec<(i64, f64)> {
    let mut random = 42u64;
    let mut next = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random >> 33
    };
    let mut total = 1000.0;
    let sample = |i: usize| {
        let time = 1_700_000_000_000 + i as i64 * 15_000;
        let noise = next();
        match shape {
            "constant" => (time, 42.5),
            "counter" => (time, 1000.0 + i as f64 * 5.0),
            "gauge" => (time, (noise % 10_000) as f64 / 100.0),
            "random" => {
                total += (noise % 1000) as f64;
                (time, total)
            }
            _ => (time + (noise % 101) as i64 - 50, 1000.0 + i as f64 * 5.0),
        }
    };
    (0..SAMPLES).map(sample).collect()
}

fn encode(samples: &[(i64, f64)], chunk: &mut Vec<u8>) {
    let mut appender = XorAppender::new();
    for &(time, value) in samples {
        appender.append(chunk, time, value);
    }
}

#[divan::bench(args = SHAPES)]
fn append(bencher: Bencher<'_, '_>, shape: &str) {
    let samples = samples(shape);
    let mut chunk = Vec::with_capacity(2048);
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| encode(&samples, &mut chunk));
}

#[divan::bench(args = SHAPES)]
fn read(bencher: Bencher<'_, '_>, shape: &str) {
    let mut chunk = Vec::new();
    encode(&samples(shape), &mut chunk);
    let mut out = SampleColumns::default();
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        out.clear();
        decode(SAMPLES, &chunk, &mut out)
    });
}
