//! Classic histograms: quantiles and fractions from cumulative buckets. Which rows are buckets of which histogram is
//! found once for the query; a step costs the walk over its buckets.

use crate::ast::Span;
use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::operator::{LabelIndex, StepBatch, label, set_label};
use crate::plan::{Argument, Call};
use model::{LabelPair, StepGrid, Sym, float};

/// One bucket: upper bound and cumulative count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) bound: f64,
    pub(crate) count: f64,
}

/// How far counts had to be bent to rise with their bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forced {
    pub(crate) min_bound: f64,
    pub(crate) max_bound: f64,
    pub(crate) max_difference: f64,
}

/// Counts closer than this, relatively, are equal.
const TOLERANCE: f64 = 1e-12;

fn nearly_equal(a: f64, b: f64) -> bool {
    if a == b {
        return true;
    }
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || a.abs() + b.abs() < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / (a.abs() + b.abs()).min(f64::MAX) < TOLERANCE
}

/// Adds up buckets of equal bounds; `buckets` are sorted by bound.
fn coalesce(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, held| {
        let same = next.bound == held.bound;
        if same {
            held.count += next.count;
        }
        same
    });
}

/// Makes counts rise with their bounds; says what was more than rounding.
fn ensure_monotonic(buckets: &mut [Bucket]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut previous = buckets[0].count;
    for bucket in &mut buckets[1..] {
        if bucket.count == previous {
            continue;
        }
        if nearly_equal(previous, bucket.count) {
            bucket.count = previous;
            continue;
        }
        if bucket.count < previous {
            let difference = previous - bucket.count;
            let held = forced.get_or_insert(Forced {
                min_bound: bucket.bound,
                max_bound: bucket.bound,
                max_difference: difference,
            });
            held.max_bound = bucket.bound;
            held.max_difference = held.max_difference.max(difference);
            bucket.count = previous;
        } else {
            previous = bucket.count;
        }
    }
    forced
}

/// The `q`-quantile of a histogram whose buckets are sorted by bound; they are changed on the way.
pub(crate) fn bucket_quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Forced>) {
    let early = if q.is_nan() {
        Some(f64::NAN)
    } else if q < 0.0 {
        Some(f64::NEG_INFINITY)
    } else if q > 1.0 {
        Some(f64::INFINITY)
    } else if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        Some(f64::NAN)
    } else {
        None
    };
    if let Some(value) = early {
        return (value, None);
    }
    coalesce(buckets);
    let forced = ensure_monotonic(buckets);
    let last = buckets.len() - 1;
    let total = buckets[last].count;
    if last == 0 || total == 0.0 {
        return (f64::NAN, forced);
    }
    let mut rank = q * total;
    let found = buckets[..last].iter().position(|bucket| bucket.count >= rank).unwrap_or(last);
    let value = if found == last {
        buckets[last - 1].bound
    } else if found == 0 && buckets[0].bound <= 0.0 {
        buckets[0].bound
    } else {
        let Bucket { bound: end, mut count } = buckets[found];
        let mut start = 0.0;
        if found > 0 {
            start = buckets[found - 1].bound;
            count -= buckets[found - 1].count;
            rank -= buckets[found - 1].count;
        }
        start + (end - start) * (rank / count)
    };
    (value, forced)
}

/// The share of observations between `lower` and `upper`; `buckets` are sorted by bound.
pub(crate) fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    coalesce(buckets);
    let total = buckets[buckets.len() - 1].count;
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let (mut rank, mut low_rank, mut high_rank) = (0.0, None, None);
    let mut edge = if buckets[0].bound > 0.0 { 0.0 } else { f64::NEG_INFINITY };
    for bucket in &*buckets {
        for (limit, found) in [(lower, &mut low_rank), (upper, &mut high_rank)] {
            if found.is_some() {
                continue;
            }
            if edge >= limit {
                *found = Some(rank);
            } else if bucket.bound > limit {
                *found = Some(if edge == f64::NEG_INFINITY {
                    bucket.count
                } else {
                    rank + (bucket.count - rank) * (limit - edge) / (bucket.bound - edge)
                });
            }
        }
        rank = bucket.count;
        edge = bucket.bound;
    }
    let within =
        |rank: Option<f64>| rank.map_or(total, |rank| if rank > total { total } else { rank });
    (within(high_rank) - within(low_rank)) / total
}

/// `quantile value should be between 0 and 1`
pub(crate) fn warn_quantile(exec: &Exec<'_>, q: f64, place: Option<Span>) {
    let text = format!("quantile value should be between 0 and 1, got {}", float::general(q));
    exec.note(|notes| notes.warn(text, place));
}

/// Warns of every parameter outside 0 to 1.
pub(crate) fn check_quantiles(exec: &Exec<'_>, column: &[f64], place: Span) {
    let mut last = None;
    for &q in column.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
        if last.replace(q.to_bits()) != Some(q.to_bits()) {
            warn_quantile(exec, q, Some(place));
        }
    }
}

/// The rows of one histogram, by rising bound.
struct Histogram {
    /// A row that stands for its labels.
    row: usize,
    buckets: Vec<(f64, usize)>,
}

/// Finds the histograms of a vector. Rows without a bound are told and left out.
fn histograms(exec: &Exec<'_>, batch: &StepBatch, place: Span) -> Vec<Histogram> {
    let (mut index, mut out, mut key) =
        (LabelIndex::default(), Vec::<Histogram>::new(), Vec::new());
    for (row, labels) in batch.labels.iter().enumerate() {
        let le = exec.symbols.text(label(labels, exec.names.le));
        let Ok(bound) = float::parse_float(le) else {
            let mut text =
                format!("bucket label \"le\" is missing or has a malformed value of \"{le}\"");
            text.push_str(&for_metric(exec, labels));
            exec.note(|notes| notes.warn(text, Some(place)));
            continue;
        };
        key.clear();
        key.extend(labels.iter().copied().filter(|pair| pair.name != exec.names.le));
        let number = index.insert(&key);
        if number == out.len() {
            out.push(Histogram { row, buckets: Vec::new() });
        }
        out[number].buckets.push((bound, row));
    }
    for histogram in &mut out {
        histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    out
}

/// With delayed name removal, some annotations tell the metric.
fn for_metric(exec: &Exec<'_>, labels: &[LabelPair]) -> String {
    let name = label(labels, exec.names.metric_name);
    if !exec.delayed_name_removal || name == Sym::EMPTY {
        return String::new();
    }
    format!(" for metric name \"{}\"", exec.symbols.text(name))
}

fn span_of(argument: &Argument) -> Span {
    match argument {
        Argument::Node { span, .. } => *span,
        Argument::Text(_) => Span::default(),
    }
}

/// Computes one value for each histogram and step.
fn each(
    exec: &Exec<'_>,
    batch: &StepBatch,
    found: &[Histogram],
    out: &mut StepBatch,
    value: &mut dyn FnMut(&Histogram, usize, &mut Vec<Bucket>) -> f64,
) {
    let mut buckets = Vec::new();
    let mut pairs = Vec::new();
    for histogram in found {
        pairs.clear();
        let labels = batch.labels.get(histogram.row).iter().copied();
        pairs.extend(labels.filter(|pair| pair.name != exec.names.le));
        out.push_row(&pairs, batch.drop_name[histogram.row]);
        let row = out.len() - 1;
        for step in 0..batch.steps {
            buckets.clear();
            let rows = histogram.buckets.iter();
            buckets.extend(rows.filter_map(|&(bound, row)| {
                batch.get(row, step).map(|count| Bucket { bound, count })
            }));
            if !buckets.is_empty() {
                let value = value(histogram, step, &mut buckets);
                out.put(row, step, value);
            }
        }
    }
}

/// What the counts of all steps of a call had to be bent, told once.
#[derive(Default)]
struct Monotonicity {
    forced: Vec<(String, Forced, u64, usize, usize)>,
}

impl Monotonicity {
    fn add(&mut self, metric: String, forced: Forced, step: usize) {
        match self.forced.iter_mut().find(|held| held.0 == metric) {
            None => self.forced.push((metric, forced, 1, step, step)),
            Some((_, held, count, first, last)) => {
                held.min_bound = held.min_bound.min(forced.min_bound);
                held.max_bound = held.max_bound.max(forced.max_bound);
                held.max_difference = held.max_difference.max(forced.max_difference);
                // The reference merges its notes twice at every further step.
                *count = if step == *last {
                    count.saturating_add(1)
                } else {
                    count.saturating_mul(2).saturating_add(2)
                };
                *first = step.min(*first);
                *last = step.max(*last);
            }
        }
    }

    fn tell(self, exec: &Exec<'_>, grid: StepGrid, place: Span) {
        for (metric, forced, count, first, last) in self.forced {
            let [from, to] =
                [first, last].map(|step| model::timestamp::format_rfc3339(grid.at(step)));
            let [low, high] = [forced.min_bound, forced.max_bound].map(float::general);
            let difference = float::printf_g(forced.max_difference, 2);
            let text = format!(
                "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){metric}, from buckets {low} to {high}, with a max diff of {difference}, over {count} samples from {from} to {to}"
            );
            exec.note(|notes| notes.info(text, Some(place)));
        }
    }
}

/// `histogram_quantile(q, v)`
pub(crate) fn quantile(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let q = exec.scalar_arg(&call.args, 0, grid)?;
    check_quantiles(exec, &q, span_of(&call.args[0]));
    let batch = exec.vector_arg(&call.args, 1, grid)?;
    let place = span_of(&call.args[1]);
    let found = histograms(exec, &batch, place);
    let mut out = StepBatch::new(grid.len);
    let mut bent = Monotonicity::default();
    each(exec, &batch, &found, &mut out, &mut |histogram, step, buckets| {
        let (value, forced) = bucket_quantile(q[step], buckets);
        if let Some(forced) = forced {
            bent.add(for_metric(exec, batch.labels.get(histogram.row)), forced, step);
        }
        value
    });
    bent.tell(exec, grid, place);
    exec.drop_names(out)
}

/// `histogram_quantiles(v, label, q...)`: buckets of equal bounds that were added up for one quantile are added up again
/// for the next, as in the reference.
pub(crate) fn quantiles(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let Argument::Text(name) = &call.args[1] else { unreachable!("checked to be a string") };
    let batch = exec.vector_arg(&call.args, 0, grid)?;
    let place = span_of(&call.args[0]);
    let found = histograms(exec, &batch, place);
    let name = exec.symbols.intern(name);
    let mut out = StepBatch::new(grid.len);
    let mut bent = Monotonicity::default();
    let params = (2..call.args.len()).map(|index| exec.scalar_arg(&call.args, index, grid));
    let params: Vec<Vec<f64>> = params.collect::<Result<_, _>>()?;
    for (index, column) in params.iter().enumerate() {
        check_quantiles(exec, column, span_of(&call.args[index + 2]));
        let mut rows = StepBatch::new(grid.len);
        each(exec, &batch, &found, &mut rows, &mut |histogram, step, buckets| {
            for earlier in &params[..index] {
                disturb(earlier[step], buckets);
            }
            let (value, forced) = bucket_quantile(column[step], buckets);
            if let Some(forced) = forced {
                bent.add(for_metric(exec, batch.labels.get(histogram.row)), forced, step);
            }
            value
        });
        append_labelled(exec, &mut out, &rows, name, column);
    }
    bent.tell(exec, grid, place);
    exec.drop_names(out.merge_equal()?)
}

/// Leaves `buckets` as computing a quantile leaves them in the reference: sums are written over the first buckets, the
/// length stays.
fn disturb(q: f64, buckets: &mut [Bucket]) {
    if !(0.0..=1.0).contains(&q) || buckets.last().is_none_or(|b| b.bound != f64::INFINITY) {
        return;
    }
    let mut summed = buckets.to_vec();
    coalesce(&mut summed);
    ensure_monotonic(&mut summed);
    buckets[..summed.len()].copy_from_slice(&summed);
}

/// Adds rows with the quantile as a label; where it changes over time, a row for each value.
fn append_labelled(
    exec: &Exec<'_>,
    out: &mut StepBatch,
    rows: &StepBatch,
    name: Sym,
    column: &[f64],
) {
    let mut values: Vec<f64> = Vec::new();
    for &q in column {
        if !values.iter().any(|held| held.to_bits() == q.to_bits()) {
            values.push(q);
        }
    }
    for row in 0..rows.len() {
        for q in &values {
            let value = exec.symbols.intern(&float::openmetrics(*q));
            let mut pairs = rows.labels.get(row).to_vec();
            set_label(&exec.symbols, &mut pairs, name, value);
            out.push_row(&pairs, rows.drop_name[row]);
            let into = out.len() - 1;
            let steps = bitmap::ones(rows.bits(row));
            for step in steps.filter(|&step| column[step].to_bits() == q.to_bits()) {
                out.put(into, step, rows.row(row)[step]);
            }
        }
    }
}

/// `histogram_fraction(lower, upper, v)`
pub(crate) fn fraction(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let lower = exec.scalar_arg(&call.args, 0, grid)?;
    let upper = exec.scalar_arg(&call.args, 1, grid)?;
    let batch = exec.vector_arg(&call.args, 2, grid)?;
    let found = histograms(exec, &batch, span_of(&call.args[2]));
    let mut out = StepBatch::new(grid.len);
    each(exec, &batch, &found, &mut out, &mut |_, step, buckets| {
        bucket_fraction(lower[step], upper[step], buckets)
    });
    exec.drop_names(out)
}
