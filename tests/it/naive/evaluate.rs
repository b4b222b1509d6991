//! The naive evaluator: every step of every expression from the samples it touches, by the formulas as they are written
//! down. It shares no code with the engine.

mod binary;

use binary::binary;
use model::STALE_NAN;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(crate) type Labels = BTreeMap<String, String>;

const LOOKBACK_MS: i64 = 300_000;
const NAME: &str = "__name__";

pub(crate) struct World {
    pub(crate) series: Vec<(Labels, Vec<(i64, f64)>)>,
}

/// A series over the steps.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) labels: Labels,
    pub(crate) values: Vec<Option<f64>>,
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
            Self::Call { function, inner } => write!(f, "{function}({inner})"),
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
pub(crate) fn evaluate(world: &World, node: &Node, times: &[i64]) -> Evaluated<Out> {
    let rows = match node {
        Node::Number(value) => return Ok(Out::Scalar(vec![*value; times.len()])),
        Node::Select(selector) => select(world, selector, times),
        Node::Over { function, selector, range_ms, phi } => {
            let series = chosen(world, selector).map(|(labels, samples)| {
                let fresh = samples.iter().filter(|(_, v)| v.to_bits() != STALE_NAN.to_bits());
                (labels.clone(), fresh.copied().collect::<Vec<_>>())
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
                let points = points.filter_map(|(&time, value)| Some((time, (*value)?)));
                (row.labels, points.collect::<Vec<_>>())
            });
            over((function, *phi), &series.collect::<Vec<_>>(), &ends, *range_ms)?
        }
        Node::Call { function, inner } => {
            let Out::Vector(mut rows) = evaluate(world, inner, times)? else {
                return Err("a scalar".into());
            };
            for row in &mut rows {
                row.labels.remove(NAME);
                row.values.iter_mut().flatten().for_each(|value| *value = call(function, *value));
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

fn chosen<'w>(
    world: &'w World,
    selector: &'w Selector,
) -> impl Iterator<Item = &'w (Labels, Vec<(i64, f64)>)> {
    world.series.iter().filter(|(labels, _)| {
        labels[NAME] == selector.name
            && selector
                .matchers
                .iter()
                .all(|(name, op, value)| (labels[*name] == *value) == (*op == "="))
    })
}

fn select(world: &World, selector: &Selector, times: &[i64]) -> Vec<Row> {
    let newest = |samples: &[(i64, f64)], time: i64| {
        let at = selector.at_ms.unwrap_or(time) - selector.offset_ms;
        let (sample_time, value) = samples.iter().rev().find(|(t, _)| *t <= at)?;
        let fresh = *sample_time > at - LOOKBACK_MS && value.to_bits() != STALE_NAN.to_bits();
        fresh.then_some(*value)
    };
    let rows = chosen(world, selector).map(|(labels, samples)| Row {
        labels: labels.clone(),
        values: times.iter().map(|&time| newest(samples, time)).collect(),
    });
    rows.collect()
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
                    *into = into.or(value);
                }
            }
        }
    }
    Ok(out)
}

fn over(
    function: (&str, f64),
    series: &[(Labels, Vec<(i64, f64)>)],
    ends: &[i64],
    range_ms: i64,
) -> Evaluated<Vec<Row>> {
    let mut rows = Vec::new();
    for (labels, samples) in series {
        let values = ends.iter().map(|&end| {
            let inside = samples.iter().filter(|(time, _)| *time > end - range_ms && *time <= end);
            let window: Vec<(i64, f64)> = inside.copied().collect();
            if window.is_empty() { None } else { of_window(function, &window, end, range_ms) }
        });
        let mut row = Row { labels: labels.clone(), values: values.collect() };
        if !matches!(function.0, "last_over_time" | "first_over_time") {
            row.labels.remove(NAME);
        }
        // Series without any value are no series.
        if row.values.iter().any(Option::is_some) {
            rows.push(row);
        }
    }
    let distinct: BTreeSet<_> = rows.iter().map(|row| &row.labels).collect();
    if distinct.len() < rows.len() && !matches!(function.0, "last_over_time" | "first_over_time") {
        return Err("vector cannot contain metrics with the same labelset".into());
    }
    Ok(rows)
}

fn of_window(
    (function, phi): (&str, f64),
    window: &[(i64, f64)],
    end: i64,
    range_ms: i64,
) -> Option<f64> {
    let values: Vec<f64> = window.iter().map(|(_, v)| *v).collect();
    let n = values.len();
    let pairs = || values.windows(2).map(|pair| (pair[0], pair[1]));
    Some(match function {
        "rate" | "increase" | "delta" => return extrapolated(function, window, end, range_ms),
        "irate" | "idelta" => {
            let (before, last) = (*window.get(n.checked_sub(2)?)?, window[n - 1]);
            let difference = last.1 - before.1;
            if function == "idelta" {
                return Some(difference);
            }
            let gain = if last.1 < before.1 { last.1 } else { difference };
            gain / ((last.0 - before.0) as f64 / 1000.0)
        }
        "sum_over_time" => {
            let (mut s, mut c) = (0.0, 0.0);
            values.iter().for_each(|&x| inc(x, &mut s, &mut c));
            if s.is_infinite() { s } else { s + c }
        }
        "avg_over_time" => mean(&values),
        "min_over_time" => extreme(&values, |x, held| x < held),
        "max_over_time" => extreme(&values, |x, held| x > held),
        "count_over_time" => n as f64,
        "last_over_time" => values[n - 1],
        "first_over_time" => values[0],
        "present_over_time" => 1.0,
        "changes" => pairs().filter(|(a, b)| a != b && !(a.is_nan() && b.is_nan())).count() as f64,
        "resets" => pairs().filter(|(a, b)| b < a).count() as f64,
        "quantile_over_time" => quantile(phi, values),
        other => panic!("{other} is not generated"),
    })
}

fn extrapolated(function: &str, window: &[(i64, f64)], end: i64, range_ms: i64) -> Option<f64> {
    let n = window.len();
    if n < 2 {
        return None;
    }
    let ((t0, v0), (tn, vn)) = (window[0], window[n - 1]);
    let is_counter = function != "delta";
    let mut d = vn - v0;
    for pair in window.windows(2) {
        if is_counter && pair[1].1 < pair[0].1 {
            d += pair[0].1;
        }
    }
    let mut to_start = (t0 - (end - range_ms)) as f64 / 1000.0;
    let mut to_end = (end - tn) as f64 / 1000.0;
    let span = (tn - t0) as f64 / 1000.0;
    let average = span / (n - 1) as f64;
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    if is_counter && d > 0.0 && v0 >= 0.0 && span * (v0 / d) < to_start {
        to_start = span * (v0 / d);
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let mut factor = (span + to_start + to_end) / span;
    if function == "rate" {
        factor /= range_ms as f64 / 1000.0;
    }
    Some(d * factor)
}

fn inc(x: f64, s: &mut f64, c: &mut f64) {
    let t = *s + x;
    if t.is_infinite() {
        *c = 0.0;
    } else if s.abs() >= x.abs() {
        *c += (*s - t) + x;
    } else {
        *c += (x - t) + *s;
    }
    *s = t;
}

fn mean(values: &[f64]) -> f64 {
    let (mut s, mut c, mut switched) = (values[0], 0.0, false);
    for (index, &x) in values.iter().enumerate().skip(1) {
        let n = (index + 1) as f64;
        if !switched {
            let (mut new_s, mut new_c) = (s, c);
            inc(x, &mut new_s, &mut new_c);
            if !new_s.is_infinite() {
                (s, c) = (new_s, new_c);
                continue;
            }
            switched = true;
            s /= n - 1.0;
            c /= n - 1.0;
        }
        let q = (n - 1.0) / n;
        (s, c) = (q * s, q * c);
        inc(x / n, &mut s, &mut c);
    }
    let n = values.len() as f64;
    if switched { s + c } else { s / n + c / n }
}

fn extreme(values: &[f64], better: impl Fn(f64, f64) -> bool) -> f64 {
    let rest = values[1..].iter().copied();
    rest.fold(values[0], |held, x| if better(x, held) || held.is_nan() { x } else { held })
}

fn quantile(phi: f64, mut values: Vec<f64>) -> f64 {
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(b).expect("numbers"),
        (a, b) => b.cmp(&a),
    });
    let rank = phi * (values.len() - 1) as f64;
    let low = rank.floor() as usize;
    let high = (low + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[low] * (1.0 - weight) + values[high] * weight
}

fn call(function: &str, value: f64) -> f64 {
    match function {
        "abs" => value.abs(),
        "ceil" => value.ceil(),
        "floor" => value.floor(),
        "sqrt" => value.sqrt(),
        "sgn" if value > 0.0 => 1.0,
        "sgn" if value < 0.0 => -1.0,
        "sgn" => value,
        "-" => -value,
        other => panic!("{other} is not generated"),
    }
}

fn aggregate(
    (op, phi): (&str, f64),
    grouping: Option<&(bool, Vec<&'static str>)>,
    rows: &[Row],
    steps: usize,
) -> Vec<Row> {
    let key = |labels: &Labels| -> Labels {
        let kept = labels.iter().filter(|(name, _)| match grouping {
            None => false,
            Some((true, names)) => *name != NAME && !names.contains(&name.as_str()),
            Some((false, names)) => names.contains(&name.as_str()),
        });
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let mut groups: Vec<(Labels, Vec<&Row>)> = Vec::new();
    for row in rows {
        let key = key(&row.labels);
        match groups.iter_mut().find(|(held, _)| *held == key) {
            Some((_, members)) => members.push(row),
            None => groups.push((key, vec![row])),
        }
    }
    let of_step = |members: &[&Row], step: usize| {
        let values: Vec<f64> = members.iter().filter_map(|row| row.values[step]).collect();
        if values.is_empty() {
            return None;
        }
        Some(match op {
            "sum" => {
                let (mut s, mut c) = (values[0], 0.0);
                values[1..].iter().for_each(|&x| inc(x, &mut s, &mut c));
                s + c
            }
            "avg" => mean(&values),
            "min" => extreme(&values, |x, held| x < held),
            "max" => extreme(&values, |x, held| x > held),
            "count" => values.len() as f64,
            "group" => 1.0,
            "quantile" => quantile(phi, values),
            other => panic!("{other} is not generated"),
        })
    };
    let rows = groups.into_iter().map(|(labels, members)| Row {
        labels,
        values: (0..steps).map(|step| of_step(&members, step)).collect(),
    });
    rows.collect()
}
