//! The same at the moments when the server is busiest with files: full chunks of many series go to disk, and the image of
//! the head is written.

use super::{STEP_MS, ask, rounds, series, start, stored, write_until_killed};
use benches::load::peer::{Peer, Running, disk_bytes};
use benches::load::series::Series;
use benches::load::work::now_ms;
use metrics::Stopwatch;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// More than wait for the round of every minute when their chunks are full.
const SERIES: usize = 20_000;
/// The series that are compared sample by sample.
const SOME: &str = "killed{index=~\".*77\"}";

/// When the process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Head chunks are being written.
    Mapping,
    /// It was asked to end and writes an image.
    Image,
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Stopwatch::start();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn check(running: &Running, base_ms: i64, all: &[Series], steps: u64, holes: &[u64]) {
    if steps == 0 {
        return;
    }
    let span = (base_ms, base_ms + steps as i64 * STEP_MS);
    let number = |query: &str| -> u64 {
        let answer = ask(running, query, span);
        answer[0]["value"][1].as_str().expect("a value").parse().expect("a whole number")
    };
    assert_eq!(number("count(count_over_time(killedWINDOW))"), SERIES as u64);
    let least = steps - holes.len() as u64;
    assert!(number("min(count_over_time(killedWINDOW))") >= least, "{steps} steps");
    let found = stored(running, SOME, span);
    assert_eq!(found.len(), SERIES / 100);
    for (index, samples) in found {
        for step in (0..steps).filter(|step| !holes.contains(step)) {
            let got = samples.get(&(step as i64));
            assert_eq!(got, Some(&all[index].value(step)), "series {index}, step {step}");
        }
    }
}

/// Kills the process at that moment, while steps from `first` on are written.
fn kill_at(
    moment: Moment,
    running: Running,
    (all, base_ms): (&[Series], i64),
    acknowledged: &AtomicU64,
    first: u64,
) {
    let dir = running.dir.clone();
    let mapped = |dir: &Path| disk_bytes(&dir.join("chunks_head"));
    let before = mapped(&dir);
    std::thread::scope(|scope| {
        let port = running.port;
        let writer =
            scope.spawn(move || write_until_killed(port, (all, base_ms), acknowledged, first));
        wait_for("some steps", || {
            acknowledged.load(Ordering::SeqCst) >= first + 8 || writer.is_finished()
        });
        match moment {
            Moment::Mapping => wait_for("chunks on disk", || mapped(&dir) > before),
            Moment::Image => {
                running.ask_to_end().expect("a signal");
                // Where it ended before anybody saw the image, this round is like a clean stop.
                let image = dir.join("head_image.tmp");
                wait_for("an image", || image.exists() || !dir.join("lock").exists());
            }
        }
        running.kill().expect("killed");
    });
}

#[test]
fn every_acknowledged_sample_survives_kill_9_while_files_are_written() {
    let scratch = tests::Scratch::new("kill-busy");
    let (dir, all) = (scratch.path().join("data"), series(SERIES));
    let peer = Peer::parse(&format!("firesteel={}", env!("CARGO_BIN_EXE_firesteel")))
        .expect("peer")
        .with_flag("--storage.tsdb.samples-per-chunk=4");
    let base_ms = now_ms() / 1000 * 1000 - 1_800_000;
    let (acknowledged, mut holes) = (AtomicU64::new(0), Vec::new());
    for round in 0..rounds().max(2) {
        let running = start(&peer, &dir);
        check(&running, base_ms, &all, acknowledged.load(Ordering::SeqCst), &holes);
        let first = acknowledged.load(Ordering::SeqCst) + u64::from(round > 0);
        if round > 0 {
            holes.push(first - 1);
        }
        let moment = if round % 2 == 0 { Moment::Mapping } else { Moment::Image };
        kill_at(moment, running, (&all, base_ms), &acknowledged, first);
    }
    let running = start(&peer, &dir);
    check(&running, base_ms, &all, acknowledged.load(Ordering::SeqCst), &holes);
}
