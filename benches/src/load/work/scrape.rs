//! A hundred targets scraped every two seconds: lines of text, or native histograms in protobuf.

use super::Scale;
use crate::load::peer::Peer;
use crate::load::report::Report;
use crate::load::target::Targets;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Scraping a thousand lines of text of each target.
pub fn scrape(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let lines = 1000;
    run(("scrape", ""), (&Targets::start(lines)?, lines), (peer, dir), scale, report)
}

/// Scraping two hundred native histograms of each target; for servers that know the fields of the configuration.
pub fn protobuf(peer: &Peer, dir: &Path, scale: Scale, report: &mut Report) -> io::Result<()> {
    let histograms = 200;
    let targets = Targets::start_native(histograms)?;
    let fields = "  scrape_native_histograms: true\n  scrape_protocols: [PrometheusProto]\n";
    run(("protobuf", fields), (&targets, histograms), (peer, dir), scale, report)
}

fn run(
    (name, fields): (&str, &str),
    (targets, samples_of_a_page): (&Targets, usize),
    (peer, dir): (&Peer, &Path),
    scale: Scale,
    report: &mut Report,
) -> io::Result<()> {
    let num_targets = (100 / scale.divisor).max(2);
    let mut config = format!(
        "global:\n  scrape_interval: 2s\n  scrape_timeout: 2s\n{fields}scrape_configs:\n\
         - job_name: load\n  static_configs:\n"
    );
    for index in 0..num_targets {
        writeln!(
            config,
            "  - targets: ['127.0.0.1:{}']\n    labels: {{target: 't{index}', __metrics_path__: '/m{index}'}}",
            targets.port
        )
        .expect("text in memory");
    }
    let (running, _) = peer.start(dir, &config)?;
    std::thread::sleep(Duration::from_secs(6));
    let (before, pages) = (running.usage(), targets.served());
    std::thread::sleep(Duration::from_secs((40 / scale.divisor as u64).max(8)));
    let (after, served) = (running.usage(), targets.served());
    let samples = (served - pages) as f64 * samples_of_a_page as f64;
    let row = format!("{name}, {num_targets} x {samples_of_a_page} every 2 s");
    report.add(
        &format!("{row}: CPU us/sample"),
        &peer.name,
        (after.cpu_s - before.cpu_s) / samples * 1e6,
    );
    report.add(&format!("{row}: RSS, MB"), &peer.name, after.rss_bytes / 1e6);
    Ok(())
}
