//! `tsdb bench write`: how fast a database of its own takes samples.

use super::{Failure, Outcome, Streams, disk, text};
use crate::clock;
use clap::{Arg, ArgMatches, Command, value_parser};
use metrics::{Registry, Stopwatch};
use model::hash::HashSet;
use model::{Labels, SeriesRef};
use std::path::Path;
use storage::{Appendable, FloatBatch, LabelBatch};
use tsdb::{Db, DbOptions};

/// Milliseconds between two scrapes.
const INTERVAL_MS: i64 = 30_000;
/// Series that one transaction writes, as one large target would.
const SERIES_PER_COMMIT: usize = 1000;

pub(super) fn command() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        let number = Arg::new(name).long(name).value_parser(value_parser!(usize));
        number.default_value(default).help(help)
    };
    Command::new("write")
        .about("Run a write performance benchmark")
        .arg(Arg::new("out").long("out").default_value("benchout").help("Set the output path"))
        .arg(number("metrics", "10000", "Number of metrics to read"))
        .arg(number("scrapes", "3000", "Number of scrapes to simulate"))
        .arg(Arg::new("file").help(
            "File with the labels of a series a line, as a JSON object; without it, series are made up",
        ))
}

/// Runs one stage and says how long it took.
fn stage<T>(
    name: &str,
    streams: &mut Streams<'_>,
    work: impl FnOnce(&mut Streams<'_>) -> Result<T, Failure>,
) -> Result<(T, f64), Failure> {
    writeln!(streams.output, ">> start stage={name}")?;
    let stopwatch = Stopwatch::start();
    let done = work(streams)?;
    let seconds = stopwatch.elapsed_seconds();
    writeln!(streams.output, ">> completed stage={name} duration={seconds:.9}s")?;
    Ok((done, seconds))
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let number = |name: &str| args.get_one::<usize>(name).copied().expect("has a default");
    let (num_series, num_scrapes) = (number("metrics"), number("scrapes"));
    let dir = Path::new(text(args, "out")).join("storage");
    let disk = disk();
    if disk.exists(&dir) {
        let what =
            format!("{}: is there already; remove it or choose another --out", dir.display());
        return Err(Failure::Input(what));
    }
    disk.create_dir(&dir)?;
    let options = DbOptions::default();
    let sink = crate::logging::tsdb_sink();
    let db = Db::open(disk, &dir, options, clock::seed(), &Registry::new(), sink)?;
    let (labels, _) = stage("readData", streams, |_| match args.get_one::<String>("file") {
        Some(path) => read_labels(path, num_series),
        None => Ok(made_up(num_series)),
    })?;
    let (total, seconds) = stage("ingestScrapes", streams, |streams| {
        let total = ingest(&db, &labels, num_scrapes, streams)?;
        writeln!(streams.output, "ingestion completed")?;
        Ok(total)
    })?;
    writeln!(streams.output, " > total samples: {total}")?;
    writeln!(streams.output, " > samples/sec: {:.3}", total as f64 / seconds)?;
    stage("stopStorage", streams, |_| Ok(db.close()?))?;
    Ok(0)
}

/// Label sets as a node exporter on some hosts would have them.
fn made_up(num_series: usize) -> Vec<Labels> {
    let series = |index: usize| {
        Labels::from_pairs([
            ("__name__", format!("bench_metric_{}_total", index % 500)),
            ("instance", format!("host-{}.example:9100", index / 500)),
            ("job", "bench".to_owned()),
            ("mode", ["idle", "system", "user"][index % 3].to_owned()),
        ])
    };
    (0..num_series).map(series).collect()
}

fn read_labels(path: &str, num_series: usize) -> Result<Vec<Labels>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Input(format!("{path}: {error}")))?;
    let (mut seen, mut all) = (HashSet::default(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |what: String| Failure::Input(format!("{path}: line {number}: {what}"));
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let value = |(name, value): (String, serde_json::Value)| match value {
            serde_json::Value::String(value) => Ok((name, value)),
            other => Err(wrong(format!("label {name:?}: expected a string, got {other}"))),
        };
        let pairs: Result<Vec<_>, Failure> = object.into_iter().map(value).collect();
        let labels = Labels::from_pairs(pairs?);
        if seen.insert(labels.clone()) {
            all.push(labels);
        }
        if all.len() == num_series {
            break;
        }
    }
    Ok(all)
}

/// Writes scrape after scrape; answers how many samples.
fn ingest(
    db: &Db,
    labels: &[Labels],
    num_scrapes: usize,
    streams: &mut Streams<'_>,
) -> Result<u64, Failure> {
    let mut total = 0;
    let mut rejected = Vec::new();
    let mut known: Vec<Vec<SeriesRef>> = Vec::new();
    let mut stopwatch = Stopwatch::start();
    for scrape in 0..num_scrapes {
        let time = (scrape as i64 + 1) * INTERVAL_MS;
        for (index, batch) in labels.chunks(SERIES_PER_COMMIT).enumerate() {
            let mut appender = db.appender(time);
            if scrape == 0 {
                let pairs: Vec<_> = batch.iter().flatten().collect();
                let ends = batch.iter().scan(0, |end, labels| {
                    *end += labels.len() as u32;
                    Some(*end)
                });
                let ends: Vec<u32> = ends.collect();
                let mut refs = Vec::new();
                appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
                known.push(refs.into_iter().flatten().collect());
            }
            let refs = &known[index];
            let times = vec![time; refs.len()];
            let values = vec![(123_456_789 + 1000 * (scrape + 1)) as f64; refs.len()];
            appender.append_floats(FloatBatch::new(refs, &times, &values), &mut rejected)?;
            appender.commit()?;
            total += refs.len() as u64;
        }
        if stopwatch.elapsed_seconds() > 2.0 {
            stopwatch = Stopwatch::start();
            writeln!(streams.error, "scrape {} of {num_scrapes}", scrape + 1)?;
        }
    }
    Ok(total - rejected.len() as u64)
}
