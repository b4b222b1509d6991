//! The public test scripts of Prometheus on four storages: every evaluation passes. Also scripts of our own.

mod api;
mod beside;
mod stores;

pub(crate) use api::encoded;

use promql::script::{Case, Database, Outcome, Script, run};
use std::collections::BTreeSet;
use stores::{Blocks, Head, Http, Memory};

fn cases_on(text: &str, database: &mut dyn Database) -> Vec<Case> {
    let script = Script::parse(text).expect("a script");
    run(&script, database).expect("the storage works")
}

fn cases(text: &str) -> Vec<Case> {
    cases_on(text, &mut Memory::new())
}

/// The public scripts: name and text.
fn scripts() -> Vec<(String, String)> {
    let Some(shared) = tests::shared() else { return Vec::new() };
    let paths = std::fs::read_dir(shared.join("promqltest")).expect("the scripts");
    let mut paths: Vec<_> = paths.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    paths.sort();
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = |path: &std::path::Path| std::fs::read_to_string(path).expect("a text");
    paths.iter().map(|path| (name(path), text(path))).collect()
}

/// Runs the public scripts on a fresh storage each. All pass but those `excused`, by file and line, and those fail.
fn public_scripts<D: Database>(what: &str, mut fresh: impl FnMut() -> D, excused: &[&str]) {
    let scripts = scripts();
    let (mut passed, mut total) = (0, 0);
    let (mut broken, mut failed) = (Vec::new(), BTreeSet::new());
    for (name, text) in &scripts {
        let cases = cases_on(text, &mut fresh());
        total += cases.len();
        for case in &cases {
            match &case.outcome {
                Outcome::Passed => passed += 1,
                Outcome::Failed(why) => {
                    let place = format!("{name}.test:{}", case.line);
                    if !excused.contains(&place.as_str()) {
                        broken.push(format!("{place} {}\n    {why}", case.query));
                    }
                    failed.insert(place);
                }
            }
        }
    }
    println!("promqltest on {what}: {passed}/{total}, excused {}", excused.len());
    assert!(broken.is_empty(), "{} fail:\n{}", broken.len(), broken.join("\n"));
    let is_idle = |place: &&&str| !scripts.is_empty() && !failed.contains(**place);
    let idle: Vec<_> = excused.iter().filter(is_idle).collect();
    assert!(idle.is_empty(), "pass, yet are excused: {idle:?}");
}

/// What a block does not tell: whether a counter went on over the beginning of a chunk. Of the first histogram of a chunk
/// nobody knows, here and in Prometheus, and blocks begin with a chunk. The reference answers these evaluations as we do
/// on the same blocks: `beside` asks it.
const FIRST_OF_CHUNKS: &[&str] = &[
    "native_histograms.test:1747",
    "native_histograms.test:1752",
    "native_histograms.test:1811",
    "native_histograms.test:1816",
    "native_histograms.test:1821",
    "native_histograms.test:1826",
    "native_histograms.test:1880",
    "native_histograms.test:1885",
    "range_queries.test:93",
];

#[test]
fn public_scripts_in_memory() {
    public_scripts("the in-memory storage", Memory::new, &[]);
}

#[test]
fn public_scripts_on_a_head() {
    public_scripts("a head", Head::new, &[]);
}

#[test]
fn public_scripts_on_blocks() {
    public_scripts("blocks", Blocks::new, FIRST_OF_CHUNKS);
}

#[test]
fn public_scripts_over_http() {
    public_scripts("a server", Http::new, &[]);
}

#[test]
fn the_first_histogram_of_a_chunk_knows_nothing_of_the_one_before() {
    let load =
        "load 1m\n  h {{schema:0 count:1 sum:1 buckets:[1]}}+{{count:2 sum:2 buckets:[2]}}x100\n";
    let ask = |at: usize, hint: &str| {
        let count = 1 + 2 * at;
        format!(
            "\neval instant at {at}m h\n  h {{{{schema:0 count:{count} sum:{count} buckets:[{count}] \
             counter_reset_hint:{hint}}}}}\n"
        )
    };
    // Blocks hold a thirteenth of the time: the second one begins with the sample of the eighth minute.
    let text =
        |other: &str| [load, &ask(7, "not_reset"), &ask(8, other), &ask(9, "not_reset")].concat();
    for (text, database) in [
        (text("not_reset"), &mut Head::new() as &mut dyn Database),
        (text("unknown"), &mut Blocks::new()),
    ] {
        for case in cases_on(&text, database) {
            assert_eq!(case.outcome, Outcome::Passed, "{}", case.query);
        }
    }
}

#[test]
fn loads_become_several_blocks() {
    let mut blocks = Blocks::new();
    let text = "load 1m\n  n 0+1x600\n\neval instant at 600m sum_over_time(n[601m])\n  {} 180300\n";
    assert_eq!(cases_on(text, &mut blocks)[0].outcome, Outcome::Passed);
    assert!(blocks.most >= 4, "{} blocks", blocks.most);
}

#[test]
fn our_own_script() {
    let text = "\
load 1m
  up{job=\"a\"} 1 0 _ 1 stale
  n 0+10x10

eval instant at 3m up
  up{job=\"a\"} 1

eval instant at 4m up

eval range from 0 to 3m step 1m sum(rate(n[2m]))
  {} _ 0.08333333333333333 0.16666666666666666 0.16666666666666666

eval instant at 5m n + 1
  expect no_warn
  {} 51

eval instant at 5m n + 1
  {} 52

eval_fail instant at 5m up + on(nothing) up offset 1m group_left

eval instant at 0 \"a\"
  expect string 'a'
";
    let outcomes: Vec<bool> =
        cases(text).iter().map(|case| case.outcome == Outcome::Passed).collect();
    assert_eq!(outcomes, [true, true, true, true, false, true, true]);
}

#[test]
fn counters_begin_where_their_samples_say() {
    // Both count on until they begin again at 30 s before the third sample; the second begins inside the window, too.
    let text = "\
load 1m
  c_total{x=\"a\"}@st _ _ -90s -30s -30s-1mx3
  c_total{x=\"a\"} 2 4 6 8 10+2x3
  c_total{x=\"b\"}@st _ -30s -90s
  c_total{x=\"b\"} _ 5 5

eval instant at 3m resets(c_total[4m])
  {x=\"a\"} 1
  {x=\"b\"} 0

eval instant at 2m increase(c_total{x=\"b\"}[2m])
  {x=\"b\"} 5

eval instant at 1m increase(c_total{x=\"b\"}[1m])
  {x=\"b\"} 5

eval instant at 3m irate(c_total{x=\"a\"}[4m])
  {x=\"a\"} 0.13333333333333333

eval instant at 2m start_timestamp(c_total)
  {x=\"a\"} 30
  {x=\"b\"} 30
";
    for case in cases(text) {
        assert_eq!(case.outcome, Outcome::Passed, "{}", case.query);
    }
}
