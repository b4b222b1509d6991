//! Remote write out: what one queue that has caught up costs, as the difference between the same writes with and
//! without a receiver to pass them on to.

use super::{NO_TARGETS, REQUEST_SERIES, Scale, now_ms, post, settle};
use crate::load::peer::{Peer, Running, Usage};
use crate::load::report::Report;
use crate::load::series::{self, Scratch, Series};
use crate::load::sink::Sink;
use metrics::Stopwatch;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Seconds of writing, one sample of each series in each.
const ROUNDS: u64 = 40;

/// Fifty thousand samples a second in by remote write, and out again over one connection.
pub fn rwout(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = series::node((50_000 / scale.divisor).max(100));
    let rounds = (ROUNDS / scale.divisor as u64).max(5);
    let samples = all.len() as u64 * rounds;
    let (running, _) = peer.start(&dir.join("alone"), NO_TARGETS)?;
    let alone = written(&running, peer, &all, rounds)?;
    running.terminate()?;
    let sink = Sink::start()?;
    let config = format!(
        "{NO_TARGETS}remote_write:\n- url: http://127.0.0.1:{}/write\n  \
         queue_config: {{max_shards: 1, capacity: 20000}}\n",
        sink.port
    );
    let (running, _) = peer.start(&dir.join("forwarding"), &config)?;
    let before = running.usage();
    paced(&running, peer, &all, rounds)?;
    let late = Stopwatch::start();
    while sink.samples() < samples && late.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let behind_s = late.elapsed_seconds();
    let after = settle(&running);
    let row = format!("remote write out, {} samples/s x {rounds} s", all.len());
    let cpu_s = after.cpu_s - before.cpu_s;
    let us = (cpu_s - alone.cpu_s) / samples as f64 * 1e6;
    report.add(&format!("{row}: CPU us/sample added"), &peer.name, us);
    let us = cpu_s / samples as f64 * 1e6;
    report.add(&format!("{row}: CPU us/sample in and out"), &peer.name, us);
    let added = after.rss_max_bytes - alone.rss_max_bytes;
    report.add(&format!("{row}: peak RSS added, MB"), &peer.name, added / 1e6);
    report.add(&format!("{row}: behind at the end, s"), &peer.name, behind_s);
    let missing = samples as f64 - sink.samples() as f64;
    report.add(&format!("{row}: samples missing"), &peer.name, missing);
    let mean = sink.samples() / sink.requests().max(1);
    report.note(format!("{row} | {}: {mean} samples a request", peer.name));
    Ok(())
}

/// What the writes cost without a receiver.
fn written(running: &Running, peer: &Peer, all: &[Series], rounds: u64) -> io::Result<Usage> {
    let before = running.usage();
    paced(running, peer, all, rounds)?;
    let after = settle(running);
    Ok(Usage { cpu_s: after.cpu_s - before.cpu_s, ..after })
}

/// Writes a sample of each series every second. The times are those of the wall clock: queues leave out what was
/// there before them.
fn paced(running: &Running, peer: &Peer, all: &[Series], rounds: u64) -> io::Result<()> {
    let (mut client, mut scratch) = (running.client(), Scratch::default());
    let clock = Stopwatch::start();
    for round in 0..rounds {
        let due = Duration::from_secs(round);
        std::thread::sleep(due.saturating_sub(clock.elapsed()));
        let at_ms = now_ms();
        for part in all.chunks(REQUEST_SERIES) {
            post(&mut client, peer, &series::body(part, round, at_ms, &mut scratch))?;
        }
    }
    Ok(())
}
