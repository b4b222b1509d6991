//! Adding, subtracting and scaling float histograms, with Prometheus' rules for layouts that differ.
//! Where layouts agree, which is nearly always, one loop over flat slices does it.

use super::buckets::exponential_bound;
use super::side::{Entry, Side, Sums, add_compensated, common_bounds};
use super::{CounterResetHint, FloatHistogram, HistogramView, Layout};
use std::cmp::Ordering;
use std::sync::Arc;

/// What is worth telling the user about a sum that worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Combined {
    /// One operand says it was reset and the other that it was not.
    pub reset_collision: bool,
    /// Custom buckets with different bounds were brought to their common ones.
    pub bounds_reconciled: bool,
}

/// One operand has exponential buckets, the other custom ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot apply this operation on histograms with a mix of exponential and custom bucket schemas"
)]
pub struct Incompatible;

/// What a running sum of histograms lost in rounding, bucket by bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compensation {
    /// Whether anything was added: of a single histogram nothing is lost, and adding that would change its zeros.
    has_begun: bool,
    zero_count: f64,
    count: f64,
    sum: f64,
    positive: Vec<f64>,
    negative: Vec<f64>,
}

impl Compensation {
    fn fit(&mut self, histogram: &FloatHistogram) {
        self.has_begun = true;
        self.positive.resize(histogram.positive.len(), 0.0);
        self.negative.resize(histogram.negative.len(), 0.0);
    }

    /// Divides all parts: that of a mean.
    pub fn divide(&mut self, by: f64) {
        self.zero_count /= by;
        self.count /= by;
        self.sum /= by;
        self.positive.iter_mut().for_each(|lost| *lost /= by);
        self.negative.iter_mut().for_each(|lost| *lost /= by);
    }

    /// Multiplies all parts.
    pub fn scale(&mut self, factor: f64) {
        self.zero_count *= factor;
        self.count *= factor;
        self.sum *= factor;
        self.positive.iter_mut().for_each(|lost| *lost *= factor);
        self.negative.iter_mut().for_each(|lost| *lost *= factor);
    }
}

/// A histogram taken apart for the general case; the second of two numbers is what was lost of the first.
struct Parts {
    schema: i32,
    zero_threshold: f64,
    zero: (f64, f64),
    positive: Side,
    negative: Side,
}

impl Parts {
    fn new(view: HistogramView<'_>, lost: Option<&Compensation>) -> Self {
        let none = Compensation::default();
        let lost = lost.unwrap_or(&none);
        let layout = view.layout;
        Self {
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            zero: (view.zero_count, lost.zero_count),
            positive: Side::new(&layout.positive_spans, view.positive, &lost.positive),
            negative: Side::new(&layout.negative_spans, view.negative, &lost.negative),
        }
    }

    /// What the zero bucket would hold, and its threshold: raised to the end of a populated bucket that it would cut.
    fn zero_for(&self, mut threshold: f64, with_lost: bool) -> ((f64, f64), f64) {
        if threshold == self.zero_threshold {
            return (self.zero, threshold);
        }
        let mut lost = self.zero.1;
        let upper = |index: i32| exponential_bound(index, self.schema);
        let lower = |index: i32| exponential_bound(index.wrapping_sub(1), self.schema);
        'again: loop {
            // What was lost in an attempt that came to nothing stays: so does the reference.
            let mut zero = self.zero.0;
            for (side, is_negative) in [(&self.positive, false), (&self.negative, true)] {
                for entry in side.0.iter().take_while(|entry| lower(entry.index) < threshold) {
                    add_compensated(entry.count, &mut zero, &mut lost);
                    if with_lost {
                        add_compensated(entry.lost, &mut zero, &mut lost);
                    }
                    let end = upper(entry.index);
                    if end > threshold {
                        if entry.count != 0.0 {
                            threshold = end;
                            if is_negative {
                                continue 'again;
                            }
                        }
                        break;
                    }
                }
            }
            return ((zero, lost), threshold);
        }
    }

    /// Widens the zero bucket to `threshold`, which cuts no populated bucket.
    fn widen_zero(&mut self, zero: (f64, f64), threshold: f64) {
        self.zero = zero;
        self.zero_threshold = threshold;
        for side in [&mut self.positive, &mut self.negative] {
            let schema = self.schema;
            for entry in &mut side.0 {
                if exponential_bound(entry.index.wrapping_sub(1), schema) >= threshold {
                    break;
                }
                (entry.count, entry.lost) = (0.0, 0.0);
            }
            side.compact();
        }
    }

    /// Brings both zero buckets to one threshold; answers what the other one then holds.
    fn reconcile_zero(&mut self, other: &Self, with_lost: bool) -> (f64, f64) {
        let (mut zero, mut threshold) = ((other.zero.0, 0.0), other.zero_threshold);
        loop {
            // Thresholds that are not numbers cannot be brought together.
            match threshold.partial_cmp(&self.zero_threshold) {
                None | Some(Ordering::Equal) => return zero,
                Some(Ordering::Less | Ordering::Greater) => {}
            }
            if self.zero_threshold > threshold {
                (zero, threshold) = other.zero_for(self.zero_threshold, false);
            }
            if threshold > self.zero_threshold {
                let (own, raised) = self.zero_for(threshold, with_lost);
                self.widen_zero(own, raised);
            }
        }
    }
}

impl FloatHistogram {
    /// Adds `other`.
    pub fn add(&mut self, other: HistogramView<'_>) -> Result<Combined, Incompatible> {
        self.combine(other, false, None)
    }

    /// Takes `other` away.
    pub fn sub(&mut self, other: HistogramView<'_>) -> Result<Combined, Incompatible> {
        self.combine(other, true, None)
    }

    /// Adds `other` and keeps in `lost` what floating point drops; see [`Self::add_lost`].
    pub fn add_compensated(
        &mut self,
        lost: &mut Compensation,
        other: HistogramView<'_>,
    ) -> Result<Combined, Incompatible> {
        self.combine(other, false, Some(lost))
    }

    /// Adds what was lost: the end of a compensated sum.
    pub fn add_lost(&mut self, lost: &Compensation) {
        if !lost.has_begun {
            return;
        }
        if !self.layout.is_custom() {
            self.zero_count += lost.zero_count;
        }
        self.count += lost.count;
        self.sum += lost.sum;
        let pairs = |counts: &mut [f64], lost: &[f64]| {
            counts.iter_mut().zip(lost).for_each(|(count, lost)| *count += lost);
        };
        pairs(&mut self.positive, &lost.positive);
        pairs(&mut self.negative, &lost.negative);
    }

    fn combine(
        &mut self,
        other: HistogramView<'_>,
        negative: bool,
        mut lost: Option<&mut Compensation>,
    ) -> Result<Combined, Incompatible> {
        if self.layout.is_custom() != other.layout.is_custom() {
            return Err(Incompatible);
        }
        let reset_collision = self.combine_hints(other.hint);
        if let Some(lost) = &mut lost {
            lost.fit(self);
        }
        let is_same = Arc::ptr_eq(&self.layout, other.layout) || self.layout == *other.layout;
        let bounds_reconciled = if is_same && !other.reaches_into_zero() {
            self.combine_same(other, negative, lost.as_deref_mut());
            false
        } else if self.layout.is_custom() {
            self.combine_custom(other, negative, lost.as_deref_mut())
        } else {
            self.combine_exponential(other, negative, lost.as_deref_mut());
            false
        };
        let sign = if negative { -1.0 } else { 1.0 };
        match lost {
            None => {
                self.count += sign * other.count;
                self.sum += sign * other.sum;
            }
            Some(lost) => {
                add_compensated(sign * other.count, &mut self.count, &mut lost.count);
                add_compensated(sign * other.sum, &mut self.sum, &mut lost.sum);
            }
        }
        Ok(Combined { reset_collision, bounds_reconciled })
    }

    fn combine_hints(&mut self, other: CounterResetHint) -> bool {
        use CounterResetHint::{Gauge, Unknown};
        let own = self.hint;
        self.hint = match (own, other) {
            _ if own == other => own,
            (Gauge, _) | (_, Gauge) => Gauge,
            _ => Unknown,
        };
        own != other && ![own, other].iter().any(|hint| matches!(hint, Gauge | Unknown))
    }

    /// One loop: the layouts are the same. Custom buckets have none at zero: what stands there stays, whatever it is.
    fn combine_same(
        &mut self,
        other: HistogramView<'_>,
        negative: bool,
        lost: Option<&mut Compensation>,
    ) {
        let sign = if negative { -1.0 } else { 1.0 };
        let Some(lost) = lost else {
            let add = |own: &mut [f64], other: &[f64]| {
                own.iter_mut().zip(other).for_each(|(own, other)| *own += sign * other);
            };
            if !self.layout.is_custom() {
                self.zero_count += sign * other.zero_count;
            }
            add(&mut self.positive, other.positive);
            add(&mut self.negative, other.negative);
            return;
        };
        if !self.layout.is_custom() {
            add_compensated(sign * other.zero_count, &mut self.zero_count, &mut lost.zero_count);
        }
        let add = |own: &mut [f64], other: &[f64], lost: &mut [f64]| {
            for ((own, other), lost) in own.iter_mut().zip(other).zip(lost) {
                add_compensated(sign * other, own, lost);
            }
        };
        add(&mut self.positive, other.positive, &mut lost.positive);
        add(&mut self.negative, other.negative, &mut lost.negative);
    }

    /// Any two exponential layouts.
    fn combine_exponential(
        &mut self,
        other: HistogramView<'_>,
        negative: bool,
        lost: Option<&mut Compensation>,
    ) {
        let sums = if lost.is_some() { Sums::Compensated } else { Sums::Plain };
        let mut own = Parts::new(self.view(), lost.as_deref());
        let mut other = Parts::new(other, None);
        let (zero, zero_lost) = own.reconcile_zero(&other, lost.is_some());
        let sign = if negative { -1.0 } else { 1.0 };
        sums.add(sign * zero, &mut own.zero.0, &mut own.zero.1);
        if sums == Sums::Compensated {
            add_compensated(sign * zero_lost, &mut own.zero.0, &mut own.zero.1);
        }
        let schema = own.schema.min(other.schema);
        for parts in [&mut own, &mut other] {
            let coarser = (parts.schema - schema) as u32;
            if coarser > 0 {
                parts.positive.reduce(coarser, sums);
                parts.negative.reduce(coarser, sums);
            }
            parts.schema = schema;
        }
        other.positive.drop_below(own.zero_threshold, schema);
        other.negative.drop_below(own.zero_threshold, schema);
        own.positive.merge(&other.positive, negative, sums);
        own.negative.merge(&other.negative, negative, sums);
        self.zero_count = own.zero.0;
        if let Some(lost) = lost {
            lost.zero_count = own.zero.1;
            lost.positive = own.positive.lost();
            lost.negative = own.negative.lost();
        }
        self.set_sides(&own.positive, &own.negative, |layout| {
            layout.schema = schema;
            layout.zero_threshold = own.zero_threshold;
        });
    }

    /// Custom buckets whose spans or bounds differ; whether it was the bounds.
    fn combine_custom(
        &mut self,
        other: HistogramView<'_>,
        negative: bool,
        lost: Option<&mut Compensation>,
    ) -> bool {
        let sums = if lost.is_some() { Sums::Compensated } else { Sums::Plain };
        let own = Parts::new(self.view(), lost.as_deref());
        let (mut own, other_side) = (own.positive, Parts::new(other, None).positive);
        let (bounds, other_bounds) = (&self.layout.custom_values, &other.layout.custom_values);
        let differ = bounds != other_bounds;
        let mut common = None;
        if differ {
            let shared = common_bounds(bounds, other_bounds);
            let buckets = 0..=shared.len() as i32;
            let mut target =
                Side(buckets.map(|index| Entry { index, count: 0.0, lost: 0.0 }).collect());
            own.map_custom(bounds, &shared, false, &mut target);
            other_side.map_custom(other_bounds, &shared, negative, &mut target);
            target.compact();
            own = target;
            common = Some(shared);
        } else {
            own.merge(&other_side, negative, sums);
        }
        if let Some(lost) = lost {
            lost.positive = own.lost();
        }
        self.set_sides(&own, &Side::default(), |layout| {
            if let Some(common) = common {
                layout.custom_values = common;
            }
        });
        differ
    }

    fn set_sides(&mut self, positive: &Side, negative: &Side, change: impl FnOnce(&mut Layout)) {
        let mut layout = (*self.layout).clone();
        change(&mut layout);
        layout.positive_spans = positive.spans();
        layout.negative_spans = negative.spans();
        self.positive = positive.counts();
        self.negative = negative.counts();
        if layout != *self.layout {
            self.layout = Arc::new(layout);
        }
    }

    /// Multiplies everything; by a negative number it becomes a gauge.
    pub fn scale(&mut self, factor: f64) {
        self.each(|count| *count *= factor);
        if factor < 0.0 {
            self.hint = CounterResetHint::Gauge;
        }
    }

    /// Divides everything; by a negative number it becomes a gauge, by zero it loses its buckets.
    pub fn divide(&mut self, by: f64) {
        self.each(|count| *count /= by);
        if by == 0.0 {
            self.set_sides(&Side::default(), &Side::default(), |_| {});
        } else if by < 0.0 {
            self.hint = CounterResetHint::Gauge;
        }
    }

    fn each(&mut self, change: impl Fn(&mut f64)) {
        change(&mut self.zero_count);
        change(&mut self.count);
        change(&mut self.sum);
        self.positive.iter_mut().for_each(&change);
        self.negative.iter_mut().for_each(&change);
    }

    /// Leaves out empty buckets and merges spans that touch.
    pub fn compact(&mut self) {
        let counts = self.positive.iter().chain(&self.negative);
        if counts.copied().all(|count| count != 0.0) && self.layout.is_tidy() {
            return;
        }
        let mut parts = Parts::new(self.view(), None);
        parts.positive.compact();
        parts.negative.compact();
        self.set_sides(&parts.positive, &parts.negative, |_| {});
    }

    /// Brings an exponential histogram to a coarser resolution; a finer or equal one changes nothing.
    pub fn reduce_resolution(&mut self, schema: i32) {
        if self.layout.is_custom() || schema >= self.layout.schema {
            return;
        }
        let coarser = (self.layout.schema - schema) as u32;
        let mut parts = Parts::new(self.view(), None);
        parts.positive.reduce(coarser, Sums::Plain);
        parts.negative.reduce(coarser, Sums::Plain);
        self.set_sides(&parts.positive, &parts.negative, |layout| layout.schema = schema);
    }

    /// Whether one of the counts, the sum or a bound is infinite.
    #[must_use]
    pub fn has_overflow(&self) -> bool {
        let totals = [self.zero_count, self.count, self.sum];
        let counts = self.positive.iter().chain(&self.negative).chain(&self.layout.custom_values);
        totals.iter().chain(counts).any(|value| value.is_infinite())
    }

    /// The same layout without observations, of the same hint.
    #[must_use]
    pub fn empty_like(other: HistogramView<'_>) -> Self {
        Self {
            layout: Arc::new(Layout {
                positive_spans: Vec::new(),
                negative_spans: Vec::new(),
                ..(**other.layout).clone()
            }),
            hint: other.hint,
            ..Self::default()
        }
    }
}

impl HistogramView<'_> {
    /// Whether a bucket lies inside the zero bucket, as only odd histograms have it.
    #[must_use]
    pub fn reaches_into_zero(self) -> bool {
        let layout = self.layout;
        if layout.is_custom() {
            return false;
        }
        [&layout.positive_spans, &layout.negative_spans].into_iter().any(|spans| {
            spans.first().is_some_and(|span| {
                exponential_bound(span.offset, layout.schema) <= layout.zero_threshold
            })
        })
    }

    /// Equality as PromQL sees it: the same buckets, empty ones included, and the same bits everywhere. Hints do not
    /// count.
    #[must_use]
    pub fn equals(self, other: HistogramView<'_>) -> bool {
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let all_same =
            |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| same(a, b));
        let (own, their) = (self.layout, other.layout);
        let same_layout = Arc::ptr_eq(own, their)
            || own.schema == their.schema
                && own.zero_threshold == their.zero_threshold
                && (!own.is_custom() || own.custom_values == their.custom_values)
                && super::buckets::indices(&own.positive_spans)
                    .eq(super::buckets::indices(&their.positive_spans))
                && super::buckets::indices(&own.negative_spans)
                    .eq(super::buckets::indices(&their.negative_spans));
        same_layout
            && same(self.count, other.count)
            && same(self.sum, other.sum)
            && same(self.zero_count, other.zero_count)
            && all_same(self.positive, other.positive)
            && all_same(self.negative, other.negative)
    }
}
