//! What the fuzz targets do, over recorded and written bytes: cut short everywhere and changed bit by bit where that is
//! cheap, and with a few thousand random changes, the same in every run. `FIRESTEEL_FUZZ_RUNS=1000000` makes more.

mod replies;
mod seeds;
mod targets;

use seeds::Seeds;
use std::panic::AssertUnwindSafe;
use tests::mutate::mutations;

/// The bytes cut short at every place, and with every single bit turned.
fn damaged(bytes: &[u8], mut check: impl FnMut(&[u8])) {
    (0..=bytes.len()).for_each(|len| check(&bytes[..len]));
    let mut changed = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        changed[bit / 8] ^= 1 << (bit % 8);
        check(&changed);
        changed[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn damaged_chunks_do_no_harm() {
    let chunks = seeds::chunks();
    assert!(chunks.len() > 500, "{}", chunks.len());
    for chunk in chunks.iter().step_by(20).filter(|chunk| chunk.len() < 400) {
        damaged(chunk, targets::chunk);
    }
}

#[test]
fn damaged_records_do_no_harm() {
    let records = seeds::records();
    assert!(records.len() > 200, "{}", records.len());
    for record in records.iter().filter(|record| record.len() <= 600) {
        damaged(record, targets::record);
    }
}

/// Random changes of the seeds. The bytes that make a target panic are printed.
fn fuzz(seeds: &Seeds, runs: usize, target: fn(&[u8])) {
    let wanted = std::env::var("FIRESTEEL_FUZZ_RUNS").ok().and_then(|text| text.parse().ok());
    let mut found: Option<Vec<u8>> = None;
    mutations(seeds, wanted.unwrap_or(runs), |bytes| {
        if found.is_none() && std::panic::catch_unwind(AssertUnwindSafe(|| target(bytes))).is_err()
        {
            found = Some(bytes.to_vec());
        }
    });
    if let Some(bytes) = found {
        panic!("{}\nas text: {}", bytes.escape_ascii(), String::from_utf8_lossy(&bytes));
    }
}

macro_rules! fuzzed {
    ($($home:ident: $name:ident: $seeds:expr, $runs:expr;)*) => {
        /// What the programs are called.
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            fuzz(&$seeds, $runs, $home::$name);
        })*
    };
}

/// Each target here is a program of its own in `fuzz/`, so that more than random changes can be tried on it.
#[test]
fn each_target_has_a_program() {
    let folder = tests::root().join("fuzz/fuzz_targets");
    let files = std::fs::read_dir(folder).expect("the programs");
    let name = |file: std::io::Result<std::fs::DirEntry>| {
        let name = file.expect("a name").file_name().into_string().expect("text");
        name.strip_suffix(".rs").expect("a program").to_owned()
    };
    let mut programs: Vec<String> = files.map(name).collect();
    programs.sort_unstable();
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    assert_eq!(programs, names);
}

fuzzed! {
    targets: chunk: seeds::chunks(), 5000;
    targets: record: seeds::records(), 10_000;
    targets: segment: seeds::segments(), 2000;
    targets: replay: seeds::records_joined(), 1000;
    targets: image: seeds::image(), 1000;
    targets: head_chunks: seeds::head_chunks(), 1000;
    targets: tombstones: seeds::tombstones(), 5000;
    targets: meta: seeds::meta(), 5000;
    targets: index: seeds::index(), 3000;
    targets: answer: seeds::answers(), 5000;
    targets: exposition: seeds::texts("exposition/text.jsonl", "body"), 10_000;
    targets: openmetrics: seeds::texts("exposition/openmetrics.jsonl", "body"), 10_000;
    targets: protobuf: seeds::protobuf(), 10_000;
    targets: remote_write: seeds::remote_write(), 3000;
    targets: remote_read: seeds::remote_read(), 3000;
    targets: otlp: seeds::otlp(), 3000;
    targets: promql_text: seeds::texts("parse.jsonl", "q"), 10_000;
    targets: script: seeds::scripts(), 5000;
    targets: config: seeds::texts("config/own.jsonl", "yaml"), 2000;
    targets: web_config: seeds::texts("config/web.jsonl", "yaml"), 2000;
    targets: scrape_config: seeds::jobs(), 2000;
    replies: discovery: seeds::replies(), 400;
    targets: targets_file: seeds::texts("config/file_sd.jsonl", "body"), 5000;
    targets: regex: seeds::regexes(), 3000;
    targets: template: seeds::texts("template.jsonl", "text"), 3000;
    targets: texts: seeds::numbers(), 10_000;
}
