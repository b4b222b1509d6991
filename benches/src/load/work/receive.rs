//! Steady writes of known series in the two younger formats: remote write 2.0 and OTLP.

use super::{NO_TARGETS, REQUEST_SERIES, STEP_MS, Scale, now_ms, percentile, post_to, settle};
use crate::load::http::encode;
use crate::load::peer::{Peer, Running};
use crate::load::report::Report;
use crate::load::series::{self, Scratch, Series, Tables};
use std::io;
use std::path::Path;
use std::time::Duration;

const V2_HEADERS: &str = "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n\
    Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 2.0.0\r\n";
const OTLP_HEADERS: &str = "Content-Type: application/x-protobuf\r\n";

/// Makes the bodies of one part of the series; a step and its times in, bytes out.
type Bodies<'s> = Box<dyn FnMut(u64, (i64, i64)) -> Vec<u8> + 's>;

/// How series become bodies and where those go.
struct Format {
    row: &'static str,
    path: &'static str,
    headers: &'static str,
    bodies: for<'s> fn(&'s [Series]) -> Bodies<'s>,
}

/// Steady remote write 2.0 of known series.
pub fn rw2(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    fn bodies(part: &[Series]) -> Bodies<'_> {
        let (tables, mut scratch) = (Tables::new(part), Scratch::default());
        Box::new(move |step, (_, at_ms)| tables.body(part, step, at_ms, &mut scratch))
    }
    let format =
        Format { row: "remote write 2.0", path: peer.write_path, headers: V2_HEADERS, bodies };
    steady(peer, dir, scale, &format, report)
}

/// Steady OTLP of known series.
pub fn otlp(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    fn bodies(part: &[Series]) -> Bodies<'_> {
        Box::new(move |step, times_ms| series::otlp_body(part, step, times_ms))
    }
    let peer = &peer.with_flag("--web.enable-otlp-receiver");
    let format = Format { row: "OTLP", path: peer.otlp_path, headers: OTLP_HEADERS, bodies };
    steady(peer, dir, scale, &format, report)
}

fn steady(
    peer: &Peer,
    dir: &Path,
    scale: Scale,
    format: &Format,
    report: &mut Report,
) -> io::Result<()> {
    let all = series::node((100_000 / scale.divisor).max(100));
    let steps = 60_u64;
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let begin_ms = now_ms() - steps as i64 * STEP_MS;
    let mut parts: Vec<Bodies<'_>> = all.chunks(REQUEST_SERIES).map(format.bodies).collect();
    let (mut client, mut latencies) = (running.client(), Vec::new());
    // The first step makes the series known, which is not what this is about.
    let mut before = running.usage();
    for step in 0..steps {
        for body in &mut parts {
            let bytes = body(step, (begin_ms, begin_ms + step as i64 * STEP_MS));
            latencies.push(post_to(&mut client, (format.path, format.headers), &bytes)?);
        }
        if step == 0 {
            before = settle(&running);
            latencies.clear();
        }
    }
    let after = settle(&running);
    let end_s = (begin_ms + (steps as i64 - 1) * STEP_MS) / 1000 + 1;
    let stored = stored(&running, end_s, all.len())?;
    let samples = (all.len() as u64 * (steps - 1)) as f64;
    let row = format!("{}, {} series x {}", format.row, all.len(), steps - 1);
    let us = (after.cpu_s - before.cpu_s) / samples * 1e6;
    report.add(&format!("{row}: CPU us/sample"), &peer.name, us);
    report.add(&format!("{row}: RSS after, MB"), &peer.name, after.rss_bytes / 1e6);
    report.add(&format!("{row}: p99 of a write, ms"), &peer.name, percentile(&mut latencies, 0.99));
    report.note(format!("{row} | {}: {stored}", peer.name));
    Ok(())
}

/// Says how many series are there and how many samples those of one name have; an error if some series are not there.
fn stored(running: &Running, end_s: i64, series: usize) -> io::Result<String> {
    let mut client = running.client();
    let mut ask = |expr: &str| -> io::Result<String> {
        let path = format!("/api/v1/query?query={}&time={end_s}", encode(expr));
        let answer: serde_json::Value = serde_json::from_slice(&client.get(&path)?.body)?;
        Ok(answer["data"]["result"][0]["value"][1].as_str().unwrap_or_default().to_owned())
    };
    let mut count = String::new();
    // Some servers show samples seconds later.
    for _ in 0..60 {
        count = ask("count({__name__=~\"node_metric_.+\"})")?;
        if count == series.to_string() {
            let samples = ask("sum(count_over_time(node_metric_000_total[1h]))")?;
            return Ok(format!("{count} series, {samples} samples of the first name"));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Err(io::Error::other(format!("{count} series are there instead of {series}")))
}
