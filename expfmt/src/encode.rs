//! Metric families as exposition: text 0.0.4 and the three notations of protobuf, one metric at a time, so that a long
//! answer never lies in memory as a whole. Which notation a client gets is in `accept`.

mod accept;
mod protobuf;
mod prototext;
#[cfg(test)]
mod tests;
mod text;

pub use accept::{Notation, Wanted};

use model::histogram::HistogramView;
use model::validate::EscapingScheme;

/// What the metrics of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyType {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Quantiles.
    Summary,
    /// Not told.
    Untyped,
    /// Buckets.
    Histogram,
    /// Buckets of a gauge.
    GaugeHistogram,
}

impl FamilyType {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
            Self::Untyped => "untyped",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gauge histogram",
        }
    }

    /// The name of the enumeration of the protocol.
    fn constant(self) -> &'static str {
        match self {
            Self::Counter => "COUNTER",
            Self::Gauge => "GAUGE",
            Self::Summary => "SUMMARY",
            Self::Untyped => "UNTYPED",
            Self::Histogram => "HISTOGRAM",
            Self::GaugeHistogram => "GAUGE_HISTOGRAM",
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Counter => 0,
            Self::Gauge => 1,
            Self::Summary => 2,
            Self::Untyped => 3,
            Self::Histogram => 4,
            Self::GaugeHistogram => 5,
        }
    }
}

/// The value of a metric.
#[derive(Clone, Copy, Debug)]
pub enum MetricValue<'a> {
    /// A number; the type of the family says of which kind.
    Number(f64),
    /// Quantiles with their values.
    Summary {
        /// Number of observations.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Quantile (0 to 1) and value.
        quantiles: &'a [(f64, f64)],
    },
    /// Classic buckets with integer counts.
    Classic {
        /// Number of observations.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Upper bound and observations up to it; the infinite one may be there or not.
        buckets: &'a [(f64, u64)],
    },
    /// A native histogram; one with custom buckets is written with classic ones.
    Native(HistogramView<'a>),
}

/// Writes families in one notation, names escaped by one scheme.
#[derive(Clone, Copy, Debug)]
pub struct Encoder {
    wanted: Wanted,
}

/// What is said of a family.
#[derive(Clone, Copy, Debug)]
pub struct FamilyHead<'a> {
    /// The name, not escaped yet.
    pub name: &'a str,
    /// What it is about, if that is known.
    pub help: Option<&'a str>,
    /// What its metrics are.
    pub kind: FamilyType,
}

/// A metric of a family.
#[derive(Clone, Copy, Debug)]
pub struct Metric<'a> {
    /// Label names, not escaped yet, and values, in the order in which they are written.
    pub labels: &'a [(&'a str, &'a str)],
    /// The value.
    pub value: MetricValue<'a>,
    /// When it was so, if that is told.
    pub timestamp_ms: Option<i64>,
}

/// A family in the making: protobuf needs the length of the whole before its bytes.
#[derive(Debug, Default)]
pub struct Family {
    body: Vec<u8>,
    scratch: Vec<u8>,
    name: String,
}

impl Encoder {
    /// An encoder for what a client wants.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted }
    }

    /// Begins a family; what was in `family` is forgotten.
    pub fn begin(&self, family: &mut Family, head: &FamilyHead<'_>) {
        family.body.clear();
        family.name.clear();
        family.name.push_str(&self.wanted.escaping.escape(head.name));
        match self.wanted.notation {
            Notation::Text => text::head(family, head),
            Notation::ProtoDelimited => protobuf::head(family, head),
            Notation::ProtoText => prototext::head(family, head, true),
            Notation::ProtoCompact => prototext::head(family, head, false),
        }
    }

    /// Adds a metric to a family.
    pub fn metric(&self, family: &mut Family, kind: FamilyType, metric: &Metric<'_>) {
        let escaping = self.wanted.escaping;
        match self.wanted.notation {
            Notation::Text => text::metric(family, escaping, metric),
            Notation::ProtoDelimited => protobuf::metric(family, escaping, kind, metric),
            Notation::ProtoText => prototext::metric(family, escaping, kind, metric, true),
            Notation::ProtoCompact => prototext::metric(family, escaping, kind, metric, false),
        }
    }

    /// Moves what is written of a family by now to `out`; only text may be taken before its end.
    pub fn take(&self, family: &mut Family, out: &mut Vec<u8>) {
        if self.wanted.notation == Notation::Text {
            out.append(&mut family.body);
        }
    }

    /// Ends a family.
    pub fn end(&self, family: &mut Family, out: &mut Vec<u8>) {
        match self.wanted.notation {
            Notation::Text => {}
            Notation::ProtoDelimited => protobuf::push_varint(out, family.body.len() as u64),
            Notation::ProtoText | Notation::ProtoCompact => family.body.push(b'\n'),
        }
        out.append(&mut family.body);
    }
}

/// The classic buckets of a histogram with custom ones: upper bound and observations up to it, the infinite one not
/// among them.
fn classic_buckets(histogram: HistogramView<'_>) -> Vec<(f64, f64)> {
    let layout = histogram.layout;
    let mut counts = vec![0.0; layout.custom_values.len() + 1];
    let mut index = 0i64;
    let mut filled = histogram.positive.iter();
    for span in &layout.positive_spans {
        index += i64::from(span.offset);
        for (_, count) in (0..span.length).zip(filled.by_ref()) {
            if let Some(slot) = usize::try_from(index).ok().and_then(|at| counts.get_mut(at)) {
                *slot = *count;
            }
            index += 1;
        }
    }
    let mut total = 0.0;
    let cumulative = layout.custom_values.iter().zip(counts);
    cumulative
        .map(|(bound, count)| {
            total += count;
            (*bound, total)
        })
        .collect()
}

fn escaped<'a>(escaping: EscapingScheme, name: &'a str) -> std::borrow::Cow<'a, str> {
    if model::validate::is_legacy_label_name(name) && escaping != EscapingScheme::Dots {
        return name.into();
    }
    escaping.escape(name).into()
}
