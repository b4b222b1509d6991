//! A target that explodes beside one that does not: the server has to stay up, to keep the samples of the second and
//! to name the first. Meant for a bound on memory, by flag or control group.

use super::Scale;
use crate::load::http::encode;
use crate::load::peer::{Peer, Running};
use crate::load::report::Report;
use crate::load::target::Targets;
use metrics::Stopwatch;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::Duration;

/// New series with each scrape, and scrapes of the exploding target.
const STEP: usize = 100_000;
const SCRAPES: u64 = 40;
const INTERVAL_S: u64 = 5;
/// Series of the target that does not grow.
const KNOWN: usize = 2000;

/// Scrapes both until the exploding one was asked often enough, or five minutes are over.
pub fn growth(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let step = STEP / scale.divisor;
    let (known, flood) = (Targets::start(KNOWN)?, Targets::start_growing(step)?);
    let config = format!(
        "global:\n  scrape_interval: {INTERVAL_S}s\n  scrape_timeout: {INTERVAL_S}s\nscrape_configs:\n\
         - job_name: known\n  static_configs:\n  - targets: ['127.0.0.1:{}']\n\
         - job_name: flood\n  static_configs:\n  - targets: ['127.0.0.1:{}']\n",
        known.port, flood.port
    );
    let (running, _) = peer.start(dir, &config)?;
    let clock = Stopwatch::start();
    let mut series_at = String::new();
    while flood.served() < SCRAPES && clock.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_secs(10));
        let (seconds, megabytes) = (clock.elapsed_seconds(), running.usage().rss_bytes / 1e6);
        write!(series_at, " {seconds:.0} s: {megabytes:.0}").expect("text in memory");
    }
    let row = format!("growth, {step} more series each {INTERVAL_S} s");
    report.note(format!("{row}: resident MB of {}:{series_at}", peer.name));
    report.add(&format!("{row}: most RSS, MB"), &peer.name, running.usage().rss_max_bytes / 1e6);
    let mut figure = |what: &str, query: &str| -> io::Result<()> {
        report.add(&format!("{row}: {what}"), &peer.name, number(&running, query)?);
        Ok(())
    };
    figure(
        "known series without a sample in the last minute",
        // A function that keeps the names: many of these series differ in nothing else.
        &format!("{KNOWN} - count(last_over_time({{__name__=~'load_metric_.+',job='known'}}[1m]))"),
    )?;
    let wanted = 60 / INTERVAL_S;
    figure(
        "scrapes of known series missed in the last minute",
        &format!("{wanted} - min(count_over_time(load_metric_000{{job='known'}}[1m]))"),
    )?;
    figure(
        "failed scrapes of the exploding target, share",
        "1 - avg_over_time(up{job='flood'}[2m])",
    )?;
    let limits = running.client().get("/api/v1/status/tsdb/limits")?;
    let names = String::from_utf8_lossy(&limits.body).contains("\"metric\":\"flood\"");
    report.add(&format!("{row}: the offender is not named"), &peer.name, f64::from(!names));
    Ok(())
}

/// The value of a query with one number as its answer; not a number where there is none.
fn number(running: &Running, query: &str) -> io::Result<f64> {
    let answer = running.client().get(&format!("/api/v1/query?query={}", encode(query)))?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    Ok(text.rsplit('"').nth(1).and_then(|value| value.parse().ok()).unwrap_or(f64::NAN))
}
