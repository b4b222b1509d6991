//! The load driver's command line. The works themselves live in `benches::load`.
#![forbid(unsafe_code)]

use benches::load::peer::Peer;
use benches::load::report::Report;
use benches::load::work::{self, Scale};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: load --peer name=command … [--work steady,first,churn,compacting,scrape,protobuf,query,expressions,blocks,histograms,answers,containers,idle,rw2,otlp,rwout,read,written,dashboards,growth,restart,scale] \
[--divisor N] [--seconds N] [--dir DIR] [--out DIR]
  --peer   a server; a command without {port} is a binary called with the flags of Prometheus,
           or of VictoriaMetrics if the name says victoria, or of vmagent if it is vmagent (for rwout only);
           else {port}, {dir} and {config} are filled in
  --work   which works, by default all but dashboards, growth, protobuf, restart, scale and written
  --divisor  makes every work smaller by this factor
           (idle holds 20,000 connections on both sides: run it under `ulimit -n 65536`;
           under a lower limit it takes fewer targets, and says so)
           (protobuf sets fields of scraping that not every server knows)
           (growth wants a bound: --peer 'firesteel=firesteel --storage.tsdb.memory-budget=1GB')
           (restart takes 3 GB of memory and as much disk for 5,000,000 series)
           (scale takes an hour and 12 GB for 5,000,000 series)
           (written tells what blocks take; for XOR2 in long chunks:
           --peer 'firesteel=firesteel --enable-feature=xor2-encoding --storage.tsdb.samples-per-chunk=127')
  --seconds  how long dashboards lasts, by default 600
  --dir    where data directories go, by default a fresh one in the temporary directory
  --out    keeps raw.csv and summary.md there";

type Work = fn(&Peer, &Path, Scale, &mut Report) -> std::io::Result<()>;

const WORKS: &[(&str, Work)] = &[
    ("steady", work::steady),
    ("first", work::first_contact),
    ("churn", work::churn),
    ("compacting", work::compacting),
    ("scrape", work::scrape),
    ("protobuf", work::protobuf),
    ("query", work::query),
    ("expressions", work::expressions),
    ("blocks", work::blocks),
    ("histograms", work::histograms),
    ("answers", work::answers),
    ("containers", work::containers),
    ("idle", work::idle),
    ("rw2", work::rw2),
    ("otlp", work::otlp),
    ("rwout", work::rwout),
    ("read", work::read),
    ("written", work::written),
    ("dashboards", work::dashboards),
    ("growth", work::growth),
    ("restart", work::restart),
    ("scale", work::scale),
];

/// Asked for by name only: they last long, take all memory where nothing bounds it, or want a server that knows native
/// histograms.
const BY_NAME_ONLY: [&str; 6] = ["dashboards", "growth", "protobuf", "restart", "scale", "written"];

#[derive(Debug)]
struct Args {
    peers: Vec<Peer>,
    works: Vec<String>,
    scale: Scale,
    dir: PathBuf,
    out: Option<PathBuf>,
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut parsed = Args {
        peers: Vec::new(),
        works: WORKS
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .filter(|name| !BY_NAME_ONLY.contains(&name.as_str()))
            .collect(),
        scale: Scale { divisor: 1, seconds: None },
        dir: std::env::temp_dir().join(format!("firesteel-load-{}", std::process::id())),
        out: None,
    };
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("{arg} wants a value"))?;
        match arg.as_str() {
            "--peer" => parsed.peers.push(Peer::parse(&value)?),
            "--work" => parsed.works = value.split(',').map(str::to_owned).collect(),
            "--divisor" => {
                parsed.scale.divisor = value.parse().map_err(|_| "--divisor wants a number")?;
            }
            "--seconds" => {
                let seconds = value.parse().map_err(|_| "--seconds wants a number")?;
                parsed.scale.seconds = Some(seconds);
            }
            "--dir" => parsed.dir = value.into(),
            "--out" => parsed.out = Some(value.into()),
            _ => return Err(format!("unknown argument {arg}")),
        }
    }
    if parsed.peers.is_empty() {
        return Err("no --peer".to_owned());
    }
    if let Some(unknown) = parsed.works.iter().find(|w| !WORKS.iter().any(|(name, _)| name == w)) {
        return Err(format!("unknown work {unknown}"));
    }
    Ok(parsed)
}

#[expect(clippy::print_stderr, reason = "progress of a long run")]
fn run(args: &Args) -> std::io::Result<Report> {
    let mut report = Report::default();
    for (name, work) in WORKS.iter().filter(|(name, _)| args.works.iter().any(|w| w == name)) {
        for peer in &args.peers {
            eprintln!("{name}: {}", peer.name);
            let dir = args.dir.join(format!("{name}-{}", peer.name));
            if let Err(error) = work(peer, &dir, args.scale, &mut report) {
                eprintln!("{name}: {}: {error}", peer.name);
                report.note(format!("{name} failed on {}: {error}", peer.name));
            }
            drop(std::fs::remove_dir_all(&dir));
        }
    }
    Ok(report)
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]
fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let finished = run(&args).and_then(|report| {
        let table = report.table();
        println!("{table}");
        if let Some(out) = &args.out {
            std::fs::create_dir_all(out)?;
            std::fs::write(out.join("raw.csv"), report.csv())?;
            let command: Vec<String> = std::env::args().skip(1).collect();
            std::fs::write(
                out.join("summary.md"),
                format!("# Load driver\n\n`load {}`\n\n{table}", command.join(" ")),
            )?;
        }
        Ok(())
    });
    match finished {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
