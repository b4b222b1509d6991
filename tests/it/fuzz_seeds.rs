//! What the fuzz targets do, over recorded and written bytes: cut short everywhere and changed bit by bit where that is
//! cheap, and with a few thousand random changes, the same in every run. `FIRESTEEL_FUZZ_RUNS=1000000` makes more.

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
    ($($name:ident: $seeds:expr, $runs:expr;)*) => {
        $(#[test]
        fn $name() {
            fuzz(&$seeds, $runs, targets::$name);
        })*
    };
}

fuzzed! {
    chunk: seeds::chunks(), 5000;
    record: seeds::records(), 10_000;
    segment: seeds::segments(), 2000;
    replay: seeds::records_joined(), 1000;
    image: seeds::image(), 1000;
    head_chunks: seeds::head_chunks(), 1000;
    tombstones: seeds::tombstones(), 5000;
    meta: seeds::meta(), 5000;
    index: seeds::index(), 3000;
    exposition: seeds::texts("exposition/text.jsonl", "body"), 10_000;
    openmetrics: seeds::texts("exposition/openmetrics.jsonl", "body"), 10_000;
    protobuf: seeds::protobuf(), 10_000;
    remote_write: seeds::remote_write(), 3000;
    remote_read: seeds::remote_read(), 3000;
    otlp: seeds::otlp(), 3000;
    promql_text: seeds::texts("parse.jsonl", "q"), 10_000;
    script: seeds::scripts(), 5000;
    config: seeds::texts("config/own.jsonl", "yaml"), 2000;
    targets_file: seeds::texts("config/file_sd.jsonl", "body"), 5000;
    regex: seeds::regexes(), 3000;
    texts: seeds::numbers(), 10_000;
}
