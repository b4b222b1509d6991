//! Minima and maxima: NaN loses against every number, of equal values the first counts (the last for timestamps).

use super::{Kernel, Samples, Window};
use std::collections::VecDeque;
use std::hint::select_unpredictable;

/// Whether `x` takes the place of `held`, for minima (`MAX` false) or maxima.
#[inline]
pub(crate) fn replaces<const MAX: bool>(x: f64, held: f64) -> bool {
    (if MAX { x > held } else { x < held }) || held.is_nan()
}

/// The extreme of two, of which `later` came behind `earlier`. Which of them it is nobody can foretell: no branch.
#[inline]
fn of_two<const MAX: bool>(earlier: f64, later: f64) -> f64 {
    select_unpredictable(replaces::<MAX>(later, earlier), later, earlier)
}

/// The extreme of each window: what holds from each sample to a border in its middle, and what holds behind that border.
/// The border moves once a window begins behind it, so every sample is looked at twice.
pub(crate) struct Extreme<const MAX: bool> {
    /// The extremes from samples `first..` to the border.
    to_border: Vec<f64>,
    first: usize,
    /// The extreme from the border to the end of the last window.
    behind: f64,
    next: usize,
}

impl<const MAX: bool> Extreme<MAX> {
    /// A kernel for the extreme value.
    pub(crate) fn new() -> Self {
        Self { to_border: Vec::new(), first: 0, behind: f64::NAN, next: 0 }
    }
}

impl<const MAX: bool> Kernel for Extreme<MAX> {
    fn begin(&mut self, _samples: Samples<'_>) {
        self.to_border.clear();
        (self.first, self.behind, self.next) = (0, f64::NAN, 0);
    }

    #[inline]
    fn value(&mut self, samples: Samples<'_>, window: &Window) -> Option<f64> {
        let values = samples.values;
        let border = self.first + self.to_border.len();
        if window.begin >= border {
            self.to_border.clear();
            self.to_border.extend_from_slice(&values[window.begin..window.end]);
            let mut later = values[window.end - 1];
            for value in self.to_border.iter_mut().rev() {
                *value = of_two::<MAX>(*value, later);
                later = *value;
            }
            (self.first, self.behind, self.next) = (window.begin, f64::NAN, window.end);
            return self.to_border.first().copied();
        }
        let new = &values[self.next..window.end];
        self.behind = new.iter().fold(self.behind, |held, &value| of_two::<MAX>(held, value));
        self.next = window.end;
        let earlier = self.to_border[window.begin - self.first];
        Some(if self.next == border { earlier } else { of_two::<MAX>(earlier, self.behind) })
    }
}

/// The time in seconds of the extreme of each window, the last one of equal ones, by a queue of candidates: every sample
/// enters and leaves once.
pub(crate) struct ExtremeTime<const MAX: bool> {
    candidates: VecDeque<usize>,
    next: usize,
}

impl<const MAX: bool> ExtremeTime<MAX> {
    /// A kernel for the time.
    pub(crate) fn new() -> Self {
        Self { candidates: VecDeque::new(), next: 0 }
    }

    fn push(&mut self, values: &[f64], index: usize) {
        let x = values[index];
        if x.is_nan() {
            return;
        }
        while let Some(&last) = self.candidates.back() {
            let held = values[last];
            if !(if MAX { x >= held } else { x <= held }) {
                break;
            }
            self.candidates.pop_back();
        }
        self.candidates.push_back(index);
    }
}

impl<const MAX: bool> Kernel for ExtremeTime<MAX> {
    fn begin(&mut self, _samples: Samples<'_>) {
        self.candidates.clear();
        self.next = 0;
    }

    #[inline]
    fn value(&mut self, samples: Samples<'_>, window: &Window) -> Option<f64> {
        while self.candidates.front().is_some_and(|&index| index < window.begin) {
            self.candidates.pop_front();
        }
        for index in self.next.max(window.begin)..window.end {
            self.push(samples.values, index);
        }
        self.next = window.end;
        // Without candidates all are NaN.
        let index = self.candidates.front().copied().unwrap_or(window.end - 1);
        Some(samples.times[index] as f64 / 1000.0)
    }
}
