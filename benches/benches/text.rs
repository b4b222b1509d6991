//! The text parser, cold and with known lines: samples and bytes per second. Values are written as exporters in Go write
//! them: large ones with an exponent.

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use expfmt::{Entry, Fingerprint, Parser as _, TextParser};

fn main() {
    divan::main();
}

const NUM_SAMPLES: usize = 2000;

/// A body like that of a node exporter: families of a few series, with help and type.
fn body() -> Vec<u8> {
    let mut text = String::new();
    for family in 0..NUM_SAMPLES / 8 {
        let name = format!("node_network_statistics_{family}_total");
        text.extend(
            format!("# HELP {name} Number of packets of kind {family}.\n# TYPE {name} gauge\n")
                .chars(),
        );
        for device in 0..8 {
            let number = family * 7919 + device * 104_729;
            let value = match number % 5 {
                0 => format!("{}", number % 2),
                1 => format!("{}", number % 1000),
                2 => format!("{}.{:02}", number % 10_000, number % 89),
                3 => format!("{}.{:06}e+06", number % 10, number),
                _ => format!("{}.{:09}e+09", number % 10, number),
            };
            text.extend(
                format!("{name}{{device=\"eth{device}\",direction=\"receive\"}} {value}\n").chars(),
            );
        }
    }
    text.into_bytes()
}

fn series(body: &[u8]) -> Vec<Fingerprint> {
    let mut parser = TextParser::new(body);
    let mut all = Vec::new();
    while let Ok(Some(entry)) = parser.next_entry() {
        if let Entry::Sample(sample) = entry {
            all.push(Fingerprint::of(sample.series));
        }
    }
    all
}

#[divan::bench]
fn parse_all(bencher: Bencher<'_, '_>) {
    let body = body();
    bencher.counter(ItemsCount::new(NUM_SAMPLES)).counter(BytesCount::of_slice(&body)).bench(
        || {
            let mut parser = TextParser::new(&body);
            let mut sum = 0.0;
            while let Ok(Some(entry)) = parser.next_entry() {
                if let Entry::Sample(sample) = entry {
                    sum += sample.point.value;
                }
            }
            sum
        },
    );
}

#[divan::bench]
fn parse_known_lines(bencher: Bencher<'_, '_>) {
    let body = body();
    let known = series(&body);
    bencher.counter(ItemsCount::new(NUM_SAMPLES)).counter(BytesCount::of_slice(&body)).bench(
        || {
            let mut parser = TextParser::new(&body);
            let mut sum = 0.0;
            for series in &known {
                while parser.at_comment() {
                    divan::black_box(parser.next_entry().is_ok());
                }
                if let Ok(Some(sample)) = parser.next_of(*series) {
                    sum += sample.point.value;
                }
            }
            sum
        },
    );
}
