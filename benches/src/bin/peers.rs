//! The check against real peers, as a command: says what it does, ends with 1 if anything disagrees.
#![forbid(unsafe_code)]

use benches::peers::queries::QUERIES;
use benches::peers::run::{Options, run};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: peers [--seconds N] [--firesteel BINARY] [--reference PROMETHEUS] [--promtool BINARY] \
[--victoria BINARY] [--node-exporter BINARY] [--dir DIR]
  --seconds  how long is scraped, by default 60; from 300 on remote write goes on as long, its ends are stopped and
             killed at random and the receivers are away for half of the time";

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        firesteel: "target/release/firesteel".into(),
        prometheus: std::env::var_os("FIRESTEEL_REFERENCE")
            .map_or_else(|| "/usr/bin/prometheus".into(), PathBuf::from),
        promtool: "/usr/bin/promtool".into(),
        node_exporter: "/usr/bin/prometheus-node-exporter".into(),
        victoria: "/usr/bin/victoria-metrics".into(),
        seconds: 60,
        dir: std::env::temp_dir().join(format!("firesteel-peers-{}", std::process::id())),
    };
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("{arg} wants a value"))?;
        match arg.as_str() {
            "--seconds" => {
                options.seconds = value.parse().map_err(|_| "--seconds wants a number")?;
            }
            "--firesteel" => options.firesteel = value.into(),
            "--reference" => options.prometheus = value.into(),
            "--victoria" => options.victoria = value.into(),
            "--promtool" => options.promtool = value.into(),
            "--node-exporter" => options.node_exporter = value.into(),
            "--dir" => options.dir = value.into(),
            _ => return Err(format!("unknown argument {arg}")),
        }
    }
    Ok(options)
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]
fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let outcome = match run(&options, &|line| println!("{line}")) {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("peers: {error}; scratch directory: {}", options.dir.display());
            return ExitCode::FAILURE;
        }
    };
    for failure in &outcome.failures {
        println!("DIFFERS {failure}");
    }
    for (name, agreed) in &outcome.agreed {
        println!("{name}'s directory: {agreed} of {} queries agree", QUERIES.len());
    }
    if outcome.failures.is_empty() {
        drop(std::fs::remove_dir_all(&options.dir));
        ExitCode::SUCCESS
    } else {
        println!("scratch directory kept: {}", options.dir.display());
        ExitCode::FAILURE
    }
}
