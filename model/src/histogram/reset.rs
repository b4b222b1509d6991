//! Whether a counter was reset between two histograms, by looking at them.

use super::buckets::{exponential_bound, indices};
use super::{CounterResetHint, HistogramView, Layout};
use std::cmp::Ordering;

impl HistogramView<'_> {
    /// Whether a counter was reset between `previous` and this histogram. A hint settles it, else anything that
    /// became smaller, or a layout that can only come from a new start.
    #[must_use]
    pub fn detect_reset(self, previous: HistogramView<'_>) -> bool {
        match self.hint {
            CounterResetHint::CounterReset => return true,
            CounterResetHint::NotCounterReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        let (own, old) = (self.layout, previous.layout);
        if own.is_custom() {
            if !old.is_custom() {
                return true;
            }
            if own.custom_values != old.custom_values {
                return self.custom_fell(previous);
            }
        }
        if own.schema > old.schema || own.zero_threshold < old.zero_threshold {
            return true;
        }
        match previous.zero_count_within(own.zero_threshold) {
            None => return true,
            Some(zero_count) if self.zero_count < zero_count => return true,
            Some(_) => {}
        }
        let sides = [
            (&own.positive_spans, self.positive, &old.positive_spans, previous.positive),
            (&own.negative_spans, self.negative, &old.negative_spans, previous.negative),
        ];
        sides.into_iter().any(|(spans, counts, old_spans, old_counts)| {
            let own_buckets = beyond(own, own.schema, own.zero_threshold, spans, counts);
            let old_buckets = beyond(old, own.schema, own.zero_threshold, old_spans, old_counts);
            fell(own_buckets, old_buckets)
        })
    }

    /// Observations between `-threshold` and `threshold`; `None` if that cuts a populated bucket.
    fn zero_count_within(self, threshold: f64) -> Option<f64> {
        let layout = self.layout;
        if threshold == layout.zero_threshold {
            return Some(self.zero_count);
        }
        let (mut zero, mut lost) = (self.zero_count, 0.0);
        let sides =
            [(&layout.positive_spans, self.positive), (&layout.negative_spans, self.negative)];
        for (spans, counts) in sides {
            for (index, &count) in indices(spans).zip(counts) {
                if exponential_bound(index.wrapping_sub(1), layout.schema) >= threshold {
                    break;
                }
                super::side::add_compensated(count, &mut zero, &mut lost);
                if exponential_bound(index, layout.schema) > threshold {
                    if count != 0.0 {
                        return None;
                    }
                    break;
                }
            }
        }
        Some(zero)
    }

    /// Whether fewer observations lie between two neighbouring common bounds.
    fn custom_fell(self, previous: HistogramView<'_>) -> bool {
        let mut own = self.positive_buckets().peekable();
        let mut old = previous.positive_buckets().peekable();
        let mut common =
            super::side::common_bounds(&self.layout.custom_values, &previous.layout.custom_values);
        common.push(f64::INFINITY);
        common.into_iter().any(|bound| {
            let (mut own_sum, mut old_sum) = (0.0, 0.0);
            while let Some(bucket) = own.next_if(|bucket| bucket.upper <= bound) {
                own_sum += bucket.count;
            }
            while let Some(bucket) = old.next_if(|bucket| bucket.upper <= bound) {
                old_sum += bucket.count;
            }
            own_sum < old_sum
        })
    }
}

/// The buckets of a side at resolution `schema` that do not end inside the zero bucket.
fn beyond<'a>(
    layout: &'a Layout,
    schema: i32,
    threshold: f64,
    spans: &'a [super::Span],
    counts: &'a [f64],
) -> impl Iterator<Item = (i32, f64)> + 'a {
    let coarser = (layout.schema - schema).clamp(0, 31);
    let mut entries = indices(spans).zip(counts.iter().copied()).peekable();
    let target = move |index: i32| (index.wrapping_sub(1) >> coarser).wrapping_add(1);
    let merged = std::iter::from_fn(move || {
        let (index, mut count) = entries.next()?;
        if coarser == 0 {
            return Some((index, count));
        }
        let index = target(index);
        while let Some((_, more)) = entries.next_if(|(next, _)| target(*next) == index) {
            count += more;
        }
        Some((index, count))
    });
    let is_custom = layout.is_custom();
    merged
        .skip_while(move |(index, _)| !is_custom && exponential_bound(*index, schema) <= threshold)
}

/// Whether a populated bucket of `old` is missing or smaller in `own`.
fn fell(own: impl Iterator<Item = (i32, f64)>, old: impl Iterator<Item = (i32, f64)>) -> bool {
    let mut own = own.peekable();
    old.into_iter().any(|(index, count)| {
        while own.next_if(|(other, _)| *other < index).is_some() {}
        match own.peek().map(|&(other, own)| (other.cmp(&index), own)) {
            Some((Ordering::Equal, own)) => own < count,
            _ => count != 0.0,
        }
    })
}
