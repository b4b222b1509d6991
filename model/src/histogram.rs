//! Native histograms as values: the types, how an integer one becomes a float one, and the view that arithmetic reads.
//! What is done with them lives in the modules below; how they are encoded does not live here.
//! Reading order: `buckets`, `side` (the general form), `arith`, `reset`, `trim`, `quantile`, `text`, `validate`,
//! `custom`.

mod arith;
mod buckets;
mod custom;
mod mantissas;
mod quantile;
mod reset;
mod side;
mod text;
mod trim;
mod validate;

pub use arith::{Combined, Compensation, Incompatible};
pub use buckets::{Bucket, exponential_bound, indices as bucket_indices};
pub use custom::{ClassicError, ClassicHistogram};
pub use quantile::Note;
pub use side::{add_compensated, spans_of};
pub use text::hint_word;
pub use trim::Trim;
pub use validate::{MAX_SCHEMA, MIN_SCHEMA, ValidationError, invalid_schema};

use std::sync::Arc;

/// The schema number of histograms with custom buckets.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Distance to the end of the previous span; for the first span its first bucket index.
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// What is known of a counter reset between the previous sample of the series and this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CounterResetHint {
    /// Nothing: the reader has to compare.
    #[default]
    Unknown = 0,
    /// There was one.
    CounterReset = 1,
    /// There was none.
    NotCounterReset = 2,
    /// The histogram is a gauge: resets have no meaning.
    Gauge = 3,
}

/// Which buckets a histogram has. Shared by all samples that have the same ones, so that equal layouts are mostly
/// found equal by their address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Resolution: -4 to 8 exponential, [`CUSTOM_BUCKETS_SCHEMA`] custom.
    pub schema: i32,
    /// Half the width of the zero bucket.
    pub zero_threshold: f64,
    /// The buckets above zero, or all custom ones.
    pub positive_spans: Vec<Span>,
    /// The buckets below zero; none if custom.
    pub negative_spans: Vec<Span>,
    /// Upper bounds of custom buckets, without the infinite one; empty if exponential.
    pub custom_values: Vec<f64>,
}

impl Layout {
    /// Whether the buckets are custom ones.
    #[inline]
    #[must_use]
    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Whether no span is empty and none touches the one before.
    #[must_use]
    pub fn is_tidy(&self) -> bool {
        [&self.positive_spans, &self.negative_spans].into_iter().all(|spans| {
            spans.iter().skip(1).all(|span| span.offset > 0)
                && spans.iter().all(|span| span.length > 0)
        })
    }
}

/// A histogram with float counts: what queries compute with.
#[derive(Clone, Debug, Default)]
pub struct FloatHistogram {
    /// Which buckets there are.
    pub layout: Arc<Layout>,
    /// Counter reset since the previous sample.
    pub hint: CounterResetHint,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of the observations; the staleness marker if this is one.
    pub sum: f64,
    /// Observations of each bucket of `layout.positive_spans`.
    pub positive: Vec<f64>,
    /// Observations of each bucket of `layout.negative_spans`.
    pub negative: Vec<f64>,
}

/// A histogram with integer counts, as scraped and as stored.
#[derive(Clone, Debug, Default)]
pub struct IntHistogram {
    /// Which buckets there are.
    pub layout: Arc<Layout>,
    /// Counter reset since the previous sample.
    pub hint: CounterResetHint,
    /// Observations in the zero bucket.
    pub zero_count: u64,
    /// All observations.
    pub count: u64,
    /// Sum of the observations; the staleness marker if this is one.
    pub sum: f64,
    /// For each bucket of `layout.positive_spans`, its count less that of the bucket before it.
    pub positive_deltas: Vec<i64>,
    /// For each bucket of `layout.negative_spans`, its count less that of the bucket before it.
    pub negative_deltas: Vec<i64>,
}

/// A sample of either kind, on its way to a storage.
#[derive(Clone, Debug)]
pub enum Histogram {
    /// Integer counts.
    Int(IntHistogram),
    /// Float counts.
    Float(FloatHistogram),
}

impl Histogram {
    /// Becomes a copy of `other` in the memory that it has.
    pub fn copy_from(&mut self, other: &Self) {
        match (self, other) {
            (Self::Int(own), Self::Int(other)) => {
                let IntHistogram { layout, positive_deltas, negative_deltas, .. } = own;
                share(layout, &other.layout);
                positive_deltas.clone_from(&other.positive_deltas);
                negative_deltas.clone_from(&other.negative_deltas);
                (own.hint, own.sum) = (other.hint, other.sum);
                (own.zero_count, own.count) = (other.zero_count, other.count);
            }
            (Self::Float(own), Self::Float(other)) => {
                let FloatHistogram { layout, positive, negative, .. } = own;
                share(layout, &other.layout);
                positive.clone_from(&other.positive);
                negative.clone_from(&other.negative);
                (own.hint, own.sum) = (other.hint, other.sum);
                (own.zero_count, own.count) = (other.zero_count, other.count);
            }
            (own, other) => *own = other.clone(),
        }
    }
}

fn share(layout: &mut Arc<Layout>, other: &Arc<Layout>) {
    if !Arc::ptr_eq(layout, other) {
        *layout = Arc::clone(other);
    }
}

/// A float histogram by reference: a row of columns or an owned one.
#[derive(Clone, Copy, Debug)]
pub struct HistogramView<'a> {
    /// Which buckets there are.
    pub layout: &'a Arc<Layout>,
    /// Counter reset since the previous sample.
    pub hint: CounterResetHint,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of the observations; the staleness marker if this is one.
    pub sum: f64,
    /// Observations of each bucket of `layout.positive_spans`.
    pub positive: &'a [f64],
    /// Observations of each bucket of `layout.negative_spans`.
    pub negative: &'a [f64],
}

impl HistogramView<'_> {
    /// An owned copy that shares the layout.
    #[must_use]
    pub fn to_owned(self) -> FloatHistogram {
        FloatHistogram {
            layout: Arc::clone(self.layout),
            hint: self.hint,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive: self.positive.to_vec(),
            negative: self.negative.to_vec(),
        }
    }

    /// Whether this is a staleness marker.
    #[inline]
    #[must_use]
    pub fn is_stale(self) -> bool {
        crate::is_stale_nan(self.sum)
    }
}

impl FloatHistogram {
    /// Borrows it.
    #[inline]
    #[must_use]
    pub fn view(&self) -> HistogramView<'_> {
        HistogramView {
            layout: &self.layout,
            hint: self.hint,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive: &self.positive,
            negative: &self.negative,
        }
    }
}

impl IntHistogram {
    /// The same histogram with float counts.
    #[must_use]
    pub fn to_float(&self) -> FloatHistogram {
        let absolute = |deltas: &[i64]| {
            let counts = deltas.iter().scan(0_i64, |count, delta| {
                *count = count.wrapping_add(*delta);
                Some(*count as f64)
            });
            counts.collect()
        };
        FloatHistogram {
            layout: Arc::clone(&self.layout),
            hint: self.hint,
            zero_count: self.zero_count as f64,
            count: self.count as f64,
            sum: self.sum,
            positive: absolute(&self.positive_deltas),
            negative: absolute(&self.negative_deltas),
        }
    }
}

impl Histogram {
    /// Which buckets there are.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        match self {
            Self::Int(histogram) => &histogram.layout,
            Self::Float(histogram) => &histogram.layout,
        }
    }

    /// Sum of the observations; the staleness marker if this is one.
    #[must_use]
    pub fn sum(&self) -> f64 {
        match self {
            Self::Int(histogram) => histogram.sum,
            Self::Float(histogram) => histogram.sum,
        }
    }

    /// Counter reset since the previous sample.
    #[must_use]
    pub fn hint(&self) -> CounterResetHint {
        match self {
            Self::Int(histogram) => histogram.hint,
            Self::Float(histogram) => histogram.hint,
        }
    }

    /// Says something else about the sample before.
    pub fn set_hint(&mut self, hint: CounterResetHint) {
        match self {
            Self::Int(histogram) => histogram.hint = hint,
            Self::Float(histogram) => histogram.hint = hint,
        }
    }

    /// The same histogram with float counts.
    #[must_use]
    pub fn to_float(&self) -> FloatHistogram {
        match self {
            Self::Int(histogram) => histogram.to_float(),
            Self::Float(histogram) => histogram.clone(),
        }
    }
}
