//! A classic histogram on its way to one with custom buckets, and the form in which buckets are stored: empty ones left
//! out. Neither formats nor series.

use model::histogram::{
    CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout, Span,
};
use std::sync::Arc;

/// Why the series of a classic histogram make no histogram.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(crate) enum ClassicError {
    #[error("bucket boundary must not be NaN")]
    NanBound,
    #[error("bucket count must be non-negative: le={le}, count={count}")]
    NegativeBucket { le: f64, count: f64 },
    #[error("count must be non-negative: count={0}")]
    NegativeCount(f64),
    #[error("count is not cumulative: {0} {1} {2}")]
    NotCumulative(f64, char, f64),
    #[error("count mismatch: count={count} != le=+Inf count={last}")]
    CountMismatch { count: f64, last: f64 },
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    le: f64,
    count: f64,
}

/// What the series read so far say. After an error nothing changes it but [`ClassicHistogram::clear`].
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassicHistogram {
    /// By rising bounds.
    buckets: Vec<Bucket>,
    count: Option<f64>,
    sum: f64,
    error: Option<ClassicError>,
}

impl ClassicHistogram {
    pub(crate) fn clear(&mut self) {
        self.buckets.clear();
        (self.count, self.sum, self.error) = (None, 0.0, None);
    }

    /// Observations up to `le`. A bound that is there already keeps its first count.
    pub(crate) fn set_bucket(&mut self, le: f64, count: f64) {
        if self.error.is_none() {
            self.error = self.try_set_bucket(le, count).err();
        }
    }

    fn try_set_bucket(&mut self, le: f64, count: f64) -> Result<(), ClassicError> {
        if le.is_nan() {
            return Err(ClassicError::NanBound);
        }
        if count < 0.0 {
            return Err(ClassicError::NegativeBucket { le, count });
        }
        // Mostly they come in order.
        let at = match self.buckets.last() {
            Some(last) if last.le >= le => self.buckets.partition_point(|bucket| bucket.le < le),
            _ => self.buckets.len(),
        };
        let next = self.buckets.get(at).copied();
        if next.is_some_and(|next| next.le == le) {
            return Ok(());
        }
        if let Some(before) = at.checked_sub(1).and_then(|at| self.buckets.get(at))
            && count < before.count
        {
            return Err(ClassicError::NotCumulative(count, '<', before.count));
        }
        if let Some(next) = next
            && count > next.count
        {
            return Err(ClassicError::NotCumulative(count, '>', next.count));
        }
        self.buckets.insert(at, Bucket { le, count });
        Ok(())
    }

    pub(crate) fn set_count(&mut self, count: f64) {
        if count < 0.0 && self.error.is_none() {
            self.error = Some(ClassicError::NegativeCount(count));
        }
        if self.error.is_none() {
            self.count = Some(count);
        }
    }

    pub(crate) fn set_sum(&mut self, sum: f64) {
        if self.error.is_none() {
            self.sum = sum;
        }
    }

    /// The histogram, and an empty beginning for the next one. Integer counts if all counts are whole.
    pub(crate) fn convert(&mut self, hint: CounterResetHint) -> Result<Histogram, ClassicError> {
        let converted = self.try_convert(hint);
        self.clear();
        converted
    }

    fn try_convert(&mut self, hint: CounterResetHint) -> Result<Histogram, ClassicError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let highest = self.buckets.last().copied();
        let count = self.count.or(highest.map(|bucket| bucket.count)).unwrap_or(0.0);
        match highest {
            Some(Bucket { le: f64::INFINITY, count: last }) if last != count => {
                return Err(ClassicError::CountMismatch { count, last });
            }
            Some(Bucket { le: f64::INFINITY, .. }) => {}
            Some(before) if count < before.count => {
                return Err(ClassicError::NotCumulative(count, '<', before.count));
            }
            _ => self.buckets.push(Bucket { le: f64::INFINITY, count }),
        }
        if self.buckets.iter().any(|bucket| bucket.count.is_nan()) {
            return Err(ClassicError::CountMismatch { count, last: f64::NAN });
        }
        let bounds = self.buckets.iter().map(|bucket| bucket.le);
        let custom_values: Vec<f64> = bounds.filter(|le| *le != f64::INFINITY).collect();
        let spans = [Span { offset: 0, length: self.buckets.len() as u32 }];
        let layout = |positive_spans| {
            let layout = Layout {
                schema: CUSTOM_BUCKETS_SCHEMA,
                positive_spans,
                custom_values,
                ..Layout::default()
            };
            Arc::new(layout)
        };
        let sum = self.sum;
        if self.buckets.iter().all(|bucket| is_whole(bucket.count)) {
            let mut before = 0;
            let counts = self.buckets.iter().map(|bucket| {
                let count = bucket.count as i64;
                count - std::mem::replace(&mut before, count)
            });
            let (spans, counts) = compact(&spans, &counts.collect::<Vec<_>>(), MAX_EMPTY);
            let positive_deltas = deltas(&counts);
            let layout = layout(spans);
            let histogram = IntHistogram {
                layout,
                hint,
                count: count as u64,
                sum,
                positive_deltas,
                ..Default::default()
            };
            return Ok(Histogram::Int(histogram));
        }
        let mut before = 0.0;
        let counts = self
            .buckets
            .iter()
            .map(|bucket| bucket.count - std::mem::replace(&mut before, bucket.count));
        let (spans, positive) = compact(&spans, &counts.collect::<Vec<_>>(), 0);
        let layout = layout(spans);
        Ok(Histogram::Float(FloatHistogram {
            layout,
            hint,
            count,
            sum,
            positive,
            ..Default::default()
        }))
    }
}

/// Empty buckets in a row that a converted histogram keeps rather than begin another span.
const MAX_EMPTY: i64 = 2;

fn is_whole(count: f64) -> bool {
    count == (count as i64) as f64 && count < i64::MAX as f64
}

/// Leaves out empty buckets, but not up to `max_empty` between others. The counts belong to the buckets of the spans.
pub(crate) fn compact<T: Copy + Default + PartialEq>(
    spans: &[Span],
    counts: &[T],
    max_empty: i64,
) -> (Vec<Span>, Vec<T>) {
    let mut kept_spans: Vec<Span> = Vec::with_capacity(spans.len());
    let mut kept = Vec::with_capacity(counts.len());
    let mut rest = counts.iter();
    let (mut index, mut expected) = (0_i64, 0_i64);
    for span in spans {
        index += i64::from(span.offset);
        for count in rest.by_ref().take(span.length as usize) {
            if *count != T::default() {
                let gap = index - expected;
                match kept_spans.last_mut() {
                    Some(last) if (0..=max_empty).contains(&gap) => {
                        last.length += gap as u32 + 1;
                        kept.resize(kept.len() + gap as usize, T::default());
                    }
                    _ => kept_spans.push(Span { offset: gap as i32, length: 1 }),
                }
                kept.push(*count);
                expected = index + 1;
            }
            index += 1;
        }
    }
    (kept_spans, kept)
}

/// Counts as differences.
pub(crate) fn deltas(counts: &[i64]) -> Vec<i64> {
    let mut before = 0_i64;
    counts.iter().map(|&count| count.wrapping_sub(std::mem::replace(&mut before, count))).collect()
}

#[cfg(test)]
mod tests;
