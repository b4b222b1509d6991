//! The buckets of a float histogram one by one, with their bounds. Knows nothing of what is computed from them.

use super::mantissas::MANTISSAS;
use super::{HistogramView, Layout, Span};

/// One bucket: its bounds and how many observations it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Whether an observation equal to the lower bound is in it.
    pub lower_inclusive: bool,
    /// Whether an observation equal to the upper bound is in it.
    pub upper_inclusive: bool,
    /// Observations.
    pub count: f64,
}

/// The bucket numbers that `spans` stand for.
pub fn indices(spans: &[Span]) -> impl Iterator<Item = i32> + Clone {
    let mut end = 0_i32;
    spans.iter().flat_map(move |span| {
        let begin = end.wrapping_add(span.offset);
        end = begin.wrapping_add(span.length as i32);
        (0..span.length as i32).map(move |in_span| begin.wrapping_add(in_span))
    })
}

/// `mantissa * 2^exponent`, rounded once, for mantissas in `[0.5, 1]`.
fn scale(mantissa: f64, exponent: i64) -> f64 {
    let power = |exponent: i64| f64::from_bits(((exponent + 1023) as u64) << 52);
    match exponent {
        1025.. => f64::INFINITY,
        -1020..=1024 => mantissa * 2.0 * power(exponent - 1),
        -1080..=-1021 => mantissa * power(exponent + 100) * power(-100),
        _ => 0.0,
    }
}

/// Upper bound of exponential bucket `index`; the bound that would be 2^1024 is the largest finite number, since what
/// lies above counts infinities.
#[must_use]
pub fn exponential_bound(index: i32, schema: i32) -> f64 {
    if schema <= 0 {
        let exponent = i64::from(index) << (-schema).min(31);
        return if exponent == 1024 { f64::MAX } else { scale(1.0, exponent) };
    }
    let schema = schema.min(8) as u32;
    let entry = (index & ((1 << schema) - 1)) << (8 - schema);
    let exponent = i64::from(index >> schema) + 1;
    if entry == 0 && exponent == 1025 {
        return f64::MAX;
    }
    scale(f64::from_bits(MANTISSAS[entry as usize]), exponent)
}

impl Layout {
    /// Upper bound of bucket `index` of the positive side.
    #[inline]
    #[must_use]
    pub fn upper_bound(&self, index: i32) -> f64 {
        if !self.is_custom() {
            return exponential_bound(index, self.schema);
        }
        match usize::try_from(index) {
            Ok(index) => self.custom_values.get(index).copied().unwrap_or(f64::INFINITY),
            Err(_) => f64::NEG_INFINITY,
        }
    }

    /// Bucket `index` of the positive side.
    fn positive(&self, index: i32, count: f64) -> Bucket {
        let (lower, upper) = (self.upper_bound(index.wrapping_sub(1)), self.upper_bound(index));
        let is_custom = self.is_custom();
        Bucket {
            lower,
            upper,
            lower_inclusive: if is_custom { index == 0 } else { lower < 0.0 },
            upper_inclusive: is_custom || upper > 0.0,
            count,
        }
    }

    /// Bucket `index` of the negative side, which mirrors the positive one.
    fn negative(&self, index: i32, count: f64) -> Bucket {
        let (lower, upper) = (-self.upper_bound(index), -self.upper_bound(index.wrapping_sub(1)));
        Bucket { lower, upper, lower_inclusive: lower < 0.0, upper_inclusive: upper > 0.0, count }
    }
}

impl<'a> HistogramView<'a> {
    /// The buckets above zero, or all custom ones, from the lowest on, empty ones too.
    pub fn positive_buckets(self) -> impl Iterator<Item = Bucket> + 'a {
        let layout: &Layout = self.layout;
        let counts = indices(&layout.positive_spans).zip(self.positive);
        counts.map(move |(index, &count)| layout.positive(index, count))
    }

    /// The buckets below zero, from zero down, empty ones too.
    pub fn negative_buckets(self) -> impl Iterator<Item = Bucket> + 'a {
        let layout: &Layout = self.layout;
        let counts = indices(&layout.negative_spans).zip(self.negative);
        counts.map(move |(index, &count)| layout.negative(index, count))
    }

    /// The zero bucket, whatever it holds.
    #[must_use]
    pub fn zero_bucket(self) -> Bucket {
        Bucket {
            lower: -self.layout.zero_threshold,
            upper: self.layout.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
        }
    }

    /// Appends all buckets to `out`, from the lowest to the highest, empty ones too but the zero bucket only if it
    /// holds something; bounds that reach into the zero bucket are cut to its edge.
    pub fn all_buckets(self, out: &mut Vec<Bucket>) {
        let threshold = self.layout.zero_threshold;
        let begin = out.len();
        out.extend(self.negative_buckets());
        out[begin..].reverse();
        if self.zero_count > 0.0 {
            out.push(self.zero_bucket());
        }
        out.extend(self.positive_buckets());
        for bucket in &mut out[begin..] {
            if bucket.upper < 0.0 && bucket.upper > -threshold {
                bucket.upper = -threshold;
            } else if bucket.lower > 0.0 && bucket.lower < threshold {
                bucket.lower = threshold;
            }
        }
    }
}
