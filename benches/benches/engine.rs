//! The query engine over the in-memory storage: time per series and step for selectors, range functions, aggregations,
//! joins and quantiles. Samples are stored raw, so decoding costs next to nothing here.

use divan::Bencher;
use divan::counter::ItemsCount;
use promql::{Engine, EngineOptions, Features, Request};
use storage::{Appendable, Cancel, FloatBatch, LabelBatch, MemoryStorage};

fn main() {
    divan::main();
}

const SERIES: usize = 1000;
const INTERVAL_MS: i64 = 15_000;
const STEPS: i64 = 240;
/// An hour of windows and what they reach back.
const SAMPLES: i64 = STEPS + 240;

/// Counters that reset now and then, gauges with fractions, buckets.
fn storage() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut appender = storage.appender(0);
    let mut rejected = Vec::new();
    for series in 0..SERIES {
        let (instance, le) = (format!("host-{}", series / 10), format!("{}", series % 10 + 1));
        let le = if series % 10 == 9 { "+Inf" } else { &*le };
        let [pod, zone] = [format!("pod-{series}"), format!("zone-{}", series % 7)];
        let rest = [("instance", &*instance), ("job", "api"), ("pod", &*pod), ("zone", &*zone)];
        let buckets = [("instance", &*instance), ("job", "api"), ("le", le)];
        for (name, labels) in
            [("requests_total", &rest[..]), ("load", &rest[..]), ("latency_bucket", &buckets[..])]
        {
            let mut pairs = vec![("__name__", name)];
            pairs.extend_from_slice(labels);
            let mut refs = Vec::new();
            let ends = [pairs.len() as u32];
            appender
                .resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)
                .expect("the twin takes it");
            let refs = vec![refs[0].expect("the twin takes it"); SAMPLES as usize];
            let times: Vec<i64> = (0..SAMPLES).map(|i| i * INTERVAL_MS).collect();
            let value = |i: i64| match name {
                "requests_total" => (i % 200 * 7 + series as i64) as f64,
                "load" => (i * 37 % 101) as f64 / 7.0,
                _ => (i * (series as i64 % 10 + 1)) as f64,
            };
            let values: Vec<f64> = (0..SAMPLES).map(value).collect();
            let batch = FloatBatch::new(&refs, &times, &values);
            appender.append_floats(batch, &mut rejected).expect("the twin takes it");
        }
    }
    appender.commit().expect("the twin takes it");
    storage
}

const QUERIES: &[&str] = &[
    "load",
    "rate(requests_total[5m])",
    "rate(requests_total[1h])",
    "sum by (zone) (rate(requests_total[5m]))",
    "sum(load)",
    "avg by (instance) (load)",
    "sum_over_time(load[5m])",
    "max_over_time(load[1h])",
    "quantile_over_time(0.9, load[5m])",
    "load / load",
    "load * on (pod) group_left () requests_total",
    "topk(5, load)",
    "histogram_quantile(0.9, sum by (le, instance) (rate(latency_bucket[5m])))",
    "max_over_time(rate(requests_total[5m])[30m:1m])",
];

/// One query over an hour by 15 seconds; items are series times steps.
#[divan::bench(args = QUERIES)]
fn range(bencher: Bencher<'_, '_>, query: &str) {
    let storage = storage();
    let features = Features::ALL;
    let engine = Engine::new(EngineOptions { features, ..EngineOptions::default() });
    let start_ms = 240 * INTERVAL_MS;
    let end_ms = start_ms + (STEPS - 1) * INTERVAL_MS;
    bencher.counter(ItemsCount::new(SERIES * STEPS as usize)).bench(|| {
        let cancel = Cancel::new();
        let request = Request::new(&cancel);
        engine
            .range(&storage, query, start_ms, end_ms, INTERVAL_MS, &request)
            .expect("the twin takes it")
    });
}

/// One query at one time; items are series.
#[divan::bench(args = ["load", "sum by (zone) (load)", "rate(requests_total[5m])", "load / load"])]
fn instant(bencher: Bencher<'_, '_>, query: &str) {
    let storage = storage();
    let engine = Engine::new(EngineOptions::default());
    bencher.counter(ItemsCount::new(SERIES)).bench(|| {
        let cancel = Cancel::new();
        let request = Request::new(&cancel);
        engine.instant(&storage, query, 300 * INTERVAL_MS, &request).expect("the twin takes it")
    });
}
