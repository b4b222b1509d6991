//! The steps of the check: scrape side by side, stop, open each directory with both servers, compare, and let
//! promtool read our blocks. Everything listens on loopback and lives in one scratch directory.

use crate::load::http::encode;
use crate::load::peer::{Peer, Running};
use crate::peers::{compare, exporters, forward, labels, queries::QUERIES};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What to run and how long.
#[derive(Debug)]
pub struct Options {
    /// Our binary.
    pub firesteel: PathBuf,
    /// The reference server.
    pub prometheus: PathBuf,
    /// The reference tool.
    pub promtool: PathBuf,
    /// The node exporter; Debian's other exporters are taken from beside it.
    pub node_exporter: PathBuf,
    /// VictoriaMetrics; left out where it is not.
    pub victoria: PathBuf,
    /// Seconds of scraping, and of remote write where these are many.
    pub seconds: u64,
    /// Scratch directory.
    pub dir: PathBuf,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Queries that agreed, of [`QUERIES`], for each directory.
    pub agreed: Vec<(String, usize)>,
    /// Differences and failures, in words.
    pub failures: Vec<String>,
}

/// Short blocks, so that a run of a minute leaves some; accepted by both servers.
const BLOCKS: &str = "--storage.tsdb.min-block-duration=20s --storage.tsdb.max-block-duration=20s";

fn server(name: &str, binary: &Path, blocks: bool) -> Peer {
    let more = if blocks { BLOCKS } else { "" };
    let line = format!(
        "{name}={} --config.file={{config}} --storage.tsdb.path={{dir}} --web.listen-address=127.0.0.1:{{port}} \
         --storage.tsdb.retention.time=10y {more}",
        binary.display()
    );
    Peer::parse(&line).expect("a well-formed command")
}

/// Scrapes each of these ports of loopback every second, as a job of this name.
fn config<'a>(targets: impl Iterator<Item = (&'a str, u16)>) -> String {
    let begin =
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n".to_owned();
    targets.fold(begin, |config, (name, port)| {
        format!(
            "{config}- job_name: {name}\n  static_configs:\n  - targets: ['127.0.0.1:{port}']\n"
        )
    })
}

/// Runs the check; progress goes to `say`.
pub fn run(options: &Options, say: &dyn Fn(&str)) -> io::Result<Outcome> {
    let programs =
        exporters::start_all(&options.node_exporter, &options.dir.join("exporters"), say)?;
    // A third server is scraped for its histograms, so that both scrapers see the same target.
    let extra = server("extra", &options.prometheus, false);
    let (extra, _) = extra.start(&options.dir.join("extra"), "global: {}\n")?;
    let ports = programs.iter().map(|exporter| (exporter.name.as_str(), exporter.port));
    let config = config(ports.chain([("prometheus", extra.port)]));
    let begin_s = crate::load::work::now_ms() / 1000;
    let names = [("firesteel", &options.firesteel), ("prometheus", &options.prometheus)];
    let mut running = Vec::new();
    for (name, binary) in names {
        // Only ours compacts while it runs: its blocks are then read by promtool.
        let peer = server(name, binary, name == "firesteel");
        running.push((name, peer.start(&options.dir.join(name), &config)?.0));
    }
    for second in 0..options.seconds {
        std::thread::sleep(Duration::from_secs(1));
        // Some work for the histograms.
        let asked = extra.client().get("/api/v1/query?query=up");
        drop(asked);
        if second % 60 == 59 {
            say(&format!("scraped for {} s of {}", second + 1, options.seconds));
        }
    }
    let mut outcome = Outcome::default();
    let end_s = crate::load::work::now_ms() / 1000;
    labels::check(running[0].1.port, running[1].1.port, say, &mut outcome.failures)?;
    for (name, server) in running {
        stop(name, server, say, &mut outcome)?;
    }
    drop(programs);
    for (name, _) in names {
        let agreed = compare_directory(options, name, (begin_s, end_s), say, &mut outcome)?;
        outcome.agreed.push((name.to_owned(), agreed));
    }
    read_with_promtool(options, say, &mut outcome)?;
    forward::check(options, say, &mut outcome)?;
    Ok(outcome)
}

fn stop(name: &str, server: Running, say: &dyn Fn(&str), outcome: &mut Outcome) -> io::Result<()> {
    let (seconds, clean) = server.terminate()?;
    say(&format!("{name} stopped in {seconds:.2} s"));
    if !clean || seconds > 15.0 {
        outcome.failures.push(format!("{name} took {seconds:.2} s to stop, clean: {clean}"));
    }
    Ok(())
}

/// Opens copies of one directory with both servers and compares their answers.
fn compare_directory(
    options: &Options,
    name: &str,
    (begin_s, end_s): (i64, i64),
    say: &dyn Fn(&str),
    outcome: &mut Outcome,
) -> io::Result<usize> {
    let source = options.dir.join(name);
    let idle = "global: {}\n";
    let mut clients = Vec::new();
    for (reader, binary) in [("firesteel", &options.firesteel), ("prometheus", &options.prometheus)]
    {
        let copy = options.dir.join(format!("{name}-read-by-{reader}"));
        copy_tree(&source, &copy)?;
        clients.push(server(reader, binary, false).start(&copy, idle)?.0);
    }
    let mut agreed = 0;
    for expr in QUERIES {
        // Half a second off the scrapes, so that no sample lies on a window's edge, where old releases differ.
        let (begin, end) = (begin_s + 10, end_s - 5);
        let expr_encoded = encode(expr);
        let range = format!(
            "/api/v1/query_range?query={expr_encoded}&start={begin}.137&end={end}.137&step=5"
        );
        let instant = format!("/api/v1/query?query={expr_encoded}&time={end}.137");
        match both(&clients, &range).and_then(|_| both(&clients, &instant)) {
            Ok(_) => agreed += 1,
            Err(difference) => {
                outcome.failures.push(format!("{name}'s directory: {expr}: {difference}"));
            }
        }
    }
    say(&format!("{name}'s directory: {agreed} of {} queries agree", QUERIES.len()));
    Ok(agreed)
}

fn both(servers: &[Running], path: &str) -> Result<usize, String> {
    let mut answers = Vec::new();
    for server in servers {
        let response = server.client().get(path).map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&response.body).into_owned();
        answers.push(serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?);
    }
    compare::answers(&answers[0], &answers[1])
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if entry.file_name() != "lock" {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Whether promtool can analyze and dump what we left.
fn read_with_promtool(
    options: &Options,
    say: &dyn Fn(&str),
    outcome: &mut Outcome,
) -> io::Result<()> {
    let dir = options.dir.join("firesteel");
    for command in ["analyze", "dump"] {
        let output = Command::new(&options.promtool).args(["tsdb", command]).arg(&dir).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines = text.lines().count();
        say(&format!("promtool tsdb {command}: {}, {lines} lines", output.status));
        let series = if command == "dump" { "{__name__=\"up\"" } else { "Series" };
        if !output.status.success() || !text.contains(series) {
            let first: String = errors.lines().take(3).collect::<Vec<_>>().join(" / ");
            outcome.failures.push(format!("promtool tsdb {command}: {} {first}", output.status));
        }
    }
    Ok(())
}
