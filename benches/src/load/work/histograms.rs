//! Native histograms by remote write, and the queries that are usual over them.

use super::query::{ask_all, wait_visible};
use super::{NO_TARGETS, STEP_MS, Scale, now_ms, post, settle};
use crate::load::peer::Peer;
use crate::load::queries::HISTOGRAM_QUERIES;
use crate::load::report::Report;
use crate::load::series::{self, Scratch};
use std::io;
use std::path::Path;

/// An hour of native histograms of twelve buckets, then their quantile and their count.
pub fn histograms(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let all = series::latencies((5000 / scale.divisor).max(50));
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let steps = 250_u64;
    let begin_ms = (now_ms() / STEP_MS - steps as i64) * STEP_MS;
    let before = running.usage();
    let mut client = running.client();
    let mut scratch = Scratch::default();
    for step in 0..steps {
        for part in all.chunks(500) {
            let at_ms = begin_ms + step as i64 * STEP_MS;
            let body = series::histogram_body(part, step, at_ms, &mut scratch);
            post(&mut client, peer, &body)?;
        }
    }
    let after = settle(&running);
    let samples = (all.len() as u64 * steps) as f64;
    let row = format!("native histograms, {} series x {steps}", all.len());
    let us = (after.cpu_s - before.cpu_s) / samples * 1e6;
    report.add(&format!("{row}: CPU us/histogram"), &peer.name, us);
    report.add(&format!("{row}: RSS after, MB"), &peer.name, after.rss_bytes / 1e6);
    let end_s = (begin_ms + (steps as i64 - 1) * STEP_MS) / 1000;
    wait_visible(&mut client, all.len(), end_s)?;
    ask_all(&mut client, peer, HISTOGRAM_QUERIES, ("native", end_s), report)
}
