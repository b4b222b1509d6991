//! Writing query results as JSON: counters, gauges with all digits, and many short series.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use model::{LabelPair, LabelsColumn, Symbols};
use promql::{Floats, Matrix, Value, Vector};
use std::sync::Arc;
use web::json::{Out, push_result};

fn main() {
    divan::main();
}

fn labels(num_series: usize) -> (Arc<Symbols>, LabelsColumn) {
    let symbols = Arc::new(Symbols::new());
    let mut column = LabelsColumn::default();
    for series in 0..num_series {
        let instance = format!("host-{series:05}.example:9100");
        let pairs = [
            ("__name__", "node_cpu_seconds_total"),
            ("cpu", "7"),
            ("instance", &instance),
            ("job", "node"),
            ("mode", "user"),
        ];
        column.push(pairs.iter().map(|&(name, value)| LabelPair {
            name: symbols.intern(name),
            value: symbols.intern(value),
        }));
    }
    (symbols, column)
}

fn matrix(num_series: usize, num_steps: usize, value: impl Fn(usize) -> f64) -> Value {
    let (symbols, labels) = labels(num_series);
    let total = num_series * num_steps;
    let floats = Floats::listed(
        (1..=num_series).map(|series| series * num_steps).collect(),
        (0..total).map(|i| 1_793_494_800_000 + (i % num_steps) as i64 * 15_000).collect(),
        (0..total).map(value).collect(),
    );
    Value::Matrix(Matrix { symbols, labels, floats, ..Matrix::default() })
}

fn write(value: &Value) -> usize {
    let mut written = 0;
    let mut hand_on = |piece: &mut Vec<u8>| {
        written += piece.len();
        piece.clear();
        Ok(())
    };
    let mut out = Out::new(&mut hand_on);
    push_result(&mut out, black_box(value), 0).expect("nobody goes away");
    let rest = out.bytes.len();
    written + rest
}

#[divan::bench]
fn range_of_counters(bencher: Bencher<'_, '_>) {
    let value = matrix(100, 240, |i| (i * 17) as f64);
    bencher.counter(ItemsCount::new(24_000_usize)).bench(|| write(&value));
}

#[divan::bench]
fn range_of_rates(bencher: Bencher<'_, '_>) {
    let value = matrix(100, 240, |i| (i as f64 + 1.0) / 7.0);
    bencher.counter(ItemsCount::new(24_000_usize)).bench(|| write(&value));
}

#[divan::bench]
fn vector_of_many(bencher: Bencher<'_, '_>) {
    let (symbols, labels) = labels(10_000);
    let value = Value::Vector(Vector {
        symbols,
        labels,
        timestamps_ms: vec![1_793_494_800_000; 10_000],
        values: (0..10_000).map(|i| f64::from(i) / 3.0).collect(),
        ..Vector::default()
    });
    bencher.counter(ItemsCount::new(10_000_usize)).bench(|| write(&value));
}
