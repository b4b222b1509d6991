//! The expressions of common dashboards and alerts, all of them, over series of their names.

use super::query::{ask, wait_visible};
use super::{NO_TARGETS, STEP_MS, Scale, now_ms, percentile, settle, write_step};
use crate::load::peer::Peer;
use crate::load::queries::Query;
use crate::load::report::Report;
use crate::load::series::Series;
use std::io;
use std::path::Path;

const SERIES: &str = include_str!("../../../../testdata/queries/real_world_series.txt");
const QUERIES: &str = include_str!("../../../../testdata/queries/real_world.promql");
/// The hosts that the list of series names, and how many there are here.
const HOSTS: &str = "a:9100,b:9100";
const NUM_HOSTS: usize = 40;
const STEPS: u64 = 250;

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A series for each combination of the label values that a line names.
fn series(line: &str, hosts: &str, out: &mut Vec<Series>) {
    let mut words = line.split(' ');
    let (name, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut sets = vec![vec![("__name__", name)]];
    for (label, values) in words.filter_map(|word| word.split_once('=')) {
        let values = if values == HOSTS { hosts } else { values };
        let with = |set: &Vec<_>, value| [&set[..], &[(label, value)]].concat();
        let sets_with = |set| values.split(',').map(move |value| with(set, value));
        sets = sets.iter().flat_map(sets_with).collect();
    }
    let is_counter = matches!(kind, "counter" | "bucket");
    out.extend(sets.iter().map(|set| Series::new(set, is_counter)));
}

/// Every expression over the hour of the data, as dashboards ask.
pub fn expressions(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let num_hosts = (NUM_HOSTS / scale.divisor).max(2);
    let hosts: Vec<String> =
        (0..num_hosts).map(|host| format!("{}{}:9100", ["a", "b"][host % 2], host / 2)).collect();
    let hosts = hosts.join(",");
    let mut all = Vec::new();
    lines(SERIES).for_each(|line| series(line, &hosts, &mut all));
    let (running, _) = peer.start(dir, NO_TARGETS)?;
    let begin_ms = (now_ms() / STEP_MS - STEPS as i64) * STEP_MS;
    for step in 0..STEPS {
        let at_ms = begin_ms + step as i64 * STEP_MS;
        write_step(&running, peer, &all, (step, at_ms), &mut Vec::new())?;
    }
    let end_s = (begin_ms + (STEPS as i64 - 1) * STEP_MS) / 1000;
    settle(&running);
    let mut client = running.client();
    wait_visible(&mut client, all.len(), end_s)?;
    let (mut medians, mut failed) = (Vec::new(), Vec::new());
    for line in lines(QUERIES) {
        let expr = line.strip_prefix("? ").unwrap_or(line);
        let (mut times, answer) =
            ask(&mut client, &Query { name: "real", expr, step_s: 60 }, end_s)?;
        medians.push(percentile(&mut times, 0.5));
        if !answer.contains(" series") {
            failed.push(format!("{expr}: {answer}"));
        }
    }
    let row = format!("{} expressions, {} series", medians.len(), all.len());
    report.add(&format!("{row}: all medians, ms"), &peer.name, medians.iter().sum());
    report.add(&format!("{row}: p95 of medians, ms"), &peer.name, percentile(&mut medians, 0.95));
    report.add(&format!("{row}: slowest, ms"), &peer.name, percentile(&mut medians, 1.0));
    report.add(&format!("{row}: refused"), &peer.name, failed.len() as f64);
    if !failed.is_empty() {
        report.note(format!("{row} | {} refused: {}", peer.name, failed.join("; ")));
    }
    Ok(())
}
