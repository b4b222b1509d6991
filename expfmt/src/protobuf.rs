//! Length-delimited protobuf: families of metrics, each metric as the series of its classic form or as a native histogram.
//! Messages are decoded in `protobuf::message`; what is refused here is what Prometheus refuses.
#![deny(clippy::indexing_slicing)]

use crate::classic::ClassicHistogram;
use crate::entry::{
    Entry, Escapes, Exemplar, ParseError, ParseOptions, Parser, Place, Point, Sample, shown,
};
use crate::fingerprint::Fingerprint;
use crate::labels::{Bound, Key};
use message::{Family, Metric};
use model::histogram::{CounterResetHint, Histogram, Layout};
use model::metadata::MetricType;
use std::sync::Arc;
use wire::Fields;

mod message;
mod native;
mod wire;

pub(crate) use message::exemplar_labels;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Family,
    Help,
    Unit,
    Type,
    Metric,
    /// The series of the metric with this number.
    Series(usize),
    /// The histogram that the classic buckets make.
    Converted,
    NextMetric,
}

/// What was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Help,
    Unit,
    Type,
    Sample,
    Histogram,
}

/// Reads a body entry by entry.
#[derive(Clone, Debug)]
pub struct ProtobufParser<'a> {
    body: &'a [u8],
    at: usize,
    options: ParseOptions,
    step: Step,
    family: Family<'a>,
    /// Where the family begins.
    family_at: usize,
    metric_type: MetricType,
    /// Place of the metric in its family.
    index: usize,
    metric: Metric<'a>,
    /// The family began with classic histograms: without conversion the rest is read as such too, as in Prometheus.
    classic: bool,
    /// The entry that was read last, and whether it was only looked at.
    kind: Kind,
    peeked: bool,
    key: Vec<u8>,
    key_labels: Vec<u8>,
    point: Point,
    histogram: Option<Histogram>,
    /// Memory for the next native histogram.
    used: Option<Histogram>,
    /// The layout of the last native histogram.
    layout: Arc<Layout>,
    exemplars: Vec<Exemplar<'a>>,
    collected: ClassicHistogram,
}

impl<'a> ProtobufParser<'a> {
    /// Starts at the beginning of `body`.
    #[must_use]
    pub fn new(body: &'a [u8], options: ParseOptions) -> Self {
        Self {
            body,
            at: 0,
            options,
            step: Step::Family,
            family: Family::default(),
            family_at: 0,
            metric_type: MetricType::Unknown,
            index: 0,
            metric: Metric::default(),
            classic: false,
            kind: Kind::Help,
            peeked: false,
            key: Vec::new(),
            key_labels: Vec::new(),
            point: Point::default(),
            histogram: None,
            used: None,
            layout: Arc::default(),
            exemplars: Vec::new(),
            collected: ClassicHistogram::default(),
        }
    }

    /// Reads the next entry; `false` at the end.
    fn advance(&mut self) -> Result<bool, ParseError> {
        self.exemplars.clear();
        loop {
            let step = self.step;
            (self.kind, self.step) = match step {
                Step::Family => {
                    if !self.read_family()? {
                        return Ok(false);
                    }
                    self.step = Step::Help;
                    continue;
                }
                Step::Help => (Kind::Help, Step::Unit),
                Step::Unit if self.family.unit.is_empty() => {
                    self.step = Step::Type;
                    continue;
                }
                Step::Unit => (Kind::Unit, Step::Type),
                Step::Type => (Kind::Type, Step::Metric),
                Step::Metric => {
                    if !self.begin_metric()? {
                        continue;
                    }
                    (Kind::Histogram, self.step)
                }
                Step::Series(number) => (Kind::Sample, self.series(number)),
                Step::Converted => {
                    self.convert()?;
                    (Kind::Histogram, Step::NextMetric)
                }
                Step::NextMetric => {
                    self.index += 1;
                    self.step = if self.read_metric()? { Step::Metric } else { Step::Family };
                    continue;
                }
            };
            return Ok(true);
        }
    }

    /// Reads the next family that has metrics, and its first metric.
    fn read_family(&mut self) -> Result<bool, ParseError> {
        loop {
            self.family_at = self.at;
            let mut fields = Fields::new(self.body.get(self.at..).unwrap_or_default());
            if fields.rest_len() == 0 {
                return Ok(false);
            }
            let message = fields.delimited();
            self.at = self.body.len() - fields.rest_len();
            message
                .and_then(|message| self.family.decode(message))
                .map_err(|error| self.error(error.to_string()))?;
            self.index = 0;
            if self.read_metric()? {
                break;
            }
        }
        self.classic = false;
        let name = self.family.name;
        if name.is_empty() || std::str::from_utf8(name).is_err() {
            return Err(self.error(format!("invalid metric name: {}", shown(name))));
        }
        if std::str::from_utf8(self.family.help).is_err() {
            let help = shown(self.family.help);
            return Err(self.error(format!("invalid help for metric {}: {help}", shown(name))));
        }
        self.metric_type = match self.family.metric_type {
            0 => MetricType::Counter,
            1 => MetricType::Gauge,
            2 => MetricType::Summary,
            3 => MetricType::Unknown,
            4 => MetricType::Histogram,
            5 => MetricType::GaugeHistogram,
            number => {
                let name = shown(name);
                return Err(self.error(format!("unknown metric type for metric {name}: {number}")));
            }
        };
        Ok(true)
    }

    /// Reads the metric that is due; `false` if there is none.
    fn read_metric(&mut self) -> Result<bool, ParseError> {
        let Some(message) = self.family.metrics.get(self.index) else { return Ok(false) };
        self.metric.decode(message).map_err(|error| self.error(error.to_string()))?;
        Ok(true)
    }

    fn is_histogram(&self) -> bool {
        matches!(self.metric_type, MetricType::Histogram | MetricType::GaugeHistogram)
    }

    fn hint(&self) -> CounterResetHint {
        if self.metric_type == MetricType::GaugeHistogram {
            CounterResetHint::Gauge
        } else {
            CounterResetHint::Unknown
        }
    }

    /// Decides how the metric is given out. Returns whether that begins with its native histogram, which is then read.
    fn begin_metric(&mut self) -> Result<bool, ParseError> {
        match self.metric.write_labels(&mut self.key_labels) {
            Err(error) => return Err(self.error(error.to_string())),
            Ok(Some((is_name, text))) => {
                let what = if is_name { "name" } else { "value" };
                return Err(self.error(format!("invalid label {what}: {}", shown(&text))));
            }
            Ok(None) => {}
        }
        let metric = &self.metric;
        let options = self.options;
        self.point = Point {
            value: 0.0,
            timestamp_ms: Some(metric.timestamp_ms).filter(|&ms| ms != 0),
            start_timestamp_ms: if options.start_timestamps {
                metric.start_timestamp_ms
            } else {
                0
            },
        };
        self.step = Step::Series(0);
        if !self.is_histogram() {
            return Ok(false);
        }
        if !metric.is_native() || options.ignore_native || self.classic {
            if !options.convert_classic {
                self.classic = true;
            } else if !options.keep_classic {
                self.step = Step::Converted;
            }
            return Ok(false);
        }
        if !options.keep_classic || metric.buckets.is_empty() {
            self.step = Step::NextMetric;
        }
        let histogram = native::histogram(metric, self.hint(), &mut self.layout, self.used.take());
        let histogram = histogram.map_err(|reason| {
            self.error(format!("histogram {}: {reason}", shown(self.family.name)))
        })?;
        self.give_histogram(histogram);
        Ok(true)
    }

    fn give_histogram(&mut self, histogram: Histogram) {
        Key::write(self.family.name, "", Bound::No, &self.key_labels, &mut self.key);
        self.histogram = Some(histogram);
        let metric = &self.metric;
        let own = !metric.exemplars.is_empty();
        let exemplars = if own { &metric.exemplars } else { &metric.bucket_exemplars };
        // Without a time they could not be told from those of the scrape before.
        self.exemplars.extend(exemplars.iter().filter(|exemplar| exemplar.timestamp_ms.is_some()));
    }

    fn convert(&mut self) -> Result<(), ParseError> {
        self.collected.clear();
        self.collected.set_count(self.metric.count.value());
        self.collected.set_sum(self.metric.sum);
        for bucket in &self.metric.buckets {
            self.collected.set_bucket(bucket.upper_bound, bucket.count.value());
        }
        let histogram = self.collected.convert(self.hint());
        let histogram = histogram.map_err(|error| self.error(error.to_string()))?;
        self.give_histogram(histogram);
        Ok(())
    }

    /// Reads the series with this number of the metric. Returns what comes after it.
    fn series(&mut self, number: usize) -> Step {
        let metric = &self.metric;
        let is_histogram = self.is_histogram();
        if !is_histogram && self.metric_type != MetricType::Summary {
            self.point.value = match self.metric_type {
                MetricType::Counter => metric.counter,
                MetricType::Gauge => metric.gauge,
                _ => metric.untyped,
            };
            if self.metric_type == MetricType::Counter {
                self.exemplars.extend(metric.counter_exemplar);
            }
            self.write_key("", Bound::No);
            return Step::NextMetric;
        }
        let count = if is_histogram { metric.count.value() } else { metric.summary_count as f64 };
        let sum = if is_histogram { metric.sum } else { metric.summary_sum };
        let last = match number {
            0 => {
                self.point.value = count;
                self.write_key("_count", Bound::No);
                false
            }
            1 => {
                self.point.value = sum;
                let last = !is_histogram && metric.quantiles.is_empty();
                self.write_key("_sum", Bound::No);
                last
            }
            _ if is_histogram => {
                let bucket = metric.buckets.get(number - 2).copied();
                let upper_bound = bucket.map_or(f64::INFINITY, |bucket| bucket.upper_bound);
                self.point.value = bucket.map_or(count, |bucket| bucket.count.value());
                let exemplar = bucket.and_then(|b| metric.bucket_exemplars.get(b.exemplar?));
                self.exemplars.extend(exemplar);
                self.write_key("_bucket", Bound::Le(upper_bound));
                upper_bound == f64::INFINITY
            }
            _ => {
                let (quantile, value) =
                    metric.quantiles.get(number - 2).copied().unwrap_or_default();
                let last = number > metric.quantiles.len();
                self.point.value = value;
                self.write_key("", Bound::Quantile(quantile));
                last
            }
        };
        if !last {
            return Step::Series(number + 1);
        }
        let native = self.metric.is_native() && !self.options.ignore_native;
        let convert = self.options.convert_classic && is_histogram && !native;
        if convert { Step::Converted } else { Step::NextMetric }
    }

    fn write_key(&mut self, suffix: &str, bound: Bound) {
        Key::write(self.family.name, suffix, bound, &self.key_labels, &mut self.key);
    }

    #[cold]
    fn error(&self, reason: String) -> ParseError {
        ParseError { place: Place::Byte(self.family_at), reason: reason.into() }
    }
}

impl Parser for ProtobufParser<'_> {
    const DECLARES_FAMILIES: bool = true;
    const RECALLS_LINES: bool = false;

    fn position(&self) -> usize {
        self.at
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        if !std::mem::take(&mut self.peeked) && !self.advance()? {
            return Ok(None);
        }
        let Family { name: metric, help, unit, .. } = self.family;
        Ok(Some(match self.kind {
            Kind::Help => {
                let help = std::str::from_utf8(help).expect("checked when the family was read");
                Entry::Help { metric, help, escapes: Escapes::No }
            }
            Kind::Unit => Entry::Unit { metric, unit },
            Kind::Type => Entry::Type { metric, metric_type: self.metric_type },
            Kind::Sample => Entry::Sample(Sample { series: &self.key, point: self.point }),
            Kind::Histogram => Entry::Histogram(Sample { series: &self.key, point: self.point }),
        }))
    }

    #[inline]
    fn next_of(&mut self, series: Fingerprint) -> Result<Option<Sample<'_>>, ParseError> {
        if !self.peeked {
            if !self.advance()? {
                // The next call finds the end again.
                return Ok(None);
            }
            self.peeked = true;
        }
        if self.kind != Kind::Sample || !series.is_of(&self.key) {
            return Ok(None);
        }
        self.peeked = false;
        Ok(Some(Sample { series: &self.key, point: self.point }))
    }

    fn at_comment(&self) -> bool {
        false
    }

    fn skip_line(&mut self, _line: &[u8], _metric_type: Option<MetricType>) -> bool {
        false
    }

    #[inline]
    fn exemplar(&self, index: usize) -> Option<Exemplar<'_>> {
        self.exemplars.get(index).copied()
    }

    fn take_histogram(&mut self, used: Option<Histogram>) -> Histogram {
        self.used = used;
        self.histogram.take().expect("taken once, after its entry")
    }
}

#[cfg(test)]
mod tests;
