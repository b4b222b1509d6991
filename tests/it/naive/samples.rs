//! Random series: floats with gaps, resets, staleness markers and odd numbers; native histograms of all kinds.

use super::evaluate::{Sample, World};
use super::generate::Generator;
use super::histogram::{Buckets, Histogram};
use model::STALE_NAN;
use model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint as Hint};
use std::collections::BTreeMap;

/// No sample is as late as this.
const END_MS: u64 = 3_100_000;

pub(crate) fn world(generator: &mut Generator) -> World {
    let mut series = Vec::new();
    let names = ["c_total", "d_total", "g", "h"];
    let names =
        names.into_iter().chain(["int_total", "wide_total", "custom_total", "level", "mixed"]);
    for name in names {
        for x in ["a", "b", "c"] {
            for y in ["1", "2"] {
                let labels = [("__name__", name), ("x", x), ("y", y)];
                let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
                series.push((BTreeMap::from(labels), samples(generator, name)));
            }
        }
    }
    World { series }
}

/// Samples every half a minute or so.
fn samples(generator: &mut Generator, name: &str) -> Vec<(i64, Sample)> {
    let mut out = Vec::new();
    let mut time = generator.below(60_000);
    let mut value = generator.below(100) as f64;
    let mut histogram = begin(generator, name);
    while time < END_MS {
        let sample = match name {
            "c_total" | "d_total" | "g" | "h" => float(generator, name, &mut value),
            "mixed" if generator.one_in(4) => float(generator, "g", &mut value),
            _ => observe(generator, name, &mut histogram),
        };
        out.push((time as i64, sample));
        // Sometimes nothing comes for longer than the look-back.
        time += if generator.one_in(25) { 400_000 } else { 25_000 + generator.below(15_000) };
    }
    out
}

fn float(generator: &mut Generator, name: &str, value: &mut f64) -> Sample {
    let counts = name.ends_with("_total");
    if counts {
        let gain = generator.below(1000) as f64 / 7.0;
        *value = if generator.one_in(15) { 0.0 } else { *value + gain };
    } else {
        *value = generator.below(2000) as f64 / 3.0 - 300.0;
    }
    Sample::Float(match generator.below(60) {
        0 => f64::NAN,
        1 => STALE_NAN,
        2 if !counts => f64::INFINITY,
        3 if !counts => -0.0,
        _ => *value,
    })
}

/// A histogram without observations.
fn begin(generator: &mut Generator, name: &str) -> Histogram {
    let is_custom = name == "custom_total" || (name == "mixed" && generator.one_in(3));
    let bounds: &[f64] = generator.of(&[
        &[0.5, 1.0, 2.0, 10.0][..],
        &[0.5, 1.0, 2.0, 10.0],
        &[0.25, 1.0, 10.0],
        &[-1.0, 1.0, 2.0],
    ]);
    let schema = match name {
        "int_total" => 1,
        _ => generator.of(&[-1, 0, 1, 2, 3]),
    };
    let threshold = generator.of(&[0.0, 0.0, 0.001, 0.25, 1.0]);
    Histogram {
        hint: if name == "level" { Hint::Gauge } else { Hint::Unknown },
        schema: if is_custom { CUSTOM_BUCKETS_SCHEMA } else { schema },
        bounds: if is_custom { bounds.to_vec() } else { Vec::new() },
        zero_threshold: if is_custom || name == "int_total" { 0.0 } else { threshold },
        zero_count: 0.0,
        count: 0.0,
        sum: 0.0,
        positive: Buckets::new(),
        negative: Buckets::new(),
    }
}

/// The next histogram of a series.
fn observe(generator: &mut Generator, name: &str, held: &mut Histogram) -> Sample {
    if name == "level" || generator.one_in(15) {
        // A gauge is new each time; a counter begins again, sometimes with another layout.
        *held = if name == "level" || generator.one_in(2) {
            begin(generator, name)
        } else {
            let (positive, negative) = (Buckets::new(), Buckets::new());
            Histogram { zero_count: 0.0, count: 0.0, sum: 0.0, positive, negative, ..held.clone() }
        };
    }
    let is_whole = name == "int_total";
    for _ in 0..=generator.below(4) {
        let much = 1 + generator.below(40);
        let much = if is_whole { much as f64 } else { much as f64 / 8.0 };
        let last = if held.bounds.is_empty() { 6 } else { held.bounds.len() as u64 + 1 };
        let index = generator.below(last) as i32;
        if !held.bounds.is_empty() {
            *held.positive.entry(index).or_default() += much;
        } else {
            // Buckets lie beyond the zero bucket.
            let lowest = if held.zero_threshold < 1.0 && held.schema > 0 { -1 } else { 1 };
            let lowest = if held.zero_threshold > 0.0 { 1 } else { lowest };
            match generator.below(5) {
                0 => held.zero_count += much,
                1 => *held.negative.entry(lowest + index).or_default() += much,
                _ => *held.positive.entry(lowest + index).or_default() += much,
            }
        }
        held.count += much;
        held.sum += much * (generator.below(100) as f64 - 30.0) / 7.0;
    }
    let mut shown = held.clone();
    match generator.below(60) {
        0 => {
            return Histogram {
                sum: STALE_NAN,
                count: 0.0,
                zero_count: 0.0,
                positive: Buckets::new(),
                negative: Buckets::new(),
                ..shown
            }
            .into();
        }
        1 => {
            // An observation that was no number is in no bucket.
            shown.sum = f64::NAN;
            shown.count += 1.0;
        }
        2 => shown.sum = f64::INFINITY,
        _ => {}
    }
    shown.into()
}
