//! Random queries, answered by the engine and by an evaluator that computes every step from the raw samples alone. The
//! values are the same to the last bit. `FIRESTEEL_QUERIES` sets how many, `FIRESTEEL_SEED` which.

mod evaluate;
mod generate;

use crate::queries::{append, engine, range};
use evaluate::{Labels, Out, Row, World};
use generate::Generator;
use promql::Value;
use std::collections::{BTreeMap, BTreeSet};
use storage::MemoryStorage;

const STEPS: (i64, i64, i64) = (600_000, 3_000_000, 95_000);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Series with gaps, resets, staleness markers and odd numbers.
fn world(generator: &mut Generator) -> World {
    let mut series = Vec::new();
    for name in ["c_total", "d_total", "g", "h"] {
        for x in ["a", "b", "c"] {
            for y in ["1", "2"] {
                let labels = [("__name__", name), ("x", x), ("y", y)];
                let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let samples = generator.samples(name.ends_with("_total"));
                series.push((BTreeMap::from(labels), samples));
            }
        }
    }
    World { series }
}

fn stored(world: &World) -> MemoryStorage {
    let storage = MemoryStorage::new();
    for (labels, samples) in &world.series {
        let labels: Vec<_> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        append(&storage, &labels, samples.iter().copied());
    }
    storage
}

type Answer = BTreeMap<Labels, Vec<(i64, u64)>>;

/// All that is no number has one pattern.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn naive(out: Out, times: &[i64]) -> Answer {
    let rows = match out {
        Out::Scalar(values) => {
            vec![Row { labels: Labels::new(), values: values.into_iter().map(Some).collect() }]
        }
        Out::Vector(rows) => rows,
    };
    let mut answer = Answer::new();
    for row in rows {
        let values = times.iter().zip(row.values);
        let points = values.filter_map(|(&time, value)| Some((time, bits(value?))));
        answer.entry(row.labels).or_default().extend(points);
    }
    for points in answer.values_mut() {
        points.sort_unstable();
    }
    answer.retain(|_, points| !points.is_empty());
    answer
}

fn ours(value: &Value) -> Answer {
    let Value::Matrix(matrix) = value else { panic!("a matrix") };
    let rows = matrix.labels.iter().enumerate().map(|(row, pairs)| {
        let labels = matrix.symbols.labels(pairs);
        let labels = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let points = matrix.floats.of(row).map(|(_, time, value)| (time, bits(value)));
        (labels, points.collect())
    });
    rows.collect()
}

/// The first point at which two answers differ.
fn difference(got: &Answer, expected: &Answer) -> String {
    let all: BTreeSet<&Labels> = got.keys().chain(expected.keys()).collect();
    let labels = all.into_iter().find(|labels| got.get(*labels) != expected.get(*labels));
    let labels = labels.expect("they differ");
    let points = |answer: &Answer| -> Vec<(i64, f64)> {
        let points = answer.get(labels).into_iter().flatten();
        points.map(|&(time, bits)| (time, f64::from_bits(bits))).collect()
    };
    format!("{labels:?}\n  {:?}\n  not {:?}", points(got), points(expected))
}

#[test]
fn random_queries_agree_with_a_naive_evaluator() {
    let seed = number("FIRESTEEL_SEED", 1);
    let mut generator = Generator::new(seed);
    let world = world(&mut generator);
    let (storage, engine) = (stored(&world), engine(|_| {}));
    let (start_ms, end_ms, step_ms) = STEPS;
    let times: Vec<i64> =
        (0..).map(|step| start_ms + step * step_ms).take_while(|&t| t <= end_ms).collect();
    let (mut answered, mut refused, mut odd) = (0, 0, Vec::new());
    for _ in 0..number("FIRESTEEL_QUERIES", 3000) {
        let query = generator.query();
        let text = query.to_string();
        let expected = evaluate::evaluate(&world, &query, &times);
        match (range(&engine, &storage, &text, STEPS), expected) {
            (Ok(answer), Ok(expected)) => {
                let (got, expected) = (ours(&answer.value), naive(expected, &times));
                answered += usize::from(!expected.is_empty());
                if got != expected {
                    odd.push(format!("{text}\n  {}", difference(&got, &expected)));
                }
            }
            (Err(_), Err(_)) => refused += 1,
            (Ok(_), Err(why)) => odd.push(format!("{text}\n  should fail: {why}")),
            (Err(error), Ok(_)) => odd.push(format!("{text}\n  {error}")),
        }
    }
    assert!(odd.is_empty(), "{} differ, seed {seed}:\n{}", odd.len(), odd.join("\n"));
    println!("{answered} random queries find something, {refused} are refused");
    assert!(answered > 10 * refused, "the queries make sense: {answered}, {refused} refused");
}
