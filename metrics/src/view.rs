//! What a registry holds at one moment, as plain values: for those who show it in other notations than text.

use crate::family::{Child, Family, Kind};

/// A family and its metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilyView {
    /// The name.
    pub name: Box<str>,
    /// What it is about.
    pub help: Box<str>,
    /// `counter`, `gauge`, `histogram` or `summary`.
    pub kind: &'static str,
    /// Its metrics in the order of their label values.
    pub metrics: Vec<MetricView>,
}

/// A metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricView {
    /// Label names and values, in the order of the names.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// The value.
    pub value: ValueView,
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueView {
    /// Of a counter or gauge.
    Number(f64),
    /// Of a histogram.
    Histogram {
        /// Upper bound and number of observations at or below it; the last bound is infinite.
        cumulative: Vec<(f64, u64)>,
        /// Sum of the observations.
        sum: f64,
    },
    /// Of a summary.
    Summary {
        /// Quantile and value, which is NaN if nothing was observed lately.
        quantiles: Vec<(f64, f64)>,
        /// Sum of the observations.
        sum: f64,
        /// Number of observations.
        count: u64,
    },
}

/// What a family holds; `None` if it has no metric.
pub(crate) fn view(name: &str, family: &Family) -> Option<FamilyView> {
    let children = family.children();
    if children.is_empty() {
        return None;
    }
    let labels = |values: &[Box<str>]| {
        let pairs = family.label_names.iter().cloned().zip(values.iter().cloned());
        let mut pairs: Vec<(Box<str>, Box<str>)> = pairs.collect();
        pairs.sort_unstable();
        pairs
    };
    let metrics = children.iter().map(|(values, child)| MetricView {
        labels: labels(values),
        value: match child {
            Child::Counter(counter) => ValueView::Number(counter.get()),
            Child::Gauge(gauge) => ValueView::Number(gauge.get()),
            Child::Function(read) => ValueView::Number(read()),
            Child::Histogram(histogram) => {
                let view = histogram.view();
                ValueView::Histogram { cumulative: view.cumulative, sum: view.sum }
            }
            Child::Summary(summary) => {
                let view = summary.view();
                let (sum, count) = (view.sum, view.count);
                ValueView::Summary { quantiles: view.quantiles, sum, count }
            }
        },
    });
    let mut metrics: Vec<MetricView> = metrics.collect();
    // The children are in the order of their values as the names were declared.
    metrics.sort_by(|a, b| a.labels.cmp(&b.labels));
    Some(FamilyView {
        name: name.into(),
        help: family.help.clone(),
        kind: Kind::as_str(family.kind),
        metrics,
    })
}
