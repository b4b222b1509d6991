//! Writes of now while an hour of samples goes from the head to a block: what compaction does to those who wait.

use super::{NO_TARGETS, REQUEST_SERIES, STEP_MS, Scale, now_ms, percentile, post, write_step};
use crate::load::http::Client;
use crate::load::peer::Peer;
use crate::load::report::Report;
use crate::load::series::{self, Scratch};
use metrics::Stopwatch;
use std::io;
use std::path::Path;
use std::time::Duration;

/// What heads are cut into blocks by.
const BLOCK_MS: i64 = 7_200_000;
const STEPS: u64 = 240;
/// Requests a second while the block is written.
const PACE: f64 = 100.0;
/// Rounds of housekeeping come every minute.
const MOST_SECONDS: f64 = 180.0;
/// A server without a head and without blocks is written to for so long.
const PLAIN_SECONDS: f64 = 30.0;
/// What follows a block, truncation and collection, belongs to it.
const AFTER_SECONDS: f64 = 5.0;

/// Percentiles of the times that writes take from the moment the head has to be compacted until it is.
pub fn compacting(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = series::node(100_000 / scale.divisor);
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let begin_ms = (now_ms() / BLOCK_MS - 1) * BLOCK_MS - STEPS as i64 * STEP_MS;
    for step in 0..STEPS {
        let at_ms = begin_ms + step as i64 * STEP_MS;
        write_step(&running, peer, &all, (step, at_ms), &mut Vec::new())?;
    }
    let (mut client, mut scratch) = (running.client(), Scratch::default());
    let mut latencies = Vec::new();
    let clock = Stopwatch::start();
    let mut end_s = MOST_SECONDS;
    let mut is_compacted = false;
    for (index, part) in all.chunks(REQUEST_SERIES).cycle().enumerate() {
        let now_s = clock.elapsed_seconds();
        if now_s > end_s {
            break;
        }
        if index % 50 == 0 && !is_compacted {
            match blocks(&mut client)? {
                None => end_s = PLAIN_SECONDS,
                Some(0) => {}
                Some(_) => (is_compacted, end_s) = (true, now_s + AFTER_SECONDS),
            }
        }
        let wait_s = index as f64 / PACE - clock.elapsed_seconds();
        if wait_s > 0.0 {
            std::thread::sleep(Duration::from_secs_f64(wait_s));
        }
        let body = series::body(part, STEPS + index as u64, now_ms(), &mut scratch);
        latencies.push(post(&mut client, peer, &body)?);
    }
    if !is_compacted && end_s > PLAIN_SECONDS {
        return Err(io::Error::other("no block was written in three minutes"));
    }
    let row = format!("compacting, {} series x {STEPS}", all.len());
    for (what, share) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
        let value = percentile(&mut latencies, share);
        report.add(&format!("{row}: {what} of a write meanwhile, ms"), &peer.name, value);
    }
    let rss_max = running.usage().rss_max_bytes / 1e6;
    report.add(&format!("{row}: peak RSS, MB"), &peer.name, rss_max);
    Ok(())
}

/// How many blocks the server has; none if it does not count them.
fn blocks(client: &mut Client) -> io::Result<Option<u64>> {
    let body = client.get("/metrics")?.body;
    let text = String::from_utf8_lossy(&body);
    let found = text.lines().find_map(|line| line.strip_prefix("prometheus_tsdb_blocks_loaded "));
    Ok(found.and_then(|count| count.trim().parse().ok()))
}
