//! `tsdb dump` and `tsdb dump-openmetrics`: the samples, or the series, of a data directory, blocks and log, as text.

use super::{Failure, Outcome, Streams, db_path, disk, open, selector, text};
use crate::clock;
use chunk::SampleColumns;
use chunk::exact::{ExactSample, ExactValue};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use model::float::{printf_f, write_general};
use model::quote::Quoted;
use model::{Labels, METRIC_NAME, Symbols, TimeRange};
use std::io::{self, Write};
use std::path::Path;
use storage::{Cancel, Querier, SelectHints, SeriesBatch, SeriesSet};

/// Every series.
const ALL: &str = "{__name__=~'(?s:.*)'}";

/// How samples are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Prometheus,
    SeriesJson,
    OpenMetrics,
}

pub(super) fn command() -> Command {
    let format = Arg::new("format")
        .long("format")
        .value_parser(["prom", "seriesjson"])
        .default_value("prom")
        .help("Output format of the dump");
    options(Command::new("dump"))
        .about("Dump data (series and samples, or just series) from a TSDB")
        .arg(format)
}

pub(super) fn openmetrics_command() -> Command {
    options(Command::new("dump-openmetrics")).about(
        "Dump samples from a TSDB into OpenMetrics text format, without native histograms, which it cannot represent",
    )
}

fn options(command: Command) -> Command {
    let time = |name: &'static str, default: &'static str, help: &'static str| {
        let time = Arg::new(name).long(name).value_parser(value_parser!(i64)).help(help);
        time.allow_negative_numbers(true).default_value(default)
    };
    let sandbox = "Where a directory for the replay of the log is created meanwhile (default: the database path)";
    command
        .arg(Arg::new("sandbox-dir-root").long("sandbox-dir-root").help(sandbox))
        .arg(time("min-time", "-9223372036854775808", "First time to dump, in milliseconds"))
        .arg(time("max-time", "9223372036854775807", "Last time to dump, in milliseconds"))
        .arg(
            Arg::new("match")
                .long("match")
                .action(ArgAction::Append)
                .default_value(ALL)
                .help("Series selector; can be given several times"),
        )
        .arg(db_path())
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let format =
        if text(args, "format") == "prom" { Format::Prometheus } else { Format::SeriesJson };
    dump(args, format, streams)
}

pub(super) fn run_openmetrics(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    dump(args, Format::OpenMetrics, streams)
}

fn dump(args: &ArgMatches, format: Format, streams: &mut Streams<'_>) -> Outcome {
    let selectors: Result<Vec<_>, Failure> =
        args.get_many::<String>("match").into_iter().flatten().map(|text| selector(text)).collect();
    let selectors = selectors?;
    let bound = |name: &str| args.get_one::<i64>(name).copied().expect("has a default");
    let range = TimeRange::new(bound("min-time"), bound("max-time"));
    let database = open(args)?;
    let sandbox = args.get_one::<String>("sandbox-dir-root");
    let sandbox = sandbox.map_or(text(args, "db path"), String::as_str);
    if !disk().is_dir(Path::new(sandbox)) {
        return Err(Failure::Input(format!("--sandbox-dir-root: {sandbox}: no such directory")));
    }
    let querier = database.querier(range, Path::new(sandbox), clock::seed())?;
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let labels_only = format == Format::SeriesJson;
    let hints = SelectHints { labels_only, ..SelectHints::default() };
    let sets: storage::Result<Vec<_>> = selectors
        .iter()
        .map(|matchers| querier.select(matchers, &hints, &symbols, &cancel))
        .collect();
    let mut set = storage::merge(sets?, &symbols);
    let mut writer = Writer::new(format, range, streams.output);
    writer.write_all(&mut *set, &symbols)?;
    if format == Format::OpenMetrics {
        writeln!(streams.output, "# EOF")?;
    }
    Ok(0)
}

struct Writer<'w> {
    format: Format,
    range: TimeRange,
    output: &'w mut dyn Write,
    columns: SampleColumns,
    exact: Vec<ExactSample>,
    line: Vec<u8>,
}

impl<'w> Writer<'w> {
    fn new(format: Format, range: TimeRange, output: &'w mut dyn Write) -> Self {
        let (columns, exact, line) = Default::default();
        Self { format, range, output, columns, exact, line }
    }

    fn write_all(&mut self, set: &mut dyn SeriesSet, symbols: &Symbols) -> Result<(), Failure> {
        let mut batch = SeriesBatch::default();
        while set.next_batch(&mut batch)? {
            for (series, labels) in batch.labels().iter().enumerate() {
                self.write_series(&batch, series, &symbols.labels(labels))?;
            }
        }
        Ok(())
    }

    fn write_series(
        &mut self,
        batch: &SeriesBatch,
        series: usize,
        labels: &Labels,
    ) -> Result<(), Failure> {
        if self.format == Format::SeriesJson {
            return Ok(writeln!(self.output, "{}", json(labels))?);
        }
        self.columns.clear();
        batch.read(series, self.range, &mut self.columns)?;
        let name = match self.format {
            Format::OpenMetrics => openmetrics_name(labels),
            Format::Prometheus | Format::SeriesJson => format!("{labels} "),
        };
        if self.columns.histograms.is_empty() {
            return Ok(self.write_floats(&name)?);
        }
        self.exact.clear();
        batch.read_exact(series, self.range, &mut self.exact)?;
        for ExactSample { timestamp_ms, value, .. } in &self.exact {
            match value {
                ExactValue::Float(value) => {
                    float_line(self.format, &name, *timestamp_ms, *value, &mut self.line);
                    self.output.write_all(&self.line)?;
                }
                // What OpenMetrics cannot represent ends the series, as in Prometheus.
                ExactValue::Histogram(_) if self.format == Format::OpenMetrics => break,
                ExactValue::Histogram(value) => {
                    writeln!(self.output, "{name}{value} {timestamp_ms}")?;
                }
            }
        }
        Ok(())
    }

    fn write_floats(&mut self, name: &str) -> io::Result<()> {
        let samples = self.columns.timestamps_ms.iter().zip(&self.columns.values);
        for (&timestamp_ms, &value) in samples {
            float_line(self.format, name, timestamp_ms, value, &mut self.line);
            self.output.write_all(&self.line)?;
        }
        Ok(())
    }
}

/// Replaces `line` with that of a sample.
fn float_line(format: Format, name: &str, timestamp_ms: i64, value: f64, line: &mut Vec<u8>) {
    line.clear();
    line.extend_from_slice(name.as_bytes());
    write_general(value, line);
    line.push(b' ');
    if format == Format::OpenMetrics {
        line.extend_from_slice(printf_f(timestamp_ms as f64 / 1000.0, 3).as_bytes());
    } else {
        line.extend_from_slice(timestamp_ms.to_string().as_bytes());
    }
    line.push(b'\n');
}

/// `name{a="b",c="d"} `
fn openmetrics_name(labels: &Labels) -> String {
    let others = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    let pairs: Vec<String> =
        others.map(|(name, value)| format!("{name}={}", Quoted(value))).collect();
    format!("{}{{{}}} ", labels.get(METRIC_NAME).unwrap_or_default(), pairs.join(","))
}

/// The labels as a JSON object, with the escapes Go writes.
fn json(labels: &Labels) -> String {
    let escaped = |c: char| match c {
        '<' => "\\u003c".to_owned(),
        '>' => "\\u003e".to_owned(),
        '&' => "\\u0026".to_owned(),
        '\u{2028}' => "\\u2028".to_owned(),
        '\u{2029}' => "\\u2029".to_owned(),
        other => other.to_string(),
    };
    let quoted = |text: &str| -> String {
        serde_json::Value::from(text).to_string().chars().map(escaped).collect()
    };
    let pairs: Vec<String> =
        labels.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
    format!("{{{}}}", pairs.join(","))
}
