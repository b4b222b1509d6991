//! Range functions over series that have native histograms, alone or among floats: what the float kernels computed is
//! corrected window by window. Series without histograms never come here.

pub(crate) mod edges;
mod rates;
pub(crate) mod sums;

use crate::ast::{Extended, Span};
use crate::bitmap;
use crate::exec::Exec;
use crate::functions::FunctionId;
use crate::kernel::{Started, Window, Windows};
use crate::operator::{StepBatch, label};
use crate::plan::WindowCall;
use chunk::{HistogramColumns, SampleColumns};
use model::LabelPair;
use model::histogram::{Combined, FloatHistogram, HistogramView, Incompatible};
use std::ops::Range;
use std::sync::Arc;

/// What is computed of which series, and what the user is told about its histograms.
pub(crate) struct Told<'e, 'a> {
    exec: &'e Exec<'a>,
    labels: &'e [LabelPair],
    function: FunctionId,
    extended: Option<Extended>,
    range_seconds: f64,
    /// The argument that is a range.
    place: Option<Span>,
    /// The first one, which is another one where a parameter comes before.
    first_arg: Option<Span>,
}

impl<'e, 'a> Told<'e, 'a> {
    pub(crate) fn of_call(exec: &'e Exec<'a>, call: &WindowCall, labels: &'e [LabelPair]) -> Self {
        Self {
            exec,
            labels,
            function: call.function,
            extended: call.range.extended,
            range_seconds: call.range.range_seconds,
            place: call.range.span,
            first_arg: if call.function == FunctionId::QuantileOverTime {
                Some(call.first_arg)
            } else {
                call.range.span
            },
        }
    }

    /// For a smoothed instant selector.
    pub(crate) fn of_selector(exec: &'e Exec<'a>, span: Span, labels: &'e [LabelPair]) -> Self {
        Self {
            exec,
            labels,
            function: FunctionId::LastOverTime,
            extended: Some(Extended::Smoothed),
            range_seconds: 0.0,
            place: Some(span),
            first_arg: Some(span),
        }
    }
}

impl Told<'_, '_> {
    fn name(&self) -> &str {
        self.exec.symbols.text(label(self.labels, self.exec.names.metric_name))
    }

    fn warn(&self, what: &str) {
        let text = format!("{what}\"{}\"", self.name());
        self.exec.note(|notes| notes.warn(text, self.place));
    }

    pub(crate) fn mixed(&self) {
        self.warn("encountered a mix of histograms and floats for metric name ");
    }

    fn ignored(&self) {
        let name = self.name();
        let text = format!(
            "ignored histograms in a range containing both floats and histograms for metric name \"{name}\""
        );
        self.exec.note(|notes| notes.info(text, self.first_arg));
    }

    /// Samples of so many windows claim to count what those before them counted.
    pub(crate) fn overlaps(&self, windows: usize) {
        let name = self.name();
        let text = format!(
            "sample has start time that overlaps with previous sample timestamp for metric \"{name}\""
        );
        self.exec.note(|notes| notes.warn_times(text, self.place, windows));
    }

    fn not_a_counter(&self) {
        self.warn("this native histogram metric is not a counter: ");
    }

    fn not_a_gauge(&self) {
        self.warn("this native histogram metric is not a gauge: ");
    }

    fn mixed_schemas(&self) {
        self.warn("vector contains a mix of histograms with exponential and custom buckets schemas for metric name ");
    }

    fn reconciled(&self, during: &str) {
        let text = format!("mismatched custom buckets were reconciled during {during}");
        self.exec.note(|notes| notes.info(text, self.place));
    }

    fn collision(&self) {
        let text = "conflicting counter resets during histogram aggregation";
        self.exec.note(|notes| notes.warn(text, self.place));
    }

    /// What of a sum is worth telling; `None` if it did not work.
    fn check(&self, outcome: Result<Combined, Incompatible>, during: &str) -> Option<()> {
        let Ok(combined) = outcome else {
            self.mixed_schemas();
            return None;
        };
        if combined.bounds_reconciled {
            self.reconciled(during);
        }
        Some(())
    }
}

/// A window over both kinds of samples.
struct Both<'c> {
    columns: &'c SampleColumns,
    /// Where the counter was reset, if all histograms of the series are alike; see [`rates::uniform_resets`].
    resets: Option<&'c [usize]>,
    floats: Range<usize>,
    histograms: Range<usize>,
    window: Window,
}

/// A sample of either kind.
#[derive(Clone, Copy)]
enum Either<'c> {
    Float(f64),
    Histogram(HistogramView<'c>),
}

/// A sample and its time.
type Sample<'c> = (i64, Either<'c>);

impl<'c> Both<'c> {
    fn points(&self) -> &'c HistogramColumns {
        &self.columns.histograms
    }

    fn time(&self, histogram: usize) -> i64 {
        self.points().timestamps_ms()[histogram]
    }

    /// All samples by time; of two at one time the histogram comes later.
    fn in_order(&self) -> impl Iterator<Item = (i64, Either<'c>)> {
        let (columns, points) = (self.columns, self.points());
        let mut floats = self.floats.clone().peekable();
        let mut histograms = self.histograms.clone().peekable();
        std::iter::from_fn(move || {
            let float = floats.peek().map(|&at| columns.timestamps_ms[at]);
            let histogram = histograms.peek().map(|&at| points.timestamps_ms()[at]);
            if histogram.is_none_or(|histogram| float.is_some_and(|float| float <= histogram)) {
                let at = floats.next()?;
                return Some((columns.timestamps_ms[at], Either::Float(columns.values[at])));
            }
            let at = histograms.next()?;
            Some((points.timestamps_ms()[at], Either::Histogram(points.get(at))))
        })
    }

    /// When a histogram was taken and since when it counts.
    fn started(&self, row: usize) -> Started {
        Started { time_ms: self.time(row), start_ms: self.points().start_ms(row) }
    }

    /// The same of any sample.
    fn started_at(&self, (time_ms, sample): Sample<'_>) -> Started {
        let columns = self.columns;
        let start_ms = match sample {
            Either::Float(_) if columns.start_timestamps_ms.is_empty() => 0,
            Either::Float(_) => {
                columns.start_ms(columns.timestamps_ms.partition_point(|&t| t < time_ms))
            }
            Either::Histogram(_) => {
                let times = self.points().timestamps_ms();
                self.points().start_ms(times.partition_point(|&t| t < time_ms))
            }
        };
        Started { time_ms, start_ms }
    }

    fn first(&self) -> Option<(i64, Either<'c>)> {
        self.in_order().next()
    }

    fn last(&self) -> Option<(i64, Either<'c>)> {
        self.last_two().1
    }

    /// The last two samples, the older one first.
    fn last_two(&self) -> (Option<Sample<'c>>, Option<Sample<'c>>) {
        let tail = Self {
            columns: self.columns,
            resets: self.resets,
            floats: self.floats.start.max(self.floats.end.saturating_sub(2))..self.floats.end,
            histograms: self.histograms.start.max(self.histograms.end.saturating_sub(2))
                ..self.histograms.end,
            window: self.window,
        };
        let mut last = (None, None);
        tail.in_order().for_each(|sample| last = (last.1, Some(sample)));
        last
    }
}

/// How a function goes about windows with histograms.
enum Rule {
    /// Floats only; histograms beside them are told.
    FloatsOnly,
    /// Histograms only, or floats only: both in one window are no result.
    Unmixed(fn(&Both<'_>, &Told<'_, '_>) -> Option<FloatHistogram>),
    /// The function looks at both kinds itself.
    Itself(fn(&Both<'_>, &Told<'_, '_>) -> Option<Outcome>),
}

/// What a window yields.
enum Outcome {
    Float(f64),
    Histogram(FloatHistogram),
}

fn rule(function: FunctionId, extended: Option<Extended>) -> Rule {
    match function {
        FunctionId::Rate | FunctionId::Increase | FunctionId::Delta if extended.is_some() => {
            Rule::Unmixed(edges::at_edges)
        }
        FunctionId::Rate | FunctionId::Increase | FunctionId::Delta => {
            Rule::Unmixed(rates::extrapolated)
        }
        FunctionId::SumOverTime => Rule::Unmixed(sums::sum),
        FunctionId::AvgOverTime => Rule::Unmixed(sums::mean),
        FunctionId::Irate | FunctionId::Idelta => Rule::Itself(rates::instant),
        FunctionId::Resets | FunctionId::Changes => Rule::Itself(events),
        FunctionId::CountOverTime => Rule::Itself(|both, _| {
            Some(Outcome::Float((both.floats.len() + both.histograms.len()) as f64))
        }),
        FunctionId::PresentOverTime => Rule::Itself(|_, _| Some(Outcome::Float(1.0))),
        FunctionId::FirstOverTime => Rule::Itself(|both, _| Some(outcome(both.first()?.1))),
        FunctionId::LastOverTime => Rule::Itself(|both, _| Some(outcome(both.last()?.1))),
        FunctionId::TsOfFirstOverTime => {
            Rule::Itself(|both, _| Some(Outcome::Float(both.first()?.0 as f64 / 1000.0)))
        }
        FunctionId::TsOfLastOverTime => {
            Rule::Itself(|both, _| Some(Outcome::Float(both.last()?.0 as f64 / 1000.0)))
        }
        _ => Rule::FloatsOnly,
    }
}

fn outcome(sample: Either<'_>) -> Outcome {
    match sample {
        Either::Float(value) => Outcome::Float(value),
        Either::Histogram(histogram) => Outcome::Histogram(histogram.to_owned()),
    }
}

/// Corrects the last row of `out`, which holds what the float kernel made of the floats. `count` is told the size of
/// each window that has histograms, as the limit counts it.
pub(crate) fn correct(
    told: &Told<'_, '_>,
    windows: &Windows,
    columns: &SampleColumns,
    out: &mut StepBatch,
    mut count: impl FnMut(usize, usize, usize),
) {
    let rule = rule(told.function, told.extended);
    let row = out.len() - 1;
    let points = &columns.histograms;
    let resets = rates::uniform_resets(told.function, points);
    let alike = (columns, resets.as_deref());
    if let Some(histograms) = rates::side_by_side(told, windows, alike, &mut count) {
        return out.put_native_row(histograms);
    }
    let sizes = prefix_sizes(points);
    let mut floats = 0..0;
    let mut histograms = 0..0;
    for step in 0..windows.grid.len {
        let end_ms = windows.end_ms(step);
        let start_ms = end_ms.saturating_sub(windows.range_ms);
        let bounds =
            (start_ms.saturating_sub(windows.before_ms), end_ms.saturating_add(windows.after_ms));
        let seen = histograms.end;
        advance(&mut floats, &columns.timestamps_ms, bounds);
        advance(&mut histograms, points.timestamps_ms(), bounds);
        if histograms.is_empty() {
            continue;
        }
        let size = |range: Range<usize>| sizes[range.end] - sizes[range.start];
        let new = histograms.start.max(seen)..histograms.end;
        count(step, size(histograms.clone()), if new.is_empty() { 0 } else { size(new) });
        let eval_ms = windows.grid.at(step);
        let window = Window {
            begin: histograms.start,
            end: histograms.end,
            start_ms,
            end_ms,
            step,
            eval_ms,
        };
        let both = Both {
            columns,
            resets: resets.as_deref(),
            floats: floats.clone(),
            histograms: histograms.clone(),
            window,
        };
        let outcome = match &rule {
            Rule::FloatsOnly => {
                if !both.floats.is_empty() {
                    told.ignored();
                }
                continue;
            }
            Rule::Unmixed(_) if !both.floats.is_empty() => {
                told.mixed();
                None
            }
            Rule::Unmixed(value) => value(&both, told).map(Outcome::Histogram),
            Rule::Itself(value) => value(&both, told),
        };
        bitmap::unset(out.row_mut(row).1, step);
        match outcome {
            Some(Outcome::Float(value)) => out.put(row, step, value),
            Some(Outcome::Histogram(value)) => out.put_histogram(row, step, Arc::new(value)),
            None => {}
        }
    }
}

/// Moves the edges of a window forward.
fn advance(window: &mut Range<usize>, times: &[i64], (first_ms, last_ms): (i64, i64)) {
    while window.start < times.len() && times[window.start] <= first_ms {
        window.start += 1;
    }
    window.end = window.end.max(window.start);
    while window.end < times.len() && times[window.end] <= last_ms {
        window.end += 1;
    }
}

/// The size of a histogram, as the limit counts it.
fn size_of_histogram(view: HistogramView<'_>) -> usize {
    let layout = view.layout;
    let fields = layout.positive_spans.len()
        + layout.negative_spans.len()
        + view.positive.len()
        + view.negative.len()
        + layout.custom_values.len();
    (168 + 8 * fields + 8) / 16
}

/// Sizes of the histograms before each, as the limit counts them.
fn prefix_sizes(points: &HistogramColumns) -> Vec<usize> {
    let mut sizes = Vec::with_capacity(points.len() + 1);
    let mut total = 0;
    sizes.push(0);
    for row in 0..points.len() {
        total += size_of_histogram(points.get(row));
        sizes.push(total);
    }
    sizes
}

/// `resets` and `changes`: a change of the kind of samples counts as both.
fn events(both: &Both<'_>, told: &Told<'_, '_>) -> Option<Outcome> {
    let resets = told.function == FunctionId::Resets;
    let mut previous: Option<Sample<'_>> = None;
    let mut count = 0.0;
    let anchored = told.extended == Some(Extended::Anchored);
    let start_ms = both.window.start_ms;
    if anchored && both.in_order().all(|(time, _)| time <= start_ms) {
        return None;
    }
    // An anchored range begins with the newest sample that is not inside it.
    let anchor_ms =
        both.in_order().map(|(time, _)| time).take_while(|&time| time <= start_ms).last();
    let begin_ms = anchor_ms.filter(|_| anchored).unwrap_or(i64::MIN);
    for sample in both.in_order().filter(|(time, _)| *time >= begin_ms) {
        let is_restart = |before: Sample<'_>| {
            resets && both.started_at(sample).is_restart(both.started_at(before))
        };
        let pair = (previous.map(|(_, sample)| sample), sample.1);
        let is_event = match pair {
            (None, _) => false,
            (Some(Either::Float(a)), Either::Float(b)) if resets => b < a,
            (Some(Either::Float(a)), Either::Float(b)) => b != a && !(a.is_nan() && b.is_nan()),
            (Some(Either::Histogram(a)), Either::Histogram(b)) if resets => b.detect_reset(a),
            (Some(Either::Histogram(a)), Either::Histogram(b)) => !b.equals(a),
            _ => true,
        };
        let is_event = is_event || previous.is_some_and(is_restart);
        count += f64::from(u8::from(is_event));
        previous = Some(sample);
    }
    Some(Outcome::Float(count))
}
