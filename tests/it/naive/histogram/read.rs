//! What is read off a histogram: resets, quantiles, fractions, variance.

use super::{Buckets, Hint, Histogram};
use crate::naive::evaluate::inc;
use model::elementary::{exp2, log2};

/// Whether the counter began again after `before`.
pub(crate) fn detect_reset(now: &Histogram, before: &Histogram) -> bool {
    match now.hint {
        Hint::CounterReset => return true,
        Hint::NotCounterReset => return false,
        Hint::Unknown | Hint::Gauge => {}
    }
    if now.count < before.count {
        return true;
    }
    if now.is_custom() {
        if !before.is_custom() {
            return true;
        }
        if now.bounds != before.bounds {
            return common_bounds_fell(now, before);
        }
    }
    if now.schema > before.schema || now.zero_threshold < before.zero_threshold {
        return true;
    }
    let (zero_count, threshold, _) = before.widened(now.zero_threshold, None);
    if threshold != now.zero_threshold || now.zero_count < zero_count {
        return true;
    }
    let before = before.clone().at_schema(now.schema);
    let fell = |now_side: &Buckets, side: &Buckets| {
        let beyond = side
            .iter()
            .filter(|(index, _)| now.is_custom() || before.upper(**index) > now.zero_threshold);
        let mut beyond = beyond.map(|(index, count)| (*count, now_side.get(index)));
        beyond.any(|(before, now)| now.map_or(before != 0.0, |&now| now < before))
    };
    fell(&now.positive, &before.positive) || fell(&now.negative, &before.negative)
}

fn common_bounds_fell(now: &Histogram, before: &Histogram) -> bool {
    let common = now.bounds.iter().filter(|bound| before.bounds.contains(bound));
    let mut low = f64::NEG_INFINITY;
    let between = |h: &Histogram, low: f64, high: f64| -> f64 {
        let inside = h.positive.iter().filter(|(index, _)| {
            let upper = h.upper(**index);
            upper > low && upper <= high
        });
        inside.map(|(_, count)| *count).sum()
    };
    for &high in common.chain([&f64::INFINITY]) {
        if between(now, low, high) < between(before, low, high) {
            return true;
        }
        low = high;
    }
    false
}

/// Lower and upper bound and count of every bucket, from the lowest on.
fn buckets(h: &Histogram) -> Vec<(f64, f64, f64)> {
    let mut out: Vec<(f64, f64, f64)> = Vec::new();
    let z = h.zero_threshold;
    for (&index, &count) in h.negative.iter().rev() {
        let upper = -h.lower(index);
        out.push((-h.upper(index), if upper > -z { -z } else { upper }, count));
    }
    if h.zero_count > 0.0 {
        out.push((-z, z, h.zero_count));
    }
    for (&index, &count) in &h.positive {
        let lower = h.lower(index);
        let is_cut = !h.is_custom() && lower < z;
        out.push((if is_cut { z } else { lower }, h.upper(index), count));
    }
    out
}

/// The zero bucket begins or ends at zero where nothing lies on that side.
fn zero_edges(h: &Histogram, (lower, upper): (f64, f64)) -> (f64, f64) {
    match (h.negative.is_empty(), h.positive.is_empty()) {
        (true, false) => (0.0, upper),
        (false, true) => (lower, 0.0),
        _ => (lower, upper),
    }
}

/// `f` of the way from one bound of a bucket to the other.
fn between(h: &Histogram, (lower, upper): (f64, f64), f: f64) -> f64 {
    if h.is_custom() || (lower <= 0.0 && upper >= 0.0) {
        return lower + (upper - lower) * f;
    }
    let (log_lower, log_upper) = (log2(lower.abs()), log2(upper.abs()));
    if lower > 0.0 {
        exp2(log_lower + (log_upper - log_lower) * f)
    } else {
        -exp2(log_upper + (log_lower - log_upper) * (1.0 - f))
    }
}

pub(crate) fn quantile(h: &Histogram, q: f64) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if h.count == 0.0 || q.is_nan() {
        return f64::NAN;
    }
    let ascending = h.sum.is_nan() || q < 0.5;
    let rank = if ascending { q * h.count } else { (1.0 - q) * h.count };
    let mut all = buckets(h);
    if !ascending {
        all.reverse();
    }
    let (mut total, mut at) = (0.0, (0.0, 0.0, 0.0));
    let mut rest = all.into_iter();
    for bucket in rest.by_ref() {
        if bucket.2 == 0.0 {
            continue;
        }
        at = bucket;
        total += bucket.2;
        if total >= rank {
            break;
        }
    }
    let is_first = h.is_custom() && at.0 == f64::NEG_INFINITY;
    if is_first && at.1 <= 0.0 {
        return at.1;
    }
    if is_first {
        at.0 = 0.0;
    }
    if h.is_custom() && at.1 == f64::INFINITY {
        return at.0;
    }
    if !h.is_custom() && at.0 < 0.0 && at.1 > 0.0 {
        (at.0, at.1) = zero_edges(h, (at.0, at.1));
    }
    let total = if total > h.count { h.count } else { total };
    if total < rank {
        return if h.sum.is_nan() { f64::NAN } else { at.1 };
    }
    let rank = if ascending { rank - (total - at.2) } else { total - rank };
    if h.sum.is_nan()
        && let Some(last) = rest.last()
    {
        at = last;
    }
    between(h, (at.0, at.1), rank / at.2)
}

pub(crate) fn fraction(h: &Histogram, lower: f64, upper: f64) -> f64 {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let all = buckets(h);
    let rank_of = |limit: f64| {
        let mut rank = 0.0;
        for &(low, high, count) in &all {
            let around_zero = low <= 0.0 && high >= 0.0;
            let (low, high) = if around_zero { zero_edges(h, (low, high)) } else { (low, high) };
            if limit <= low {
                return Some(rank);
            }
            if limit < high {
                if low == f64::NEG_INFINITY {
                    return Some(count);
                }
                let part = if h.is_custom() || around_zero {
                    (limit - low) / (high - low)
                } else {
                    let (a, b, v) = (log2(low.abs()), log2(high.abs()), log2(limit.abs()));
                    if limit > 0.0 { (v - a) / (b - a) } else { 1.0 - (v - b) / (a - b) }
                };
                return Some(rank + count * part);
            }
            rank += count;
        }
        None
    };
    let counted: f64 = all.iter().map(|bucket| bucket.2).sum();
    let total = if h.sum.is_nan() { counted } else { h.count };
    let [low, high] = [lower, upper].map(|limit| rank_of(limit).unwrap_or(total).min(total));
    (high - low) / h.count
}

pub(crate) fn variance(h: &Histogram) -> f64 {
    let mean = h.sum / h.count;
    let (mut s, mut c) = (0.0, 0.0);
    for (lower, upper, count) in buckets(h) {
        if count == 0.0 {
            continue;
        }
        let middle = if h.is_custom() {
            (upper + lower) / 2.0
        } else if lower <= 0.0 && upper >= 0.0 {
            0.0
        } else {
            let middle = (lower * upper).sqrt();
            if upper < 0.0 { -middle } else { middle }
        };
        let d = middle - mean;
        inc(count * d * d, &mut s, &mut c);
    }
    (s + c) / h.count
}
