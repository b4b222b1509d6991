//! Whether a histogram may join an open chunk, and what becomes of both if their buckets differ: Prometheus' rules, in
//! its order.

use super::{Columns, HistogramChunk, decode};
use crate::layout::ResetHeader;
use model::histogram::{
    CounterResetHint, FloatHistogram, Histogram, IntHistogram, Layout, Span, bucket_indices,
    spans_of,
};
use model::is_stale_nan;
use std::sync::Arc;

/// What became of a sample.
#[derive(Debug)]
pub enum Join {
    /// It is in the chunk.
    Appended,
    /// It is in the chunk, which was written anew with more buckets.
    Recoded,
    /// It begins this chunk; the old one is finished.
    Began(Box<HistogramChunk>),
}

/// Whether buckets are compatible with those of a chunk.
enum Fit {
    /// As they are.
    Same,
    /// The chunk has buckets that the sample lacks, or lacks some that it has.
    Differ { chunk_lacks: bool, sample_lacks: bool },
    /// They are not: the chunk is finished.
    No(ResetHeader),
}

/// Buckets of one side by number.
fn by_index<T: Copy>(spans: &[Span], counts: impl Iterator<Item = T>) -> Vec<(i32, T)> {
    bucket_indices(spans).zip(counts).collect()
}

fn absolute(deltas: impl Iterator<Item = i64>) -> impl Iterator<Item = i64> {
    deltas.scan(0_i64, |count, delta| {
        *count = count.wrapping_add(delta);
        Some(*count)
    })
}

/// Compares the buckets of a side: `None` if one fell or a populated one vanished, else which side lacks some.
fn compare<T: PartialOrd + Default + Copy>(
    old: &[(i32, T)],
    new: &[(i32, T)],
    is_gauge: bool,
) -> Option<(bool, bool)> {
    let (mut chunk_lacks, mut sample_lacks) = (false, false);
    let mut rest = new.iter().peekable();
    for &(index, count) in old {
        while rest.next_if(|(other, _)| *other < index).is_some() {
            chunk_lacks = true;
        }
        match rest.next_if(|(other, _)| *other == index) {
            Some((_, now)) if *now < count && !is_gauge => return None,
            Some(_) => {}
            None if count != T::default() && !is_gauge => return None,
            None => sample_lacks = true,
        }
    }
    Some((chunk_lacks || rest.next().is_some(), sample_lacks))
}

/// Compares a side of a chunk with that of a sample, see [`compare`]. Nearly always they have the same buckets, which
/// takes no list of them.
fn compare_side<T: PartialOrd + Default + Copy>(
    (old_spans, new_spans): (&[Span], &[Span]),
    (mut old, mut new): (impl Iterator<Item = T>, impl Iterator<Item = T>),
    is_gauge: bool,
) -> Option<(bool, bool)> {
    if old_spans != new_spans {
        return compare(&by_index(old_spans, old), &by_index(new_spans, new), is_gauge);
    }
    let falls = |count: T| new.next().is_some_and(|now| now < count);
    (is_gauge || !old.any(falls)).then_some((false, false))
}

impl HistogramChunk {
    /// Adds a sample that is newer than all others, to this chunk or to one that it begins. A chunk without start
    /// timestamps forgets `start_ms`.
    pub fn append(&mut self, timestamp_ms: i64, start_ms: i64, histogram: &Histogram) -> Join {
        let fit = self.fit(histogram);
        let (chunk_lacks, sample_lacks) = match fit {
            _ if self.is_full() => {
                let starts = self.starts.map(|_| start_ms);
                return Join::Began(Box::new(self.cut(timestamp_ms, starts, histogram)));
            }
            Fit::No(header) => {
                let header = if is_gauge(histogram) { ResetHeader::Gauge } else { header };
                let starts = self.starts.map(|_| start_ms);
                let began = Self::begin(timestamp_ms, starts, histogram, header);
                return Join::Began(Box::new(began));
            }
            Fit::Same => (false, false),
            Fit::Differ { chunk_lacks, sample_lacks } => (chunk_lacks, sample_lacks),
        };
        if !chunk_lacks && !sample_lacks {
            self.push(timestamp_ms, start_ms, histogram);
            return Join::Appended;
        }
        let layout = if !chunk_lacks {
            Arc::clone(&self.layout)
        } else if sample_lacks {
            Arc::new(union(&self.layout, histogram.layout()))
        } else {
            Arc::clone(histogram.layout())
        };
        let widened = widen(histogram, &layout);
        if chunk_lacks {
            self.recode(&layout);
        }
        self.push(timestamp_ms, start_ms, &widened);
        if chunk_lacks { Join::Recoded } else { Join::Appended }
    }

    /// A chunk that begins with a sample because this one is full: it tells whether the counter was reset in between.
    /// `start_ms` as in [`Self::begin`].
    #[must_use]
    pub fn cut(&self, timestamp_ms: i64, start_ms: Option<i64>, histogram: &Histogram) -> Self {
        let header = if is_gauge(histogram) {
            ResetHeader::Gauge
        } else if histogram.hint() == CounterResetHint::CounterReset {
            ResetHeader::Reset
        } else {
            match self.fit(histogram) {
                Fit::Same | Fit::Differ { .. } => ResetHeader::NotReset,
                Fit::No(ResetHeader::Unknown) if !self.is_integer() => ResetHeader::NotReset,
                Fit::No(header) => header,
            }
        };
        Self::begin(timestamp_ms, start_ms, histogram, header)
    }

    fn fit(&self, histogram: &Histogram) -> Fit {
        let chunk_is_gauge = self.header() == ResetHeader::Gauge;
        let is_integer = matches!(histogram, Histogram::Int(_));
        if is_integer != self.is_integer() {
            return Fit::No(ResetHeader::Unknown);
        }
        if is_gauge(histogram) != chunk_is_gauge {
            return Fit::No(if is_integer { ResetHeader::NotReset } else { ResetHeader::Unknown });
        }
        if histogram.hint() == CounterResetHint::CounterReset {
            return Fit::No(ResetHeader::Reset);
        }
        if is_stale_nan(histogram.sum()) {
            return Fit::Same;
        }
        if self.is_stale() {
            return Fit::No(ResetHeader::Unknown);
        }
        if !chunk_is_gauge && self.count_fell(histogram) {
            return Fit::No(ResetHeader::Reset);
        }
        let (own, new) = (&self.layout, histogram.layout());
        if own.schema != new.schema || own.zero_threshold.to_bits() != new.zero_threshold.to_bits()
        {
            return Fit::No(ResetHeader::Unknown);
        }
        if own.is_custom() && own.custom_values != new.custom_values {
            return Fit::No(ResetHeader::Reset);
        }
        if !chunk_is_gauge && self.zero_count_fell(histogram) {
            return Fit::No(ResetHeader::Reset);
        }
        match self.compare_buckets(histogram, chunk_is_gauge) {
            None => Fit::No(ResetHeader::Reset),
            Some((false, false)) => Fit::Same,
            Some((chunk_lacks, sample_lacks)) => Fit::Differ { chunk_lacks, sample_lacks },
        }
    }

    fn count_fell(&self, histogram: &Histogram) -> bool {
        match (&self.columns, histogram) {
            (Columns::Int { count, .. }, Histogram::Int(new)) => new.count < count.last as u64,
            (Columns::Float { count, .. }, Histogram::Float(new)) => new.count < count.value(),
            _ => false,
        }
    }

    fn zero_count_fell(&self, histogram: &Histogram) -> bool {
        match (&self.columns, histogram) {
            (Columns::Int { zero_count, .. }, Histogram::Int(new)) => {
                new.zero_count < zero_count.last as u64
            }
            (Columns::Float { zero_count, .. }, Histogram::Float(new)) => {
                new.zero_count < zero_count.value()
            }
            _ => false,
        }
    }

    fn compare_buckets(&self, histogram: &Histogram, is_gauge: bool) -> Option<(bool, bool)> {
        let (own, layout) = (&self.layout, histogram.layout());
        let num_positive = own.positive_spans.iter().map(|span| span.length as usize).sum();
        let positive_spans = (&own.positive_spans[..], &layout.positive_spans[..]);
        let negative_spans = (&own.negative_spans[..], &layout.negative_spans[..]);
        let both = |a: (bool, bool), b: (bool, bool)| (a.0 || b.0, a.1 || b.1);
        match (&self.columns, histogram) {
            (Columns::Int { buckets, .. }, Histogram::Int(new)) => {
                let (positive, negative) = buckets.split_at(num_positive);
                let side = |spans, old: &[super::Delta], new: &[i64]| {
                    let old = absolute(old.iter().map(|column| column.last));
                    compare_side(spans, (old, absolute(new.iter().copied())), is_gauge)
                };
                Some(both(
                    side(positive_spans, positive, &new.positive_deltas)?,
                    side(negative_spans, negative, &new.negative_deltas)?,
                ))
            }
            (Columns::Float { buckets, .. }, Histogram::Float(new)) => {
                let (positive, negative) = buckets.split_at(num_positive);
                let side = |spans, old: &[crate::bits::XorColumn], new: &[f64]| {
                    let old = old.iter().map(|column| column.value());
                    compare_side(spans, (old, new.iter().copied()), is_gauge)
                };
                Some(both(
                    side(positive_spans, positive, &new.positive)?,
                    side(negative_spans, negative, &new.negative)?,
                ))
            }
            _ => None,
        }
    }

    /// Writes the chunk anew with the buckets of `layout`, which has all of its own.
    fn recode(&mut self, layout: &Arc<Layout>) {
        let mut samples = Vec::new();
        let count = usize::from(self.num_samples);
        decode::read_all(self.meta().encoding, count, self.bytes(), &mut samples)
            .expect("a chunk that was written here");
        let mut samples = samples.into_iter();
        let (when, first) = samples.next().expect("an open chunk has samples");
        let starts = self.starts.map(|_| when.start_ms);
        let mut out = Self::begin(when.timestamp_ms, starts, &widen(&first, layout), self.header);
        for (when, histogram) in samples {
            out.push(when.timestamp_ms, when.start_ms, &widen(&histogram, layout));
        }
        *self = out;
    }
}

fn is_gauge(histogram: &Histogram) -> bool {
    histogram.hint() == CounterResetHint::Gauge
}

/// A layout with the buckets of both.
fn union(a: &Layout, b: &Layout) -> Layout {
    let merged = |a: &[Span], b: &[Span]| {
        let mut indices: Vec<i32> = bucket_indices(a).chain(bucket_indices(b)).collect();
        indices.sort_unstable();
        indices.dedup();
        spans_of(indices.into_iter())
    };
    Layout {
        positive_spans: merged(&a.positive_spans, &b.positive_spans),
        negative_spans: merged(&a.negative_spans, &b.negative_spans),
        ..a.clone()
    }
}

/// The same histogram with the buckets of `layout`, the new ones empty.
fn widen(histogram: &Histogram, layout: &Arc<Layout>) -> Histogram {
    fn spread<T: Copy + Default>(
        (from, to): (&[Span], &[Span]),
        counts: impl Iterator<Item = T>,
    ) -> Vec<T> {
        let mut held = by_index(from, counts).into_iter().peekable();
        let count = |index: i32| held.next_if(|(own, _)| *own == index).map(|(_, count)| count);
        bucket_indices(to).map(count).map(Option::unwrap_or_default).collect()
    }
    fn deltas(counts: Vec<i64>) -> Vec<i64> {
        let mut before = 0_i64;
        counts
            .into_iter()
            .map(|count| count.wrapping_sub(std::mem::replace(&mut before, count)))
            .collect()
    }
    let own = histogram.layout();
    let positive = (&own.positive_spans[..], &layout.positive_spans[..]);
    let negative = (&own.negative_spans[..], &layout.negative_spans[..]);
    match histogram {
        Histogram::Int(histogram) => {
            let side =
                |spans, counts: &[i64]| deltas(spread(spans, absolute(counts.iter().copied())));
            Histogram::Int(IntHistogram {
                positive_deltas: side(positive, &histogram.positive_deltas),
                negative_deltas: side(negative, &histogram.negative_deltas),
                layout: Arc::clone(layout),
                ..histogram.clone()
            })
        }
        Histogram::Float(histogram) => Histogram::Float(FloatHistogram {
            positive: spread(positive, histogram.positive.iter().copied()),
            negative: spread(negative, histogram.negative.iter().copied()),
            layout: Arc::clone(layout),
            ..histogram.clone()
        }),
    }
}
