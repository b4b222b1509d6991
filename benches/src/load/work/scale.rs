//! Five million active series for an hour, a twentieth of them renamed every ten minutes, queries beside it: what a
//! server of this size of machine has to bear. Wall time decides the pace, so a server that is too slow shows as late
//! writes.

use super::{NO_TARGETS, Scale, now_ms, percentile, post};
use crate::load::http::encode;
use crate::load::peer::{Peer, Running};
use crate::load::report::Report;
use crate::load::series::{self, Scratch, Series};
use metrics::Stopwatch;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NODES: usize = 5000;
const PODS: usize = 50;
const METRICS: usize = 20;
const INTERVAL_S: u64 = 30;
const RUN_S: u64 = 3600;
const RENAME_S: u64 = 600;
/// Part of the nodes whose pods are renamed each time: one in so many.
const RENAMED: usize = 20;
const REQUEST_SERIES: usize = 2000;

/// Queries of a dashboard's panels, and how often each is asked: every so many seconds.
const QUERIES: [(&str, &str, u64); 4] = [
    (
        "one node",
        "sum by (pod) (rate(container_metric_00_total{instance='10.0.7.7:10250'}[5m]))",
        1,
    ),
    ("instant, one node", "{instance='10.0.9.7:10250'}", 1),
    (
        "one namespace",
        "sum(rate(container_metric_01_total{namespace='team-07-production'}[5m]))",
        10,
    ),
    ("a whole metric", "sum by (namespace) (container_metric_02_total)", 60),
];

/// The series of one node.
fn node(index: usize, generation: u64) -> Vec<Series> {
    series::container_node(index, PODS, METRICS, generation)
}

/// Writes for an hour and asks meanwhile; `divisor` makes fewer nodes and less time of it.
pub fn scale(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let run_s = (RUN_S / scale.divisor as u64).max(60);
    let mut nodes: Vec<Vec<Series>> =
        (0..NODES / scale.divisor).map(|index| node(index, 0)).collect();
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let row = format!("scale, {} series, {run_s} s", nodes.len() * PODS * METRICS);
    let is_over = AtomicBool::new(false);
    let (written, asked) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&running, &is_over));
        let written = write(peer, &running, &mut nodes, run_s);
        is_over.store(true, Ordering::Relaxed);
        (written, asking.join().expect("the asking thread does not panic"))
    });
    let (mut written, asked) = (written?, asked?);
    let usage = running.usage();
    report.note(format!(
        "{row}: resident MB of {} (of mapped files) by minute:{}",
        peer.name, written.resident
    ));
    let mut figure = |what: &str, value: f64| {
        report.add(&format!("{row}: {what}"), &peer.name, value);
    };
    figure("refused requests", written.refused as f64);
    figure("steps written late", written.late as f64);
    figure("CPU us/sample", usage.cpu_s / written.samples * 1e6);
    figure("RSS after, MB", usage.rss_bytes / 1e6);
    figure("peak RSS, MB", usage.rss_max_bytes / 1e6);
    figure("p99 of a write, ms", percentile(&mut written.latencies, 0.99));
    for ((name, ..), mut latencies) in QUERIES.iter().zip(asked) {
        figure(&format!("query {name}: median ms"), percentile(&mut latencies, 0.5));
        figure(&format!("query {name}: p99 ms"), percentile(&mut latencies, 0.99));
    }
    let dir = running.kill()?;
    let (running, seconds) = peer.start(&dir, NO_TARGETS)?;
    report.add(&format!("{row}: start after kill -9, s"), &peer.name, seconds);
    report.add(
        &format!("{row}: RSS after restart, MB"),
        &peer.name,
        running.usage().rss_bytes / 1e6,
    );
    Ok(())
}

#[derive(Default)]
struct Written {
    latencies: Vec<f64>,
    samples: f64,
    refused: usize,
    /// Steps that were not written by the time the next one was due.
    late: usize,
    resident: String,
}

#[expect(clippy::print_stderr, reason = "progress of a long run")]
fn write(
    peer: &Peer,
    running: &Running,
    nodes: &mut [Vec<Series>],
    run_s: u64,
) -> io::Result<Written> {
    let (mut client, mut scratch) = (running.client(), Scratch::default());
    let mut out = Written::default();
    let clock = Stopwatch::start();
    let mut minutes = 0;
    for step in 0..run_s / INTERVAL_S {
        let begin_s = step * INTERVAL_S;
        if step > 0 && begin_s.is_multiple_of(RENAME_S) {
            let generation = begin_s / RENAME_S;
            for index in (generation as usize..nodes.len()).step_by(RENAMED) {
                nodes[index] = node(index, generation);
            }
        }
        out.late += usize::from(clock.elapsed_seconds() > (begin_s + INTERVAL_S) as f64);
        let at_ms = now_ms();
        let per_request = REQUEST_SERIES / (PODS * METRICS);
        let num_requests = nodes.len().div_ceil(per_request);
        for (index, part) in nodes.chunks(per_request).enumerate() {
            // Requests come evenly, as from many writers.
            let due_s = begin_s as f64 + INTERVAL_S as f64 * index as f64 / num_requests as f64;
            let wait_s = due_s - clock.elapsed_seconds();
            if wait_s > 0.0 {
                std::thread::sleep(Duration::from_secs_f64(wait_s));
            }
            let parts = part.iter().flatten();
            let body = series::body_of(parts, step, at_ms, &mut scratch);
            match post(&mut client, peer, &body) {
                Ok(ms) => out.latencies.push(ms),
                Err(error) => {
                    out.refused += 1;
                    eprintln!("scale: {error}");
                }
            }
            out.samples += part.iter().map(Vec::len).sum::<usize>() as f64;
        }
        if clock.elapsed_seconds() >= f64::from(minutes) * 60.0 {
            let resident = running.usage().resident();
            write!(out.resident, " {resident}").expect("text in memory");
            eprintln!("scale: {}: minute {minutes}: {resident} MB", peer.name);
            minutes += 1;
        }
    }
    Ok(out)
}

/// Asks until it is over: milliseconds of each answer, by query.
fn ask(running: &Running, is_over: &AtomicBool) -> io::Result<Vec<Vec<f64>>> {
    let mut client = running.client();
    let mut latencies = vec![Vec::new(); QUERIES.len()];
    let mut second = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        let round = Stopwatch::start();
        for ((_, query, every_s), latencies) in QUERIES.iter().zip(&mut latencies) {
            if second % every_s != every_s - 1 {
                continue;
            }
            let begin = Stopwatch::start();
            let end_s = now_ms() / 1000;
            let path = if *every_s == 60 || !query.starts_with("sum") {
                format!("/api/v1/query?query={}&time={end_s}", encode(query))
            } else {
                let start_s = end_s - 1800;
                format!(
                    "/api/v1/query_range?query={}&start={start_s}&end={end_s}&step=30",
                    encode(query)
                )
            };
            let answer = client.get(&path)?;
            if answer.status != 200 {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(io::Error::other(format!(
                    "{query} answered {}: {text}",
                    answer.status
                )));
            }
            latencies.push(begin.elapsed_seconds() * 1e3);
        }
        second += 1;
        std::thread::sleep(Duration::from_secs(1).saturating_sub(round.elapsed()));
    }
    Ok(latencies)
}
