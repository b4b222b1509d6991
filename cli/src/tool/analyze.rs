//! `tsdb analyze`: what labels cost in one block, which of them churn, and how well its chunks are filled.

mod chunks;

use super::{Failure, Outcome, Streams, db_path, open, selector, switch, text};
use clap::{Arg, ArgMatches, Command, value_parser};
use model::hash::HashMap;
use model::{Labels, METRIC_NAME, Matcher, TimeRange};
use std::io::{self, Write};
use storage::Querier;
use tsdb::Block;
use tsdb::index::ChunkEntry;

pub(super) fn command() -> Command {
    let matcher = "Series selector to analyze; one at most";
    Command::new("analyze")
        .about("Analyze churn, label pair cardinality and compaction efficiency")
        .arg(
            Arg::new("limit")
                .long("limit")
                .value_parser(value_parser!(usize))
                .default_value("20")
                .help("How many items to show in each list"),
        )
        .arg(switch("extended", None, "Run extended analysis"))
        .arg(Arg::new("match").long("match").help(matcher))
        .arg(db_path())
        .arg(Arg::new("block id").help("Block to analyze (default: the last block)"))
}

/// What is counted of a label name or pair.
#[derive(Clone, Copy, Default)]
struct Tally {
    series: u64,
    /// Milliseconds of the block that its series have no samples for.
    uncovered_ms: u64,
}

/// What the series of a block tell.
#[derive(Default)]
struct Found {
    num_series: usize,
    num_pairs: u64,
    by_name: HashMap<String, Tally>,
    by_pair: HashMap<String, Tally>,
    by_metric: HashMap<String, u64>,
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let selector_text = text(args, "match");
    let matchers = match selector_text {
        "" => Vec::new(),
        text => selector(text)?,
    };
    let name = text(args, "block id");
    let block = open(args)?.block(Some(name).filter(|name| !name.is_empty()))?;
    let limit = args.get_one::<usize>("limit").copied().expect("has a default");
    let output = &mut *streams.output;
    let (meta, querier) = (block.meta(), block.querier(TimeRange::ALL));
    let names = querier.label_names(&matchers, 0)?;
    writeln!(output, "Block ID: {}", meta.ulid)?;
    let length_ms = meta.max_time.wrapping_sub(meta.min_time);
    writeln!(output, "Duration: {}", model::duration::format_as_go(length_ms))?;
    writeln!(output, "Total Series: {}", meta.stats.num_series)?;
    if !matchers.is_empty() {
        writeln!(output, "Matcher: {selector_text}")?;
    }
    writeln!(output, "Label names: {}", names.len())?;
    let found = count(&block, &matchers)?;
    if !matchers.is_empty() {
        writeln!(output, "Matched series: {}", found.num_series)?;
    }
    writeln!(output, "Postings (unique label pairs): {}", found.by_pair.len())?;
    writeln!(output, "Postings entries (total label pairs): {}", found.num_pairs)?;
    let mut values = Vec::with_capacity(names.len());
    for name in &names {
        let all = querier.label_values(name, &matchers, 0)?;
        let bytes = all.iter().map(|value| value.len() as u64).sum();
        values.push((&**name, bytes, all.len() as u64));
    }
    found.write(length_ms, &values, limit, output)?;
    if args.get_flag("extended") {
        chunks::analyze(&block, &matchers, output)?;
    }
    Ok(0)
}

/// Takes the labels and the chunks of a series.
type EachSeries<'e> = dyn FnMut(&Labels, &[ChunkEntry]) -> Result<(), Failure> + 'e;

/// Hands out the series that satisfy all `matchers`, with their chunks as the index has them, deleted ones too.
fn each_series(
    block: &Block,
    matchers: &[Matcher],
    each: &mut EachSeries<'_>,
) -> Result<(), Failure> {
    let index = block.index();
    let (mut pairs, mut chunks) = (Vec::new(), Vec::new());
    for id in index.all()?.iter() {
        index.labels(id, &mut pairs)?;
        let texts: storage::Result<Vec<_>> = pairs
            .iter()
            .map(|&(name, value)| Ok((index.symbol(name)?, index.symbol(value)?)))
            .collect();
        let labels = Labels::from_pairs(texts?);
        let value = |matcher: &Matcher| labels.get(matcher.name()).unwrap_or_default();
        if matchers.iter().all(|matcher| matcher.matches(value(matcher))) {
            index.chunks(id, &mut chunks)?;
            each(&labels, &chunks)?;
        }
    }
    Ok(())
}

fn count(block: &Block, matchers: &[Matcher]) -> Result<Found, Failure> {
    let length_ms = block.meta().max_time.wrapping_sub(block.meta().min_time) as u64;
    let mut found = Found::default();
    each_series(block, matchers, &mut |labels, chunks| {
        let covered_ms = match (chunks.first(), chunks.last()) {
            (Some(first), Some(last)) => last.max_ms.wrapping_sub(first.min_ms) as u64,
            _ => 0,
        };
        let uncovered_ms = length_ms.wrapping_sub(covered_ms);
        found.num_series += 1;
        for (name, value) in labels {
            found.num_pairs += 1;
            found.by_pair.entry(format!("{name}={value}")).or_default().add(uncovered_ms);
            match found.by_name.get_mut(name) {
                Some(tally) => tally.add(uncovered_ms),
                None => found.by_name.entry(name.into()).or_default().add(uncovered_ms),
            }
            if name == METRIC_NAME {
                *found.by_metric.entry(value.into()).or_default() += 1;
            }
        }
        Ok(())
    })?;
    Ok(found)
}

impl Tally {
    fn add(&mut self, uncovered_ms: u64) {
        self.series += 1;
        self.uncovered_ms = self.uncovered_ms.wrapping_add(uncovered_ms);
    }

    /// As many series as the uncovered time would be.
    fn churn(self, length_ms: i64) -> u64 {
        (self.uncovered_ms as f64 / length_ms as f64) as u64
    }
}

impl Found {
    /// `values` has for each label name the bytes and the number of its values.
    fn write(
        &self,
        length_ms: i64,
        values: &[(&str, u64, u64)],
        limit: usize,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        let churn = |tallies: &HashMap<String, Tally>| {
            let items = tallies.iter().map(|(key, tally)| (tally.churn(length_ms), key.clone()));
            items.collect::<Vec<_>>()
        };
        let pairs = self.by_pair.iter().map(|(key, tally)| (tally.series, key.clone())).collect();
        let bytes = values.iter().map(|(name, bytes, _)| (*bytes, (*name).to_owned())).collect();
        let counts = values.iter().map(|(name, _, count)| (*count, (*name).to_owned())).collect();
        let metrics = self.by_metric.iter().map(|(name, count)| (*count, name.clone())).collect();
        let lists: [(&str, Vec<(u64, String)>); 6] = [
            ("Label pairs most involved in churning", churn(&self.by_pair)),
            ("Label names most involved in churning", churn(&self.by_name)),
            ("Most common label pairs", pairs),
            ("Label names with highest cumulative label value length", bytes),
            ("Highest cardinality labels", counts),
            ("Highest cardinality metric names", metrics),
        ];
        for (title, mut items) in lists {
            writeln!(output, "\n{title}:")?;
            items.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            for (count, key) in items.iter().take(limit) {
                writeln!(output, "{count} {key}")?;
            }
        }
        Ok(())
    }
}
