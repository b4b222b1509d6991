//! Eight hours of samples, blocks and all: how many bytes go to the disk for each sample, and how many stay there; how
//! many a block takes for each of its own.

use super::{NO_TARGETS, STEP_MS, Scale, now_ms, settle, write_step};
use crate::load::http::Client;
use crate::load::peer::{Peer, disk_bytes};
use crate::load::report::Report;
use crate::load::series;
use std::io;
use std::path::Path;
use std::time::Duration;

const SERIES: usize = 20_000;
const HOURS: u64 = 8;
/// Heads are cut into blocks of two hours.
const STEPS_OF_BLOCK: u64 = 480;
/// Rounds of housekeeping come every minute: behind each block's worth of samples there is time for one, as there would
/// be if these hours were as long as others.
const PAUSE_S: u64 = 75;
/// What we count of each kind of file.
const COUNTER: &str = "firesteel_tsdb_written_bytes_total{file=\"";

/// Writes eight hours, with time for the server to make blocks of them, and stops it.
pub fn written(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = series::node((SERIES / scale.divisor).max(10));
    let steps = HOURS * 3_600_000 / STEP_MS as u64;
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let begin_ms = now_ms() - steps as i64 * STEP_MS;
    for step in 0..steps {
        let at_ms = begin_ms + step as i64 * STEP_MS;
        write_step(&running, peer, &all, (step, at_ms), &mut Vec::new())?;
        if step % STEPS_OF_BLOCK == STEPS_OF_BLOCK - 1 {
            std::thread::sleep(Duration::from_secs(PAUSE_S / scale.divisor as u64));
        }
    }
    let after = settle(&running);
    let samples = (all.len() as u64 * steps) as f64;
    let row = format!("written, {} series x {HOURS} h", all.len());
    let mut figure = |what: &str, bytes: f64| {
        report.add(&format!("{row}: {what}, bytes/sample"), &peer.name, bytes / samples);
    };
    figure("written", after.written_bytes);
    figure("on disk while it runs", disk_bytes(&running.dir) as f64);
    for (kind, bytes) in by_kind(&mut running.client())? {
        figure(&format!("written as {kind}"), bytes);
    }
    let dir = running.dir.clone();
    running.terminate()?;
    figure("on disk after a clean stop", disk_bytes(&dir) as f64);
    if let Some(per_sample) = of_blocks(&dir)? {
        report.add(&format!("{row}: in blocks, bytes/sample of theirs"), &peer.name, per_sample);
    }
    Ok(())
}

/// Bytes of all blocks for each sample that they hold; none where there are no blocks of Prometheus' format.
fn of_blocks(dir: &Path) -> io::Result<Option<f64>> {
    let (mut bytes, mut samples) = (0, 0);
    for entry in std::fs::read_dir(dir)? {
        let block = entry?.path();
        let Ok(meta) = std::fs::read(block.join("meta.json")) else { continue };
        let meta: serde_json::Value = serde_json::from_slice(&meta)?;
        if let Some(count) = meta["stats"]["numSamples"].as_u64() {
            bytes += disk_bytes(&block);
            samples += count;
        }
    }
    Ok((samples > 0).then(|| bytes as f64 / samples as f64))
}

/// Kinds of files with what was written to them; none from a server that does not tell.
fn by_kind(client: &mut Client) -> io::Result<Vec<(String, f64)>> {
    let body = client.get("/metrics")?.body;
    let text = String::from_utf8_lossy(&body);
    let kind = |line: &str| {
        let (kind, bytes) = line.strip_prefix(COUNTER)?.split_once("\"}")?;
        Some((kind.to_owned(), bytes.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(kind).filter(|&(_, bytes)| bytes > 0.0).collect())
}
