//! Prometheus' own tool reads what is written here. Runs where the tool is installed.

use super::{Sample, Source};
use model::{Labels, Symbols};
use std::process::Command;
use std::sync::Arc;
use tests::Scratch;
use tsdb::block::{Block, Ulid};
use tsdb::compact::{BlockSpec, merge_blocks, write_block};

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn promtool(arguments: &[&str]) -> Option<String> {
    let output = match Command::new("promtool").args(arguments).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: promtool cannot be run: {error}");
            return None;
        }
    };
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {error}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

/// 500 series with chunks of 120 samples each, `count` of them, from chunk number `first` on.
fn series(begin_ms: i64, first: i64, count: i64) -> Vec<(Labels, Vec<Vec<Sample>>)> {
    (0..500)
        .map(|i| {
            let labels = Labels::from_pairs([
                ("__name__", "requests_total".to_owned()),
                ("instance", format!("host-{i:03}:9090")),
                ("job", ["api", "web"][i % 2].to_owned()),
            ]);
            let sample = |k: i64| (begin_ms + k * 15_000, ((k * i as i64) as f64).to_bits());
            let chunk = |c: i64| (c * 120..(c + 1) * 120).map(sample).collect();
            (labels, (first..first + count).map(chunk).collect())
        })
        .collect()
}

/// What the tool prints for these series.
fn lines(series: &[(Labels, Vec<Vec<Sample>>)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (labels, chunks) in series {
        let text: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        for &(time, value) in chunks.iter().flatten() {
            lines.push(format!("{{{}}} {} {time}", text.join(", "), f64::from_bits(value)));
        }
    }
    lines
}

fn check(scratch: &Scratch, ulid: Ulid, expected: &[String]) {
    let dir = scratch.path().to_str().expect("UTF-8");
    let Some(analysis) = promtool(&["tsdb", "analyze", dir]) else { return };
    assert!(analysis.contains(&format!("Block ID: {ulid}")), "{analysis}");
    assert!(analysis.contains("Series: 500"), "{analysis}");
    let Some(dump) = promtool(&["tsdb", "dump", dir]) else { return };
    let got: Vec<&str> = dump.lines().collect();
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert_eq!(got, expected);
    }
}

const BEGIN_MS: i64 = 1_700_006_400_000;

fn write(scratch: &Scratch, number: u128, first: i64, count: i64) -> Arc<Block> {
    let symbols = Symbols::new();
    let mut source = Source::new(series(BEGIN_MS, first, count), &symbols);
    let chunk_ms = 120 * 15_000;
    let begin = BEGIN_MS + first * chunk_ms;
    let spec = BlockSpec::from_head(begin, begin + count * chunk_ms);
    let ulid = Ulid::new(BEGIN_MS, number);
    write_block(&mut source, &symbols, &spec, ulid, &disk::RealDisk, scratch.path())
        .expect("write")
        .expect("samples");
    let dir = scratch.path().join(ulid.to_string());
    Arc::new(Block::open(&disk::RealDisk, &dir).expect("open"))
}

#[test]
fn the_tool_dumps_what_was_written() {
    let scratch = Scratch::new("promtool");
    std::fs::create_dir(scratch.path().join("wal")).expect("create");
    let block = write(&scratch, 99, 0, 3);
    assert_eq!(block.meta().stats.num_samples, 180_000);
    check(&scratch, block.meta().ulid, &lines(&series(BEGIN_MS, 0, 3)));
}

#[test]
fn the_tool_dumps_what_was_merged() {
    let scratch = Scratch::new("promtool-merged");
    std::fs::create_dir(scratch.path().join("wal")).expect("create");
    // The second block overlaps the first by two chunks, the third stands apart.
    let blocks = [write(&scratch, 1, 0, 4), write(&scratch, 2, 2, 4), write(&scratch, 3, 6, 2)];
    let ulid = Ulid::new(BEGIN_MS + 1, 4);
    let small_files = 64 << 10;
    let meta = merge_blocks(&blocks, ulid, small_files, false, &disk::RealDisk, scratch.path());
    assert_eq!(meta.expect("merge").expect("samples").stats.num_samples, 500 * 8 * 120);
    for block in &blocks {
        tsdb::block::remove(&disk::RealDisk, block.dir()).expect("remove");
    }
    let files = std::fs::read_dir(scratch.path().join(ulid.to_string()).join("chunks"));
    assert!(files.expect("list").count() > 5);
    check(&scratch, ulid, &lines(&series(BEGIN_MS, 0, 8)));
}
