//! Expressions as dashboards and alerts of common exporters have them, over made-up series of their names: each one
//! parses, prints, parses again to the same, and finds something wherever the data holds it.

use crate::queries::{append, engine};
use promql::{Engine, Expr, Features, Request, Value, parse, pretty};
use storage::{Cancel, MemoryStorage};

const SERIES: &str = include_str!("../../testdata/queries/real_world_series.txt");
const QUERIES: &str = include_str!("../../testdata/queries/real_world.promql");

const SCRAPE_MS: i64 = 15_000;
const SCRAPES: usize = 300;
const LAST_MS: i64 = SCRAPE_MS * (SCRAPES as i64 - 1);

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// All sets of labels that a line names: every combination of their values.
fn label_sets(labels: &[(String, Vec<String>)]) -> Vec<Vec<(String, String)>> {
    let mut sets = vec![Vec::new()];
    for (name, values) in labels {
        let with = |set: &Vec<(String, String)>, value: &String| {
            let mut set = set.clone();
            set.push((name.clone(), value.clone()));
            set
        };
        sets = sets.iter().flat_map(|set| values.iter().map(|value| with(set, value))).collect();
    }
    sets
}

/// The value of a series at a scrape: `number` tells series of a name apart.
fn value(kind: &str, number: usize, labels: &[(String, String)], scrape: usize) -> f64 {
    let steps = scrape as f64;
    let pace = 1.0 + (number % 7) as f64 * 0.3;
    match kind {
        // Some counters begin again half-way.
        "counter" if number % 5 == 4 && scrape > SCRAPES / 2 => {
            pace * (steps - (SCRAPES / 2) as f64)
        }
        "counter" => 100.0 + pace * steps,
        "bucket" => {
            let le = labels.iter().find(|(name, _)| name == "le").expect("a bound");
            let bound: f64 = le.1.replace("+Inf", "1e9").parse().expect("a bound");
            steps * (2.0 + bound.log10().clamp(-3.0, 3.0) / 2.0)
        }
        "time" => 600.0 + number as f64,
        "summary" => 0.1 + 0.01 * (steps / 10.0).sin(),
        gauge => {
            let base: f64 = gauge.strip_prefix("gauge=").expect("a kind").parse().expect("a base");
            // Small whole numbers are states and counts: they stay what they are.
            let is_state = base.fract() == 0.0 && base < 8.0;
            if is_state { base } else { base * (1.0 + 0.05 * (steps / 9.0 + pace).sin()) }
        }
    }
}

/// Writes the series of those names.
pub(crate) fn fill(storage: &MemoryStorage) {
    for line in lines(SERIES) {
        let mut words = line.split(' ');
        let (name, kind) = (words.next().expect("a name"), words.next().expect("a kind"));
        let mut labels = vec![("__name__".to_owned(), vec![name.to_owned()])];
        labels.extend(words.map(|word| {
            let (label, values) = word.split_once('=').expect("a label");
            (label.to_owned(), values.split(',').map(str::to_owned).collect())
        }));
        labels.sort();
        for (number, set) in label_sets(&labels).iter().enumerate() {
            let pairs: Vec<_> = set.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let samples = (0..SCRAPES)
                .map(|scrape| (SCRAPE_MS * scrape as i64, value(kind, number, set, scrape)));
            append(storage, &pairs, samples);
        }
    }
}

/// The expressions; those that may find nothing are marked in their file.
pub(crate) fn queries() -> impl Iterator<Item = &'static str> {
    lines(QUERIES).map(|line| line.strip_prefix("? ").unwrap_or(line))
}

fn read(query: &str) -> Expr {
    parse(query, &Features::default()).unwrap_or_else(|error| panic!("{query}: {error}"))
}

#[test]
fn they_print_as_what_they_are() {
    let mut num = 0;
    for query in queries() {
        let expr = read(query);
        let printed = expr.to_string();
        assert_eq!(read(&printed).to_string(), printed, "{query}");
        assert_eq!(read(&pretty(&expr)).to_string(), printed, "{query}");
        num += 1;
    }
    assert!(num >= 300, "{num} expressions");
}

/// How many series an answer has.
fn num_series(value: &Value) -> usize {
    match value {
        Value::Scalar { .. } | Value::String { .. } => 1,
        Value::Vector(vector) => vector.values.len(),
        Value::Matrix(matrix) => matrix.labels.len(),
    }
}

fn ask(engine: &Engine, storage: &MemoryStorage, query: &str) -> [Result<usize, String>; 2] {
    let cancel = Cancel::new();
    let request = Request::new(&cancel);
    let instant = engine.instant(storage, query, LAST_MS, &request);
    let range = engine.range(storage, query, LAST_MS - 1_800_000, LAST_MS, 60_000, &request);
    [instant, range].map(|answer| match answer {
        Ok(answer) => Ok(num_series(&answer.value)),
        Err(error) => Err(error.to_string()),
    })
}

#[test]
fn they_find_what_is_there() {
    let (storage, engine) = (MemoryStorage::new(), engine(|_| {}));
    fill(&storage);
    let mut odd = Vec::new();
    for line in lines(QUERIES) {
        let may_be_empty = line.starts_with("? ");
        let query = line.strip_prefix("? ").unwrap_or(line);
        for (kind, found) in ["instant", "range"].iter().zip(ask(&engine, &storage, query)) {
            match found {
                Err(error) => odd.push(format!("{kind} {query}\n  {error}")),
                Ok(0) if !may_be_empty => odd.push(format!("{kind} {query}\n  finds nothing")),
                Ok(_) => {}
            }
        }
    }
    assert!(odd.is_empty(), "{} odd:\n{}", odd.len(), odd.join("\n"));
}
