//! A crowd of targets with hardly anything to tell: what scheduling, connections and requests cost by themselves.

use super::Scale;
use crate::load::crowd::Crowd;
use crate::load::peer::Peer;
use crate::load::report::Report;
use metrics::Stopwatch;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Files that a server opens beside its connections.
const SPARE_FILES: usize = 500;

/// How many files a process may have open here, connections among them.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(usize::MAX)
}

/// Twenty thousand targets of ten series every 15 s, each at an address of its own.
pub fn idle(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let num_targets = (20_000 / scale.divisor).max(2).min(open_files().saturating_sub(SPARE_FILES));
    let series = 10;
    let crowd = Crowd::start(series)?;
    let interval_s = if scale.divisor > 1 { 2 } else { 15 };
    let mut config = format!(
        "global:\n  scrape_interval: {interval_s}s\n  scrape_timeout: {interval_s}s\nscrape_configs:\n\
         - job_name: idle\n  static_configs:\n  - targets:\n"
    );
    for index in 0..num_targets {
        writeln!(config, "    - '{}'", crowd.address(index)).expect("text in memory");
    }
    let (running, _) = peer.start(dir, &config)?;
    // Every target is connected to and known.
    std::thread::sleep(Duration::from_secs(2 * interval_s + 2));
    let (before, pages, clock) = (running.usage(), crowd.served(), Stopwatch::start());
    std::thread::sleep(Duration::from_secs(if scale.divisor > 1 { 8 } else { 90 }));
    let (after, served, seconds) = (running.usage(), crowd.served(), clock.elapsed_seconds());
    let scrapes = (served - pages) as f64;
    let row = format!("idle, {num_targets} x {series} every {interval_s} s");
    let cpu_s = after.cpu_s - before.cpu_s;
    report.add(&format!("{row}: cores"), &peer.name, cpu_s / seconds);
    report.add(&format!("{row}: CPU us/scrape"), &peer.name, cpu_s / scrapes * 1e6);
    report.add(&format!("{row}: RSS, MB"), &peer.name, after.rss_bytes / 1e6);
    let expected = num_targets as f64 * seconds / interval_s as f64;
    report.add(&format!("{row}: scrapes made, %"), &peer.name, scrapes / expected * 100.0);
    Ok(())
}
