//! The naive evaluator: every step of every expression from the samples it touches, by the formulas as they are written
//! down. It shares no code with the engine.

mod aggregate;
mod binary;
mod call;
mod window;

pub(crate) use window::inc;

use super::histogram::{Histogram, detect_reset};
use aggregate::aggregate;
use binary::binary;
use call::call;
use model::STALE_NAN;
use model::histogram::CounterResetHint as Hint;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use window::over;

pub(crate) type Labels = BTreeMap<String, String>;

const LOOKBACK_MS: i64 = 300_000;
const NAME: &str = "__name__";

/// A sample.
#[derive(Clone, Debug)]
pub(crate) enum Sample {
    Float(f64),
    Histogram(Arc<Histogram>),
}

impl Sample {
    pub(crate) fn float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            Self::Histogram(_) => None,
        }
    }

    pub(crate) fn histogram(&self) -> Option<&Arc<Histogram>> {
        match self {
            Self::Float(_) => None,
            Self::Histogram(histogram) => Some(histogram),
        }
    }

    fn is_stale(&self) -> bool {
        let told = match self {
            Self::Float(value) => *value,
            Self::Histogram(histogram) => histogram.sum,
        };
        told.to_bits() == STALE_NAN.to_bits()
    }
}

impl From<Histogram> for Sample {
    fn from(histogram: Histogram) -> Self {
        Self::Histogram(Arc::new(histogram))
    }
}

/// A series with its samples by time.
pub(crate) type Series = (Labels, Vec<(i64, Sample)>);

pub(crate) struct World {
    pub(crate) series: Vec<Series>,
}

/// A series over the steps.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) labels: Labels,
    pub(crate) values: Vec<Option<Sample>>,
}

pub(crate) enum Out {
    Scalar(Vec<f64>),
    Vector(Vec<Row>),
}

#[derive(Clone)]
pub(crate) struct Selector {
    pub(crate) name: &'static str,
    pub(crate) matchers: Vec<(&'static str, &'static str, &'static str)>,
    pub(crate) offset_ms: i64,
    pub(crate) at_ms: Option<i64>,
    /// Histograms come without buckets: see [`Node::plan`].
    pub(crate) totals_only: bool,
}

#[derive(Clone)]
pub(crate) struct Binary {
    pub(crate) op: &'static str,
    pub(crate) return_bool: bool,
    /// `on` if true, and the labels.
    pub(crate) matching: Option<(bool, Vec<&'static str>)>,
    /// `group_left` if true, and the labels to include.
    pub(crate) group: Option<(bool, Vec<&'static str>)>,
    pub(crate) lhs: Box<Node>,
    pub(crate) rhs: Box<Node>,
}

#[derive(Clone)]
pub(crate) enum Node {
    Number(f64),
    Select(Selector),
    Over {
        function: &'static str,
        selector: Selector,
        range_ms: i64,
        phi: f64,
    },
    OverSubquery {
        function: &'static str,
        inner: Box<Self>,
        range_ms: i64,
        step_ms: i64,
        offset_ms: i64,
        phi: f64,
    },
    Call {
        function: &'static str,
        /// Numbers before the vector.
        before: Vec<f64>,
        inner: Box<Self>,
    },
    Aggregate {
        op: &'static str,
        /// `without` if true, and the labels.
        grouping: Option<(bool, Vec<&'static str>)>,
        inner: Box<Self>,
        phi: f64,
    },
    Binary(Binary),
}

fn write_times(f: &mut fmt::Formatter<'_>, at_ms: Option<i64>, offset_ms: i64) -> fmt::Result {
    if let Some(at_ms) = at_ms {
        write!(f, " @ {}", at_ms as f64 / 1000.0)?;
    }
    match offset_ms {
        0 => Ok(()),
        ms if ms < 0 => write!(f, " offset -{}ms", -ms),
        ms => write!(f, " offset {ms}ms"),
    }
}

impl Selector {
    fn write(&self, f: &mut fmt::Formatter<'_>, range: &str) -> fmt::Result {
        let matchers =
            self.matchers.iter().map(|(name, op, value)| format!("{name}{op}\"{value}\""));
        write!(f, "{}{{{}}}{range}", self.name, matchers.collect::<Vec<_>>().join(","))?;
        write_times(f, self.at_ms, self.offset_ms)
    }
}

impl Node {
    /// Finds out what is asked of histograms: where only their counts and sums are, above selectors and not within
    /// subqueries, nothing else is read, and so gauges begin again where their count falls and are equal where it is.
    fn plan(&mut self, totals: bool, buckets: bool) {
        match self {
            Self::Number(_) => {}
            Self::Select(selector) | Self::Over { selector, .. } => {
                selector.totals_only = totals && !buckets;
            }
            Self::OverSubquery { inner, .. } => inner.plan(totals, true),
            Self::Call { function, inner, .. } => {
                let reads = ["histogram_count", "histogram_sum", "histogram_avg"];
                let needs = ["histogram_quantile", "histogram_fraction"];
                inner.plan(totals || reads.contains(function), buckets || needs.contains(function));
            }
            Self::Aggregate { inner, .. } => inner.plan(totals, buckets),
            Self::Binary(binary) => {
                binary.lhs.plan(totals, buckets);
                binary.rhs.plan(totals, buckets);
            }
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quantile = |name: &str, phi: f64| {
            if name.starts_with("quantile") { format!("{phi}, ") } else { String::new() }
        };
        match self {
            Self::Number(value) => write!(f, "{value}"),
            Self::Select(selector) => selector.write(f, ""),
            Self::Over { function, selector, range_ms, phi } => {
                write!(f, "{function}({}", quantile(function, *phi))?;
                selector.write(f, &format!("[{range_ms}ms]"))?;
                f.write_str(")")
            }
            Self::OverSubquery { function, inner, range_ms, step_ms, offset_ms, phi } => {
                let phi = quantile(function, *phi);
                write!(f, "{function}({phi}({inner})[{range_ms}ms:{step_ms}ms]")?;
                write_times(f, None, *offset_ms)?;
                f.write_str(")")
            }
            Self::Call { function, before, inner } => {
                let before: String = before.iter().map(|number| format!("{number}, ")).collect();
                write!(f, "{function}({before}{inner})")
            }
            Self::Aggregate { op, grouping, inner, phi } => {
                write!(f, "{op}")?;
                if let Some((without, labels)) = grouping {
                    let keyword = if *without { "without" } else { "by" };
                    write!(f, " {keyword} ({})", labels.join(", "))?;
                }
                write!(f, " ({}{inner})", quantile(op, *phi))
            }
            Self::Binary(binary) => {
                write!(f, "({}) {}", binary.lhs, binary.op)?;
                if binary.return_bool {
                    f.write_str(" bool")?;
                }
                if let Some((on, labels)) = &binary.matching {
                    let keyword = if *on { "on" } else { "ignoring" };
                    write!(f, " {keyword} ({})", labels.join(", "))?;
                }
                if let Some((left, include)) = &binary.group {
                    let side = if *left { "left" } else { "right" };
                    write!(f, " group_{side} ({})", include.join(", "))?;
                }
                write!(f, " ({})", binary.rhs)
            }
        }
    }
}

pub(crate) type Evaluated<T> = Result<T, String>;

/// The answer of `node` at `times`; why there is none.
pub(crate) fn answer(world: &World, node: &Node, times: &[i64]) -> Evaluated<Out> {
    let mut node = node.clone();
    node.plan(false, false);
    evaluate(world, &node, times)
}

fn evaluate(world: &World, node: &Node, times: &[i64]) -> Evaluated<Out> {
    let rows = match node {
        Node::Number(value) => return Ok(Out::Scalar(vec![*value; times.len()])),
        Node::Select(selector) => select(world, selector, times),
        Node::Over { function, selector, range_ms, phi } => {
            let series = chosen(world, selector).map(|(labels, samples)| {
                let labels = labels.clone();
                let fresh = samples.iter().filter(|(_, sample)| !sample.is_stale()).cloned();
                let fresh: Vec<_> = fresh.collect();
                (labels, if selector.totals_only { totals(&fresh) } else { fresh })
            });
            let series: Vec<_> = series.collect();
            let ends = times.iter().map(|&t| selector.at_ms.unwrap_or(t) - selector.offset_ms);
            over((function, *phi), &series, &ends.collect::<Vec<_>>(), *range_ms)?
        }
        Node::OverSubquery { function, inner, range_ms, step_ms, offset_ms, phi } => {
            let ends: Vec<i64> = times.iter().map(|t| t - offset_ms).collect();
            let (Some(first), Some(last)) = (ends.first(), ends.last()) else {
                return Ok(Out::Vector(Vec::new()));
            };
            let begin = (first - range_ms).div_euclid(*step_ms) * step_ms + step_ms;
            let grid: Vec<i64> =
                (0..).map(|i| begin + i * step_ms).take_while(|t| t <= last).collect();
            let Out::Vector(rows) = evaluate(world, inner, &grid)? else {
                return Err("a scalar".into());
            };
            let series = rows.into_iter().map(|row| {
                let points = grid.iter().zip(&row.values);
                let points =
                    points.filter_map(|(&time, value)| Some((time, unhinted(value.clone()?))));
                (row.labels, points.collect::<Vec<_>>())
            });
            over((function, *phi), &series.collect::<Vec<_>>(), &ends, *range_ms)?
        }
        Node::Call { function, before, inner } => {
            let Out::Vector(mut rows) = evaluate(world, inner, times)? else {
                return Err("a scalar".into());
            };
            for row in &mut rows {
                row.labels.remove(NAME);
                for value in &mut row.values {
                    *value = value.take().and_then(|value| call(function, before, &value));
                }
            }
            merged(rows)?
        }
        Node::Aggregate { op, grouping, inner, phi } => {
            let Out::Vector(rows) = evaluate(world, inner, times)? else {
                return Err("a scalar".into());
            };
            aggregate((op, *phi), grouping.as_ref(), &rows, times.len())
        }
        Node::Binary(node) => binary(world, node, times)?,
    };
    Ok(Out::Vector(rows.into_iter().filter(|row| row.values.iter().any(Option::is_some)).collect()))
}

fn chosen<'w>(world: &'w World, selector: &'w Selector) -> impl Iterator<Item = &'w Series> {
    world.series.iter().filter(|(labels, _)| {
        labels[NAME] == selector.name
            && selector
                .matchers
                .iter()
                .all(|(name, op, value)| (labels[*name] == *value) == (*op == "="))
    })
}

fn select(world: &World, selector: &Selector, times: &[i64]) -> Vec<Row> {
    let newest = |samples: &[(i64, Sample)], time: i64| {
        let at = selector.at_ms.unwrap_or(time) - selector.offset_ms;
        let (sample_time, value) = samples.iter().rev().find(|(t, _)| *t <= at)?;
        let fresh = *sample_time > at - LOOKBACK_MS && !value.is_stale();
        fresh.then(|| value.clone())
    };
    let rows = chosen(world, selector).map(|(labels, samples)| {
        let samples = if selector.totals_only {
            // What is before the look-back of the first step nobody reads: the first one knows nothing of it.
            let first = times.first().map_or(0, |&time| selector.at_ms.unwrap_or(time));
            let begin_ms = first - selector.offset_ms - LOOKBACK_MS;
            totals(&samples[samples.partition_point(|(time, _)| *time <= begin_ms)..])
        } else {
            samples.clone()
        };
        let values = times.iter().map(|&time| newest(&samples, time)).collect();
        Row { labels: labels.clone(), values }
    });
    rows.collect()
}

/// The samples without buckets. What these tell of resets is in the hints.
fn totals(samples: &[(i64, Sample)]) -> Vec<(i64, Sample)> {
    let mut last: Option<&Histogram> = None;
    let samples = samples.iter().map(|(time, sample)| {
        let Some(histogram) = sample.histogram().filter(|_| !sample.is_stale()) else {
            return (*time, sample.clone());
        };
        let hint = match (histogram.hint, last) {
            (Hint::Unknown, Some(last)) if detect_reset(histogram, last) => Hint::CounterReset,
            (Hint::Unknown, Some(_)) => Hint::NotCounterReset,
            (hint, _) => hint,
        };
        last = Some(histogram);
        (*time, histogram.totals(hint).into())
    });
    samples.collect()
}

/// What a subquery hands on: nothing is known of resets between its points.
fn unhinted(sample: Sample) -> Sample {
    match sample {
        Sample::Histogram(histogram) if histogram.hint != Hint::Gauge => {
            Histogram { hint: Hint::Unknown, ..(*histogram).clone() }.into()
        }
        other => other,
    }
}

/// Rows of equal labels become one; two values at one step are an error.
fn merged(rows: Vec<Row>) -> Evaluated<Vec<Row>> {
    let mut out: Vec<Row> = Vec::new();
    for row in rows {
        match out.iter_mut().find(|held| held.labels == row.labels) {
            None => out.push(row),
            Some(held) => {
                for (into, value) in held.values.iter_mut().zip(row.values) {
                    if into.is_some() && value.is_some() {
                        return Err("vector cannot contain metrics with the same labelset".into());
                    }
                    *into = into.take().or(value);
                }
            }
        }
    }
    Ok(out)
}
