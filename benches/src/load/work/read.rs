//! Remote read: ten million samples as streamed chunks.

use super::query::wait_visible;
use super::{NO_TARGETS, STEP_MS, Scale, grown, now_ms, percentile, settle, write_step};
use crate::load::peer::Peer;
use crate::load::proto::{field, fields, number, take_varint};
use crate::load::report::Report;
use crate::load::series;
use metrics::Stopwatch;
use std::io;
use std::path::Path;

const HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
    X-Prometheus-Remote-Read-Version: 0.1.0\r\n";

/// A request for the chunks of all series with `job="node"`.
fn request(start_ms: i64, end_ms: i64) -> Vec<u8> {
    let (mut matcher, mut query, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    field(2, b"job", &mut matcher);
    field(3, b"node", &mut matcher);
    number(1, start_ms as u64, &mut query);
    number(2, end_ms as u64, &mut query);
    field(3, &matcher, &mut query);
    field(1, &query, &mut plain);
    // STREAMED_XOR_CHUNKS.
    number(2, 1, &mut plain);
    snap::raw::Encoder::new().compress_vec(&plain).expect("a short request")
}

/// Series, samples and frames of an answer; an error if it is not made of frames.
fn count(mut rest: &[u8]) -> io::Result<(u64, u64, u64)> {
    let (mut series, mut samples, mut frames) = (0, 0, 0);
    let mut last: Vec<Vec<u8>> = Vec::new();
    while !rest.is_empty() {
        let broken = || io::Error::other("the answer is not made of frames");
        let length = take_varint(&mut rest).ok_or_else(broken)? as usize;
        // The checksum stands between length and message.
        let message = rest.get(4..4 + length).ok_or_else(broken)?;
        rest = &rest[4 + length..];
        frames += 1;
        for (_, one) in fields(message).filter(|(number, _)| *number == 1) {
            let labels: Vec<Vec<u8>> =
                fields(one).filter(|(n, _)| *n == 1).map(|(_, label)| label.to_vec()).collect();
            // A series with many chunks comes in several frames.
            series += u64::from(labels != last);
            last = labels;
            for (_, chunk) in fields(one).filter(|(number, _)| *number == 2) {
                let data = fields(chunk).find(|(number, _)| *number == 4);
                let head = data.and_then(|(_, data)| data.first_chunk::<2>());
                samples += head.map_or(0, |head| u64::from(u16::from_be_bytes(*head)));
            }
        }
    }
    Ok((series, samples, frames))
}

/// Ten thousand series of a thousand samples, read five times.
pub fn read(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = series::node((10_000 / scale.divisor).max(100));
    let steps = 1000_u64;
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let begin_ms = (now_ms() / STEP_MS - steps as i64) * STEP_MS;
    let mut latencies = Vec::new();
    for step in 0..steps {
        write_step(&running, peer, &all, (step, begin_ms + step as i64 * STEP_MS), &mut latencies)?;
    }
    let end_ms = begin_ms + (steps as i64 - 1) * STEP_MS;
    let mut client = running.client();
    wait_visible(&mut client, all.len(), end_ms / 1000)?;
    let before = settle(&running);
    let body = request(begin_ms, end_ms);
    let (mut times, mut counted, mut bytes) = (Vec::new(), (0, 0, 0), 0);
    for _ in 0..5 {
        let begin = Stopwatch::start();
        let answer = client.post("/api/v1/read", HEADERS, &body)?;
        times.push(begin.elapsed_seconds() * 1e3);
        if answer.status != 200 {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(io::Error::other(format!("read answered {}: {text}", answer.status)));
        }
        bytes = answer.body.len();
        counted = count(&answer.body)?;
    }
    let after = running.usage();
    let (series, samples, frames) = counted;
    let row = format!("remote read, {} series x {steps}", all.len());
    report.add(&format!("{row}: median ms"), &peer.name, percentile(&mut times, 0.5));
    let cpu_ms = (after.cpu_s - before.cpu_s) / times.len() as f64 * 1e3;
    report.add(&format!("{row}: CPU ms"), &peer.name, cpu_ms);
    let added = after.rss_max_bytes - before.rss_max_bytes;
    report.add(&format!("{row}: peak RSS added, MB"), &peer.name, added / 1e6);
    let (peer, grown) = (&peer.name, grown(&before, &after));
    report.note(format!(
        "remote read | {peer}: {series} series, {samples} samples, {frames} frames, {bytes} bytes; {grown}"
    ));
    Ok(())
}
