//! An `ExportMetricsServiceRequest` as values, as far as it matters here. Text is borrowed from the body where it can be.

use std::borrow::Cow;

pub(super) type Text<'b> = Cow<'b, str>;

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Any<'b> {
    Empty,
    Text(Text<'b>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(Vec<Self>),
    Map(Vec<Attribute<'b>>),
    Bytes(Cow<'b, [u8]>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attribute<'b> {
    pub(super) key: Text<'b>,
    pub(super) value: Any<'b>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Resource<'b> {
    pub(super) attributes: Vec<Attribute<'b>>,
    pub(super) scopes: Vec<Scope<'b>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scope<'b> {
    pub(super) name: Text<'b>,
    pub(super) version: Text<'b>,
    pub(super) schema_url: Text<'b>,
    pub(super) attributes: Vec<Attribute<'b>>,
    pub(super) metrics: Vec<Metric<'b>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Metric<'b> {
    pub(super) name: Text<'b>,
    pub(super) description: Text<'b>,
    pub(super) unit: Text<'b>,
    pub(super) data: Data<'b>,
}

/// How a sum or histogram counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Temporality {
    #[default]
    Unspecified,
    Delta,
    Cumulative,
}

impl Temporality {
    pub(super) fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Delta,
            2 => Self::Cumulative,
            _ => Self::Unspecified,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Data<'b> {
    #[default]
    Empty,
    Gauge(Vec<NumberPoint<'b>>),
    Sum {
        points: Vec<NumberPoint<'b>>,
        temporality: Temporality,
        is_monotonic: bool,
    },
    Histogram {
        points: Vec<HistogramPoint<'b>>,
        temporality: Temporality,
    },
    Exponential {
        points: Vec<ExponentialPoint<'b>>,
        temporality: Temporality,
    },
    Summary(Vec<SummaryPoint<'b>>),
}

/// What every point has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Common<'b> {
    pub(super) attributes: Vec<Attribute<'b>>,
    pub(super) start_ns: u64,
    pub(super) time_ns: u64,
    pub(super) flags: u64,
}

impl Common<'_> {
    pub(super) fn time_ms(&self) -> i64 {
        self.time_ns.cast_signed() / 1_000_000
    }

    pub(super) fn start_ms(&self) -> i64 {
        self.start_ns.cast_signed() / 1_000_000
    }

    /// The series ends here.
    pub(super) fn has_no_value(&self) -> bool {
        self.flags & 1 != 0
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct NumberPoint<'b> {
    pub(super) common: Common<'b>,
    pub(super) value: f64,
    pub(super) exemplars: Vec<Exemplar<'b>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HistogramPoint<'b> {
    pub(super) common: Common<'b>,
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) buckets: Vec<u64>,
    pub(super) bounds: Vec<f64>,
    pub(super) exemplars: Vec<Exemplar<'b>>,
}

/// A dense run of buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Buckets {
    pub(super) offset: i32,
    pub(super) counts: Vec<u64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ExponentialPoint<'b> {
    pub(super) common: Common<'b>,
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) positive: Buckets,
    pub(super) negative: Buckets,
    pub(super) exemplars: Vec<Exemplar<'b>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SummaryPoint<'b> {
    pub(super) common: Common<'b>,
    pub(super) count: u64,
    pub(super) sum: f64,
    /// Quantile and value.
    pub(super) quantiles: Vec<(f64, f64)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Exemplar<'b> {
    pub(super) time_ns: u64,
    /// `None` if it has none, which is an error.
    pub(super) value: Option<f64>,
    pub(super) trace_id: Cow<'b, [u8]>,
    pub(super) span_id: Cow<'b, [u8]>,
    pub(super) attributes: Vec<Attribute<'b>>,
}
