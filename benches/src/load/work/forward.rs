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

/// Fifty thousand samples a second in by remote write, and out again over one connection. Of one that only passes on
/// there is no figure without a receiver.
pub fn rwout(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = series::node((50_000 / scale.divisor).max(100));
    let rounds = (ROUNDS / scale.divisor as u64).max(5);
    let samples = all.len() as u64 * rounds;
    let alone = if peer.only_forwards() { None } else { Some(alone(peer, dir, &all, rounds)?) };
    let sink = Sink::start()?;
    let config = format!(
        "{NO_TARGETS}remote_write:\n- url: http://127.0.0.1:{}/write\n  \
         queue_config: {{max_shards: 1, capacity: 20000}}\n",
        sink.port
    );
    let (running, _) = peer.forwarding_to(sink.port).start(&dir.join("forwarding"), &config)?;
    // What a start costs is not what this is about.
    let before = settle(&running);
    paced(&running, peer, &all, rounds)?;
    let late = Stopwatch::start();
    while sink.samples() < samples && late.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let behind_s = late.elapsed_seconds();
    let after = settle(&running);
    let row = format!("remote write out, {} samples/s x {rounds} s", all.len());
    let mut add = |what: &str, value: f64| report.add(&format!("{row}: {what}"), &peer.name, value);
    let us = |cpu_s: f64| cpu_s / samples as f64 * 1e6;
    let cpu_s = after.cpu_s - before.cpu_s;
    if let Some(alone) = alone {
        add("CPU us/sample added", us(cpu_s - alone.cpu_s));
        add("peak RSS added, MB", (after.rss_max_bytes - alone.rss_max_bytes) / 1e6);
    }
    add("CPU us/sample in and out", us(cpu_s));
    add("behind at the end, s", behind_s);
    add("samples missing", samples as f64 - sink.samples() as f64);
    let mean = sink.samples() / sink.requests().max(1);
    report.note(format!("{row} | {}: {mean} samples a request", peer.name));
    Ok(())
}

/// What the same writes cost a server without a receiver.
fn alone(peer: &Peer, dir: &Path, all: &[Series], rounds: u64) -> io::Result<Usage> {
    let (running, _) = peer.start(&dir.join("alone"), NO_TARGETS)?;
    let used = written(&running, peer, all, rounds)?;
    running.terminate()?;
    Ok(used)
}

/// What the writes cost without a receiver.
fn written(running: &Running, peer: &Peer, all: &[Series], rounds: u64) -> io::Result<Usage> {
    let before = settle(running);
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
