//! The text parser, cold and with known lines: ns per sample.

use divan::{Bencher, counter::ItemsCount};
use expfmt::{Entry, Parser as _, TextParser};

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
            let value = (family * 7919 + device * 104_729) as f64 * 1.25;
            text.extend(
                format!("{name}{{device=\"eth{device}\",direction=\"receive\"}} {value}\n").chars(),
            );
        }
    }
    text.into_bytes()
}

fn series(body: &[u8]) -> Vec<Vec<u8>> {
    let mut parser = TextParser::new(body);
    let mut all = Vec::new();
    while let Ok(Some(entry)) = parser.next_entry() {
        if let Entry::Sample(sample) = entry {
            all.push(sample.series.to_vec());
        }
    }
    all
}

#[divan::bench]
fn parse_all(bencher: Bencher<'_, '_>) {
    let body = body();
    bencher.counter(ItemsCount::new(NUM_SAMPLES)).bench(|| {
        let mut parser = TextParser::new(&body);
        let mut sum = 0.0;
        while let Ok(Some(entry)) = parser.next_entry() {
            if let Entry::Sample(sample) = entry {
                sum += sample.point.value;
            }
        }
        sum
    });
}

#[divan::bench]
fn parse_known_lines(bencher: Bencher<'_, '_>) {
    let body = body();
    let known = series(&body);
    bencher.counter(ItemsCount::new(NUM_SAMPLES)).bench(|| {
        let mut parser = TextParser::new(&body);
        let mut sum = 0.0;
        for series in &known {
            while parser.at_comment() {
                divan::black_box(parser.next_entry().is_ok());
            }
            if let Ok(Some(point)) = parser.next_of(series) {
                sum += point.value;
            }
        }
        sum
    });
}
