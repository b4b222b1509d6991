//! Estimates from the buckets of a histogram: quantiles, fractions, variance. Exact to the last bit of Prometheus'.

use super::HistogramView;
use super::buckets::Bucket;
use super::side::add_compensated;
use crate::elementary::{exp2, log2};

/// What is worth telling the user about a quantile or a fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Note {
    /// Nothing.
    #[default]
    None,
    /// The quantile lies among observations that are no numbers: there is no result.
    NanResult,
    /// Observations that are no numbers count as the highest, and shift the quantile.
    NanSkew,
    /// Observations that are no numbers are in no fraction.
    NanExcluded,
}

/// The part of a bucket of finite bounds that lies below `value`, which is inside it.
pub(super) fn fraction_below(bucket: &Bucket, value: f64, linear: bool) -> f64 {
    if linear {
        return (value - bucket.lower) / (bucket.upper - bucket.lower);
    }
    let [lower, upper, at] = [bucket.lower, bucket.upper, value].map(|v| log2(v.abs()));
    if value > 0.0 { (at - lower) / (upper - lower) } else { 1.0 - (at - upper) / (lower - upper) }
}

impl HistogramView<'_> {
    /// A bucket around zero has one side only where the histogram has observations of one sign.
    fn one_sided(self, bucket: &mut Bucket) {
        match (self.negative.is_empty(), self.positive.is_empty()) {
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
    }

    /// The `q`-quantile. `scratch` is for the caller to keep.
    pub fn quantile(self, q: f64, scratch: &mut Vec<Bucket>) -> (f64, Note) {
        if q < 0.0 {
            return (f64::NEG_INFINITY, Note::None);
        }
        if q > 1.0 {
            return (f64::INFINITY, Note::None);
        }
        if self.count == 0.0 || q.is_nan() {
            return (f64::NAN, Note::None);
        }
        let ascending = self.sum.is_nan() || q < 0.5;
        scratch.clear();
        self.all_buckets(scratch);
        if !ascending {
            scratch.reverse();
        }
        let rank = if ascending { q * self.count } else { (1.0 - q) * self.count };
        let mut bucket = Bucket {
            lower: 0.0,
            upper: 0.0,
            lower_inclusive: false,
            upper_inclusive: false,
            count: 0.0,
        };
        let (mut count, mut visited) = (0.0, 0);
        for candidate in scratch.iter() {
            visited += 1;
            bucket = *candidate;
            count += bucket.count;
            if bucket.count != 0.0 && count >= rank {
                break;
            }
        }
        self.inside(q, (rank, count), bucket, &scratch[visited..])
    }

    /// The quantile, once the bucket it lies in is known; `count` observations are in it and in those before.
    fn inside(
        self,
        q: f64,
        (rank, mut count): (f64, f64),
        mut bucket: Bucket,
        rest: &[Bucket],
    ) -> (f64, Note) {
        let is_custom = self.layout.is_custom();
        if !is_custom && bucket.lower < 0.0 && bucket.upper > 0.0 {
            self.one_sided(&mut bucket);
        } else if is_custom && bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return (bucket.upper, Note::None);
            }
            bucket.lower = 0.0;
        } else if is_custom && bucket.upper == f64::INFINITY {
            return (bucket.lower, Note::None);
        }
        if count > self.count {
            count = self.count;
        }
        let has_nan = self.sum.is_nan();
        if count < rank {
            return if has_nan { (f64::NAN, Note::NanResult) } else { (bucket.upper, Note::None) };
        }
        let rank = if has_nan || q < 0.5 { rank - (count - bucket.count) } else { count - rank };
        let mut note = Note::None;
        if has_nan {
            // The reference goes on to the last bucket and interpolates in that one.
            for next in rest {
                bucket = *next;
                count += bucket.count;
            }
            if count < self.count {
                note = Note::NanSkew;
            }
        }
        let fraction = rank / bucket.count;
        if is_custom || bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            return (bucket.lower + (bucket.upper - bucket.lower) * fraction, note);
        }
        let (lower, upper) = (log2(bucket.lower.abs()), log2(bucket.upper.abs()));
        let value = if bucket.lower > 0.0 {
            exp2(lower + (upper - lower) * fraction)
        } else {
            -exp2(upper + (lower - upper) * (1.0 - fraction))
        };
        (value, note)
    }

    /// The share of observations between two limits.
    pub fn fraction(self, lower: f64, upper: f64, scratch: &mut Vec<Bucket>) -> (f64, Note) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, Note::None);
        }
        if lower >= upper {
            return (0.0, Note::None);
        }
        scratch.clear();
        self.all_buckets(scratch);
        let (mut count, mut rank) = (0.0, 0.0);
        let mut ranks = [None, None];
        let mut buckets = scratch.iter();
        for bucket in buckets.by_ref() {
            count += bucket.count;
            let mut bucket = *bucket;
            let around_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
            if around_zero {
                self.one_sided(&mut bucket);
            }
            let linear = self.layout.is_custom() || around_zero;
            for (found, limit) in ranks.iter_mut().zip([lower, upper]) {
                if found.is_none() && bucket.lower >= limit {
                    *found = Some(rank);
                }
            }
            if ranks.iter().all(Option::is_some) {
                break;
            }
            for (found, limit) in ranks.iter_mut().zip([lower, upper]) {
                if found.is_none() && bucket.lower < limit && bucket.upper > limit {
                    *found = Some(if linear && bucket.lower == f64::NEG_INFINITY {
                        bucket.count
                    } else {
                        rank + bucket.count * fraction_below(&bucket, limit, linear)
                    });
                }
            }
            if ranks.iter().all(Option::is_some) {
                break;
            }
            rank += bucket.count;
        }
        let mut note = Note::None;
        if self.sum.is_nan() {
            buckets.for_each(|bucket| count += bucket.count);
            if count < self.count {
                note = Note::NanExcluded;
            }
        } else {
            count = self.count;
        }
        let [lower, upper] = ranks.map(|rank: Option<f64>| match rank {
            Some(rank) if rank > count => count,
            Some(rank) => rank,
            None => count,
        });
        ((upper - lower) / self.count, note)
    }

    /// The variance of the observations around their mean, each taken to lie in the middle of its bucket.
    pub fn variance(self, scratch: &mut Vec<Bucket>) -> f64 {
        scratch.clear();
        self.all_buckets(scratch);
        let mean = self.sum / self.count;
        let (mut variance, mut lost) = (0.0, 0.0);
        for bucket in scratch.iter().filter(|bucket| bucket.count != 0.0) {
            let middle = if self.layout.is_custom() {
                (bucket.upper + bucket.lower) / 2.0
            } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
                0.0
            } else {
                (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper)
            };
            let delta = middle - mean;
            add_compensated(bucket.count * delta * delta, &mut variance, &mut lost);
        }
        (variance + lost) / self.count
    }
}
