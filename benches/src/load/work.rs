//! The rows of the table: each work starts a server on a fresh directory, does the same to it, reads what it cost.
//! The clock is the wall clock: servers refuse samples far from now. Works that write live here, those that scrape
//! containers, ask and answer, or bring histograms in the files below.

mod answers;
mod blocks;
mod compacting;
mod containers;
mod dashboards;
mod expressions;
mod forward;
mod growth;
mod histograms;
mod idle;
mod query;
mod read;
mod receive;
mod restart;
mod scale;
mod scrape;
mod written;

pub use answers::answers;
pub use blocks::blocks;
pub use compacting::compacting;
pub use containers::containers;
pub use dashboards::dashboards;
pub use expressions::expressions;
pub use forward::rwout;
pub use growth::growth;
pub use histograms::histograms;
pub use idle::idle;
pub use query::query;
pub use read::read;
pub use receive::{otlp, rw2};
pub use restart::restart;
pub use scale::scale;
pub use scrape::{protobuf, scrape};
pub use written::written;

use crate::load::http::Client;
use crate::load::peer::{Peer, Running, Usage, disk_bytes};
use crate::load::report::Report;
use crate::load::series::{self, Scratch, Series};
use metrics::Stopwatch;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How large the works are.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Divides the number of series (and of seconds, for scraping).
    pub divisor: usize,
    /// How long the work lasts that has no end of its own.
    pub seconds: Option<u64>,
}

const NO_TARGETS: &str = "global:\n  scrape_interval: 15s\nscrape_configs: []\n";
const HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
    X-Prometheus-Remote-Write-Version: 0.1.0\r\n";
const REQUEST_SERIES: usize = 2000;
const STEP_MS: i64 = 15_000;

/// The wall clock, in milliseconds.
#[expect(clippy::disallowed_methods, reason = "the driver is outside the core and reads the clock")]
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// Posts one remote-write body; answers how many milliseconds that took.
fn post(client: &mut Client, peer: &Peer, body: &[u8]) -> io::Result<f64> {
    post_to(client, (peer.write_path, HEADERS), body)
}

/// Posts a body; answers how many milliseconds that took.
fn post_to(client: &mut Client, (path, headers): (&str, &str), body: &[u8]) -> io::Result<f64> {
    let begin = Stopwatch::start();
    let response = client.post(path, headers, body)?;
    let ms = begin.elapsed().as_secs_f64() * 1e3;
    if (200..300).contains(&response.status) {
        return Ok(ms);
    }
    let text = String::from_utf8_lossy(&response.body).into_owned();
    Err(io::Error::other(format!("write answered {}: {text}", response.status)))
}

/// Writes one sample of each series; adds the milliseconds of each request to `latencies`.
fn write_step(
    running: &Running,
    peer: &Peer,
    all: &[Series],
    (step, at_ms): (u64, i64),
    latencies: &mut Vec<f64>,
) -> io::Result<()> {
    let mut client = running.client();
    let mut scratch = Scratch::default();
    for part in all.chunks(REQUEST_SERIES) {
        let body = series::body(part, step, at_ms, &mut scratch);
        latencies.push(post(&mut client, peer, &body)?);
    }
    Ok(())
}

/// Waits until the server has come to rest: background work belongs to its bill.
fn settle(running: &Running) -> Usage {
    let mut last = running.usage();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(500));
        let next = running.usage();
        if next.cpu_s - last.cpu_s < 0.02 {
            return next;
        }
        last = next;
    }
    last
}

/// Says what has become resident, and how much of it are pages of files.
fn grown(before: &Usage, after: &Usage) -> String {
    let mb = |figure: fn(&Usage) -> f64| (figure(after) - figure(before)) / 1e6;
    format!(
        "{:.1} MB more are resident than before, {:.1} MB of them pages of mapped files",
        mb(|usage| usage.rss_bytes),
        mb(|usage| usage.rss_file_bytes)
    )
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(((values.len() as f64 - 1.0) * share) as usize).copied().unwrap_or(f64::NAN)
}

/// Steady remote write of known series, then a kill and a restart.
pub fn steady(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = series::node(100_000 / scale.divisor);
    let steps = 240_u64;
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let begin_ms = now_ms() - steps as i64 * STEP_MS;
    let before = running.usage();
    let mut latencies = Vec::new();
    for step in 0..steps {
        write_step(&running, peer, &all, (step, begin_ms + step as i64 * STEP_MS), &mut latencies)?;
    }
    let after = settle(&running);
    let samples = (all.len() as u64 * steps) as f64;
    let row = format!("steady, {} series x {steps}", all.len());
    report.add(
        &format!("{row}: CPU us/sample"),
        &peer.name,
        (after.cpu_s - before.cpu_s) / samples * 1e6,
    );
    report.add(&format!("{row}: RSS after, MB"), &peer.name, after.rss_bytes / 1e6);
    report.add(&format!("{row}: p99 of a write, ms"), &peer.name, percentile(&mut latencies, 0.99));
    report.add(
        &format!("{row}: disk, bytes/sample"),
        &peer.name,
        disk_bytes(&running.dir) as f64 / samples,
    );
    let dir = running.kill()?;
    let (running, seconds) = peer.start(&dir, NO_TARGETS)?;
    report.add(&format!("{row}: start after kill -9, s"), &peer.name, seconds);
    report.add(
        &format!("{row}: RSS after restart, MB"),
        &peer.name,
        settle(&running).rss_bytes / 1e6,
    );
    Ok(())
}

/// A million series never seen before, eight samples each.
pub fn first_contact(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = series::containers(1000 / scale.divisor.min(1000), 50, 20, 0);
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let before = running.usage();
    let begin_ms = now_ms() - 8 * STEP_MS;
    let mut latencies = Vec::new();
    for step in 0..8 {
        write_step(&running, peer, &all, (step, begin_ms + step as i64 * STEP_MS), &mut latencies)?;
    }
    let after = settle(&running);
    let row = format!("first contact, {} series x 8", all.len());
    let samples = all.len() as f64 * 8.0;
    report.add(
        &format!("{row}: CPU us/sample"),
        &peer.name,
        (after.cpu_s - before.cpu_s) / samples * 1e6,
    );
    let per_series = (after.rss_bytes - before.rss_bytes) / all.len() as f64;
    report.add(&format!("{row}: RSS bytes/series"), &peer.name, per_series);
    Ok(())
}

/// Containers whose pods are all renamed every ten minutes, over half an hour of samples.
pub fn churn(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let before = running.usage();
    let steps = 120_u64;
    let begin_ms = now_ms() - steps as i64 * STEP_MS;
    let mut latencies = Vec::new();
    let mut samples = 0.0;
    for generation in 0..3 {
        let all = series::containers(200 / scale.divisor.min(200), 50, 20, generation);
        for step in generation * 40..(generation + 1) * 40 {
            write_step(
                &running,
                peer,
                &all,
                (step, begin_ms + step as i64 * STEP_MS),
                &mut latencies,
            )?;
            samples += all.len() as f64;
        }
    }
    let after = settle(&running);
    let row = "churn, pods renamed each 10 min, 30 min";
    report.add(
        &format!("{row}: CPU us/sample"),
        &peer.name,
        (after.cpu_s - before.cpu_s) / samples * 1e6,
    );
    report.add(&format!("{row}: RSS after, MB"), &peer.name, after.rss_bytes / 1e6);
    report.add(&format!("{row}: peak RSS, MB"), &peer.name, after.rss_max_bytes / 1e6);
    Ok(())
}
