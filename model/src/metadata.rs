//! What a metric is: type, help, unit. Not where it was scraped.

/// The type of a metric as its exposition declares it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricType {
    /// No `# TYPE` line, or an unknown one.
    #[default]
    Unknown,
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
    /// Buckets of a distribution that may shrink.
    GaugeHistogram,
    /// Quantiles, sum and count.
    Summary,
    /// Constant labels with value 1.
    Info,
    /// One of several states.
    StateSet,
}

impl MetricType {
    /// The word that the API and OpenMetrics use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

/// Type, help and unit of a metric family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Metadata {
    /// Its type.
    pub metric_type: MetricType,
    /// Its unit; empty if none was declared.
    pub unit: Box<str>,
    /// Its help text; empty if none was declared.
    pub help: Box<str>,
}
