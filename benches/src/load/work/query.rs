//! The fixed query set over an hour of data, and again after a restart.

use super::{NO_TARGETS, STEP_MS, Scale, now_ms, percentile, settle, write_step};
use crate::load::http::{Client, encode};
use crate::load::peer::Peer;
use crate::load::queries::{self, QUERIES, Query};
use crate::load::report::Report;
use metrics::Stopwatch;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Waits until the server answers with every series at the end of the data: some show samples seconds later.
pub(super) fn wait_visible(client: &mut Client, series: usize, end_s: i64) -> io::Result<()> {
    let expr = encode("count({__name__!=\"\"})");
    let wanted = format!("\"{series}\"");
    let mut last = String::new();
    for _ in 0..240 {
        let response = client.get(&format!("/api/v1/query?query={expr}&time={end_s}"))?;
        last = String::from_utf8_lossy(&response.body).into_owned();
        if last.contains(&wanted) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    Err(io::Error::other(format!("expected {series} series after a minute, got {last}")))
}

/// The path of a query over the hour that ends at `end_s`.
pub(super) fn path(query: &Query, end_s: i64) -> String {
    let expr = encode(query.expr);
    if query.step_s == 0 {
        return format!("/api/v1/query?query={expr}&time={end_s}");
    }
    let (begin, step) = (end_s - 3600, query.step_s);
    format!("/api/v1/query_range?query={expr}&start={begin}&end={end_s}&step={step}")
}

/// Asks seven times; answers the milliseconds and the last answer in short.
pub(super) fn ask(
    client: &mut Client,
    query: &Query,
    end_s: i64,
) -> io::Result<(Vec<f64>, String)> {
    let path = path(query, end_s);
    let mut times = Vec::new();
    let mut answer = String::new();
    for _ in 0..7 {
        let begin = Stopwatch::start();
        let response = client.get(&path)?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        answer = queries::digest(&response.body).unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            format!("{} {text}", response.status)
        });
    }
    Ok((times, answer))
}

/// Reports the medians of `queries` and notes what was answered.
pub(super) fn ask_all(
    client: &mut Client,
    peer: &Peer,
    queries: &[Query],
    (prefix, end_s): (&str, i64),
    report: &mut Report,
) -> io::Result<()> {
    for query in queries {
        let (mut times, answer) = ask(client, query, end_s)?;
        let row = format!("{prefix} {}: median ms", query.name);
        report.add(&row, &peer.name, percentile(&mut times, 0.5));
        report.note(format!("{prefix} {} | {}: {answer}", query.name, peer.name));
    }
    Ok(())
}

/// Times the query set, restarts the server, and asks once more for the memory that takes.
pub fn query(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = queries::data((100 / scale.divisor).max(2));
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let steps = 250_u64;
    let begin_ms = (now_ms() / STEP_MS - steps as i64) * STEP_MS;
    let mut latencies = Vec::new();
    for step in 0..steps {
        write_step(&running, peer, &all, (step, begin_ms + step as i64 * STEP_MS), &mut latencies)?;
    }
    let end_s = (begin_ms + (steps as i64 - 1) * STEP_MS) / 1000;
    settle(&running);
    let mut client = running.client();
    wait_visible(&mut client, all.len(), end_s)?;
    ask_all(&mut client, peer, QUERIES, ("query", end_s), report)?;
    let usage = running.usage();
    report.add("query set: peak RSS, MB", &peer.name, usage.rss_max_bytes / 1e6);
    running.terminate()?;
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let mut client = running.client();
    wait_visible(&mut client, all.len(), end_s)?;
    for query in QUERIES {
        ask(&mut client, query, end_s)?;
    }
    let usage = running.usage();
    report.add("query set after a restart: peak RSS, MB", &peer.name, usage.rss_max_bytes / 1e6);
    Ok(())
}
