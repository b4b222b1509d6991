//! Any text as a query: what is recorded and written down, and the same changed at random. No panic, no recursion
//! without bound, no limit overrun; what parses prints to what parses to the same. `FIRESTEEL_TEXTS` sets how many
//! changed ones, `FIRESTEEL_SEED` which.

use crate::queries::append;
use crate::{naive, real_world};
use base64::Engine as _;
use promql::{Engine, EngineOptions, Error, Features, Request, parse, parse_selector, pretty};
use storage::{Cancel, MemoryStorage};
use tests::random::Random;

/// What queries are made of.
const PIECES: [&str; 78] = [
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "[5m]",
    "[5m:1m]",
    ",",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "==",
    "!=",
    "=~",
    "!~",
    ">",
    "<",
    ">=",
    " and ",
    " or ",
    " unless ",
    " atan2 ",
    " bool ",
    " on(a) ",
    " ignoring() ",
    " group_left(b) ",
    " group_right ",
    " offset 5m ",
    " offset -1h ",
    " @ 10 ",
    " @ start() ",
    " by (a) ",
    " without (a) ",
    "sum",
    "rate(",
    "topk(2,",
    "count_values(\"v\",",
    "histogram_quantile(0.9,",
    "label_replace(",
    "info(",
    "step()",
    "1e400",
    "0x1F",
    "1h30m",
    "NaN",
    "\"\\x41\"",
    "'",
    "`",
    "#",
    "\u{e9}",
    "\u{1f525}",
    "anchored",
    " fill(0) ",
    "1y999w",
    "int_total",
    "custom_total",
    "mixed",
    "level",
    "histogram_fraction(0, 1,",
    "[5m + 2 * 1m]",
    "[(step() + 1):min_of(1m, 7)]",
    " offset (-2 * step())",
    "max_of(",
    "range()",
    "smoothed",
    "/",
    "</ 3",
    ">/ 0",
    " fill_left(1) ",
    "limit_ratio(-0.5,",
    "ts_of_max_over_time(",
    "9223372036854775807",
    "-0",
    "0b1_0",
];

/// Durations that are computed, at the edges of what they may be.
const DURATIONS: [&str; 24] = [
    "a[5m + 1m]",
    "a[2 * 30s]",
    "a[(5m)]",
    "a[step()]",
    "a[range() / 2]",
    "a[min_of(5m, range())]",
    "a[max_of(step(), 1m) * 2 ^ 2]",
    "a[-(-5m)]",
    "a[5m / 0]",
    "a[5m - 5m]",
    "a[1d % 7h]",
    "a[1m:step() * 2]",
    "a[5m:0.5]",
    "a[1e18]",
    "a[9e307 * 9e307]",
    "a[0x10]",
    "a[1y]",
    "rate(a[step() + 1ms])",
    "a offset (1m * 2)",
    "a offset -(1m)",
    "a offset -step()",
    "a offset range() @ end()",
    "sum_over_time(a[5m + -1m:30s - 1s] offset (2 ^ 3))",
    "a[max_of(1s, min_of(1m, 2m), step())] anchored",
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Every query of every recording, and those of real dashboards.
fn corpus() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for line in tests::golden("parse.jsonl") {
        texts.push(match line["q"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => base64::engine::general_purpose::STANDARD
                .decode(line["q_b64"].as_str().expect("text"))
                .expect("base64"),
        });
    }
    for name in ["cases.jsonl", "queries.jsonl"] {
        let lines = tests::golden(name);
        texts.extend(lines.iter().filter_map(|line| Some(line["q"].as_str()?.as_bytes().to_vec())));
    }
    let more = real_world::queries().chain(DURATIONS);
    texts.extend(more.map(|line| line.as_bytes().to_vec()));
    texts
}

/// Parses a text as everything it may be taken for; whether it is a query. What parses prints to what parses to the same.
fn check(text: &[u8]) -> bool {
    let _selector = parse_selector(text);
    let _series = promql::script::parse_series(&String::from_utf8_lossy(text));
    let Ok(expr) = parse(text, &Features::ALL) else { return false };
    let printed = expr.to_string();
    // Ranges below a millisecond and empty selectors of info() print to what does not parse, and infinity to a sign and
    // a number, as in Prometheus.
    let Ok(again) = parse(&printed, &Features::ALL) else { return true };
    if printed.contains("+Inf") {
        return true;
    }
    assert_eq!(again.to_string(), printed, "{:?}", String::from_utf8_lossy(text));
    let split =
        parse(pretty(&expr), &Features::ALL).expect("the pretty form parses if the other does");
    assert_eq!(split.to_string(), printed, "{:?}", String::from_utf8_lossy(text));
    true
}

/// Changes texts.
struct Changes(Random);

impl Changes {
    fn below(&mut self, bound: usize) -> usize {
        self.0.index(bound)
    }

    /// A part of a text.
    fn part(&mut self, len: usize) -> std::ops::Range<usize> {
        let begin = self.below(len + 1);
        begin..begin + self.below((len - begin).min(12) + 1)
    }

    fn change(&mut self, text: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let part = self.part(text.len());
        match self.below(6) {
            0 => drop(text.drain(part)),
            1 => {
                let copy = text[part].to_vec();
                let at = self.below(text.len() + 1);
                text.splice(at..at, copy);
            }
            2 => {
                let piece = PIECES[self.below(PIECES.len())];
                text.splice(part.start..part.start, piece.bytes());
            }
            3 => {
                let piece = PIECES[self.below(PIECES.len())];
                text.splice(part, piece.bytes());
            }
            4 => {
                let byte = self.below(256) as u8;
                text.splice(part.start..part.start, [byte]);
            }
            _ => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len() + 1);
                text.truncate(part.start);
                text.extend_from_slice(&other[from..]);
            }
        }
    }
}

/// Series of the names that recordings and dashboards use, and of all kinds of samples.
fn storage() -> MemoryStorage {
    let storage = naive::random_storage(1);
    real_world::fill(&storage);
    for name in ["a", "b", "foo", "up", "req_total", "node_load1", "x"] {
        for job in ["a", "b"] {
            let samples = (0..100).map(|step| (15_000 * step, (step * 3 % 17) as f64));
            append(&storage, &[("__name__", name), ("a", "1"), ("job", job)], samples);
        }
    }
    storage
}

/// Evaluates a query that may be anything: it ends, within its limits.
fn evaluate(engine: &Engine, storage: &MemoryStorage, text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let cancel = Cancel::new();
    let request = Request::new(&cancel);
    let answers = [
        engine.instant(storage, text, 1_300_000, &request),
        engine.range(storage, text, 600_000, 1_200_000, 60_000, &request),
    ];
    for answer in answers {
        match answer {
            Ok(answer) => {
                assert!(answer.stats.peak_samples <= 50_000, "{text}: {:?}", answer.stats);
            }
            Err(Error::Storage(error)) => panic!("{text}: {error}"),
            Err(_) => {}
        }
    }
}

#[test]
fn changed_queries_do_no_harm() {
    let (corpus, storage) = (corpus(), storage());
    let engine = Engine::new(EngineOptions {
        max_samples: 50_000,
        max_memory_bytes: 64 << 20,
        features: Features::ALL,
        ..EngineOptions::default()
    });
    let seed = number("FIRESTEEL_SEED", 1);
    let mut random = Changes(Random::new(seed));
    let (mut parsed, count) = (0, number("FIRESTEEL_TEXTS", 30_000));
    for _ in 0..count {
        let mut text = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(4) {
            random.change(&mut text, &corpus);
        }
        if check(&text) {
            parsed += 1;
            evaluate(&engine, &storage, &text);
        }
    }
    println!("{count} changed texts, {parsed} of them queries, seed {seed}");
    assert!(parsed > count / 50, "the changes are not too wild: {parsed}");
}

#[test]
fn deep_and_long_texts_are_refused_or_parsed_on_a_small_stack() {
    let texts = move || {
        for count in [10, 249, 250, 251, 999, 1001, 20_000, 300_000] {
            let repeated = |piece: &str| piece.repeat(count);
            for (before, middle, after) in [
                (repeated("("), "a", repeated(")")),
                (repeated("("), "", String::new()),
                (repeated("-"), "a", String::new()),
                (repeated("sum("), "a", repeated(")")),
                (repeated("a or "), "a", String::new()),
                (repeated("a ^ "), "a", String::new()),
                (repeated("1 + "), "1", String::new()),
                (repeated("abs("), "a", repeated(")")),
                (String::from("a"), "", repeated("[5m:1m]")),
                (String::from("a"), "", repeated(" offset 1m")),
                (String::from("a[5m + "), "", repeated("(1m") + &repeated(")") + "]"),
                (String::from("a[5m + "), "", repeated("-") + "1m]"),
                (String::from("a{"), "", repeated("b=\"c\",") + "}"),
                (repeated("{"), "a", repeated("}")),
                (repeated("sum by (a) "), "(a)", String::new()),
                (String::from("\""), "", repeated("\\x41") + "\""),
                (String::from("a{b=~\""), "", repeated("(") + &repeated(")") + "\"}"),
                (repeated("# "), "\n", String::from("a")),
            ] {
                check(format!("{before}{middle}{after}").as_bytes());
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(texts);
    thread.expect("a thread").join().expect("no panic");
}
