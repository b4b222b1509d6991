//! `query analyze`: how many buckets of histograms are in use, classic ones and native ones.

use super::{argument_option, post, time};
use crate::clock;
use crate::tool::query::answer::label_set;
use crate::tool::server::{Server, http_config_file};
use crate::tool::{Failure, Outcome, Streams, text};
use clap::{Arg, ArgAction, ArgMatches, Command};
use model::METRIC_NAME;
use model::float::parse_float;
use model::timestamp::{format_seconds, parse_duration_ns};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

const HEADER: &str = "Bucket stats for each histogram series over time
------------------------------------------------
First the min, avg, and max number of populated buckets, followed by the total
number of buckets (only if different from the max number of populated buckets
which is typical for classic but not native histograms).";

const FOOTER: &str = "Aggregated bucket stats
-----------------------
Each line shows min/avg/max over the series above.";

pub(super) fn command() -> Command {
    let matchers = argument_option("match", "Series selector; can be given several times");
    Command::new("analyze")
        .about(
            "Run queries against your Prometheus to analyze the usage pattern of certain metrics",
        )
        .args([
            argument_option("server", "Prometheus server to query"),
            argument_option("type", "Type of metric: histogram"),
            matchers.action(ArgAction::Append),
            Arg::new("duration").long("duration").default_value("1h").help("Time frame to analyze"),
            Arg::new("time")
                .long("time")
                .help("Query time (RFC3339 or Unix timestamp), defaults to now"),
            http_config_file(),
        ])
}

/// How many buckets of one histogram are in use over time: least, mean, most; and how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Usage {
    min: i64,
    average: f64,
    max: i64,
    total: i64,
}

impl Usage {
    /// `in_use` are the numbers of buckets in use at each time.
    fn new(in_use: &[i64], total: i64) -> Self {
        let sum: i64 = in_use.iter().sum();
        Self {
            min: in_use.iter().copied().min().unwrap_or(0),
            average: sum as f64 / in_use.len() as f64,
            max: in_use.iter().copied().max().unwrap_or(0),
            total,
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min, average, max, total } = self;
        write!(f, "{min}/{average:.3}/{max}")?;
        if max == total { Ok(()) } else { write!(f, "/{total}") }
    }
}

/// Least, mean and most of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    min: i64,
    average: f64,
    max: i64,
    count: usize,
}

impl Spread {
    fn of(numbers: impl Iterator<Item = i64>) -> Self {
        let mut spread = Self { min: i64::MAX, average: 0.0, max: 0, count: 0 };
        for number in numbers {
            spread.min = spread.min.min(number);
            spread.max = spread.max.max(number);
            spread.count += 1;
            let count = spread.count as f64;
            spread.average += number as f64 / count - spread.average / count;
        }
        spread
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:.3}/{}", self.min, self.average, self.max)
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> f64 {
    parse_float(value.as_str().unwrap_or_default()).unwrap_or(f64::NAN)
}

/// The usage of a native histogram; `None` if there is too little of it.
fn native_usage(series: &Value) -> Option<Usage> {
    let histograms = array(&series["histograms"]);
    if histograms.len() < 2 {
        return None;
    }
    let buckets = |sample: &'_ Value| -> Vec<String> {
        array(&sample[1]["buckets"])
            .iter()
            .map(|bucket| format!("{} {} {}", bucket[0], bucket[1], bucket[2]))
            .collect()
    };
    let (mut bounds, mut in_use) = (BTreeSet::new(), Vec::new());
    for histogram in histograms {
        let buckets = buckets(histogram);
        in_use.push(buckets.len() as i64);
        bounds.extend(buckets);
    }
    Some(Usage::new(&in_use, bounds.len() as i64))
}

/// The usage of a classic histogram by the series of its buckets; `None` if there is too little of it.
fn classic_usage(mut buckets: Vec<&Value>) -> Result<Option<Usage>, Failure> {
    let bound = |series: &Value| match number(&series["metric"]["le"]) {
        // What is no number counts as zero, as in promtool.
        nan if nan.is_nan() => 0.0,
        bound => bound,
    };
    buckets.sort_by(|a, b| bound(a).total_cmp(&bound(b)));
    let columns: Vec<&[Value]> = buckets.iter().map(|series| array(&series["values"])).collect();
    let num_samples = columns.first().map_or(0, |first| first.len());
    if num_samples < 2 {
        return Ok(None);
    }
    let mut in_use = Vec::with_capacity(num_samples);
    for at in 0..num_samples {
        let mut before = (0.0, &Value::Null);
        let mut num = 0;
        // A bucket that ends early ends the row.
        for sample in columns.iter().map_while(|column| column.get(at)) {
            if !before.1.is_null() && *before.1 != sample[0] {
                return Err(Failure::Input("matrix result is not time aligned".to_owned()));
            }
            let count = number(&sample[1]);
            num += i64::from((count - before.0) as i64 != 0);
            before = (count, &sample[0]);
        }
        in_use.push(num);
    }
    Ok(Some(Usage::new(&in_use, columns.len() as i64)))
}

/// The histogram that a series of buckets belongs to, as it is printed; `None` if it is none.
fn histogram_of(metric: &Value) -> Option<String> {
    let mut labels = metric.as_object()?.clone();
    labels.remove("le")?;
    let name = labels.remove(METRIC_NAME)?;
    let name = name.as_str().filter(|name| name.ends_with("_bucket"))?;
    Some(format!("{name}{}", label_set(&Value::Object(labels), true)))
}

fn write_spreads(kind: &str, usages: &[Usage], streams: &mut Streams<'_>) -> Result<(), Failure> {
    if usages.is_empty() {
        return Ok(());
    }
    let spread = |field: fn(&Usage) -> i64| Spread::of(usages.iter().map(field));
    let (min, average) = (spread(|usage| usage.min), spread(|usage| usage.average as i64));
    let (max, total) = (spread(|usage| usage.max), spread(|usage| usage.total));
    writeln!(streams.output, "\n{kind} histogram series ({} in total):", usages.len())?;
    writeln!(streams.output, "- min populated: {min}")?;
    writeln!(streams.output, "- avg populated: {average}")?;
    writeln!(streams.output, "- max populated: {max}")?;
    if max != total {
        writeln!(streams.output, "- total: {total}")?;
    }
    Ok(())
}

pub(in crate::tool) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let kind = text(args, "type");
    if kind != "histogram" {
        return Err(Failure::Input(format!("analyze type is {kind}, must be 'histogram'")));
    }
    let server = Server::new(text(args, "server"), args)?;
    let duration = text(args, "duration");
    let nanos = parse_duration_ns(duration)
        .map_err(|error| Failure::Input(format!("--duration: {error}")))?;
    let range = model::duration::format_as_go(nanos / 1_000_000);
    let at = format_seconds(time(args, "time", "query", clock::now_ms())?);
    writeln!(streams.output, "{HEADER}\n")?;
    let (mut native, mut classic) = (Vec::new(), Vec::new());
    for matcher in args.get_many::<String>("match").into_iter().flatten() {
        let query = format!("{matcher}[{range}]");
        let form = [("query", query.as_str()), ("time", at.as_str())];
        let data = post(&server, "/api/v1/query", &form)?;
        if data["resultType"] != "matrix" {
            let what = "query of buckets resulted in non-Matrix";
            return Err(Failure::Input(what.to_owned()));
        }
        let mut by_histogram: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for series in array(&data["result"]) {
            if !array(&series["values"]).is_empty() {
                let histogram = histogram_of(&series["metric"]);
                by_histogram.entry(histogram.unwrap_or_default()).or_default().push(series);
            } else if let Some(usage) = native_usage(series) {
                let metric = label_set(&series["metric"], true);
                writeln!(streams.output, "- {metric} (native): {usage}")?;
                native.push(usage);
            }
        }
        by_histogram.remove("");
        for (histogram, buckets) in by_histogram {
            if let Some(usage) = classic_usage(buckets)? {
                writeln!(streams.output, "- {histogram} (classic): {usage}")?;
                classic.push(usage);
            }
        }
    }
    writeln!(streams.output, "\n{FOOTER}")?;
    write_spreads("Native", &native, streams)?;
    write_spreads("Classic", &classic, streams)?;
    Ok(0)
}
