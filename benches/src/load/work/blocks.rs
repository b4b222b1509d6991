//! The fixed query sets once more, over an hour that is in blocks and nowhere else.

use super::query::{ask, ask_all, wait_visible};
use super::{NO_TARGETS, STEP_MS, Scale, now_ms, post, settle, write_step};
use crate::load::http::Client;
use crate::load::peer::{Peer, Running};
use crate::load::queries::{self, HISTOGRAM_QUERIES, QUERIES};
use crate::load::report::Report;
use crate::load::series::{self, Scratch, Series};
use std::io;
use std::path::Path;
use std::time::Duration;

/// What heads are cut into blocks by.
const BLOCK_MS: i64 = 7_200_000;
const STEPS: u64 = 250;

/// Floats, asked as soon as they are in blocks and again after a restart; then native histograms on a fresh directory,
/// which fails on servers that do not keep them.
pub fn blocks(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = queries::data((100 / scale.divisor).max(2));
    let mut latencies = Vec::new();
    let (running, end_s) = written(peer, &dir.join("floats"), &mut |running, step| {
        write_step(running, peer, &all, step, &mut latencies)
    })?;
    let mut client = running.client();
    wait_visible(&mut client, all.len(), end_s)?;
    ask_all(&mut client, peer, QUERIES, ("blocks", end_s), report)?;
    let usage = running.usage();
    report.add("blocks: peak RSS, MB", &peer.name, usage.rss_max_bytes / 1e6);
    let dir_of_floats = running.dir.clone();
    running.terminate()?;
    let (running, _) = peer.start(&dir_of_floats, NO_TARGETS)?;
    let mut client = running.client();
    wait_visible(&mut client, all.len(), end_s)?;
    for query in QUERIES {
        ask(&mut client, query, end_s)?;
    }
    let usage = running.usage();
    report.add("blocks after a restart: peak RSS, MB", &peer.name, usage.rss_max_bytes / 1e6);
    running.terminate()?;

    let native = series::latencies((5000 / scale.divisor).max(50));
    let mut scratch = Scratch::default();
    let (running, end_s) = written(peer, &dir.join("native"), &mut |running, (step, at_ms)| {
        let mut client = running.client();
        for part in native.chunks(500) {
            post(&mut client, peer, &series::histogram_body(part, step, at_ms, &mut scratch))?;
        }
        Ok(())
    })?;
    let mut client = running.client();
    wait_visible(&mut client, native.len(), end_s)?;
    ask_all(&mut client, peer, HISTOGRAM_QUERIES, ("blocks, native", end_s), report)
}

/// Writes one step of data, which has a number and a time in milliseconds.
type WriteStep<'w> = &'w mut dyn FnMut(&Running, (u64, i64)) -> io::Result<()>;

/// A server with an hour in blocks, and the second that hour ends. The hour ended two to four hours ago; then comes one
/// sample of now: a head that spans more than three hours gives the older ones to a block. Returns when nothing but that
/// sample is left in the head.
fn written(peer: &Peer, dir: &Path, write: WriteStep<'_>) -> io::Result<(Running, i64)> {
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let begin_ms = (now_ms() / BLOCK_MS - 1) * BLOCK_MS - STEPS as i64 * STEP_MS;
    let at_ms = |step: u64| begin_ms + step as i64 * STEP_MS;
    for step in 0..STEPS {
        write(&running, (step, at_ms(step)))?;
    }
    let now = [Series::new(&[("__name__", "load_now")], false)];
    write_step(&running, peer, &now, (0, now_ms()), &mut Vec::new())?;
    wait_compacted(&mut running.client())?;
    settle(&running);
    Ok((running, at_ms(STEPS - 1) / 1000))
}

/// Waits until one series is left in the head. A server that does not count them has no head.
fn wait_compacted(client: &mut Client) -> io::Result<()> {
    let mut last = String::new();
    for _ in 0..1200 {
        let body = client.get("/metrics")?.body;
        let text = String::from_utf8_lossy(&body);
        let found = text.lines().find_map(|line| line.strip_prefix("prometheus_tsdb_head_series "));
        match found {
            None | Some("1") => return Ok(()),
            Some(count) => last = count.to_owned(),
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    Err(io::Error::other(format!("{last} series are in the head after five minutes")))
}
