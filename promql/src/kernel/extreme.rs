//! Minima and maxima: NaN loses against every number, of equal values the first counts (the last for timestamps).

use super::{Kernel, Samples, Window};
use std::collections::VecDeque;

/// Whether `x` takes the place of `held`, for minima (`MAX` false) or maxima.
#[inline]
pub(crate) fn replaces<const MAX: bool>(x: f64, held: f64) -> bool {
    (if MAX { x > held } else { x < held }) || held.is_nan()
}

/// The extreme of each window by a queue of candidates: every sample enters and leaves once.
pub(crate) struct Extreme<const MAX: bool> {
    candidates: VecDeque<usize>,
    next: usize,
    timestamp: bool,
}

impl<const MAX: bool> Extreme<MAX> {
    /// A kernel for the extreme value, or for the time of its last occurrence in seconds.
    pub(crate) fn new(timestamp: bool) -> Self {
        Self { candidates: VecDeque::new(), next: 0, timestamp }
    }

    fn push(&mut self, values: &[f64], index: usize) {
        let x = values[index];
        if x.is_nan() {
            return;
        }
        while let Some(&last) = self.candidates.back() {
            let held = values[last];
            let beaten = if MAX { x > held } else { x < held };
            if !(beaten || self.timestamp && x == held) {
                break;
            }
            self.candidates.pop_back();
        }
        self.candidates.push_back(index);
    }
}

impl<const MAX: bool> Kernel for Extreme<MAX> {
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
        Some(if self.timestamp {
            samples.times[index] as f64 / 1000.0
        } else {
            samples.values[index]
        })
    }
}
