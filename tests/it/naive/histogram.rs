//! Native histograms as maps from bucket numbers to counts, and what is computed with them by the formulas as they are
//! written down. It shares no code with the engine.

mod read;

pub(crate) use read::{detect_reset, fraction, quantile, variance};

use super::evaluate::inc;
use model::histogram::{
    CUSTOM_BUCKETS_SCHEMA, CounterResetHint as Hint, FloatHistogram, Layout, bucket_indices,
    exponential_bound, spans_of,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) type Buckets = BTreeMap<i32, f64>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) hint: Hint,
    pub(crate) schema: i32,
    pub(crate) bounds: Vec<f64>,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: f64,
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) positive: Buckets,
    pub(crate) negative: Buckets,
}

/// One kind of buckets against the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mixed;

impl Histogram {
    pub(crate) fn of(from: &FloatHistogram) -> Self {
        let layout = &from.layout;
        let buckets = |spans, counts: &[f64]| -> Buckets {
            bucket_indices(spans).zip(counts.iter().copied()).collect()
        };
        Self {
            hint: from.hint,
            schema: layout.schema,
            bounds: layout.custom_values.clone(),
            zero_threshold: layout.zero_threshold,
            zero_count: from.zero_count,
            count: from.count,
            sum: from.sum,
            positive: buckets(&layout.positive_spans, &from.positive),
            negative: buckets(&layout.negative_spans, &from.negative),
        }
    }

    pub(crate) fn stored(&self) -> FloatHistogram {
        let layout = Layout {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            positive_spans: spans_of(self.positive.keys().copied()),
            negative_spans: spans_of(self.negative.keys().copied()),
            custom_values: self.bounds.clone(),
        };
        FloatHistogram {
            layout: Arc::new(layout),
            hint: self.hint,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive: self.positive.values().copied().collect(),
            negative: self.negative.values().copied().collect(),
        }
    }

    /// No observations, buckets like those of `other`.
    pub(crate) fn empty_like(other: &Self) -> Self {
        let (positive, negative) = (Buckets::new(), Buckets::new());
        let zeros =
            Self { zero_count: 0.0, count: 0.0, sum: 0.0, positive, negative, ..other.clone() };
        Self { zero_threshold: 0.0, hint: Hint::Unknown, ..zeros }
    }

    /// Count and sum alone.
    pub(crate) fn totals(&self, hint: Hint) -> Self {
        let (bounds, count, sum) = (Vec::new(), self.count, self.sum);
        Self { hint, bounds, count, sum, ..Self::empty_like(self) }
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    fn upper(&self, index: i32) -> f64 {
        if !self.is_custom() {
            return exponential_bound(index, self.schema);
        }
        let index = usize::try_from(index).expect("custom buckets begin at zero");
        self.bounds.get(index).copied().unwrap_or(f64::INFINITY)
    }

    fn lower(&self, index: i32) -> f64 {
        match index {
            0 if self.is_custom() => f64::NEG_INFINITY,
            _ => self.upper(index - 1),
        }
    }

    /// Every count and the sum.
    pub(crate) fn each(&mut self, change: impl Fn(&mut f64)) {
        [&mut self.count, &mut self.sum, &mut self.zero_count].into_iter().for_each(&change);
        self.positive.values_mut().chain(self.negative.values_mut()).for_each(&change);
    }

    pub(crate) fn compact(mut self) -> Self {
        self.positive.retain(|_, count| *count != 0.0);
        self.negative.retain(|_, count| *count != 0.0);
        self
    }

    pub(crate) fn times(mut self, factor: f64) -> Self {
        self.each(|value| *value *= factor);
        if factor < 0.0 {
            self.hint = Hint::Gauge;
        }
        self
    }

    pub(crate) fn over(mut self, divisor: f64) -> Self {
        self.each(|value| *value /= divisor);
        if divisor < 0.0 {
            self.hint = Hint::Gauge;
        }
        if divisor == 0.0 {
            self.positive.clear();
            self.negative.clear();
        }
        self
    }

    /// Fewer and wider buckets.
    pub(crate) fn at_schema(mut self, schema: i32) -> Self {
        self.coarsen(schema, None);
        self
    }

    fn coarsen(&mut self, schema: i32, lost: Option<&mut Self>) {
        let from = self.schema;
        let mut nothing = Self::empty_like(self);
        let compensated = lost.is_some();
        let lost = lost.unwrap_or(&mut nothing);
        let coarser = |index: i32| ((index - 1) >> (from - schema)) + 1;
        for (own, lost) in
            [(&mut self.positive, &mut lost.positive), (&mut self.negative, &mut lost.negative)]
        {
            let (mut sums, mut rests) = (Buckets::new(), Buckets::new());
            for (&index, &count) in own.iter() {
                let (target, rest) = (coarser(index), lost.get(&index).copied().unwrap_or(0.0));
                let Some(sum) = sums.get_mut(&target) else {
                    sums.insert(target, count);
                    rests.insert(target, rest);
                    continue;
                };
                if compensated {
                    let held = rests.get_mut(&target).expect("beside the sum");
                    inc(count, sum, held);
                    inc(rest, sum, held);
                } else {
                    *sum += count;
                }
            }
            (*own, *lost) = (sums, rests);
        }
        self.schema = schema;
        lost.schema = schema;
    }

    /// The zero count, were the zero bucket wider, how wide it must then be, and what was lost in rounding.
    fn widened(&self, mut threshold: f64, lost: Option<&Self>) -> (f64, f64, f64) {
        let mut rest = lost.map_or(0.0, |lost| lost.zero_count);
        if threshold == self.zero_threshold {
            return (self.zero_count, threshold, rest);
        }
        'again: loop {
            let mut zero_count = self.zero_count;
            for (side, negative) in [(&self.positive, false), (&self.negative, true)] {
                for (&index, &count) in side {
                    if self.lower(index) >= threshold {
                        break;
                    }
                    inc(count, &mut zero_count, &mut rest);
                    let lost =
                        lost.map(|lost| if negative { &lost.negative } else { &lost.positive });
                    if let Some(lost) = lost.and_then(|lost| lost.get(&index)) {
                        inc(*lost, &mut zero_count, &mut rest);
                    }
                    if self.upper(index) > threshold {
                        if count != 0.0 {
                            threshold = self.upper(index);
                            if negative {
                                continue 'again;
                            }
                        }
                        break;
                    }
                }
            }
            return (zero_count, threshold, rest);
        }
    }

    /// One zero bucket for both; the zero count of the other one and what was lost of it.
    fn share_zero_bucket(&mut self, other: &Self, mut lost: Option<&mut Self>) -> (f64, f64) {
        let (mut zero_count, mut threshold, mut rest) =
            (other.zero_count, other.zero_threshold, 0.0);
        while threshold != self.zero_threshold {
            if self.zero_threshold > threshold {
                (zero_count, threshold, rest) = other.widened(self.zero_threshold, None);
            }
            if threshold > self.zero_threshold {
                let own = self.widened(threshold, lost.as_deref());
                (self.zero_count, self.zero_threshold) = (own.0, own.1);
                let (from, schema) = (self.zero_threshold, self.schema);
                let beyond = |index: &i32| exponential_bound(*index - 1, schema) >= from;
                self.positive.retain(|index, _| beyond(index));
                self.negative.retain(|index, _| beyond(index));
                if let Some(lost) = &mut lost {
                    lost.zero_count = own.2;
                    lost.positive.retain(|index, _| beyond(index));
                    lost.negative.retain(|index, _| beyond(index));
                }
            }
        }
        (zero_count, rest)
    }

    /// The hint of a sum; whether a reset met the absence of one.
    fn join_hints(&mut self, other: &Self) -> bool {
        let (a, b) = (self.hint, other.hint);
        let collide = (a, b) == (Hint::CounterReset, Hint::NotCounterReset)
            || (b, a) == (Hint::CounterReset, Hint::NotCounterReset);
        self.hint = match (a, b) {
            _ if a == b => a,
            (Hint::Gauge, _) | (_, Hint::Gauge) => Hint::Gauge,
            _ => Hint::Unknown,
        };
        collide
    }

    /// Adds (`sign` 1) or takes away (-1), plainly; whether hints collided.
    pub(crate) fn combine(&mut self, other: &Self, sign: f64) -> Result<bool, Mixed> {
        if self.is_custom() != other.is_custom() {
            return Err(Mixed);
        }
        let collide = self.join_hints(other);
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        if self.is_custom() {
            if self.bounds == other.bounds {
                add(&mut self.positive, &other.positive, sign);
                return Ok(collide);
            }
            // What is lost on the way to the common bounds stays lost.
            self.rebound(other, &mut Self::empty_like(self), sign);
            return Ok(collide);
        }
        let (zero_count, _) = self.share_zero_bucket(other, None);
        self.zero_count += sign * zero_count;
        let mut other = other.clone();
        let schema = self.schema.min(other.schema);
        self.coarsen(schema, None);
        other.coarsen(schema, None);
        let beyond = other.beyond(self.zero_threshold);
        add(&mut self.positive, &beyond.0, sign);
        add(&mut self.negative, &beyond.1, sign);
        Ok(collide)
    }

    /// The buckets that reach beyond this threshold.
    fn beyond(&self, threshold: f64) -> (Buckets, Buckets) {
        let part = |side: &Buckets| -> Buckets {
            let kept = side.iter().filter(|(index, _)| self.upper(**index) > threshold);
            kept.map(|(&index, &count)| (index, count)).collect()
        };
        (part(&self.positive), part(&self.negative))
    }

    /// Both on the bounds they have in common.
    fn rebound(&mut self, other: &Self, lost: &mut Self, sign: f64) {
        let common: Vec<f64> =
            self.bounds.iter().copied().filter(|bound| other.bounds.contains(bound)).collect();
        let (mut sums, mut rests) = (Buckets::new(), Buckets::new());
        let target = |bounds: &[f64], index: i32| {
            let bound = bounds.get(index as usize).copied().unwrap_or(f64::INFINITY);
            common.iter().position(|&held| held >= bound).unwrap_or(common.len()) as i32
        };
        let mut put = |target: i32, count: f64| {
            inc(count, sums.entry(target).or_default(), rests.entry(target).or_default());
        };
        for (&index, &count) in &self.positive {
            put(target(&self.bounds, index), count);
            if let Some(&rest) = lost.positive.get(&index) {
                put(target(&self.bounds, index), rest);
            }
        }
        for (&index, &count) in &other.positive {
            put(target(&other.bounds, index), sign * count);
        }
        sums.retain(|index, sum| {
            let keep = *sum != 0.0 || rests[index] != 0.0;
            if !keep {
                rests.remove(index);
            }
            keep
        });
        (self.positive, lost.positive) = (sums, rests);
        self.bounds.clone_from(&common);
        lost.bounds = common;
    }

    /// Adds to a sum whose losses in rounding are kept beside it.
    pub(crate) fn accumulate(&mut self, other: &Self, lost: &mut Self) -> Result<(), Mixed> {
        if self.is_custom() != other.is_custom() {
            return Err(Mixed);
        }
        self.join_hints(other);
        if !self.is_custom() {
            let (zero_count, rest) = self.share_zero_bucket(other, Some(lost));
            inc(zero_count, &mut self.zero_count, &mut lost.zero_count);
            inc(rest, &mut self.zero_count, &mut lost.zero_count);
        }
        inc(other.count, &mut self.count, &mut lost.count);
        inc(other.sum, &mut self.sum, &mut lost.sum);
        if self.is_custom() {
            if self.bounds == other.bounds {
                let nothing = Buckets::new();
                let sums = (&mut self.positive, &mut lost.positive);
                add_compensated(sums, (&other.positive, &nothing));
            } else {
                self.rebound(other, lost, 1.0);
            }
            return Ok(());
        }
        let mut other = other.clone();
        let mut other_lost = Self::empty_like(&other);
        if other.schema < self.schema {
            self.coarsen(other.schema, Some(lost));
        } else if other.schema > self.schema {
            other.coarsen(self.schema, Some(&mut other_lost));
        }
        let beyond = other.beyond(self.zero_threshold);
        let sums = (&mut self.positive, &mut lost.positive);
        add_compensated(sums, (&beyond.0, &other_lost.positive));
        let sums = (&mut self.negative, &mut lost.negative);
        add_compensated(sums, (&beyond.1, &other_lost.negative));
        lost.zero_threshold = self.zero_threshold;
        Ok(())
    }

    /// The sum of all; `Mixed` where one has other buckets than the first.
    pub(crate) fn total<'h>(mut all: impl Iterator<Item = &'h Self>) -> Result<Self, Mixed> {
        let mut sum = all.next().expect("one at least").clone();
        let mut lost = Self::empty_like(&sum);
        lost.zero_threshold = sum.zero_threshold;
        let mut is_sum = false;
        for next in all {
            sum.accumulate(next, &mut lost)?;
            is_sum = true;
        }
        // Nothing is lost of one, and nothing comes back: its zeros keep their sign.
        Ok(if is_sum { sum.whole(&lost) } else { sum })
    }

    /// The mean of all; computed from smaller numbers where the sum would grow too large.
    pub(crate) fn mean<'h>(mut all: impl Iterator<Item = &'h Self>) -> Result<Self, Mixed> {
        let mut sum = all.next().expect("one at least").clone();
        let mut lost = Self::empty_like(&sum);
        lost.zero_threshold = sum.zero_threshold;
        let (mut n, mut is_mean) = (1.0, false);
        for next in all {
            n += 1.0;
            if !is_mean {
                let (mut larger, mut rest) = (sum.clone(), lost.clone());
                larger.accumulate(next, &mut rest)?;
                if !larger.overflows() {
                    (sum, lost) = (larger, rest);
                    continue;
                }
                is_mean = true;
                (sum, lost) = (sum.over(n - 1.0), lost.over(n - 1.0));
            }
            let q = (n - 1.0) / n;
            (sum, lost) = (sum.times(q), lost.times(q));
            sum.accumulate(&next.clone().over(n), &mut lost)?;
        }
        Ok(match (is_mean, n) {
            (true, _) => sum.whole(&lost),
            (false, 1.0) => sum,
            (false, _) => sum.over(n).whole(&lost.over(n)),
        })
    }

    fn overflows(&self) -> bool {
        let buckets = self.positive.values().chain(self.negative.values());
        buckets.chain([&self.zero_count, &self.count, &self.sum]).any(|value| value.is_infinite())
    }

    /// The sum with what was lost.
    fn whole(mut self, lost: &Self) -> Self {
        self.count += lost.count;
        self.sum += lost.sum;
        if !self.is_custom() {
            self.zero_count += lost.zero_count;
        }
        add(&mut self.positive, &lost.positive, 1.0);
        add(&mut self.negative, &lost.negative, 1.0);
        self
    }

    /// The same but for the hint, to the last bit.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let bits = |h: &Self| {
            let totals = [h.zero_threshold, h.zero_count, h.count, h.sum].map(f64::to_bits);
            let side = |side: &Buckets| -> Vec<(i32, u64)> {
                side.iter().map(|(&index, count)| (index, count.to_bits())).collect()
            };
            let bounds: Vec<u64> = h.bounds.iter().map(|bound| bound.to_bits()).collect();
            (h.schema, totals, bounds, side(&h.positive), side(&h.negative))
        };
        bits(self) == bits(other)
    }
}

fn add(into: &mut Buckets, from: &Buckets, sign: f64) {
    for (&index, &count) in from {
        *into.entry(index).or_default() += sign * count;
    }
}

fn add_compensated(
    (sums, rests): (&mut Buckets, &mut Buckets),
    (from, lost): (&Buckets, &Buckets),
) {
    for (&index, &count) in from {
        let is_new = !sums.contains_key(&index);
        let (sum, rest) = (sums.entry(index).or_default(), rests.entry(index).or_default());
        let lost = lost.get(&index).copied().unwrap_or(0.0);
        if is_new {
            (*sum, *rest) = (count, lost);
            continue;
        }
        inc(count, sum, rest);
        inc(lost, sum, rest);
    }
}
