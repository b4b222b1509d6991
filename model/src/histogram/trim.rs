//! The trim operators: the part of a histogram below or above a limit, estimated inside the bucket that the limit cuts.

use super::FloatHistogram;
use super::buckets::Bucket;
use super::quantile::fraction_below;

/// Which part stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// What is below the limit: `</`.
    Upper,
    /// What is above the limit: `>/`.
    Lower,
}

/// The count and the sum of what stays.
#[derive(Debug, Default)]
struct Kept {
    count: f64,
    sum: f64,
    is_cut: bool,
}

impl Kept {
    /// A bucket keeps `count` observations around `middle`.
    fn take(&mut self, bucket: &mut f64, count: f64, middle: f64) {
        self.count += count;
        self.sum += middle * count;
        self.is_cut |= *bucket != count;
        *bucket = count;
    }
}

/// Where the observations of a bucket lie on average.
fn middle(lower: f64, upper: f64, is_positive: bool, linear: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) if upper > 0.0 => upper / 2.0,
        (true, false) => upper,
        (false, true) => lower,
        (false, false) if linear => (lower + upper) / 2.0,
        (false, false) => {
            let mean = (lower * upper).abs().sqrt();
            if is_positive { mean } else { -mean }
        }
    }
}

/// What a bucket with an infinite bound keeps, and around where.
fn cut_infinite(bucket: &Bucket, limit: f64, trim: Trim) -> (f64, f64) {
    let finite = |bound: f64| if bound.is_infinite() { 0.0 } else { bound };
    let Bucket { lower, upper, count, .. } = *bucket;
    if lower == f64::NEG_INFINITY {
        // Observations are taken to lie between zero and a positive bound.
        return match trim {
            Trim::Upper if limit >= upper => (count, 0.0),
            Trim::Upper if limit > 0.0 && upper > 0.0 && upper != f64::INFINITY => {
                (count * limit / upper, limit / 2.0)
            }
            Trim::Upper if upper <= 0.0 => (count, limit),
            Trim::Lower if limit <= lower => (count, 0.0),
            Trim::Lower if limit >= 0.0 && upper > limit && upper != f64::INFINITY => {
                (count * (1.0 - limit / upper), (limit + upper) / 2.0)
            }
            Trim::Upper | Trim::Lower => (0.0, finite(upper)),
        };
    }
    match trim {
        Trim::Lower if limit >= lower => (count, limit),
        Trim::Upper | Trim::Lower => (0.0, finite(lower)),
    }
}

/// What a bucket that the limit lies in keeps, and around where.
fn cut(bucket: &Bucket, limit: f64, trim: Trim, is_positive: bool, linear: bool) -> (f64, f64) {
    if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
        return cut_infinite(bucket, limit, trim);
    }
    let below = if limit <= bucket.lower {
        0.0
    } else if limit >= bucket.upper {
        bucket.count
    } else {
        bucket.count * fraction_below(bucket, limit, linear)
    };
    match trim {
        Trim::Upper => (below, middle(bucket.lower, limit, is_positive, linear)),
        Trim::Lower => (bucket.count - below, middle(limit, bucket.upper, is_positive, linear)),
    }
}

/// What the zero bucket keeps, and around where.
fn cut_zero(mut zero: Bucket, limit: f64, trim: Trim, has: [bool; 2]) -> (f64, f64) {
    match has {
        [true, false] => zero.lower = 0.0,
        [false, true] => zero.upper = 0.0,
        _ => {}
    }
    let Bucket { lower, upper, count, .. } = zero;
    let whole = (count, (lower + upper) / 2.0);
    match trim {
        Trim::Upper if limit <= lower => (0.0, 0.0),
        Trim::Upper if limit >= upper => whole,
        Trim::Upper => (count * ((limit - lower) / (upper - lower)), (lower + limit) / 2.0),
        Trim::Lower if limit <= lower => whole,
        Trim::Lower if limit >= upper => (0.0, 0.0),
        Trim::Lower => (count * ((upper - limit) / (upper - lower)), (limit + upper) / 2.0),
    }
}

impl FloatHistogram {
    /// Keeps what lies on one side of `limit`. Count and sum are estimated anew if any bucket changed.
    pub fn trim(&mut self, limit: f64, trim: Trim) {
        let linear = self.layout.is_custom();
        let mut kept = Kept::default();
        let mut has = [false; 2];
        let sides: [Vec<Bucket>; 2] =
            [self.view().positive_buckets().collect(), self.view().negative_buckets().collect()];
        for (side, counts) in [&mut self.positive, &mut self.negative].into_iter().enumerate() {
            let is_positive = side == 0;
            for (bucket, count) in sides[side].iter().zip(counts) {
                if bucket.count == 0.0 {
                    continue;
                }
                has[side] = true;
                let (inner, outer) = match trim {
                    Trim::Upper => (bucket.upper <= limit, bucket.lower < limit),
                    Trim::Lower => (bucket.lower >= limit, bucket.upper > limit),
                };
                if inner {
                    kept.count += bucket.count;
                    kept.sum +=
                        middle(bucket.lower, bucket.upper, is_positive, linear) * bucket.count;
                } else if outer {
                    let (rest, middle) = cut(bucket, limit, trim, is_positive, linear);
                    kept.take(count, rest, middle);
                } else {
                    (*count, kept.is_cut) = (0.0, true);
                }
            }
        }
        if self.zero_count > 0.0 {
            let (rest, middle) = cut_zero(self.view().zero_bucket(), limit, trim, has);
            let is_cut = self.zero_count != rest;
            self.zero_count = rest;
            kept.sum += middle * rest;
            kept.count += rest;
            kept.is_cut |= is_cut;
        }
        if kept.is_cut {
            self.count = kept.count;
            self.sum = kept.sum;
            self.compact();
        }
    }
}
