//! `tsdb create-blocks-from openmetrics`: blocks of past samples, to be moved into a data directory.

use super::text::write_blocks;
use super::{DEFAULT_DB_PATH, Failure, Outcome, Streams, disk, switch, text};
use crate::clock;
use crate::import::{self, ImportError, Limits, OpenMetrics, Progress};
use clap::{Arg, ArgAction, ArgMatches, Command};
use metrics::Stopwatch;
use std::path::Path;
use tsdb::{Block, ImportSpec, block_length_ms, import_block};

/// Samples held at a time, about 200 MB of them.
const PASS_ROWS: u64 = 6 << 20;
/// Seconds without a word before progress is reported, and between reports.
const QUIET_SECONDS: f64 = 2.0;

pub(super) fn command() -> Command {
    let label = "Label to attach to metrics, as name=value; can be given several times";
    Command::new("openmetrics")
        .about("Import samples from OpenMetrics input and produce TSDB blocks")
        .arg(switch("human-readable", Some('r'), "Print human readable values"))
        .arg(switch("quiet", Some('q'), "Do not print created blocks"))
        .arg(Arg::new("label").long("label").action(ArgAction::Append).help(label))
        .arg(
            Arg::new("max-block-duration")
                .long("max-block-duration")
                .default_value("2h")
                .help("Blocks grow up to this, where samples are sparse"),
        )
        .arg(Arg::new("input file").required(true).help("OpenMetrics file to read samples from"))
        .arg(
            Arg::new("output directory")
                .default_value(DEFAULT_DB_PATH)
                .help("Output directory for generated blocks"),
        )
}

fn labels(args: &ArgMatches) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::Input(format!("--label: expected name=value, got {text:?}")))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    args.get_many::<String>("label").into_iter().flatten().map(pair).collect()
}

/// The whole input; what cannot be mapped, such as a pipe, is read.
fn input(path: &str) -> Result<bytes::Bytes, Failure> {
    match std::fs::metadata(path)? {
        found if found.is_file() => Ok(disk().view(Path::new(path))?),
        _ => Ok(std::fs::read(path)?.into()),
    }
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let labels = labels(args)?;
    let longest = text(args, "max-block-duration");
    let longest = model::duration::parse(longest)
        .map_err(|error| Failure::Input(format!("--max-block-duration: {error}")))?;
    let path = text(args, "input file");
    let body = input(path).map_err(|failure| Failure::Input(format!("{path}: {failure}")))?;
    let (disk, dir) = (disk(), Path::new(text(args, "output directory")));
    disk.create_dir(dir)?;
    let (is_human, is_quiet) = (args.get_flag("human-readable"), args.get_flag("quiet"));
    let block_ms = block_length_ms(longest);
    let source = OpenMetrics { body: &body, labels: &labels };
    let limits = Limits { block_ms, max_ms: i64::MAX, max_rows: PASS_ROWS };
    let (mut has_header, mut num_refused) = (false, 0);
    let output = &mut *streams.output;
    let mut write = |labels: &[model::Labels], rows: &mut Vec<tsdb::ImportRow>| {
        let (ulid, seed) = (clock::ulid(), clock::seed());
        let spec = ImportSpec { ulid, seed, block_ms, late_from_ms: i64::MAX };
        let done = import_block(&disk, dir, labels, rows, &spec)?;
        num_refused += done.num_refused;
        if let Some(meta) = done.meta.filter(|_| !is_quiet) {
            let block = Block::open(&*disk, &dir.join(meta.ulid.to_string()))?;
            write_blocks([&block], !std::mem::replace(&mut has_header, true), is_human, output)?;
        }
        Ok(())
    };
    let errors = &mut *streams.error;
    let mut stopwatch = Stopwatch::start();
    let mut report = |progress: Progress| {
        if stopwatch.elapsed_seconds() > QUIET_SECONDS {
            stopwatch = Stopwatch::start();
            drop(writeln!(errors, "{}", describe(progress, body.len())));
        }
        Ok(())
    };
    import::import(&source, limits, &mut write, &mut report).map_err(|error| match error {
        ImportError::Storage(error) => Failure::Storage(error),
        ImportError::Io(error) => Failure::Io(error),
        input => Failure::Input(format!("{path}: {input}")),
    })?;
    if num_refused > 0 {
        let what = "samples were left out: another value of their series and time came first";
        writeln!(streams.error, "{num_refused} {what}")?;
    }
    Ok(0)
}

fn describe(progress: Progress, all_bytes: usize) -> String {
    let share = 100.0 * progress.read_bytes as f64 / all_bytes as f64;
    match progress.pass {
        0 => format!("looking at the times: {share:.0} %"),
        pass => format!("pass {pass} of {}: {share:.0} %", progress.num_passes),
    }
}
