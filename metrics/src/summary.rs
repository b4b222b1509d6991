//! Quantiles of the recent past with sum and count of all time.
//! The quantiles are exact over the newest observations of the last ten minutes, where client_golang estimates them.

use crate::Stopwatch;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long an observation counts towards the quantiles.
const MAX_AGE: Duration = Duration::from_secs(600);
/// How many observations count towards the quantiles.
const MAX_RECENT: usize = 1024;

/// Quantiles, sum and count of observations; cloning shares it. For events, not for every sample: it takes a lock.
#[derive(Clone, Debug)]
pub struct Summary(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    quantiles: Box<[f64]>,
    clock: Stopwatch,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    recent: VecDeque<(Duration, f64)>,
    sum: f64,
    count: u64,
}

/// What a summary holds at one moment.
#[derive(Debug)]
pub(crate) struct SummaryView {
    /// Quantile and its value, NaN if nothing was observed lately.
    pub(crate) quantiles: Vec<(f64, f64)>,
    pub(crate) sum: f64,
    pub(crate) count: u64,
}

impl Summary {
    pub(crate) fn new(quantiles: &[f64]) -> Self {
        Self(Arc::new(Parts {
            quantiles: quantiles.into(),
            clock: Stopwatch::start(),
            state: Mutex::default(),
        }))
    }

    /// Counts one observation.
    pub fn observe(&self, value: f64) {
        self.observe_at(value, self.0.clock.elapsed());
    }

    fn observe_at(&self, value: f64, at: Duration) {
        let mut state = self.0.state.lock();
        state.sum += value;
        state.count += 1;
        if self.0.quantiles.is_empty() {
            return;
        }
        if state.recent.len() == MAX_RECENT {
            state.recent.pop_front();
        }
        state.recent.push_back((at, value));
    }

    pub(crate) fn view(&self) -> SummaryView {
        self.view_at(self.0.clock.elapsed())
    }

    fn view_at(&self, now: Duration) -> SummaryView {
        let mut state = self.0.state.lock();
        let oldest = now.saturating_sub(MAX_AGE);
        while state.recent.front().is_some_and(|(at, _)| *at < oldest) {
            state.recent.pop_front();
        }
        let mut values: Vec<f64> = state.recent.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let value_at = |quantile: f64| {
            let rank = (quantile * values.len() as f64).ceil() as usize;
            values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        SummaryView {
            quantiles: self.0.quantiles.iter().map(|&q| (q, value_at(q))).collect(),
            sum: state.sum,
            count: state.count,
        }
    }
}

#[cfg(test)]
mod tests;
