//! One side of a histogram in the general form: bucket numbers with counts, each with the part of its sum that floating
//! point lost. Slower than flat slices and able to do everything; where layouts agree nobody comes here.

use super::Span;
use super::buckets::{exponential_bound, indices};

/// Adds `more` to `sum`; what is lost in rounding is kept in `lost` (Neumaier), unless the sum is infinite.
#[inline]
pub fn add_compensated(more: f64, sum: &mut f64, lost: &mut f64) {
    let total = *sum + more;
    if total.is_infinite() {
        *lost = 0.0;
    } else if sum.abs() >= more.abs() {
        *lost += (*sum - total) + more;
    } else {
        *lost += (more - total) + *sum;
    }
    *sum = total;
}

/// How two counts are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sums {
    /// As they are.
    Plain,
    /// With what is lost kept apart.
    Compensated,
}

impl Sums {
    #[inline]
    pub(super) fn add(self, more: f64, sum: &mut f64, lost: &mut f64) {
        match self {
            Self::Plain => *sum += more,
            Self::Compensated => add_compensated(more, sum, lost),
        }
    }
}

/// One bucket of a side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) index: i32,
    pub(super) count: f64,
    pub(super) lost: f64,
}

/// The buckets of a side by ascending number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Side(pub(super) Vec<Entry>);

impl Side {
    /// `lost` may be empty: nothing was lost.
    pub(super) fn new(spans: &[Span], counts: &[f64], lost: &[f64]) -> Self {
        let lost = lost.iter().copied().chain(std::iter::repeat(0.0));
        let entries = indices(spans).zip(counts).zip(lost);
        Self(entries.map(|((index, &count), lost)| Entry { index, count, lost }).collect())
    }

    /// The spans of these buckets; neighbours share one.
    pub(super) fn spans(&self) -> Vec<Span> {
        spans_of(self.0.iter().map(|entry| entry.index))
    }

    pub(super) fn counts(&self) -> Vec<f64> {
        self.0.iter().map(|entry| entry.count).collect()
    }

    pub(super) fn lost(&self) -> Vec<f64> {
        self.0.iter().map(|entry| entry.lost).collect()
    }

    /// Leaves out empty buckets.
    pub(super) fn compact(&mut self) {
        self.0.retain(|entry| entry.count != 0.0 || entry.lost != 0.0);
    }

    /// Merges buckets for a resolution that is `coarser` schemas lower.
    pub(super) fn reduce(&mut self, coarser: u32, sums: Sums) {
        let mut kept = 0_usize;
        for at in 0..self.0.len() {
            let mut entry = self.0[at];
            entry.index = (entry.index.wrapping_sub(1) >> coarser.min(31)).wrapping_add(1);
            if kept > 0 && self.0[kept - 1].index == entry.index {
                let Entry { count, lost, .. } = &mut self.0[kept - 1];
                sums.add(entry.count, count, lost);
                if sums == Sums::Compensated {
                    add_compensated(entry.lost, count, lost);
                }
            } else {
                self.0[kept] = entry;
                kept += 1;
            }
        }
        self.0.truncate(kept);
    }

    /// Adds the buckets of `other`, or takes them away.
    pub(super) fn merge(&mut self, other: &Self, negative: bool, sums: Sums) {
        let mut out = Vec::with_capacity(self.0.len() + other.0.len());
        let mut mine = self.0.iter().copied().peekable();
        for theirs in &other.0 {
            while let Some(entry) = mine.next_if(|entry| entry.index < theirs.index) {
                out.push(entry);
            }
            let sign = |value: f64| if negative { -value } else { value };
            let (count, lost) = (sign(theirs.count), sign(theirs.lost));
            if let Some(mut entry) = mine.next_if(|entry| entry.index == theirs.index) {
                sums.add(count, &mut entry.count, &mut entry.lost);
                if sums == Sums::Compensated && lost != 0.0 {
                    add_compensated(lost, &mut entry.count, &mut entry.lost);
                }
                out.push(entry);
            } else {
                out.push(Entry { index: theirs.index, count, lost });
            }
        }
        out.extend(mine);
        self.0 = out;
    }

    /// Leaves out the exponential buckets that end at or before `threshold`.
    pub(super) fn drop_below(&mut self, threshold: f64, schema: i32) {
        let below = |entry: &Entry| exponential_bound(entry.index, schema) <= threshold;
        let kept = self.0.iter().position(|entry| !below(entry)).unwrap_or(self.0.len());
        self.0.drain(..kept);
    }

    /// Maps custom buckets to fewer bounds: each goes where its own bound is covered, and sums up there.
    pub(super) fn map_custom(
        &self,
        bounds: &[f64],
        common: &[f64],
        negative: bool,
        into: &mut Self,
    ) {
        for entry in &self.0 {
            let bound = usize::try_from(entry.index).ok().and_then(|at| bounds.get(at));
            let at = bound.map_or(common.len(), |bound| common.partition_point(|c| c < bound));
            let Entry { count, lost, .. } = &mut into.0[at];
            add_compensated(if negative { -entry.count } else { entry.count }, count, lost);
            if entry.lost != 0.0 {
                add_compensated(entry.lost, count, lost);
            }
        }
    }
}

/// The bounds that two histograms have in common.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut rest = b.iter().copied().peekable();
    let mut common = Vec::new();
    for &bound in a {
        while rest.next_if(|&other| other < bound).is_some() {}
        common.extend(rest.next_if(|&other| other == bound));
    }
    common
}

/// The spans of ascending bucket numbers; neighbours share one.
pub fn spans_of(indices: impl Iterator<Item = i32>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut end = 0_i32;
    for index in indices {
        let offset = index.wrapping_sub(end);
        match spans.last_mut() {
            Some(span) if offset == 0 => span.length += 1,
            _ => spans.push(Span { offset, length: 1 }),
        }
        end = index.wrapping_add(1);
    }
    spans
}
