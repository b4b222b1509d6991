//! Samples of every kind, written to a database and told as the Go program tells them.

use chunk::exact::{ExactSample, ExactValue};
use model::histogram::{
    CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout, Span,
};
use model::metadata::{Metadata, MetricType};
use model::{SeriesRef, Symbols, TimeRange};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use storage::{
    Appendable, Cancel, ExemplarBatch, ExemplarRow, FloatBatch, HistogramBatch, LabelBatch,
    Queryable, SelectHints, SeriesBatch,
};
use tsdb::Db;

/// Time of the first samples: the begin of a block.
pub(crate) const START: i64 = 1_699_920_000_000;
/// From one sample to the next.
pub(crate) const STEP: i64 = 60_000;
/// A label of all series.
pub(crate) const JOB: &str = "x";

const FLOATS: [&str; 6] = ["c0", "c1", "c2", "c3", "g\u{fc}", "mixed"];
const HISTOGRAMS: [&str; 7] =
    ["int", "float", "custom", "custom_float", "gauge", "mixed_histogram", "stale_histogram"];

/// What was written, in lines of the Go program.
pub(crate) struct Written {
    has_starts: bool,
    samples: BTreeMap<&'static str, BTreeMap<i64, String>>,
    exemplars: Vec<String>,
    metadata: BTreeMap<&'static str, String>,
}

fn series(name: &str) -> String {
    format!("{{__name__=\"{name}\", job=\"{JOB}\"}}")
}

fn bits(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

fn text(histogram: &Histogram) -> String {
    let kind = if matches!(histogram, Histogram::Int(_)) { "int" } else { "float" };
    let all = histogram.to_float();
    let list = |values: &[f64]| {
        format!("[{}]", values.iter().map(|v| bits(*v)).collect::<Vec<_>>().join(","))
    };
    let spans = |spans: &[Span]| {
        let spans = spans.iter().map(|span| format!("{}:{}", span.offset, span.length));
        format!("[{}]", spans.collect::<Vec<_>>().join(","))
    };
    let layout = &all.layout;
    format!(
        "{kind} {} {} {} {} {} {} {} {} {} {}",
        layout.schema,
        bits(layout.zero_threshold),
        bits(all.zero_count),
        bits(all.count),
        bits(all.sum),
        spans(&layout.positive_spans),
        list(&all.positive),
        spans(&layout.negative_spans),
        list(&all.negative),
        list(&layout.custom_values),
    )
}

fn line(sample: &ExactSample, has_starts: bool) -> String {
    let value = match &sample.value {
        ExactValue::Float(value) => format!("f\t{}\t{}", sample.timestamp_ms, bits(*value)),
        ExactValue::Histogram(value) => format!("h\t{}\t{}", sample.timestamp_ms, text(value)),
    };
    if has_starts && sample.start_ms != 0 { format!("{value}\t{}", sample.start_ms) } else { value }
}

/// Number `i` of a series of histograms.
fn histogram(name: &str, i: u64) -> Histogram {
    let span = |offset, length| Span { offset, length };
    let exponential = Layout {
        schema: 2,
        zero_threshold: 0.001,
        positive_spans: vec![span(0, 2), span(3, 1)],
        negative_spans: vec![span(-1, 1)],
        ..Layout::default()
    };
    let custom = Layout {
        schema: CUSTOM_BUCKETS_SCHEMA,
        positive_spans: vec![span(0, 3)],
        custom_values: vec![0.5, 2.25, 1e9],
        ..Layout::default()
    };
    let is_custom = name.starts_with("custom");
    let (a, b, c, d) = (2 * i as i64 + 1, i as i64, 5, 3 * i as i64);
    let whole = IntHistogram {
        layout: Arc::new(if is_custom { custom } else { exponential }),
        hint: CounterResetHint::Unknown,
        zero_count: if is_custom { 0 } else { i },
        count: (a + b + c) as u64 + if is_custom { 0 } else { i + d as u64 },
        sum: i as f64 * 1.25,
        positive_deltas: vec![a, b - a, c - b],
        negative_deltas: if is_custom { Vec::new() } else { vec![d] },
    };
    match name {
        "float" | "custom_float" => {
            let float = Histogram::Int(whole).to_float();
            let half = |values: &[f64]| values.iter().map(|v| v / 2.0).collect();
            Histogram::Float(FloatHistogram {
                zero_count: float.zero_count / 2.0,
                count: float.count / 2.0,
                positive: half(&float.positive),
                negative: half(&float.negative),
                ..float
            })
        }
        "gauge" => Histogram::Int(IntHistogram { hint: CounterResetHint::Gauge, ..whole }),
        _ => Histogram::Int(whole),
    }
}

/// A transaction at one time, row by row.
struct Rows<V> {
    names: Vec<&'static str>,
    times: Vec<i64>,
    values: Vec<V>,
    starts: Vec<i64>,
}

impl<V> Rows<V> {
    fn new() -> Self {
        Self { names: Vec::new(), times: Vec::new(), values: Vec::new(), starts: Vec::new() }
    }

    fn push(&mut self, name: &'static str, time: i64, value: V, start: i64) {
        self.names.push(name);
        self.times.push(time);
        self.values.push(value);
        self.starts.push(start);
    }
}

impl Written {
    pub(crate) fn new(has_starts: bool) -> Self {
        Self {
            has_starts,
            samples: BTreeMap::new(),
            exemplars: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    fn note(&mut self, name: &'static str, sample: &ExactSample) {
        let told = line(sample, self.has_starts);
        self.samples.entry(name).or_default().insert(sample.timestamp_ms, told);
    }

    pub(crate) fn delete(&mut self, name: &str, range: TimeRange) {
        self.samples.get_mut(name).expect("a series").retain(|time, _| !range.contains(*time));
    }

    /// Forgets what is inside `range`, of all series.
    pub(crate) fn delete_all(&mut self, range: TimeRange) {
        self.samples.values_mut().for_each(|rows| rows.retain(|time, _| !range.contains(*time)));
    }

    /// The samples.
    pub(crate) fn samples(&self) -> Vec<String> {
        let of = |(name, rows): (&&str, &BTreeMap<i64, String>)| {
            let name = series(name);
            rows.values().map(|told| format!("{name}\t{told}")).collect::<Vec<_>>()
        };
        let mut lines: Vec<String> = self.samples.iter().flat_map(of).collect();
        lines.sort_unstable();
        lines
    }

    /// All lines; exemplars from this time on.
    pub(crate) fn lines(&self, min_ms: i64) -> Vec<String> {
        let mut lines = self.samples();
        let time = |line: &str| line.split('\t').nth(2).expect("a time").parse::<i64>();
        let exemplars = self.exemplars.iter().filter(|line| time(line).expect("a time") >= min_ms);
        lines.extend(exemplars.cloned());
        lines.extend(
            self.metadata.iter().map(|(name, told)| format!("{}\tm\t{told}", series(name))),
        );
        lines.sort_unstable();
        lines
    }

    /// One transaction for each of these rounds.
    pub(crate) fn write(&mut self, db: &Db, rounds: Range<i64>) {
        for round in rounds {
            self.write_round(db, round);
        }
    }

    fn write_round(&mut self, db: &Db, round: i64) {
        let time = START + round * STEP;
        let (mut floats, mut histograms) = (Rows::new(), Rows::new());
        for (n, name) in FLOATS.into_iter().enumerate() {
            if name == "mixed" && round % 40 >= 20 {
                histograms.push(name, time, histogram("int", round as u64), START);
                continue;
            }
            let value = match n {
                1 if round % 17 == 16 => model::STALE_NAN,
                2 => (round as f64).sqrt(),
                _ => (round * n as i64) as f64,
            };
            let start = [0, START - 5, START + round / 50 * 50 * STEP - 1][n % 3];
            floats.push(name, time, value, start);
        }
        for name in HISTOGRAMS {
            let start = if name == "gauge" { 0 } else { START + round / 30 * 30 * STEP - 7 };
            if name == "stale_histogram" && round % 13 == 12 {
                // A marker takes the kind of what it ends.
                floats.push(name, time, model::STALE_NAN, 0);
            } else if name == "mixed_histogram" && round % 60 >= 45 {
                histograms.push(name, time, histogram("float", round as u64), start);
            } else {
                histograms.push(name, time, histogram(name, round as u64), start);
            }
        }
        if round % 7 == 6 {
            floats.push("c0", time - STEP - 15_000, -(round as f64), 0);
            floats.push("c1", time - STEP - 15_000, -(round as f64), START - 9);
            let late = histogram("int", round as u64 - 2);
            histograms.push("int", time - STEP - 15_000, late, START - 11);
        }
        self.commit(db, time, &floats, &histograms);
    }

    fn commit(&mut self, db: &Db, time: i64, floats: &Rows<f64>, histograms: &Rows<Histogram>) {
        let mut names: Vec<&'static str> = FLOATS.into_iter().chain(HISTOGRAMS).collect();
        names.sort_unstable();
        let pairs: Vec<(&str, &str)> =
            names.iter().flat_map(|name| [("__name__", *name), ("job", JOB)]).collect();
        let ends: Vec<u32> = (1..=names.len() as u32).map(|n| n * 2).collect();
        let (mut refs, mut rejected) = (Vec::new(), Vec::new());
        let mut appender = db.appender(time);
        appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected).expect("labels");
        let of = |name: &str| {
            let place = names.iter().position(|known| *known == name).expect("a name");
            refs[place].expect("a series")
        };
        let ids: Vec<SeriesRef> = floats.names.iter().map(|name| of(name)).collect();
        let batch = FloatBatch::new(&ids, &floats.times, &floats.values);
        let batch = batch.with_start_timestamps(&floats.starts);
        appender.append_floats(batch, &mut rejected).expect("floats");
        let ids: Vec<SeriesRef> = histograms.names.iter().map(|name| of(name)).collect();
        let batch = HistogramBatch::new(&ids, &histograms.times, &histograms.values);
        let batch = batch.with_start_timestamps(&histograms.starts);
        appender.append_histograms(batch, &mut rejected).expect("histograms");
        let trace = format!("t{time}");
        let labels = [("trace_id", trace.as_str())];
        let row = ExemplarRow { labels: &labels, timestamp_ms: time, value: 0.25 };
        let (first, rows) = ([of("c0")], [row]);
        let batch = ExemplarBatch::new(&first, &rows);
        appender.append_exemplars(batch, &mut rejected).expect("exemplars");
        let help = format!("Help number {}.", (time - START) / STEP / 25);
        let told = Metadata {
            metric_type: MetricType::Counter,
            unit: "seconds".into(),
            help: help.as_str().into(),
        };
        appender.append_metadata(&first, &[told]).expect("metadata");
        assert_eq!(rejected, []);
        appender.commit().expect("commits");
        self.exemplars.push(format!(
            "{}\te\t{time}\t{}\t{{trace_id=\"{trace}\"}}",
            series("c0"),
            bits(0.25)
        ));
        self.metadata.insert("c0", format!("counter\tseconds\t{help}"));
        for row in 0..floats.names.len() {
            let name = floats.names[row];
            let value = if name == "stale_histogram" {
                let sum = model::STALE_NAN;
                ExactValue::Histogram(Histogram::Int(IntHistogram {
                    sum,
                    ..IntHistogram::default()
                }))
            } else {
                ExactValue::Float(floats.values[row])
            };
            let (timestamp_ms, start_ms) = (floats.times[row], floats.starts[row]);
            self.note(name, &ExactSample { timestamp_ms, start_ms, value });
        }
        for row in 0..histograms.names.len() {
            let value = ExactValue::Histogram(histograms.values[row].clone());
            let (timestamp_ms, start_ms) = (histograms.times[row], histograms.starts[row]);
            self.note(histograms.names[row], &ExactSample { timestamp_ms, start_ms, value });
        }
    }
}

/// All samples as this database reads them.
pub(crate) fn read(db: &Db, has_starts: bool) -> Vec<String> {
    try_lines(db, has_starts).expect("samples")
}

/// All samples with their starts; `None` if some cannot be read.
pub(crate) fn try_read(db: &Db) -> Option<Vec<String>> {
    try_lines(db, true).ok()
}

fn try_lines(db: &Db, has_starts: bool) -> storage::Result<Vec<String>> {
    let querier = db.querier(TimeRange::ALL)?;
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel)?;
    let mut batch = SeriesBatch::default();
    let mut lines = Vec::new();
    while set.next_batch(&mut batch)? {
        for index in 0..batch.len() {
            let labels = symbols.labels(batch.labels().get(index));
            let name = series(labels.get("__name__").unwrap_or_default());
            let mut samples: Vec<ExactSample> = Vec::new();
            batch.read_exact(index, TimeRange::ALL, &mut samples)?;
            lines.extend(samples.iter().map(|s| format!("{name}\t{}", line(s, has_starts))));
        }
    }
    lines.sort_unstable();
    Ok(lines)
}
