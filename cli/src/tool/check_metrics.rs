//! `check metrics`: what is wrong with the names and types of an exposition, and how many series each metric has.
//! Reading order: here (families of a body, output), `lint` (the rules).

mod lint;

use super::{Failure, Outcome, Streams, switch, text};
use clap::{Arg, ArgMatches, Command};
use expfmt::labels::{Declared, LabelBuffer, split_series};
use expfmt::{Entry, TextParser};
use model::hash::HashMap;
use model::metadata::MetricType;
use std::collections::BTreeMap;

/// The exit code for problems that are no errors.
const LINT_CODE: u8 = 3;

pub(super) fn command() -> Command {
    let lint = "Linting checks to apply for metrics; none disables them";
    Command::new("metrics")
        .about("Pass Prometheus metrics over stdin to lint them for consistency and correctness, and optionally perform cardinality analysis")
        .arg(switch("extended", None, "Print extended information related to the cardinality of the metrics"))
        .arg(
            Arg::new("lint").long("lint").value_parser(["all", "none"]).default_value("all").help(lint),
        )
}

/// Labels in the order of the text, without the name.
type Pairs = Vec<(String, String)>;

/// A metric family.
#[derive(Default)]
struct Family {
    metric_type: MetricType,
    has_help: bool,
    /// The label sets of its metrics, without the bounds of buckets and quantiles.
    metrics: Vec<Pairs>,
    /// For those with buckets or quantiles: how many a set has.
    parts: HashMap<Pairs, usize>,
}

impl Family {
    fn has_parts(&self) -> bool {
        matches!(self.metric_type, MetricType::Histogram | MetricType::Summary)
    }

    /// The label that tells the parts of a metric apart.
    fn part_label(&self) -> &'static str {
        match self.metric_type {
            MetricType::Histogram => "le",
            MetricType::Summary => "quantile",
            _ => "",
        }
    }

    fn add(&mut self, mut pairs: Pairs) {
        if !self.has_parts() {
            self.metrics.push(pairs);
            return;
        }
        let label = self.part_label();
        let num_labels = pairs.len();
        pairs.retain(|(name, _)| name != label);
        let num_parts = num_labels - pairs.len();
        match self.parts.get_mut(&pairs) {
            Some(count) => *count += num_parts,
            None => {
                self.parts.insert(pairs.clone(), num_parts);
                self.metrics.push(pairs);
            }
        }
    }

    /// Its series; all metrics count as many parts as the first has, as in Prometheus.
    fn cardinality(&self) -> usize {
        let first = self.metrics.first().and_then(|pairs| self.parts.get(pairs));
        match first {
            Some(parts) if self.has_parts() => self.metrics.len() * (2 + parts),
            _ => self.metrics.len(),
        }
    }
}

/// The families of a body by name. What a line belongs to is decided by the types declared so far.
fn families(body: &[u8]) -> Result<BTreeMap<String, Family>, Failure> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut parser = TextParser::new(body);
    let mut labels = LabelBuffer::default();
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    loop {
        let entry = parser
            .next_entry()
            .map_err(|error| Failure::Input(format!("error while linting: {error}")))?;
        match entry {
            None => return Ok(families),
            Some(Entry::Type { metric, metric_type }) => {
                families.entry(lossy(metric)).or_default().metric_type = metric_type;
            }
            Some(Entry::Help { metric, .. }) => {
                families.entry(lossy(metric)).or_default().has_help = true;
            }
            Some(Entry::Sample(sample)) => {
                split_series(sample.series, &Declared::default(), &mut labels);
                let mut pairs = labels.iter();
                let name = pairs.next().map(|(_, name)| lossy(name)).unwrap_or_default();
                let pairs = pairs.map(|(name, value)| (lossy(name), lossy(value))).collect();
                families.entry(family_of(&families, name)).or_default().add(pairs);
            }
            Some(_) => {}
        }
    }
}

/// The family that a sample of this name belongs to.
fn family_of(families: &BTreeMap<String, Family>, name: String) -> String {
    if families.contains_key(&name) {
        return name;
    }
    let is_of = |base: &str, wanted: MetricType| {
        families.get(base).is_some_and(|family| family.metric_type == wanted)
    };
    for suffix in ["_count", "_sum", "_bucket"] {
        let Some(base) = name.strip_suffix(suffix) else { continue };
        let is_summary = suffix != "_bucket" && is_of(base, MetricType::Summary);
        if is_summary || is_of(base, MetricType::Histogram) {
            return base.to_owned();
        }
    }
    name
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let (extended, lints) = (args.get_flag("extended"), text(args, "lint") != "none");
    if !extended && !lints {
        let what = "error: at least one of --extended or linting must be enabled\n\
                    Use --extended for cardinality analysis, or remove --lint=none to enable linting";
        return Err(Failure::Input(what.to_owned()));
    }
    let mut body = Vec::new();
    streams.input.read_to_end(&mut body)?;
    let families = families(&body)?;
    let mut code = 0;
    if lints {
        for (name, family) in &families {
            for problem in lint::problems(name, family) {
                writeln!(streams.error, "{name} {problem}")?;
                code = LINT_CODE;
            }
        }
    }
    if extended {
        write_cardinality(&families, streams)?;
    }
    Ok(code)
}

fn write_cardinality(
    families: &BTreeMap<String, Family>,
    streams: &mut Streams<'_>,
) -> std::io::Result<()> {
    let mut counts: Vec<(&str, usize)> =
        families.iter().map(|(name, family)| (name.as_str(), family.cardinality())).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let heading = ["Metric", "Cardinality", "Percentage"].map(str::to_owned);
    let mut rows = vec![heading];
    rows.extend(counts.into_iter().map(|(name, count)| {
        let share = 100.0 * count as f64 / total as f64;
        [name.to_owned(), count.to_string(), format!("{share:.2}%")]
    }));
    rows.push(["Total".to_owned(), total.to_string(), "100%".to_owned()]);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths = [0, 1, 2].map(|column| width(column).unwrap_or(0) + 4);
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            write!(streams.output, "{cell:width$}")?;
        }
        writeln!(streams.output)?;
    }
    Ok(())
}
