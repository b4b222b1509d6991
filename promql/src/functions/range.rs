//! Which kernel computes which range function, and its parameters.

use super::predict;
use crate::ast::Extended;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::FunctionId;
use crate::kernel::counter::{Counting, Events, Extrapolated, at_edges, between};
use crate::kernel::extreme::{Extreme, ExtremeTime};
use crate::kernel::order::SlidingQuantile;
use crate::kernel::sum::SlidingSum;
use crate::kernel::{Each, Samples, Window, Windows, order, slide, sum};
use crate::plan::WindowCall;
use chunk::SampleColumns;
use storage::Cancel;

type Plain = fn(Samples<'_>, &Window) -> Option<f64>;
type Event = fn(f64, f64) -> bool;

/// The kernel of one call; it keeps its scratch memory from series to series.
pub(crate) enum RangeKernel {
    Extrapolated(Extrapolated),
    Edges { counting: Counting, smoothed: bool },
    Sum(SlidingSum),
    Min(Extreme<false>),
    Max(Extreme<true>),
    MinTime(ExtremeTime<false>),
    MaxTime(ExtremeTime<true>),
    Events(Events<Event>),
    AnchoredEvents(Event, bool),
    Plain(Plain),
    Quantile(SlidingQuantile),
    Mad { scratch: Vec<f64> },
    PredictLinear { seconds: Vec<f64> },
    Smoothing { level: Vec<f64>, trend: Vec<f64> },
}

fn window_values<'a>(samples: Samples<'a>, window: &Window) -> &'a [f64] {
    &samples.values[window.begin..window.end]
}

fn seconds(time_ms: i64) -> f64 {
    time_ms as f64 / 1000.0
}

/// The last two samples and the seconds between them.
fn last_two(samples: Samples<'_>, window: &Window) -> Option<(f64, f64, f64)> {
    let last = window.end - 1;
    if last == window.begin || samples.times[last] == samples.times[last - 1] {
        return None;
    }
    let between = seconds(samples.times[last] - samples.times[last - 1]);
    Some((samples.values[last - 1], samples.values[last], between))
}

fn plain(function: FunctionId) -> Option<Plain> {
    Some(match function {
        FunctionId::Irate => |s, w| {
            last_two(s, w).map(|(before, last, seconds)| {
                let reset = last < before || s.is_restart(w.end - 1);
                (if reset { last } else { last - before }) / seconds
            })
        },
        FunctionId::Idelta => |s, w| last_two(s, w).map(|(before, last, _)| last - before),
        FunctionId::CountOverTime => |_, w| Some((w.end - w.begin) as f64),
        FunctionId::PresentOverTime => |_, _| Some(1.0),
        FunctionId::FirstOverTime => |s, w| Some(s.values[w.begin]),
        FunctionId::LastOverTime => |s, w| Some(s.values[w.end - 1]),
        FunctionId::TsOfFirstOverTime => |s, w| Some(seconds(s.times[w.begin])),
        FunctionId::TsOfLastOverTime => |s, w| Some(seconds(s.times[w.end - 1])),
        FunctionId::StdvarOverTime => |s, w| Some(sum::variance(window_values(s, w))),
        FunctionId::StddevOverTime => |s, w| Some(sum::variance(window_values(s, w)).sqrt()),
        FunctionId::Deriv => predict::deriv,
        _ => return None,
    })
}

impl RangeKernel {
    /// The kernel of `call` with the values of its scalar parameters at every step.
    pub(crate) fn new(call: &WindowCall, params: Vec<Vec<f64>>) -> Self {
        let mut params = params.into_iter();
        let mut param = || params.next().expect("checked number of arguments");
        let per_seconds = (call.function == FunctionId::Rate).then_some(call.range.range_seconds);
        let counting = Counting { counter: call.function != FunctionId::Delta, per_seconds };
        let extended = call.range.extended;
        let event: Event = match call.function {
            FunctionId::Resets => |a, b| b < a,
            _ => |a, b| b != a && !(a.is_nan() && b.is_nan()),
        };
        match call.function {
            FunctionId::Rate | FunctionId::Increase | FunctionId::Delta => match extended {
                None => Self::Extrapolated(Extrapolated::new(counting)),
                Some(extended) => {
                    Self::Edges { counting, smoothed: extended == Extended::Smoothed }
                }
            },
            FunctionId::Resets | FunctionId::Changes if extended.is_some() => {
                Self::AnchoredEvents(event, call.function == FunctionId::Resets)
            }
            FunctionId::Resets | FunctionId::Changes => {
                Self::Events(Events::new(event, call.function == FunctionId::Resets))
            }
            FunctionId::SumOverTime => Self::Sum(SlidingSum::new(false)),
            FunctionId::AvgOverTime => Self::Sum(SlidingSum::new(true)),
            FunctionId::MinOverTime => Self::Min(Extreme::new()),
            FunctionId::MaxOverTime => Self::Max(Extreme::new()),
            FunctionId::TsOfMinOverTime => Self::MinTime(ExtremeTime::new()),
            FunctionId::TsOfMaxOverTime => Self::MaxTime(ExtremeTime::new()),
            FunctionId::QuantileOverTime => Self::Quantile(SlidingQuantile::new(param())),
            FunctionId::MadOverTime => Self::Mad { scratch: Vec::new() },
            FunctionId::PredictLinear => Self::PredictLinear { seconds: param() },
            FunctionId::DoubleExponentialSmoothing => {
                Self::Smoothing { level: param(), trend: param() }
            }
            function => Self::Plain(plain(function).expect("a function of ranges")),
        }
    }

    /// All windows of a series at once, if the kernel can; see [`Extrapolated::at_once`].
    #[inline]
    pub(crate) fn at_once(
        &mut self,
        windows: (&Windows, &Cancel),
        samples: Samples<'_>,
        out: (&mut [f64], &mut [u64]),
    ) -> Option<usize> {
        match self {
            Self::Extrapolated(kernel) => kernel.at_once(windows, samples, out),
            _ => None,
        }
    }

    /// Adds what the windows of the series that were done at once hold, for each step.
    pub(crate) fn count(&mut self, per_step: &mut [[usize; 2]]) {
        if let Self::Extrapolated(kernel) = self {
            kernel.count(per_step);
        }
    }

    /// Slides over one series; see [`slide`].
    #[inline]
    pub(crate) fn run(
        &mut self,
        windows: (&Windows, &Cancel),
        samples: Samples<'_>,
        emit: impl FnMut(usize, f64),
        count: impl FnMut(usize, usize, usize),
    ) -> Result<(), Error> {
        match self {
            Self::Extrapolated(kernel) => slide(kernel, windows, samples, emit, count),
            Self::Sum(kernel) => slide(kernel, windows, samples, emit, count),
            Self::Min(kernel) => slide(kernel, windows, samples, emit, count),
            Self::Max(kernel) => slide(kernel, windows, samples, emit, count),
            Self::MinTime(kernel) => slide(kernel, windows, samples, emit, count),
            Self::MaxTime(kernel) => slide(kernel, windows, samples, emit, count),
            Self::Events(kernel) => slide(kernel, windows, samples, emit, count),
            Self::Plain(value) => slide(&mut Each(value), windows, samples, emit, count),
            Self::Edges { counting, smoothed } => {
                let kernel = |s: Samples<'_>, w: &Window| at_edges(*counting, *smoothed, s, w);
                slide(&mut Each(kernel), windows, samples, emit, count);
            }
            Self::AnchoredEvents(event, restarts) => {
                let kernel =
                    |s: Samples<'_>, w: &Window| anchored_events((*event, *restarts), s, w);
                slide(&mut Each(kernel), windows, samples, emit, count);
            }
            Self::Quantile(kernel) => slide(kernel, windows, samples, emit, count),
            Self::Mad { scratch } => {
                let kernel = |s: Samples<'_>, w: &Window| {
                    scratch.clear();
                    scratch.extend_from_slice(window_values(s, w));
                    Some(order::median_deviation(scratch))
                };
                slide(&mut Each(kernel), windows, samples, emit, count);
            }
            Self::PredictLinear { seconds } => {
                let kernel =
                    |s: Samples<'_>, w: &Window| predict::predict_linear(s, w, seconds[w.step]);
                slide(&mut Each(kernel), windows, samples, emit, count);
            }
            Self::Smoothing { level, trend } => {
                let mut failure = None;
                let kernel = |s: Samples<'_>, w: &Window| {
                    let factors = (level[w.step], trend[w.step]);
                    predict::smooth(window_values(s, w), factors).unwrap_or_else(|error| {
                        failure.get_or_insert(error);
                        None
                    })
                };
                slide(&mut Each(kernel), windows, samples, emit, count);
                return failure.map_or(Ok(()), Err);
            }
        }
        Ok(())
    }

    /// How many windows had starts that make no sense, since the last call.
    pub(crate) fn take_overlaps(&mut self) -> usize {
        match self {
            Self::Extrapolated(kernel) => kernel.take_overlaps(),
            _ => 0,
        }
    }

    /// What there is to say about the parameters once samples were found.
    pub(crate) fn annotate(&self, exec: &Exec<'_>, call: &WindowCall) {
        let Self::Quantile(SlidingQuantile { phi, .. }) = self else { return };
        super::histogram::check_quantiles(exec, phi, call.first_arg);
    }
}

/// `resets` and `changes` counted from the newest sample at or before the window on.
fn anchored_events(
    (event, restarts): (Event, bool),
    samples: Samples<'_>,
    window: &Window,
) -> Option<f64> {
    let times = &samples.times[window.begin..window.end];
    let inside = times.partition_point(|&t| t <= window.start_ms);
    if inside == times.len() {
        return None;
    }
    let from = window.begin + inside.saturating_sub(1);
    let pairs = samples.values[from..window.end].windows(2).enumerate();
    let is_event = |(index, pair): &(usize, &[f64])| {
        event(pair[0], pair[1]) || restarts && samples.is_restart(from + index + 1)
    };
    Some(pairs.filter(is_event).count() as f64)
}

/// The samples of an extended range shown by itself: those strictly inside and one at each edge.
pub(crate) fn with_edges(
    extended: Extended,
    samples: Samples<'_>,
    window: &Window,
) -> SampleColumns {
    let (t, v) = (samples.times, samples.values);
    let mut out = SampleColumns::default();
    let first = t.partition_point(|&t| t <= window.start_ms);
    let last = t.partition_point(|&t| t <= window.end_ms);
    let begin = t.partition_point(|&t| t < window.end_ms);
    if last == 0 || (extended == Extended::Anchored && first == t.len()) {
        return out;
    }
    let edge = |upto: usize, at_ms: i64| {
        let before = upto.saturating_sub(1);
        let crosses = upto > 0 && upto < t.len() && t[before] != at_ms;
        if extended == Extended::Smoothed && crosses {
            between(false, (t, v), before, at_ms)
        } else {
            v[before]
        }
    };
    out.push(window.start_ms, edge(first, window.start_ms));
    for index in first..begin.max(first) {
        out.push(t[index], v[index]);
    }
    out.push(window.end_ms, edge(last, window.end_ms));
    out
}
