//! Windows over the columns of one series: the trait of their kernels and the loop that slides them over the steps.
//! Kernels see plain slices; they know nothing of labels, storage or syntax.

pub(crate) mod alike;
pub(crate) mod counter;
pub(crate) mod extreme;
pub(crate) mod order;
pub(crate) mod pdqsort;
pub(crate) mod sum;

#[cfg(test)]
mod tests;

use model::StepGrid;
use storage::Cancel;

/// Which samples the windows of a grid hold, relative to the evaluation times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    /// The evaluation times.
    pub(crate) grid: StepGrid,
    /// The time looked at, if it is not the evaluation time: `@`.
    pub(crate) at_ms: Option<i64>,
    /// How far back from there.
    pub(crate) offset_ms: i64,
    /// Width of the window.
    pub(crate) range_ms: i64,
    /// How many samples before the window belong to it all the same: look-back of extended ranges.
    pub(crate) before_ms: i64,
    /// And after it.
    pub(crate) after_ms: i64,
}

impl Windows {
    /// The time that step `step` looks at.
    #[inline]
    pub(crate) fn end_ms(&self, step: usize) -> i64 {
        self.at_ms.unwrap_or_else(|| self.grid.at(step)).saturating_sub(self.offset_ms)
    }

    /// The times of all samples that any window holds; closed.
    pub(crate) fn span(&self) -> model::TimeRange {
        let reach = self.range_ms.saturating_add(self.before_ms);
        model::TimeRange::new(
            self.end_ms(0).saturating_sub(reach).saturating_add(1),
            self.end_ms(self.grid.len.saturating_sub(1)).saturating_add(self.after_ms),
        )
    }
}

/// The samples of one series in time order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Samples<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    /// Since when they count, zero where that is not known; what is missing at the end is not known either.
    pub(crate) starts_ms: &'a [i64],
}

impl Samples<'_> {
    /// Since when a sample counts; zero if that is not known.
    #[inline]
    pub(crate) fn start_ms(&self, index: usize) -> i64 {
        self.starts_ms.get(index).copied().unwrap_or(0)
    }

    fn started(&self, index: usize) -> Started {
        Started { time_ms: self.times[index], start_ms: self.start_ms(index) }
    }

    /// Whether a counter began again after the sample before this one, by its start.
    #[inline]
    pub(crate) fn is_restart(&self, index: usize) -> bool {
        index < self.starts_ms.len() && self.started(index).is_restart(self.started(index - 1))
    }
}

/// When a sample was taken and since when it counts, zero if that is not known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) time_ms: i64,
    pub(crate) start_ms: i64,
}

impl Started {
    /// Whether a counter began again after `previous`. A start at the time of the sample before is that of a delta, or
    /// that of a counter whose beginning nobody knows: then the sample before knows none either.
    pub(crate) fn is_restart(self, previous: Self) -> bool {
        if self.start_ms == 0 || self.start_ms >= self.time_ms || self.start_ms < previous.time_ms {
            return false;
        }
        self.start_ms > previous.time_ms
            || (previous.start_ms != 0 && previous.start_ms < previous.time_ms)
    }

    /// Whether it claims to count what `previous` counted, too, without being the same counter.
    pub(crate) fn overlaps(self, previous: Self) -> bool {
        self.start_ms != 0 && self.start_ms < previous.time_ms && self.start_ms != previous.start_ms
    }

    /// Since when it counts, if that is inside the window.
    pub(crate) fn inside(self, window: &Window) -> Option<i64> {
        let known = self.start_ms != 0;
        (known && self.start_ms > window.start_ms && self.start_ms < self.time_ms)
            .then_some(self.start_ms)
    }
}

/// One window: samples `begin..end`, at least one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) begin: usize,
    pub(crate) end: usize,
    /// Left edge, outside the window.
    pub(crate) start_ms: i64,
    /// Right edge, inside.
    pub(crate) end_ms: i64,
    /// Which step, for parameters that change from step to step.
    pub(crate) step: usize,
    /// Its evaluation time.
    pub(crate) eval_ms: i64,
}

impl Window {
    /// How many samples it holds.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end - self.begin
    }
}

/// Computes one value for each window of a series; windows come in step order and never move back.
pub(crate) trait Kernel {
    /// A new series begins.
    fn begin(&mut self, _samples: Samples<'_>) {}
    /// The value for one window, if there is one.
    fn value(&mut self, samples: Samples<'_>, window: &Window) -> Option<f64>;
}

/// A kernel without state between windows.
pub(crate) struct Each<F>(pub(crate) F);

impl<F: FnMut(Samples<'_>, &Window) -> Option<f64>> Kernel for Each<F> {
    #[inline]
    fn value(&mut self, samples: Samples<'_>, window: &Window) -> Option<f64> {
        (self.0)(samples, window)
    }
}

/// The edge of windows as it moves over the samples.
#[derive(Default)]
struct Edge {
    /// How many samples are at or before it.
    at: usize,
    /// By how many it moved the last time: at even intervals it does so again.
    stride: usize,
}

impl Edge {
    /// Moves it to `time_ms`, which is not before where it was.
    #[inline]
    fn advance(&mut self, times: &[i64], time_ms: i64) -> usize {
        let from = self.at;
        let guess = from + self.stride;
        if guess > from
            && guess < times.len()
            && times[guess - 1] <= time_ms
            && times[guess] > time_ms
        {
            self.at = guess;
            return guess;
        }
        let mut at = from;
        while at < times.len() && times[at] <= time_ms {
            at += 1;
        }
        (self.at, self.stride) = (at, at - from);
        at
    }
}

/// How many windows are computed between two looks at the flag that ends a query.
const POLL_STEPS: usize = 64;

/// Slides `kernel` over `samples`: calls `emit(step, value)` where there is a value and `count(step, samples, new)` for
/// the size of every window and how much of it no window before held. Stops early once the query is cancelled: the
/// caller checks.
#[inline]
pub(crate) fn slide(
    kernel: &mut impl Kernel,
    (windows, cancel): (&Windows, &Cancel),
    samples: Samples<'_>,
    mut emit: impl FnMut(usize, f64),
    mut count: impl FnMut(usize, usize, usize),
) {
    kernel.begin(samples);
    let (mut first, mut last) = (Edge::default(), Edge::default());
    let times = samples.times;
    for step in 0..windows.grid.len {
        if step % POLL_STEPS == POLL_STEPS - 1 && cancel.check().is_err() {
            return;
        }
        let end_ms = windows.end_ms(step);
        let start_ms = end_ms.saturating_sub(windows.range_ms);
        let begin = first.advance(times, start_ms.saturating_sub(windows.before_ms));
        let seen = last.at.max(begin);
        let end = last.advance(times, end_ms.saturating_add(windows.after_ms)).max(begin);
        if begin == end {
            continue;
        }
        count(step, end - begin, end - seen);
        let eval_ms = windows.grid.at(step);
        let window = Window { begin, end, start_ms, end_ms, step, eval_ms };
        if let Some(value) = kernel.value(samples, &window) {
            emit(step, value);
        }
    }
}
