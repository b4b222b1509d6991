//! Counters: differences across resets and the extrapolation to the edges of a window.

use super::alike::Plans;
use super::{Kernel, Samples, Window, Windows};
use crate::bitmap;
use storage::Cancel;

/// What `rate`, `increase` and `delta` share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counting {
    /// Decreases are resets: `rate` and `increase`.
    pub(crate) counter: bool,
    /// Divide by this many seconds: `rate`.
    pub(crate) per_seconds: Option<f64>,
}

/// `rate`, `increase`, `delta`: last minus first plus the value before each reset, extrapolated. The resets of a
/// series are found once, so a window costs as much as it has resets, in the reference's order of addition.
pub(crate) struct Extrapolated {
    counting: Counting,
    resets: Vec<(usize, f64)>,
    next: usize,
    /// Samples that claim to count what those before them counted.
    overlapping: Vec<usize>,
    /// Windows with such samples.
    overlaps: usize,
    /// The last kind of window.
    alike: Alike,
    plans: Plans,
}

impl Extrapolated {
    pub(crate) fn new(counting: Counting) -> Self {
        Self {
            counting,
            resets: Vec::new(),
            next: 0,
            overlapping: Vec::new(),
            overlaps: 0,
            alike: Alike::default(),
            plans: Plans::default(),
        }
    }

    /// How many windows had samples whose starts make no sense, since the last call.
    pub(crate) fn take_overlaps(&mut self) -> usize {
        std::mem::take(&mut self.overlaps)
    }

    /// All windows of a series at once, where its samples were taken at times that others have, too: sets values and
    /// bits and answers the size of the largest window. `None`: the series has to be slid over.
    pub(crate) fn at_once(
        &mut self,
        (windows, cancel): (&Windows, &Cancel),
        samples: Samples<'_>,
        (out, bits): (&mut [f64], &mut [u64]),
    ) -> Option<usize> {
        let mut plans = std::mem::take(&mut self.plans);
        let widest = plans.of(self.counting, (windows, cancel), samples).map(|plan| {
            self.begin(samples);
            let values = samples.values;
            for row in &plan.rows {
                let (begin, last, step) =
                    (row.begin as usize, row.last as usize, row.step as usize);
                let first_value = values[begin];
                let mut difference = values[last] - first_value;
                if !self.resets.is_empty() {
                    difference = self.with_resets((begin, last), difference);
                }
                let is_growing = self.counting.counter && difference > 0.0 && first_value >= 0.0;
                let mut factor = row.alike.factor;
                if is_growing && !row.alike.starts_above_zero(difference, first_value) {
                    let end_ms = windows.end_ms(step);
                    let start_ms = end_ms.saturating_sub(windows.range_ms);
                    let eval_ms = windows.grid.at(step);
                    let window = Window { begin, end: last + 1, start_ms, end_ms, step, eval_ms };
                    let times = (samples.times[begin], samples.times[last], (last - begin) as f64);
                    factor =
                        extrapolation(self.counting, &window, times, (difference, first_value));
                }
                out[step] = difference * factor;
                bitmap::set(bits, step);
            }
            plan.widest
        });
        self.plans = plans;
        widest
    }

    /// Adds what the windows of the series that were done at once hold, for each step.
    pub(crate) fn count(&mut self, per_step: &mut [[usize; 2]]) {
        self.plans.count(per_step);
    }

    /// Adds the values before the resets of a window; windows come in step order.
    #[inline]
    fn with_resets(&mut self, (begin, last): (usize, usize), mut difference: f64) -> f64 {
        while self.resets.get(self.next).is_some_and(|&(index, _)| index <= begin) {
            self.next += 1;
        }
        for &(index, before) in &self.resets[self.next..] {
            if index > last {
                break;
            }
            difference += before;
        }
        difference
    }

    /// Notes a window whose samples claim to count what others count.
    fn watch(&mut self, window: &Window) {
        let inside = window.begin + 1..window.end;
        if self.overlapping.iter().any(|index| inside.contains(index)) {
            self.overlaps += 1;
        }
    }
}

/// How many samples are searched for resets at once.
const FALL_CHUNK: usize = 64;

/// Whether any value is less than the one before it.
#[inline]
fn falls(values: &[f64]) -> bool {
    let later = values.get(1..).unwrap_or_default();
    values.iter().zip(later).fold(false, |any, (before, after)| any | (after < before))
}

/// What the extrapolation of a window comes to, for windows whose samples lie alike: series that are scraped at even
/// intervals have few kinds of windows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alike {
    /// From the left edge to the first sample, from there to the last, from there to the right edge; pairs of samples.
    lies: (i64, i64, i64, usize),
    to_start: f64,
    sampled: f64,
    /// The factor as long as the counter was not zero between the left edge and the first sample.
    factor: f64,
}

impl Alike {
    /// Becomes what windows like this one come to.
    #[inline]
    pub(crate) fn fit(&mut self, counting: Counting, times: &[i64], window: &Window) {
        let (begin, last) = (window.begin, window.end - 1);
        let (first_ms, last_ms) = (times[begin], times[last]);
        let lies =
            (first_ms - window.start_ms, last_ms - first_ms, window.end_ms - last_ms, last - begin);
        if lies != self.lies {
            let gaps = (last - begin) as f64;
            *self = Self {
                lies,
                to_start: edges(window, (first_ms, last_ms, gaps)).0,
                sampled: (last_ms - first_ms) as f64 / 1000.0,
                // A difference of zero is no reason to look for where the counter was zero.
                factor: extrapolation(counting, window, (first_ms, last_ms, gaps), (0.0, 0.0)),
            };
        }
    }

    /// Whether the counter was surely not zero between the left edge and the first sample. Roundings of the exact
    /// computation are far below the margin taken here; numbers so small that they lose digits are left to it.
    #[inline]
    fn starts_above_zero(&self, difference: f64, first_value: f64) -> bool {
        const MARGIN: f64 = 1.000_000_001;
        const SMALLEST: f64 = 1e-140;
        (SMALLEST..=1.0 / SMALLEST).contains(&first_value)
            && difference <= 1.0 / SMALLEST
            && first_value * self.sampled >= self.to_start * difference * MARGIN
    }
}

impl Kernel for Extrapolated {
    fn begin(&mut self, samples: Samples<'_>) {
        self.resets.clear();
        self.next = 0;
        if !self.counting.counter {
            return;
        }
        self.overlapping.clear();
        if !samples.starts_ms.is_empty() {
            let later = 1..samples.times.len();
            let resets = later.clone().filter(|&index| {
                samples.values[index] < samples.values[index - 1] || samples.is_restart(index)
            });
            self.resets.extend(resets.map(|index| (index, samples.values[index - 1])));
            let is_odd =
                |&index: &usize| samples.started(index).overlaps(samples.started(index - 1));
            self.overlapping.extend(later.filter(is_odd));
            return;
        }
        // Nearly all series only grow; that is seen many samples at a time.
        for (index, values) in samples.values.chunks(FALL_CHUNK).enumerate() {
            let begin = index * FALL_CHUNK;
            let next = samples.values.get(begin + FALL_CHUNK);
            let last_falls = next.is_some_and(|&next| next < values[FALL_CHUNK - 1]);
            if falls(values) {
                let pairs = values.windows(2).enumerate();
                let fallen = pairs.filter(|(_, pair)| pair[1] < pair[0]);
                self.resets.extend(fallen.map(|(index, pair)| (begin + index + 1, pair[0])));
            }
            if last_falls {
                self.resets.push((begin + FALL_CHUNK, values[FALL_CHUNK - 1]));
            }
        }
    }

    #[inline]
    fn value(&mut self, samples: Samples<'_>, window: &Window) -> Option<f64> {
        let (begin, last) = (window.begin, window.end - 1);
        // A counter that began inside the window was zero then.
        let started = samples.starts_ms.get(begin).filter(|_| self.counting.counter);
        let started = started.and_then(|_| samples.started(begin).inside(window));
        if begin == last && started.is_none() {
            return None;
        }
        if !self.overlapping.is_empty() {
            self.watch(window);
        }
        let first_value = samples.values[begin];
        let difference = samples.values[last] - first_value;
        let mut difference = self.with_resets((begin, last), difference);
        let (first_ms, last_ms) = (samples.times[begin], samples.times[last]);
        let gaps = (last - begin) as f64;
        if let Some(start_ms) = started {
            difference += first_value;
            let times = (start_ms, first_ms, last_ms);
            return Some(difference * since_start(self.counting, window, times, gaps));
        }
        self.alike.fit(self.counting, samples.times, window);
        let is_growing = self.counting.counter && difference > 0.0 && first_value >= 0.0;
        if !is_growing || self.alike.starts_above_zero(difference, first_value) {
            return Some(difference * self.alike.factor);
        }
        let times = (first_ms, last_ms, gaps);
        let factor = extrapolation(self.counting, window, times, (difference, first_value));
        Some(difference * factor)
    }
}

/// How far a window is extended before its first sample and after its last one, in seconds.
#[inline]
fn edges(window: &Window, (first_ms, last_ms, gaps): (i64, i64, f64)) -> (f64, f64) {
    let average = (last_ms - first_ms) as f64 / 1000.0 / gaps;
    let threshold = average * 1.1;
    let within = |distance: f64| if distance >= threshold { average / 2.0 } else { distance };
    let to_start = (first_ms - window.start_ms) as f64 / 1000.0;
    let to_end = (window.end_ms - last_ms) as f64 / 1000.0;
    (within(to_start), within(to_end))
}

/// By how much the difference between the first and the last sample grows to cover the window.
#[inline]
pub(crate) fn extrapolation(
    counting: Counting,
    window: &Window,
    (first_ms, last_ms, gaps): (i64, i64, f64),
    (difference, first_value): (f64, f64),
) -> f64 {
    let (mut to_start, to_end) = edges(window, (first_ms, last_ms, gaps));
    let sampled = (last_ms - first_ms) as f64 / 1000.0;
    if counting.counter && difference > 0.0 && first_value >= 0.0 {
        // A counter cannot have been below zero: no further back than where it was zero.
        let to_zero = sampled * (first_value / difference);
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    let factor = (sampled + to_start + to_end) / sampled;
    counting.per_seconds.map_or(factor, |seconds| factor / seconds)
}

/// By how much the difference grows to cover the window after its last sample, where the counter began inside.
pub(crate) fn since_start(
    counting: Counting,
    window: &Window,
    (start_ms, first_ms, last_ms): (i64, i64, i64),
    gaps: f64,
) -> f64 {
    let mut to_end = (window.end_ms - last_ms) as f64 / 1000.0;
    let sampled = (last_ms - start_ms) as f64 / 1000.0;
    let average = if gaps > 0.0 { (last_ms - first_ms) as f64 / 1000.0 / gaps } else { 0.0 };
    if to_end >= average * 1.1 {
        to_end = average / 2.0;
    }
    let factor = (sampled + to_end) / sampled;
    counting.per_seconds.map_or(factor, |seconds| factor / seconds)
}

/// `rate`, `increase`, `delta` with values at both edges instead of extrapolation: `anchored` takes the sample before
/// an edge, `smoothed` interpolates.
pub(crate) fn at_edges(
    counting: Counting,
    smoothed: bool,
    samples: Samples<'_>,
    window: &Window,
) -> Option<f64> {
    let (t, v) =
        (&samples.times[window.begin..window.end], &samples.values[window.begin..window.end]);
    let last_index = t.len() - 1;
    let inner = &t[..last_index];
    let first = inner.iter().position(|&t| t > window.start_ms).unwrap_or(last_index);
    let first = first.saturating_sub(1);
    let last = if smoothed {
        inner.iter().position(|&t| t >= window.end_ms).unwrap_or(last_index)
    } else {
        last_index
    };
    if t[last] <= window.start_ms || (smoothed && t[first] > window.end_ms) {
        return None;
    }
    let left = if smoothed && t[first] < window.start_ms {
        between(counting.counter, (t, v), first, window.start_ms)
    } else {
        v[first]
    };
    let right = if smoothed && last > 0 && t[last] > window.end_ms {
        between(counting.counter, (t, v), last - 1, window.end_ms)
    } else {
        v[last]
    };
    let mut difference = right - left;
    if counting.counter {
        let (mut previous, mut correction) = (left, 0.0);
        let inside = t.iter().zip(v).take(last + 1).skip(first);
        let inside = inside.filter(|(t, _)| **t > window.start_ms && **t < window.end_ms);
        for value in inside.map(|(_, v)| *v).chain([right]) {
            if value < previous {
                correction += previous;
            }
            previous = value;
        }
        difference += correction;
    }
    Some(counting.per_seconds.map_or(difference, |seconds| difference / seconds))
}

/// The value at `at_ms` on the line from sample `index` to the next. A counter that fell started again at zero.
pub(crate) fn between(counter: bool, (t, v): (&[i64], &[f64]), index: usize, at_ms: i64) -> f64 {
    let next = (index + 1).min(t.len() - 1);
    let from = if counter && v[next] < v[index] { 0.0 } else { v[index] };
    from + (v[next] - from) * (at_ms - t[index]) as f64 / (t[next] - t[index]) as f64
}

/// Counts the pairs of neighbours inside each window for which `event` holds, by prefix sums.
pub(crate) struct Events<F> {
    event: F,
    /// A start counts, too: `resets`.
    restarts: bool,
    prefix: Vec<u32>,
}

impl<F: Fn(f64, f64) -> bool> Events<F> {
    pub(crate) fn new(event: F, restarts: bool) -> Self {
        Self { event, restarts, prefix: Vec::new() }
    }
}

impl<F: Fn(f64, f64) -> bool> Kernel for Events<F> {
    fn begin(&mut self, samples: Samples<'_>) {
        self.prefix.clear();
        self.prefix.push(0);
        let mut sum = 0;
        let restarts = self.restarts && !samples.starts_ms.is_empty();
        let pairs = samples.values.windows(2).enumerate();
        self.prefix.extend(pairs.map(|(index, pair)| {
            let restart = restarts && samples.is_restart(index + 1);
            sum += u32::from((self.event)(pair[0], pair[1]) || restart);
            sum
        }));
    }

    #[inline]
    fn value(&mut self, _samples: Samples<'_>, window: &Window) -> Option<f64> {
        Some(f64::from(self.prefix[window.end - 1] - self.prefix[window.begin]))
    }
}
