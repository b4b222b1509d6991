//! Prometheus' own storage opens what is written here with every feature on and reads the same. It is a small Go program,
//! tests/go/dump: where the variable FIRESTEEL_GO_DUMP names the built program this runs, elsewhere it says that it did
//! not. What is written, and how the program tells of it, is in `written`.

pub(crate) mod written;

use model::{MatchOp, Matcher, TimeRange};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tests::Scratch;
use tsdb::{Db, DbOptions};
use written::{JOB, START, STEP, Written};

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn dump(dir: &Path, has_starts: bool) -> Option<Vec<String>> {
    let Some(program) = std::env::var_os("FIRESTEEL_GO_DUMP") else {
        eprintln!("SKIPPED: FIRESTEEL_GO_DUMP does not name the program of tests/go/dump");
        return None;
    };
    let mut command = Command::new(program);
    command.args(["-out-of-order-ms", "3600000", "-exemplars", "10000", "-metadata"]);
    if has_starts {
        command.arg("-starts");
    }
    let output = command.arg(dir).output().expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    // Markers that say what blocks hold, or where the head was cut, belong to no series: Prometheus skips them and says
    // how many.
    let is_marker = |line: &&str| {
        line.contains("Unknown series references")
            && ["samples", "histograms"].iter().all(|kind| line.contains(&format!(" {kind}=0")))
    };
    let told: Vec<&str> = error.lines().filter(|line| !is_marker(line)).collect();
    assert_eq!(told, [""; 0], "nothing is repaired or dropped");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    Some(lines)
}

fn open(dir: &Path, has_starts: bool) -> Db {
    let options = DbOptions {
        retention_ms: 0,
        out_of_order_window_ms: 3_600_000,
        max_exemplars: 10_000,
        keep_metadata: true,
        head_image_growth_bytes: 1,
        no_lockfile: true,
        xor2: has_starts,
        started_histograms: has_starts,
        keep_starts: has_starts,
        ..DbOptions::default()
    };
    let registry = metrics::Registry::new();
    let sink = Arc::new(|_: &tsdb::LogLine| {});
    Db::open(Arc::new(disk::RealDisk), dir, options, 7, &registry, sink).expect("opens")
}

fn delete(db: &Db, written: &mut Written, name: &str, range: TimeRange) {
    let matcher = |name, value| Matcher::new(name, MatchOp::Equal, value).expect("matcher");
    db.delete(range, &[vec![matcher("__name__", name), matcher("job", JOB)]]).expect("deletes");
    written.delete(name, range);
}

/// The first line that only one side has.
fn compare(found: &[String], wanted: &[String], what: &str) {
    let only = |a: &[String], b: &[String]| a.iter().find(|line| !b.contains(line)).cloned();
    if found != wanted {
        panic!(
            "{what}: {} lines, {} wanted; only there: {:?}; only wanted: {:?}",
            found.len(),
            wanted.len(),
            only(found, wanted),
            only(wanted, found)
        );
    }
}

#[test]
fn prometheus_reads_a_log_and_head_chunks() {
    for has_starts in [false, true] {
        let scratch = Scratch::new("interchange-log");
        let db = open(scratch.path(), has_starts);
        let mut written = Written::new(has_starts);
        written.write(&db, 0..90);
        delete(&db, &mut written, "c3", TimeRange::new(START + 5 * STEP, START + 20 * STEP));
        db.head().map_full_chunks().expect("maps");
        written.write(&db, 90..150);
        drop(db);
        let wanted = written.lines(i64::MIN);
        // A kill, then the other server, then this one again on what that left.
        if let Some(found) = dump(scratch.path(), has_starts) {
            compare(&found, &wanted, "log");
        }
        let db = open(scratch.path(), has_starts);
        compare(&written::read(&db, has_starts), &written.samples(), "here");
    }
}

#[test]
fn prometheus_passes_over_a_noted_cut() {
    let scratch = Scratch::new("interchange-cut");
    let db = open(scratch.path(), false);
    let mut written = Written::new(false);
    written.write(&db, 0..200);
    let gone = TimeRange::new(START - 120 * STEP, START + 120 * STEP - 1);
    let all = Matcher::new("job", MatchOp::Equal, JOB).expect("matcher");
    db.delete(gone, &[vec![all]]).expect("deletes");
    written.delete_all(gone);
    db.maintain(START + 200 * STEP).expect("maintains");
    let is_late = db.blocks().iter().all(|block| !block.meta().compaction.hints.is_empty());
    assert!(is_late && db.head().min_time() > gone.max_ms, "cut without a block");
    drop(db);
    let (wanted, min_ms) = (written.samples(), gone.max_ms);
    if let Some(found) = dump(scratch.path(), false) {
        // What is before the cut may come back there.
        let time = |line: &&String| line.split('\t').nth(2).and_then(|time| time.parse().ok());
        let is_sample = |line: &&String| line.contains("\tf\t") || line.contains("\th\t");
        let is_left = |line: &&String| is_sample(line) && time(line) > Some(min_ms);
        let found: Vec<String> = found.iter().filter(is_left).cloned().collect();
        compare(&found, &wanted, "behind the cut");
    }
    compare(&written::read(&open(scratch.path(), false), false), &wanted, "here");
}

#[test]
fn prometheus_reads_blocks_beside_a_log() {
    for has_starts in [false, true] {
        let scratch = Scratch::new("interchange-blocks");
        let db = open(scratch.path(), has_starts);
        let mut written = Written::new(has_starts);
        for round in 0..10 {
            written.write(&db, round * 60..round * 60 + 60);
            if round % 3 == 2 {
                db.maintain(START + round * 60 * STEP).expect("maintains");
            }
        }
        assert!(db.blocks().len() > 1, "blocks were cut");
        delete(&db, &mut written, "c3", TimeRange::new(START + 90 * STEP, START + 580 * STEP));
        delete(&db, &mut written, "int", TimeRange::new(START, START + 40 * STEP));
        let in_memory_ms = db.head().min_time();
        compare(&written::read(&db, has_starts), &written.samples(), "here");
        db.close().expect("closes");
        drop(db);
        if let Some(found) = dump(scratch.path(), has_starts) {
            // The checkpoint has dropped older exemplars, or still has them.
            let is_old = |line: &&String| !line.contains("\te\t");
            let wanted = written.lines(in_memory_ms);
            let found: Vec<String> = found.iter().filter(is_old).cloned().collect();
            let wanted: Vec<String> = wanted.iter().filter(is_old).cloned().collect();
            compare(&found, &wanted, "blocks");
        }
    }
}
