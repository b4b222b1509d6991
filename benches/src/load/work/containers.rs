//! Container runtimes scraped at scale: long labels, pods renamed all the time.

use super::Scale;
use crate::load::peer::Peer;
use crate::load::report::Report;
use crate::load::target::{Containers, Targets};
use metrics::Stopwatch;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Three hundred targets of 4020 series every 30 s; a tenth of the pods gets new names every two minutes.
pub fn containers(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let num_targets = (300 / scale.divisor).max(2);
    let shape = Containers { pods: 67, metrics: 60, rename_every_s: 120 };
    let targets = Targets::start_containers(shape)?;
    let interval_s = if scale.divisor > 1 { 2 } else { 30 };
    let mut config = format!(
        "global:\n  scrape_interval: {interval_s}s\n  scrape_timeout: {interval_s}s\nscrape_configs:\n- job_name: cadvisor\n  static_configs:\n"
    );
    for index in 0..num_targets {
        writeln!(
            config,
            "  - targets: ['127.0.0.1:{}']\n    labels: {{node: 'ip-10-0-{index}-7.internal', __metrics_path__: '/{index}'}}",
            targets.port
        )
        .expect("text in memory");
    }
    let (running, _) = peer.start(dir, &config)?;
    std::thread::sleep(Duration::from_secs(interval_s + 5));
    let (before, pages, clock) = (running.usage(), targets.served(), Stopwatch::start());
    std::thread::sleep(Duration::from_secs(if scale.divisor > 1 { 8 } else { 480 }));
    let (after, served) = (running.usage(), targets.served());
    let samples = ((served - pages) as usize * shape.series()) as f64;
    let row = format!("containers, {num_targets} x {} every {interval_s} s", shape.series());
    let cpu_s = after.cpu_s - before.cpu_s;
    report.add(&format!("{row}: cores"), &peer.name, cpu_s / clock.elapsed_seconds());
    report.add(&format!("{row}: CPU us/sample"), &peer.name, cpu_s / samples * 1e6);
    report.add(&format!("{row}: RSS, MB"), &peer.name, after.rss_bytes / 1e6);
    let path = format!(
        "/api/v1/query?query={}",
        crate::load::http::encode("max(max_over_time(scrape_duration_seconds[8m]))")
    );
    let body = running.client().get(&path)?.body;
    let text = String::from_utf8_lossy(&body).into_owned();
    // `"value":[TIME,"SECONDS"]`, whatever else the server tells.
    let value = text.split_once("\"value\":[").map_or("", |(_, value)| value);
    let slowest = value.split('"').nth(1).and_then(|value| value.parse::<f64>().ok());
    report.add(&format!("{row}: slowest scrape, s"), &peer.name, slowest.unwrap_or(f64::NAN));
    Ok(())
}
