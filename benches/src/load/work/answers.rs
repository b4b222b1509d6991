//! The HTTP side under load: an answer of many megabytes, and many small ones at a time.

use super::query::{path, wait_visible};
use super::{NO_TARGETS, STEP_MS, Scale, grown, now_ms, percentile, settle, write_step};
use crate::load::peer::{Peer, Running};
use crate::load::queries::{LARGE_ANSWER, SMALL_ANSWER};
use crate::load::report::Report;
use crate::load::series;
use metrics::Stopwatch;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const CONNECTIONS: usize = 100;

/// A range query whose JSON has tens of megabytes, and instant queries over a hundred connections.
pub fn answers(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = series::node((9600 / scale.divisor).max(200));
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let steps = 250_u64;
    let begin_ms = (now_ms() / STEP_MS - steps as i64) * STEP_MS;
    let mut latencies = Vec::new();
    for step in 0..steps {
        write_step(&running, peer, &all, (step, begin_ms + step as i64 * STEP_MS), &mut latencies)?;
    }
    let end_s = (begin_ms + (steps as i64 - 1) * STEP_MS) / 1000;
    let before = settle(&running);
    let mut client = running.client();
    wait_visible(&mut client, all.len(), end_s)?;
    let path = path(&LARGE_ANSWER, end_s);
    let (mut times, mut bytes) = (Vec::new(), 0);
    for _ in 0..5 {
        let begin = Stopwatch::start();
        bytes = client.get(&path)?.body.len();
        times.push(begin.elapsed_seconds() * 1e3);
    }
    let row = format!("large answer, {} series x 241", all.len());
    report.add(&format!("{row}: median ms"), &peer.name, percentile(&mut times, 0.5));
    let after = running.usage();
    let added = after.rss_max_bytes - before.rss_max_bytes;
    report.add(&format!("{row}: peak RSS added, MB"), &peer.name, added / 1e6);
    let grown = grown(&before, &after);
    report.note(format!("large answer | {}: {bytes} bytes; {grown}", peer.name));
    let requests = (40_000 / scale.divisor).max(2000);
    let us = crowd(&running, end_s, requests)?;
    let row = format!("{CONNECTIONS} connections, small answers: wall us/request");
    report.add(&row, &peer.name, us);
    report.note(format!("{CONNECTIONS} connections | {}: {:.0} requests/s", peer.name, 1e6 / us));
    Ok(())
}

/// `requests` instant queries over all connections together; answers microseconds of wall time for each.
fn crowd(running: &Running, end_s: i64, requests: usize) -> io::Result<f64> {
    let path = path(&SMALL_ANSWER, end_s);
    let left = AtomicUsize::new(requests);
    let failed = AtomicUsize::new(0);
    let begin = Stopwatch::start();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut client = running.client();
                let next = |left: usize| left.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok() {
                    if client.get(&path).map_or(0, |response| response.status) != 200 {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let seconds = begin.elapsed_seconds();
    match failed.into_inner() {
        0 => Ok(seconds * 1e6 / requests as f64),
        failed => Err(io::Error::other(format!("{failed} of {requests} requests failed"))),
    }
}
