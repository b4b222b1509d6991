//! Classic histograms to native ones with custom buckets, sample by sample. Which series belong together is for the
//! caller to know.

use super::side::spans_of;
use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, IntHistogram, Layout};
use std::sync::Arc;

/// How many empty buckets in a row an integer histogram keeps rather than beginning another span.
const MAX_EMPTY: usize = 2;

/// Why a classic histogram is no histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassicError {
    /// A bound is not a number.
    #[error("bucket boundary must not be NaN")]
    NanBound,
    /// A bucket counts less than nothing.
    #[error("bucket count must be non-negative")]
    NegativeBucket,
    /// All observations are less than none.
    #[error("count must be non-negative")]
    NegativeCount,
    /// A bucket counts less than the one below it.
    #[error("count is not cumulative")]
    NotCumulative,
    /// The number of observations is not that of the last bucket.
    #[error("count mismatch")]
    CountMismatch,
}

/// The series of one classic histogram at one time, collected in any order.
#[derive(Clone, Debug, Default)]
pub struct ClassicHistogram {
    /// Upper bounds and cumulative counts, ascending.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
    error: Option<ClassicError>,
}

impl ClassicHistogram {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.buckets.clear();
        self.count = None;
        self.sum = 0.0;
        self.error = None;
    }

    /// Takes in a bucket: its upper bound and how many observations are not above it. A bound that is there already is
    /// ignored.
    pub fn set_bucket(&mut self, bound: f64, count: f64) {
        if self.error.is_some() {
            return;
        }
        if bound.is_nan() || count < 0.0 {
            let error =
                if bound.is_nan() { ClassicError::NanBound } else { ClassicError::NegativeBucket };
            self.error = Some(error);
            return;
        }
        let at = self.buckets.partition_point(|(held, _)| *held < bound);
        if self.buckets.get(at).is_some_and(|(held, _)| *held == bound) {
            return;
        }
        let below = at.checked_sub(1).map(|at| self.buckets[at].1);
        let above = self.buckets.get(at).map(|(_, count)| *count);
        if below.is_some_and(|below| count < below) || above.is_some_and(|above| count > above) {
            self.error = Some(ClassicError::NotCumulative);
            return;
        }
        self.buckets.insert(at, (bound, count));
    }

    /// Takes in the number of all observations.
    pub fn set_count(&mut self, count: f64) {
        if self.error.is_none() {
            self.error = (count < 0.0).then_some(ClassicError::NegativeCount);
            self.count = Some(count);
        }
    }

    /// Takes in the sum of all observations.
    pub fn set_sum(&mut self, sum: f64) {
        if self.error.is_none() {
            self.sum = sum;
        }
    }

    /// The histogram with custom buckets; with integer counts if all counts are integers.
    pub fn convert(&mut self) -> Result<Histogram, ClassicError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let highest = self.buckets.last().map(|(_, count)| *count);
        let count = self.count.or(highest).unwrap_or(0.0);
        if self.buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let is_integer = |count: f64| count.round() as i64 as f64 == count;
        let all_integers =
            is_integer(count) && self.buckets.iter().all(|(_, count)| is_integer(*count));
        let layout = Layout {
            schema: CUSTOM_BUCKETS_SCHEMA,
            custom_values: self.bounds().collect(),
            ..Layout::default()
        };
        if self.buckets.last().is_some_and(|(_, highest)| *highest != count) {
            return Err(ClassicError::CountMismatch);
        }
        Ok(if all_integers {
            Histogram::Int(self.integers(layout, count))
        } else {
            Histogram::Float(self.floats(layout, count))
        })
    }

    fn bounds(&self) -> impl Iterator<Item = f64> {
        self.buckets.iter().map(|(bound, _)| *bound).filter(|bound| *bound != f64::INFINITY)
    }

    fn floats(&self, layout: Layout, count: f64) -> FloatHistogram {
        let mut before = 0.0;
        let counts =
            self.buckets.iter().map(|(_, count)| count - std::mem::replace(&mut before, *count));
        let positive: Vec<f64> = counts.collect();
        let positive_spans = spans_of(0..positive.len() as i32);
        let mut out = FloatHistogram {
            layout: Arc::new(Layout { positive_spans, ..layout }),
            count,
            sum: self.sum,
            positive,
            ..FloatHistogram::default()
        };
        out.compact();
        out
    }

    fn integers(&self, layout: Layout, count: f64) -> IntHistogram {
        let mut before = 0;
        let counts = self.buckets.iter().map(|(_, count)| {
            let count = *count as i64;
            count - std::mem::replace(&mut before, count)
        });
        let counts: Vec<i64> = counts.collect();
        let kept: Vec<usize> = kept(&counts).collect();
        let mut previous = 0;
        let deltas =
            kept.iter().map(|&at| counts[at] - std::mem::replace(&mut previous, counts[at]));
        IntHistogram {
            positive_deltas: deltas.collect(),
            layout: Arc::new(Layout {
                positive_spans: spans_of(kept.iter().map(|&at| at as i32)),
                ..layout
            }),
            count: count as u64,
            sum: self.sum,
            ..IntHistogram::default()
        }
    }
}

/// The places that stay: the populated ones and short runs of empty ones between them.
fn kept(counts: &[i64]) -> impl Iterator<Item = usize> {
    let populated: Vec<usize> = (0..counts.len()).filter(|&at| counts[at] != 0).collect();
    let mut out = Vec::new();
    for &at in &populated {
        let gap = out.last().map_or(0, |&last: &usize| at - last - 1);
        if gap <= MAX_EMPTY {
            out.extend(at - gap..at);
        }
        out.push(at);
    }
    out.into_iter()
}

#[cfg(test)]
mod tests;
