//! The refreshes of five hundred dashboards beside writes of 200,000 samples a second: what each does to the other, and
//! whether memory stays.

use super::{NO_TARGETS, REQUEST_SERIES, Scale, now_ms, percentile, post};
use crate::load::http::{Client, encode};
use crate::load::peer::{Peer, Running};
use crate::load::report::Report;
use crate::load::series::{self, Scratch, Series};
use metrics::Stopwatch;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Each series has a sample so often.
const INTERVAL_S: u64 = 5;
/// Each dashboard is refreshed so often.
const REFRESH_S: u64 = 30;
/// Refreshes under way at one time at most: a browser each.
const BROWSERS: usize = 32;
/// What a dashboard shows besides the last quarter of an hour.
const SPAN_S: i64 = 900;

/// The queries of the dashboard of one host: four panels.
fn panels(host: usize) -> [String; 4] {
    let instance = format!("instance=\"node-{host:04}.example.com:9100\"");
    let ten = format!("instance=~\"node-{:03}[0-9][.]example[.]com:9100\"", host / 10);
    let metric = host % 125;
    [
        format!("rate(node_metric_{metric:03}_total{{{instance}}}[1m])"),
        format!("sum by (region) (rate(node_metric_{metric:03}_total{{{ten}}}[1m]))"),
        format!("max by (device) (max_over_time(node_metric_000_total{{{instance}}}[5m]))"),
        format!(
            "sum(rate(node_metric_001_total{{{instance}}}[1m])) / sum(rate(node_metric_002_total{{{instance}}}[1m]))"
        ),
    ]
}

/// What both sides measured: milliseconds of each request, failures.
#[derive(Default)]
struct Measured {
    writes_ms: Mutex<Vec<f64>>,
    queries_ms: Mutex<Vec<f64>>,
    failed_writes: AtomicUsize,
    failed_queries: AtomicUsize,
    stop: AtomicBool,
}

impl Measured {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

fn push(into: &Mutex<Vec<f64>>, ms: f64) {
    into.lock().expect("nobody panics while it is locked").push(ms);
}

/// Writes a sample of each series every interval, spread over the interval.
fn write(running: &Running, peer: &Peer, all: &[Series], measured: &Measured) {
    let (mut client, mut scratch) = (running.client(), Scratch::default());
    let parts = all.len().div_ceil(REQUEST_SERIES);
    let pause = Duration::from_secs(INTERVAL_S) / parts as u32;
    let clock = Stopwatch::start();
    for step in 0.. {
        for (number, part) in all.chunks(REQUEST_SERIES).enumerate() {
            let due = pause * (step * parts + number) as u32;
            std::thread::sleep(due.saturating_sub(clock.elapsed()));
            if !measured.goes_on() {
                return;
            }
            let body = series::body(part, step as u64, now_ms(), &mut scratch);
            match post(&mut client, peer, &body) {
                Ok(ms) => push(&measured.writes_ms, ms),
                Err(_) => drop(measured.failed_writes.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }
}

/// Refreshes dashboards, each in its turn, as they fall due.
fn browse(
    running: &Running,
    (dashboards, hosts): (usize, usize),
    (next, clock): (&AtomicUsize, &Stopwatch),
    measured: &Measured,
) {
    let mut client = running.client();
    let pause = Duration::from_secs(REFRESH_S) / dashboards as u32;
    loop {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let due = pause * turn as u32;
        while clock.elapsed() < due && measured.goes_on() {
            std::thread::sleep(due.saturating_sub(clock.elapsed()).min(Duration::from_millis(100)));
        }
        if !measured.goes_on() {
            return;
        }
        for expr in panels(turn % dashboards % hosts) {
            match refresh(&mut client, &expr) {
                Ok(ms) => push(&measured.queries_ms, ms),
                Err(_) => drop(measured.failed_queries.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }
}

/// Asks for one panel; answers the milliseconds that took.
fn refresh(client: &mut Client, expr: &str) -> io::Result<f64> {
    let end_s = now_ms() / 15_000 * 15;
    let (begin_s, expr) = (end_s - SPAN_S, encode(expr));
    let path = format!("/api/v1/query_range?query={expr}&start={begin_s}&end={end_s}&step=15");
    let begin = Stopwatch::start();
    let answer = client.get(&path)?;
    let ms = begin.elapsed_seconds() * 1e3;
    if answer.status == 200 { Ok(ms) } else { Err(io::Error::other("refused")) }
}

/// Ten minutes of both, or as long as was asked for.
pub fn dashboards(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let rate = 200_000 / scale.divisor;
    let all = series::node((rate * INTERVAL_S as usize).max(1000));
    let dashboards = (500 / scale.divisor).max(4);
    let hosts = all.len() / 1000;
    let seconds = scale.seconds.unwrap_or(600);
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let measured = Measured::default();
    let (next, clock) = (AtomicUsize::new(0), Stopwatch::start());
    let mut resident = String::new();
    let before = running.usage();
    std::thread::scope(|scope| {
        scope.spawn(|| write(&running, peer, &all, &measured));
        for _ in 0..BROWSERS.min(dashboards) {
            scope.spawn(|| browse(&running, (dashboards, hosts), (&next, &clock), &measured));
        }
        for minute in 1.. {
            let until = Duration::from_secs(seconds.min(minute * 60));
            std::thread::sleep(until.saturating_sub(clock.elapsed()));
            write!(resident, " {}", running.usage().resident()).expect("text in memory");
            if minute * 60 >= seconds {
                break;
            }
        }
        measured.stop.store(true, Ordering::Relaxed);
    });
    let after = running.usage();
    let elapsed_s = clock.elapsed_seconds();
    let row = format!(
        "{dashboards} dashboards each {REFRESH_S} s, {} samples/s, {seconds} s",
        all.len() / INTERVAL_S as usize
    );
    let [mut writes_ms, mut queries_ms] = [measured.writes_ms, measured.queries_ms]
        .map(|list| list.into_inner().expect("nobody panicked"));
    let mut add = |what: &str, value: f64| report.add(&format!("{row}: {what}"), &peer.name, value);
    add("p99 of a query, ms", percentile(&mut queries_ms, 0.99));
    add("median of a query, ms", percentile(&mut queries_ms, 0.5));
    add("p99 of a write, ms", percentile(&mut writes_ms, 0.99));
    add("cores", (after.cpu_s - before.cpu_s) / elapsed_s);
    add("most RSS, MB", after.rss_max_bytes / 1e6);
    add("failed queries", measured.failed_queries.into_inner() as f64);
    add("failed writes", measured.failed_writes.into_inner() as f64);
    report.note(format!(
        "{row}: resident MB of {} (of mapped files) by minute:{resident}",
        peer.name
    ));
    let written = writes_ms.len() * REQUEST_SERIES.min(all.len());
    report.note(format!(
        "{row} | {}: {:.0} samples/s written, {:.0} queries/s answered",
        peer.name,
        written as f64 / elapsed_s,
        queries_ms.len() as f64 / elapsed_s
    ));
    Ok(())
}
