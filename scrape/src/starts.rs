//! Beginnings of counters that do not say when they began: their first sample is the start, and what follows is told as
//! counted since then. Where they are kept is `cache`.

use model::histogram::{FloatHistogram, Histogram, HistogramView, IntHistogram};

/// What is known of the beginning of a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Start {
    pub(crate) start_ms: i64,
    /// What it had counted then, and at the last scrape; not a number before the first one.
    base: f64,
    last: f64,
}

impl Start {
    /// A counter without a start that was not scraped yet.
    pub(crate) fn unseen() -> Self {
        Self { start_ms: 0, base: 0.0, last: f64::NAN }
    }

    /// A counter that says when it started.
    pub(crate) fn at(start_ms: i64) -> Self {
        Self { start_ms, base: 0.0, last: 0.0 }
    }

    /// What the counter counted since its start; `None` at the first sample, which becomes the start. A reset is the
    /// start of a new count, just before its sample.
    pub(crate) fn since(&mut self, timestamp_ms: i64, value: f64) -> Option<f64> {
        let last = std::mem::replace(&mut self.last, value);
        if last.is_nan() {
            (self.start_ms, self.base) = (timestamp_ms, value);
            return None;
        }
        if value < last {
            (self.start_ms, self.base) = (timestamp_ms - 1, 0.0);
        }
        Some(value - self.base)
    }
}

/// What is known of the beginning of a native histogram.
#[derive(Debug, Default)]
pub(crate) struct HistogramStart {
    pub(crate) start_ms: i64,
    /// What it had counted then; `None` after a reset, which begins with nothing.
    base: Option<FloatHistogram>,
    last: Option<FloatHistogram>,
}

impl HistogramStart {
    /// As [`Start::since`].
    pub(crate) fn since(&mut self, timestamp_ms: i64, histogram: Histogram) -> Option<Histogram> {
        let now = histogram.to_float();
        let Some(last) = self.last.replace(now.clone()) else {
            (self.start_ms, self.base) = (timestamp_ms, Some(now));
            return None;
        };
        if now.view().detect_reset(last.view()) {
            (self.start_ms, self.base) = (timestamp_ms - 1, None);
        }
        let Some(base) = &self.base else { return Some(histogram) };
        let mut counted = now;
        if counted.sub(base.view()).is_err() {
            // Buckets of another kind: a reset, if nothing else noticed it.
            (self.start_ms, self.base) = (timestamp_ms - 1, None);
            return Some(histogram);
        }
        counted.compact();
        Some(match histogram {
            Histogram::Float(_) => Histogram::Float(counted),
            Histogram::Int(before) => {
                Histogram::Int(IntHistogram { hint: before.hint, ..whole(counted.view()) })
            }
        })
    }
}

/// A histogram whose counts are whole numbers, as one.
fn whole(histogram: HistogramView<'_>) -> IntHistogram {
    let deltas = |counts: &[f64]| {
        let counts = counts.iter().map(|count| *count as i64);
        counts.scan(0, |last, count| Some(count - std::mem::replace(last, count))).collect()
    };
    IntHistogram {
        layout: std::sync::Arc::clone(histogram.layout),
        hint: histogram.hint,
        zero_count: histogram.zero_count as u64,
        count: histogram.count as u64,
        sum: histogram.sum,
        positive_deltas: deltas(histogram.positive),
        negative_deltas: deltas(histogram.negative),
    }
}

#[cfg(test)]
mod tests;
