//! Five million series, killed and started again: how long that takes, and what of it is memory.

use super::{NO_TARGETS, STEP_MS, Scale, now_ms, post, settle};
use crate::load::peer::{Peer, disk_bytes};
use crate::load::report::Report;
use crate::load::series::{self, Scratch, Series};
use std::io;
use std::path::Path;

const NODES: usize = 5000;
const PODS: usize = 50;
const METRICS: usize = 20;
const NODES_PER_REQUEST: usize = 2;
const STEPS: u64 = 8;

/// Writes eight samples of each series, kills the server, starts it. Series are made when they are written: all of them
/// would take more memory here than in the server.
pub fn restart(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let nodes = (NODES / scale.divisor).max(NODES_PER_REQUEST);
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let (mut client, mut scratch) = (running.client(), Scratch::default());
    let begin_ms = now_ms() - STEPS as i64 * STEP_MS;
    for first in (0..nodes).step_by(NODES_PER_REQUEST) {
        let part: Vec<Series> = (first..nodes.min(first + NODES_PER_REQUEST))
            .flat_map(|node| series::container_node(node, PODS, METRICS, 0))
            .collect();
        for step in 0..STEPS {
            let body = series::body(&part, step, begin_ms + step as i64 * STEP_MS, &mut scratch);
            post(&mut client, peer, &body)?;
        }
    }
    let num_series = nodes * PODS * METRICS;
    let row = format!("restart, {num_series} series x {STEPS}");
    let per_series = settle(&running).rss_bytes / num_series as f64;
    report.add(&format!("{row}: RSS bytes/series before"), &peer.name, per_series);
    let dir = running.kill()?;
    report.add(&format!("{row}: disk, MB"), &peer.name, disk_bytes(&dir) as f64 / 1e6);
    let (running, seconds) = peer.start(&dir, NO_TARGETS)?;
    report.add(&format!("{row}: start after kill -9, s"), &peer.name, seconds);
    let per_series = settle(&running).rss_bytes / num_series as f64;
    report.add(&format!("{row}: RSS bytes/series after"), &peer.name, per_series);
    Ok(())
}
