//! Classic histograms: quantiles and fractions from cumulative buckets. Numbers only.

/// One bucket: upper bound and cumulative count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) bound: f64,
    pub(crate) count: f64,
}

/// How far counts had to be bent to rise with their bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forced {
    pub(crate) min_bound: f64,
    pub(crate) max_bound: f64,
    pub(crate) max_difference: f64,
}

/// Counts closer than this, relatively, are equal.
const TOLERANCE: f64 = 1e-12;

fn nearly_equal(a: f64, b: f64) -> bool {
    if a == b {
        return true;
    }
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || a.abs() + b.abs() < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / (a.abs() + b.abs()).min(f64::MAX) < TOLERANCE
}

/// Adds up buckets of equal bounds; `buckets` are sorted by bound.
pub(crate) fn coalesce(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, held| {
        let same = next.bound == held.bound;
        if same {
            held.count += next.count;
        }
        same
    });
}

/// Makes counts rise with their bounds; says what was more than rounding.
pub(crate) fn ensure_monotonic(buckets: &mut [Bucket]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut previous = buckets[0].count;
    for bucket in &mut buckets[1..] {
        if bucket.count == previous {
            continue;
        }
        if nearly_equal(previous, bucket.count) {
            bucket.count = previous;
            continue;
        }
        if bucket.count < previous {
            let difference = previous - bucket.count;
            let held = forced.get_or_insert(Forced {
                min_bound: bucket.bound,
                max_bound: bucket.bound,
                max_difference: difference,
            });
            held.max_bound = bucket.bound;
            held.max_difference = held.max_difference.max(difference);
            bucket.count = previous;
        } else {
            previous = bucket.count;
        }
    }
    forced
}

/// The `q`-quantile of a histogram whose buckets are sorted by bound; they are changed on the way.
pub(crate) fn bucket_quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Forced>) {
    let early = if q.is_nan() {
        Some(f64::NAN)
    } else if q < 0.0 {
        Some(f64::NEG_INFINITY)
    } else if q > 1.0 {
        Some(f64::INFINITY)
    } else if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        Some(f64::NAN)
    } else {
        None
    };
    if let Some(value) = early {
        return (value, None);
    }
    coalesce(buckets);
    let forced = ensure_monotonic(buckets);
    let last = buckets.len() - 1;
    let total = buckets[last].count;
    if last == 0 || total == 0.0 {
        return (f64::NAN, forced);
    }
    let mut rank = q * total;
    let found = buckets[..last].iter().position(|bucket| bucket.count >= rank).unwrap_or(last);
    let value = if found == last {
        buckets[last - 1].bound
    } else if found == 0 && buckets[0].bound <= 0.0 {
        buckets[0].bound
    } else {
        let Bucket { bound: end, mut count } = buckets[found];
        let mut start = 0.0;
        if found > 0 {
            start = buckets[found - 1].bound;
            count -= buckets[found - 1].count;
            rank -= buckets[found - 1].count;
        }
        start + (end - start) * (rank / count)
    };
    (value, forced)
}

/// The share of observations between `lower` and `upper`; `buckets` are sorted by bound.
pub(crate) fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    coalesce(buckets);
    let total = buckets[buckets.len() - 1].count;
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let (mut rank, mut low_rank, mut high_rank) = (0.0, None, None);
    let mut edge = if buckets[0].bound > 0.0 { 0.0 } else { f64::NEG_INFINITY };
    for bucket in &*buckets {
        for (limit, found) in [(lower, &mut low_rank), (upper, &mut high_rank)] {
            if found.is_some() {
                continue;
            }
            if edge >= limit {
                *found = Some(rank);
            } else if bucket.bound > limit {
                *found = Some(if edge == f64::NEG_INFINITY {
                    bucket.count
                } else {
                    rank + (bucket.count - rank) * (limit - edge) / (bucket.bound - edge)
                });
            }
        }
        rank = bucket.count;
        edge = bucket.bound;
    }
    let within =
        |rank: Option<f64>| rank.map_or(total, |rank| if rank > total { total } else { rank });
    (within(high_rank) - within(low_rank)) / total
}
