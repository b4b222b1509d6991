//! What a request comes to: series by what their labels are made of, and rows of samples that point to them.

use super::labels::LabelSet;
use crate::receive::{Rows, TOO_FAR_AHEAD};
use model::histogram::Histogram;
use model::metadata::Metadata;

/// A series: labels of a point, the name of the metric, and a label that tells buckets or quantiles apart.
#[derive(Clone, Debug)]
pub(super) struct Series {
    base: u32,
    name: Box<str>,
    extra: Option<(&'static str, String)>,
}

/// An exemplar of a series.
#[derive(Clone, Debug)]
pub(super) struct Example {
    pub(super) series: u32,
    pub(super) timestamp_ms: i64,
    pub(super) value: f64,
    /// Sorted by name.
    pub(super) labels: Vec<(String, String)>,
}

/// Why a metric cannot be stored.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// Counted over the request.
    pub(super) metric: u32,
    pub(super) text: String,
    /// Whether the sender can do something about it.
    pub(super) is_refusal: bool,
}

/// Samples of one kind with the series and the metric of each.
#[derive(Debug)]
pub(super) struct Samples<V> {
    pub(super) rows: Rows<V>,
    pub(super) series: Vec<u32>,
    pub(super) metrics: Vec<u32>,
}

impl<V> Default for Samples<V> {
    fn default() -> Self {
        Self { rows: Rows::default(), series: Vec::new(), metrics: Vec::new() }
    }
}

/// A request, translated.
#[derive(Debug, Default)]
pub(super) struct Translated {
    bases: Vec<Vec<(String, String)>>,
    pub(super) series: Vec<Series>,
    pub(super) floats: Samples<f64>,
    pub(super) histograms: Samples<Histogram>,
    pub(super) exemplars: Vec<Example>,
    /// What is known of a series, if that is stored.
    pub(super) metadata: Vec<(u32, Metadata)>,
    pub(super) faults: Vec<Fault>,
    /// How many metrics were begun.
    pub(super) num_metrics: u32,
    /// How often attributes of one point fell on one label.
    pub(super) collisions: u64,
    /// The latest time that is taken.
    pub(super) max_ms: i64,
}

/// When a sample was taken and since when it counts; zero if not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) timestamp_ms: i64,
    pub(super) start_ms: i64,
}

impl Translated {
    /// An empty request of which nothing after `max_ms` is taken.
    pub(super) fn new(max_ms: i64) -> Self {
        Self { max_ms, ..Self::default() }
    }

    /// Labels that several series share.
    pub(super) fn base(&mut self, labels: LabelSet) -> u32 {
        let mut labels = labels.0;
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort_unstable();
        self.bases.push(labels);
        self.bases.len() as u32 - 1
    }

    pub(super) fn series(
        &mut self,
        base: u32,
        name: &str,
        extra: Option<(&'static str, String)>,
    ) -> u32 {
        self.series.push(Series { base, name: name.into(), extra });
        self.series.len() as u32 - 1
    }

    /// Notes that the metric at hand cannot be stored; only its first fault is told.
    pub(super) fn fault(&mut self, text: String, is_refusal: bool) {
        let metric = self.num_metrics.saturating_sub(1);
        if self.faults.last().is_none_or(|last| last.metric != metric) {
            self.faults.push(Fault { metric, text, is_refusal });
        }
    }

    fn is_too_far_ahead(&mut self, times: Times) -> bool {
        let is_ahead = times.timestamp_ms > self.max_ms;
        if is_ahead {
            self.fault(TOO_FAR_AHEAD.to_owned(), true);
        }
        is_ahead
    }

    pub(super) fn float(&mut self, series: u32, times: Times, value: f64) {
        if !self.is_too_far_ahead(times) {
            self.floats.rows.push(times.timestamp_ms, value);
            self.floats.rows.set_start(times.start_ms);
            self.floats.series.push(series);
            self.floats.metrics.push(self.num_metrics - 1);
        }
    }

    pub(super) fn histogram(&mut self, series: u32, times: Times, value: Histogram) {
        if let Err(error) = value.validate() {
            self.fault(error.to_string(), false);
        } else if !self.is_too_far_ahead(times) {
            self.histograms.rows.push(times.timestamp_ms, value);
            self.histograms.rows.set_start(times.start_ms);
            self.histograms.series.push(series);
            self.histograms.metrics.push(self.num_metrics - 1);
        }
    }

    /// Appends the labels of a series to `pairs`, sorted, without empty values; what is wrong with them otherwise.
    pub(super) fn labels<'t>(
        &'t self,
        series: u32,
        pairs: &mut Vec<(&'t str, &'t str)>,
    ) -> Result<(), &'static str> {
        let series = &self.series[series as usize];
        let begin = pairs.len();
        let extra = series.extra.as_ref().map(|(name, value)| (*name, value.as_str()));
        let is_own = |name: &str| name != "__name__" && extra.is_none_or(|(own, _)| own != name);
        let base = self.bases[series.base as usize].iter();
        let base = base.map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.extend(base.filter(|(name, _)| is_own(name)));
        let own = [Some(("__name__", &*series.name)), extra];
        pairs.extend(own.into_iter().flatten().filter(|(_, value)| !value.is_empty()));
        pairs[begin..].sort_unstable_by_key(|(name, _)| *name);
        match pairs.get(begin) {
            None => Err("empty labelset: invalid sample"),
            // As the storage of Prometheus words it.
            Some(("", _)) => Err("label name \"\" is not unique: invalid sample"),
            Some(_) => Ok(()),
        }
    }
}
