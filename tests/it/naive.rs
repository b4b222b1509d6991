//! Random queries, answered by the engine and by an evaluator that computes every step from the raw samples alone: the
//! same to the last bit. `FIRESTEEL_QUERIES` sets how many, `FIRESTEEL_SEED` which.

mod evaluate;
mod generate;
mod histogram;
mod reference;
mod samples;

use crate::queries::{engine, range};
use chunk::exact::{ExactSample, ExactValue};
use evaluate::{Labels, Out, Row, Sample, World};
use generate::Generator;
use histogram::Histogram;
use model::histogram::{CounterResetHint, FloatHistogram};
use model::{Symbols, TimeRange};
use parking_lot::Mutex;
use promql::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use storage::{
    Appendable, Cancel, FloatBatch, HistogramBatch, LabelBatch, MemoryStorage, Queryable,
    SelectHints, SeriesBatch,
};

const STEPS: (i64, i64, i64) = (600_000, 3_000_000, 95_000);

/// So many queries are asked of one world; the next ones of another.
const QUERIES_OF_A_WORLD: u64 = 250;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Random series of every kind, as in the comparison.
pub(crate) fn random_storage(seed: u64) -> MemoryStorage {
    stored(&samples::world(&mut Generator::new(seed))).0
}

/// The world in a storage, and as that shows it: which hints histograms have is for storages to say.
fn stored(world: &World) -> (MemoryStorage, World) {
    let storage = MemoryStorage::new();
    for (labels, samples) in &world.series {
        append(&storage, labels, samples);
    }
    let querier = storage.querier(TimeRange::ALL).expect("a snapshot");
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel).expect("series");
    let (mut batch, mut series) = (SeriesBatch::default(), Vec::new());
    while set.next_batch(&mut batch).expect("a batch") {
        for row in 0..batch.len() {
            let labels = symbols.labels(batch.labels().get(row));
            let labels = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            let mut samples = Vec::new();
            batch.read_exact(row, TimeRange::ALL, &mut samples).expect("samples");
            let shown = |sample: &ExactSample| match &sample.value {
                ExactValue::Float(value) => (sample.timestamp_ms, Sample::Float(*value)),
                ExactValue::Histogram(value) => {
                    (sample.timestamp_ms, Histogram::of(&value.to_float()).into())
                }
            };
            series.push((labels, samples.iter().map(shown).collect()));
        }
    }
    (storage, World { series })
}

fn append(storage: &dyn Appendable, labels: &Labels, samples: &[(i64, Sample)]) {
    let labels: Vec<_> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let mut appender = storage.appender(0);
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let ends = [labels.len() as u32];
    appender.resolve(LabelBatch::new(&labels, &ends), &mut refs, &mut rejected).unwrap();
    let refs = [refs[0].expect("a valid label set")];
    for (time, sample) in samples {
        let times = [*time];
        match sample {
            Sample::Float(value) => appender
                .append_floats(FloatBatch::new(&refs, &times, &[*value]), &mut rejected)
                .unwrap(),
            Sample::Histogram(histogram) => {
                let values = [model::histogram::Histogram::Float(histogram.stored())];
                let batch = HistogramBatch::new(&refs, &times, &values);
                appender.append_histograms(batch, &mut rejected).unwrap();
            }
        }
    }
    assert!(rejected.is_empty(), "{rejected:?}");
    appender.commit().unwrap();
}

/// What is compared of a sample: bits.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Point {
    Float(u64),
    Histogram(Box<HistogramPoint>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct HistogramPoint {
    hint: CounterResetHint,
    schema: i32,
    bounds: Vec<u64>,
    /// Zero threshold, zero count, count, sum.
    totals: [u64; 4],
    buckets: [Vec<(i32, u64)>; 2],
}

impl Point {
    fn of(sample: &Sample) -> Self {
        let h = match sample {
            Sample::Float(value) => return Self::Float(bits(*value)),
            Sample::Histogram(histogram) => histogram,
        };
        let buckets = |side: &BTreeMap<i32, f64>| {
            let side = side.iter().filter(|(_, count)| **count != 0.0);
            side.map(|(&index, &count)| (index, bits(count))).collect()
        };
        Self::Histogram(Box::new(HistogramPoint {
            hint: h.hint,
            schema: h.schema,
            bounds: h.bounds.iter().map(|bound| bound.to_bits()).collect(),
            totals: [h.zero_threshold, h.zero_count, h.count, h.sum].map(bits),
            buckets: [buckets(&h.positive), buckets(&h.negative)],
        }))
    }
}

type Answer = BTreeMap<Labels, Vec<(i64, Point)>>;

/// All that is no number has one pattern.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn naive(out: Out, times: &[i64]) -> Answer {
    let rows = match out {
        Out::Scalar(values) => {
            let values = values.into_iter().map(|value| Some(Sample::Float(value)));
            vec![Row { labels: Labels::new(), values: values.collect() }]
        }
        Out::Vector(rows) => rows,
    };
    let mut answer = Answer::new();
    for row in rows {
        let values = times.iter().zip(row.values);
        let points = values.filter_map(|(&time, value)| Some((time, Point::of(&value?))));
        answer.entry(row.labels).or_default().extend(points);
    }
    for points in answer.values_mut() {
        points.sort_by_key(|(time, _)| *time);
    }
    answer.retain(|_, points| !points.is_empty());
    answer
}

fn ours(value: &Value) -> Answer {
    let Value::Matrix(matrix) = value else { panic!("a matrix") };
    let rows = matrix.labels.iter().enumerate().map(|(row, pairs)| {
        let labels = matrix.symbols.labels(pairs);
        let labels = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let floats = matrix.floats.of(row);
        let floats = floats.map(|(_, time, value)| (time, Point::Float(bits(value))));
        let (times, histograms) = matrix.histograms.of(row);
        let point = |h: &Arc<FloatHistogram>| Point::of(&Histogram::of(h).into());
        let histograms = times.iter().copied().zip(histograms.iter().map(point));
        let mut points: Vec<_> = floats.chain(histograms).collect();
        points.sort_by_key(|(time, _)| *time);
        (labels, points)
    });
    rows.collect()
}

/// Makes all zeros the same.
fn without_negative_zeros(answer: &mut Answer) {
    for (_, point) in answer.values_mut().flatten() {
        if *point == Point::Float((-0.0_f64).to_bits()) {
            *point = Point::Float(0);
        }
    }
}

/// The first point at which two answers differ.
fn difference(got: &Answer, expected: &Answer) -> String {
    let all: BTreeSet<&Labels> = got.keys().chain(expected.keys()).collect();
    let labels = all.into_iter().find(|labels| got.get(*labels) != expected.get(*labels));
    let labels = labels.expect("they differ");
    let points = |answer: &Answer| answer.get(labels).cloned().unwrap_or_default();
    let (got, expected) = (points(got), points(expected));
    let times: BTreeSet<i64> = got.iter().chain(&expected).map(|(time, _)| *time).collect();
    let at = |points: &[(i64, Point)], time: i64| -> Option<Point> {
        points.iter().find(|(t, _)| *t == time).map(|(_, point)| point.clone())
    };
    let time = times.into_iter().find(|&time| at(&got, time) != at(&expected, time));
    let time = time.expect("they differ somewhere");
    let told = |points: &[(i64, Point)]| match at(points, time) {
        None => "nothing".to_owned(),
        Some(Point::Float(bits)) => format!("{:?}", f64::from_bits(bits)),
        Some(Point::Histogram(h)) => {
            let totals = h.totals.map(f64::from_bits);
            let bounds: Vec<f64> = h.bounds.iter().map(|&bits| f64::from_bits(bits)).collect();
            let buckets = h.buckets.clone().map(|side| -> Vec<(i32, f64)> {
                side.into_iter().map(|(index, bits)| (index, f64::from_bits(bits))).collect()
            });
            format!("{:?} {} {bounds:?} {totals:?} {buckets:?}", h.hint, h.schema)
        }
    };
    format!("{labels:?} at {time}\n  {}\n  not {}", told(&got), told(&expected))
}

/// How many queries found something and how many were refused, by both, and those that differ.
#[derive(Default)]
struct Compared {
    answered: u64,
    refused: u64,
    odd: Vec<String>,
}

/// Asks the first queries of a seed over a world of it.
fn compare(seed: u64, num_queries: u64) -> Compared {
    let mut generator = Generator::new(seed);
    let (storage, world) = stored(&samples::world(&mut generator));
    let engine = engine(|_| {});
    let (start_ms, end_ms, step_ms) = STEPS;
    let times: Vec<i64> =
        (0..).map(|step| start_ms + step * step_ms).take_while(|&t| t <= end_ms).collect();
    let mut compared = Compared::default();
    for _ in 0..num_queries {
        let query = generator.query();
        let text = query.to_string();
        let expected = evaluate::answer(&world, &query, &times);
        let what = match (range(&engine, &storage, &text, STEPS), expected) {
            (Ok(answer), Ok(expected)) => {
                let (mut got, mut expected) = (ours(&answer.value), naive(expected, &times));
                compared.answered += u64::from(!expected.is_empty());
                if text.contains("quantile") {
                    // Which zero a quantile meets first is for the sort to say, and that of the reference is not stable.
                    [&mut got, &mut expected].into_iter().for_each(without_negative_zeros);
                }
                if got == expected {
                    continue;
                }
                difference(&got, &expected)
            }
            (Err(_), Err(_)) => {
                compared.refused += 1;
                continue;
            }
            (Ok(_), Err(why)) => format!("should fail: {why}"),
            (Err(error), Ok(_)) => error.to_string(),
        };
        compared.odd.push(format!("{text}\n  seed {seed}: {what}"));
    }
    compared
}

#[test]
fn random_queries_agree_with_a_naive_evaluator() {
    let first = number("FIRESTEEL_SEED", 1);
    let num_worlds = number("FIRESTEEL_QUERIES", 100_000).div_ceil(QUERIES_OF_A_WORLD);
    let (next, all) = (AtomicU64::new(0), Mutex::new(Compared::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let world = next.fetch_add(1, Ordering::Relaxed);
                    if world >= num_worlds {
                        return;
                    }
                    let seed = first.wrapping_mul(1_000_000).wrapping_add(world);
                    let mut compared = compare(seed, QUERIES_OF_A_WORLD);
                    let mut all = all.lock();
                    all.answered += compared.answered;
                    all.refused += compared.refused;
                    all.odd.append(&mut compared.odd);
                }
            });
        }
    });
    let Compared { answered, refused, odd } = all.into_inner();
    let shown = odd.iter().take(20).cloned().collect::<Vec<_>>();
    assert!(odd.is_empty(), "{} differ:\n{}", odd.len(), shown.join("\n"));
    println!("{answered} random queries find something, {refused} are refused");
    assert!(answered > 10 * refused, "the queries make sense: {answered}, {refused} refused");
}
