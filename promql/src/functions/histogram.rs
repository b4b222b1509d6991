//! Quantiles, fractions and totals of histograms, classic and native. Which rows are buckets of which classic histogram
//! is found once for the query; a step costs the walk over its buckets. What is computed from the buckets of classic
//! ones is in `classic`.

use crate::ast::Span;
use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::FunctionId;
use crate::functions::classic::{
    Bucket, Forced, bucket_fraction, bucket_quantile, coalesce, ensure_monotonic,
};
use crate::operator::{LabelIndex, StepBatch, label, set_label};
use crate::plan::{Argument, Call};
use model::histogram::{HistogramView, Note};
use model::{LabelPair, StepGrid, Sym, float};

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
        if bitmap::is_empty(batch.bits(row)) {
            continue;
        }
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

/// The classic histograms of a vector, once the steps are dropped at which one meets a native histogram of its labels.
fn without_conflicts(exec: &Exec<'_>, batch: &mut StepBatch, place: Span) -> Vec<Histogram> {
    let found = histograms(exec, batch, place);
    if !batch.has_histograms() {
        return found;
    }
    let mut index = LabelIndex::default();
    for histogram in &found {
        let labels = batch.labels.get(histogram.row).iter().copied();
        index.insert(&labels.filter(|pair| pair.name != exec.names.le).collect::<Vec<_>>());
    }
    for row in 0..batch.len() {
        let Some(number) = index.find(batch.labels.get(row)) else { continue };
        let steps: Vec<usize> = batch.histograms(row).map(|(step, _)| step).collect();
        for step in steps {
            let buckets = found[number].buckets.iter().map(|(_, row)| *row);
            let met: Vec<usize> = buckets.filter(|&row| batch.get(row, step).is_some()).collect();
            if met.is_empty() {
                continue;
            }
            met.iter().for_each(|&row| bitmap::unset(batch.row_mut(row).1, step));
            batch.cells_mut(row)[step] = None;
            let mut text = "vector contains a mix of classic and native histograms".to_owned();
            text.push_str(&for_metric(exec, batch.labels.get(row)));
            exec.note(|notes| notes.warn(text, Some(place)));
        }
    }
    found
}

/// Adds a row with a number for each native histogram, and tells what is odd about them.
fn each_native(
    exec: &Exec<'_>,
    batch: &StepBatch,
    place: Span,
    out: &mut StepBatch,
    value: &mut dyn FnMut(HistogramView<'_>, usize) -> (f64, Note),
) {
    for row in 0..batch.len() {
        let alike = batch.native_row(row).filter(|alike| !alike.is_empty());
        if batch.histograms(row).next().is_none() && alike.is_none() {
            continue;
        }
        let labels = batch.labels.get(row);
        out.push_row(labels, batch.drop_name[row]);
        let (values, bits) = out.row_mut(out.len() - 1);
        let alike = alike.into_iter().flat_map(|alike| alike.views(batch.steps));
        let cells = batch.histograms(row).map(|(step, histogram)| (step, histogram.view()));
        for (step, view) in alike.chain(cells) {
            let (value, note) = value(view, step);
            values[step] = value;
            bitmap::set(bits, step);
            let what = match note {
                Note::None => continue,
                Note::NanResult => "quantile has NaN observations, result is NaN",
                Note::NanSkew => "quantile has NaN observations, result is skewed higher",
                Note::NanExcluded => {
                    "fraction has NaN observations, which are excluded from all fractions"
                }
            };
            let metric = for_metric(exec, labels);
            let text = format!("input to histogram_{what}{metric}");
            exec.note(|notes| notes.info(text, Some(place)));
        }
    }
}

/// `histogram_count` and its kin: one number of each native histogram; floats vanish.
pub(crate) fn of_natives(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let mut scratch = Vec::new();
    let mut out = StepBatch::new(grid.len);
    let mut value = |view: HistogramView<'_>, _| {
        let value = match call.function {
            FunctionId::HistogramCount => view.count,
            FunctionId::HistogramSum => view.sum,
            FunctionId::HistogramAvg => view.sum / view.count,
            FunctionId::HistogramStdvar => view.variance(&mut scratch),
            _ => view.variance(&mut scratch).sqrt(),
        };
        (value, Note::None)
    };
    let Argument::Node { node, .. } = &call.args[0] else { unreachable!("checked to be a vector") };
    if exec.streams(node) {
        // The numbers stay, the histograms need not be held.
        let streamed = exec.stream(node, grid, &mut |batch| {
            let before = out.size_bytes();
            each_native(exec, batch, Span::default(), &mut out, &mut value);
            exec.take(out.size_bytes() - before)
        });
        streamed.map_err(|error| error.about(node))?;
    } else {
        let batch = exec.vector_arg(&call.args, 0, grid)?;
        each_native(exec, &batch, Span::default(), &mut out, &mut value);
    }
    if exec.delayed_name_removal {
        out.drop_name.fill(true);
        return Ok(out);
    }
    // Type and unit stay: only the name goes.
    let labels = std::mem::take(&mut out.labels);
    for pairs in labels.iter() {
        let kept = pairs.iter().copied().filter(|pair| pair.name != exec.names.metric_name);
        out.labels.push(kept);
    }
    out.merge_equal()
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
    let mut batch = exec.vector_arg(&call.args, 1, grid)?;
    let place = span_of(&call.args[1]);
    let found = without_conflicts(exec, &mut batch, place);
    let mut out = StepBatch::new(grid.len);
    let mut scratch = Vec::new();
    each_native(exec, &batch, place, &mut out, &mut |view, step| {
        view.quantile(q[step], &mut scratch)
    });
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
    let mut batch = exec.vector_arg(&call.args, 0, grid)?;
    let place = span_of(&call.args[0]);
    let found = without_conflicts(exec, &mut batch, place);
    let mut scratch = Vec::new();
    let name = exec.symbols.intern(name);
    let mut out = StepBatch::new(grid.len);
    let mut bent = Monotonicity::default();
    let params = (2..call.args.len()).map(|index| exec.scalar_arg(&call.args, index, grid));
    let params: Vec<Vec<f64>> = params.collect::<Result<_, _>>()?;
    for (index, column) in params.iter().enumerate() {
        check_quantiles(exec, column, span_of(&call.args[index + 2]));
        let mut rows = StepBatch::new(grid.len);
        each_native(exec, &batch, place, &mut rows, &mut |view, step| {
            view.quantile(column[step], &mut scratch)
        });
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
        append_labelled(exec, &mut out, &exec.drop_names(rows)?, name, column);
    }
    bent.tell(exec, grid, place);
    out.merge_equal()
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
    let mut batch = exec.vector_arg(&call.args, 2, grid)?;
    let place = span_of(&call.args[2]);
    let found = without_conflicts(exec, &mut batch, place);
    let mut out = StepBatch::new(grid.len);
    let mut scratch = Vec::new();
    each_native(exec, &batch, place, &mut out, &mut |view, step| {
        view.fraction(lower[step], upper[step], &mut scratch)
    });
    each(exec, &batch, &found, &mut out, &mut |_, step, buckets| {
        bucket_fraction(lower[step], upper[step], buckets)
    });
    exec.drop_names(out)
}
