//! Resources to rows: each kind of metric as Prometheus stores it, `target_info` beside them.

use super::Options;
use super::buckets;
use super::config::Config;
use super::labels::{self, Origin};
use super::message::{
    Common, Data, Exemplar, ExponentialPoint, HistogramPoint, Metric, NumberPoint, Resource,
    SummaryPoint, Temporality,
};
use super::names;
use super::rows::{Example, Times, Translated};
use super::values;
use model::metadata::{Metadata, MetricType};
use std::fmt::Write as _;

/// Exemplars whose labels are longer lose their attributes.
const MAX_EXEMPLAR_CHARS: usize = 128;

/// What is the same for all points of a metric.
struct Context<'t> {
    origin: &'t Origin<'t>,
    name: String,
    metadata: Metadata,
    unit: &'t str,
}

/// Translates one request.
pub(super) struct Translator<'t> {
    pub(super) config: &'t Config,
    pub(super) options: &'t Options,
    pub(super) out: Translated,
}

impl Translator<'_> {
    pub(super) fn resource(&mut self, resource: &Resource<'_>) {
        let mut span: Option<(u64, u64)> = None;
        for scope in &resource.scopes {
            let origin = Origin::new(resource, scope, self.config);
            for metric in &scope.metrics {
                self.out.num_metrics += 1;
                for time_ns in times(&metric.data) {
                    let (first, last) = span.unwrap_or((time_ns, time_ns));
                    span = Some((first.min(time_ns), last.max(time_ns)));
                }
                let done = match &origin {
                    Ok(origin) => self.metric(metric, origin),
                    Err(text) => Err(text.clone()),
                };
                if let Err(text) = done {
                    self.out.fault(text, false);
                }
            }
            if let Ok(origin) = origin {
                self.out.collisions += origin.collisions.get();
            }
        }
        if let Some((first_ns, last_ns)) = span {
            self.out.num_metrics += 1;
            if let Err(text) = self.target_info(resource, first_ns, last_ns) {
                self.out.fault(text, false);
            }
        }
    }

    fn metric(&mut self, metric: &Metric<'_>, origin: &Origin<'_>) -> Result<(), String> {
        let name = &*metric.name;
        let temporality = match &metric.data {
            Data::Empty => {
                return Err(format!(
                    "could not get aggregation temporality for {name} as it has unsupported metric type Empty"
                ));
            }
            Data::Gauge(_) | Data::Summary(_) => Temporality::Cumulative,
            Data::Sum { temporality, .. }
            | Data::Histogram { temporality, .. }
            | Data::Exponential { temporality, .. } => *temporality,
        };
        let is_taken = match temporality {
            Temporality::Cumulative => true,
            Temporality::Delta => self.options.native_delta,
            Temporality::Unspecified => false,
        };
        if !is_taken {
            let name = model::quote::Quoted(name);
            return Err(format!("invalid temporality and type combination for metric {name}"));
        }
        let is_delta = temporality == Temporality::Delta;
        let context = Context {
            origin,
            name: names::metric(name, &metric.unit, &metric.data, self.config)?,
            metadata: Metadata {
                metric_type: if is_delta { MetricType::Unknown } else { kind(&metric.data) },
                unit: (*metric.unit).into(),
                help: (*metric.description).into(),
            },
            unit: &metric.unit,
        };
        match &metric.data {
            Data::Empty => Ok(()),
            Data::Gauge(points) => points.iter().try_for_each(|p| self.number(p, &context, false)),
            Data::Sum { points, .. } => {
                points.iter().try_for_each(|point| self.number(point, &context, true))
            }
            Data::Histogram { points, temporality } => points.iter().try_for_each(|point| {
                if self.config.custom_buckets {
                    self.custom(point, *temporality, &context)
                } else {
                    self.classic(point, &context)
                }
            }),
            Data::Exponential { points, temporality } => {
                points.iter().try_for_each(|point| self.exponential(point, *temporality, &context))
            }
            Data::Summary(points) => points.iter().try_for_each(|p| self.summary(p, &context)),
        }
    }

    /// The labels of a point, shared by all its series.
    fn base(&mut self, common: &Common<'_>, context: &Context<'_>) -> Result<u32, String> {
        let mut labels = context.origin.labels(&common.attributes)?;
        if self.options.type_and_unit_labels {
            let metadata = &context.metadata;
            if metadata.metric_type != MetricType::Unknown {
                labels.set("__type__", metadata.metric_type.as_str().to_owned());
            }
            if !metadata.unit.is_empty() {
                labels.set("__unit__", names::unit_label(context.unit, self.config));
            }
        }
        Ok(self.out.base(labels))
    }

    fn series(
        &mut self,
        base: u32,
        suffix: &str,
        extra: Option<(&'static str, String)>,
        context: &Context<'_>,
    ) -> u32 {
        let series = if suffix.is_empty() {
            self.out.series(base, &context.name, extra)
        } else {
            self.out.series(base, &format!("{}{suffix}", context.name), extra)
        };
        if self.options.metadata {
            self.out.metadata.push((series, context.metadata.clone()));
        }
        series
    }

    fn number(
        &mut self,
        point: &NumberPoint<'_>,
        context: &Context<'_>,
        takes_exemplars: bool,
    ) -> Result<(), String> {
        let base = self.base(&point.common, context)?;
        let series = self.series(base, "", None, context);
        self.out.float(series, times_of(&point.common), value(&point.common, point.value));
        let exemplars = if takes_exemplars { &point.exemplars[..] } else { &[] };
        self.exemplars(exemplars, |_| series)
    }

    fn classic(&mut self, point: &HistogramPoint<'_>, context: &Context<'_>) -> Result<(), String> {
        let base = self.base(&point.common, context)?;
        let (common, times) = (&point.common, times_of(&point.common));
        if let Some(sum) = point.sum {
            let series = self.series(base, "_sum", None, context);
            self.out.float(series, times, value(common, sum));
        }
        let series = self.series(base, "_count", None, context);
        self.out.float(series, times, value(common, point.count as f64));
        let mut bounds: Vec<(f64, u32)> = Vec::with_capacity(point.bounds.len() + 1);
        let mut total: u64 = 0;
        for (&bound, &count) in point.bounds.iter().zip(&point.buckets) {
            total = total.wrapping_add(count);
            let le = Some(("le", model::float::fixed(bound)));
            let series = self.series(base, "_bucket", le, context);
            self.out.float(series, times, value(common, total as f64));
            bounds.push((bound, series));
        }
        let series = self.series(base, "_bucket", Some(("le", "+Inf".to_owned())), context);
        self.out.float(series, times, value(common, point.count as f64));
        bounds.push((f64::INFINITY, series));
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.exemplars(&point.exemplars, |example| {
            let found = bounds.iter().find(|(bound, _)| example <= *bound);
            found.map_or(series, |(_, series)| *series)
        })
    }

    fn custom(
        &mut self,
        point: &HistogramPoint<'_>,
        temporality: Temporality,
        context: &Context<'_>,
    ) -> Result<(), String> {
        let base = self.base(&point.common, context)?;
        let series = self.series(base, "", None, context);
        let histogram = buckets::custom(point, temporality);
        self.out.histogram(series, times_of(&point.common), histogram);
        self.exemplars(&point.exemplars, |_| series)
    }

    fn exponential(
        &mut self,
        point: &ExponentialPoint<'_>,
        temporality: Temporality,
        context: &Context<'_>,
    ) -> Result<(), String> {
        let histogram = buckets::exponential(point, temporality)?;
        let base = self.base(&point.common, context)?;
        let series = self.series(base, "", None, context);
        self.out.histogram(series, times_of(&point.common), histogram);
        self.exemplars(&point.exemplars, |_| series)
    }

    fn summary(&mut self, point: &SummaryPoint<'_>, context: &Context<'_>) -> Result<(), String> {
        let base = self.base(&point.common, context)?;
        let (common, times) = (&point.common, times_of(&point.common));
        for (suffix, number) in [("_sum", point.sum), ("_count", point.count as f64)] {
            let series = self.series(base, suffix, None, context);
            self.out.float(series, times, value(common, number));
        }
        for &(quantile, number) in &point.quantiles {
            let quantile = Some(("quantile", model::float::fixed(quantile)));
            let series = self.series(base, "", quantile, context);
            self.out.float(series, times, value(common, number));
        }
        Ok(())
    }

    /// Adds exemplars, each to the series that `series_of` its value names.
    fn exemplars(
        &mut self,
        exemplars: &[Exemplar<'_>],
        series_of: impl Fn(f64) -> u32,
    ) -> Result<(), String> {
        for exemplar in exemplars {
            let Some(value) = exemplar.value else {
                return Err("unsupported exemplar value type: Empty".to_owned());
            };
            self.out.exemplars.push(Example {
                series: series_of(value),
                timestamp_ms: exemplar.time_ns.cast_signed() / 1_000_000,
                value,
                labels: exemplar_labels(exemplar),
            });
        }
        Ok(())
    }

    /// One sample at both ends of the span and every half lookback between them.
    fn target_info(
        &mut self,
        resource: &Resource<'_>,
        first_ns: u64,
        last_ns: u64,
    ) -> Result<(), String> {
        let Some(labels) = labels::target_info(resource, self.config)? else { return Ok(()) };
        let base = self.out.base(labels);
        let series = self.out.series(base, "target_info", None);
        each_info_time((first_ns, last_ns), self.options.lookback_ms, |timestamp_ms| {
            self.out.float(series, Times { timestamp_ms, start_ms: 0 }, 1.0);
        });
        Ok(())
    }
}

/// The times of `target_info` in milliseconds: both ends of a span, and every half look-back between them.
pub(super) fn each_info_time(
    (first_ns, last_ns): (u64, u64),
    lookback_ms: i64,
    mut push: impl FnMut(i64),
) {
    let step_ns = (lookback_ms.max(2).cast_unsigned() / 2).saturating_mul(1_000_000);
    let last_ms = last_ns.cast_signed() / 1_000_000;
    let (mut newest_ms, mut time_ns) = (None, first_ns);
    // A span of years comes from points with wrong times: they are not worth millions of samples.
    if (last_ns - first_ns) / step_ns <= MAX_TARGET_INFO_SAMPLES {
        while time_ns < last_ns {
            let time_ms = time_ns.cast_signed() / 1_000_000;
            push(time_ms);
            newest_ms = Some(time_ms);
            time_ns = time_ns.saturating_add(step_ns);
        }
    }
    if newest_ms.is_none_or(|newest| newest < last_ms) {
        push(last_ms);
    }
}

/// The most samples of `target_info` that one resource gets between its first and last point.
const MAX_TARGET_INFO_SAMPLES: u64 = 100_000;

fn times_of(common: &Common<'_>) -> Times {
    Times { timestamp_ms: common.time_ms(), start_ms: common.start_ms() }
}

fn value(common: &Common<'_>, value: f64) -> f64 {
    if common.has_no_value() { model::STALE_NAN } else { value }
}

fn kind(data: &Data<'_>) -> MetricType {
    match data {
        Data::Empty => MetricType::Unknown,
        Data::Sum { is_monotonic: true, .. } => MetricType::Counter,
        Data::Gauge(_) | Data::Sum { .. } => MetricType::Gauge,
        Data::Histogram { .. } | Data::Exponential { .. } => MetricType::Histogram,
        Data::Summary(_) => MetricType::Summary,
    }
}

/// The times of all points.
fn times(data: &Data<'_>) -> Vec<u64> {
    match data {
        Data::Empty => Vec::new(),
        Data::Gauge(points) | Data::Sum { points, .. } => {
            points.iter().map(|point| point.common.time_ns).collect()
        }
        Data::Histogram { points, .. } => points.iter().map(|p| p.common.time_ns).collect(),
        Data::Exponential { points, .. } => points.iter().map(|p| p.common.time_ns).collect(),
        Data::Summary(points) => points.iter().map(|point| point.common.time_ns).collect(),
    }
}

/// Trace, span and, if there is room, attributes; sorted by name.
fn exemplar_labels(exemplar: &Exemplar<'_>) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    for (name, id) in [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)] {
        if id.iter().any(|&byte| byte != 0) {
            let mut text = String::with_capacity(id.len() * 2);
            for byte in id.iter() {
                write!(text, "{byte:02x}").expect("a String takes all");
            }
            labels.push((name.to_owned(), text));
        }
    }
    let attributes: Vec<(String, String)> = exemplar
        .attributes
        .iter()
        .map(|attribute| (attribute.key.clone().into_owned(), values::text(&attribute.value)))
        .collect();
    let length = |labels: &[(String, String)]| -> usize {
        labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum()
    };
    if length(&labels) + length(&attributes) <= MAX_EXEMPLAR_CHARS {
        labels.extend(attributes);
    }
    labels.sort_unstable();
    labels
}
