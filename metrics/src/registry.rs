//! Declares metrics and prints them in the text exposition format 0.0.4, families sorted by name.

use crate::family::{Family, Function, Kind};
use crate::float::push_float;
use crate::view::{self, FamilyView, ValueView};
use crate::{Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramVec, Summary, SummaryVec};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A set of metrics; cloning shares it. Declaring a name again returns the metric that is there.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<RwLock<BTreeMap<Box<str>, Arc<Family>>>>);

impl Registry {
    /// A set without metrics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn family(&self, name: &str, new: impl FnOnce() -> Family) -> Arc<Family> {
        let mut families = self.0.write();
        let family = families.entry(name.into()).or_insert_with(|| Arc::new(new()));
        Arc::clone(family)
    }

    fn declare(
        &self,
        kind: Kind,
        (name, help): (&str, &str),
        label_names: &[&str],
        parameters: &[f64],
    ) -> Arc<Family> {
        let family = self.family(name, || Family::new(kind, help, label_names, parameters));
        assert!(family.kind == kind, "{name} is declared with two kinds");
        family
    }

    /// A counter.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.counter_vec(name, help, &[]).with(&[])
    }

    /// Counters by label values.
    pub fn counter_vec(&self, name: &str, help: &str, label_names: &[&str]) -> CounterVec {
        CounterVec(self.declare(Kind::Counter, (name, help), label_names, &[]))
    }

    /// A gauge.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.gauge_vec(name, help, &[]).with(&[])
    }

    /// Gauges by label values.
    pub fn gauge_vec(&self, name: &str, help: &str, label_names: &[&str]) -> GaugeVec {
        GaugeVec(self.declare(Kind::Gauge, (name, help), label_names, &[]))
    }

    /// A counter that `read` knows; declaring it again replaces `read`.
    pub fn counter_fn(
        &self,
        name: &str,
        help: &str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        let read: Function = Arc::new(read);
        self.declare(Kind::Counter, (name, help), &[], &[]).set_function(read);
    }

    /// A gauge that `read` knows; declaring it again replaces `read`.
    pub fn gauge_fn(&self, name: &str, help: &str, read: impl Fn() -> f64 + Send + Sync + 'static) {
        let read: Function = Arc::new(read);
        self.declare(Kind::Gauge, (name, help), &[], &[]).set_function(read);
    }

    /// A histogram with these upper bounds, ascending, without the infinite one.
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.histogram_vec(name, help, &[], buckets).with(&[])
    }

    /// Histograms by label values.
    pub fn histogram_vec(
        &self,
        name: &str,
        help: &str,
        label_names: &[&str],
        buckets: &[f64],
    ) -> HistogramVec {
        HistogramVec(self.declare(Kind::Histogram, (name, help), label_names, buckets))
    }

    /// A summary with these quantiles (0 to 1), none for sum and count alone.
    pub fn summary(&self, name: &str, help: &str, quantiles: &[f64]) -> Summary {
        self.summary_vec(name, help, &[], quantiles).with(&[])
    }

    /// Summaries by label values.
    pub fn summary_vec(
        &self,
        name: &str,
        help: &str,
        label_names: &[&str],
        quantiles: &[f64],
    ) -> SummaryVec {
        SummaryVec(self.declare(Kind::Summary, (name, help), label_names, quantiles))
    }

    /// Appends all metrics to `out` as text 0.0.4. Families without a metric are left out.
    pub fn encode_text(&self, out: &mut String) {
        self.encode_text_where(out, |_| true);
    }

    /// Appends the metrics of the families whose name `keep` accepts.
    pub fn encode_text_where(&self, out: &mut String, keep: impl Fn(&str) -> bool) {
        for family in self.families(keep) {
            encode_family(out, &family);
        }
    }

    /// The families whose name `keep` accepts, as they are now, sorted by name. Those without a metric are left out.
    pub fn families(&self, keep: impl Fn(&str) -> bool) -> Vec<FamilyView> {
        let families: Vec<(Box<str>, Arc<Family>)> = {
            let families = self.0.read();
            let kept = families.iter().filter(|(name, _)| keep(name));
            kept.map(|(name, family)| (name.clone(), Arc::clone(family))).collect()
        };
        // Functions may declare or take locks of their own: none of ours is held here.
        families.iter().filter_map(|(name, family)| view::view(name, family)).collect()
    }
}

fn encode_family(out: &mut String, family: &FamilyView) {
    out.extend(["# HELP ", &family.name, " "]);
    push_escaped(out, &family.help, false);
    out.extend(["\n# TYPE ", &family.name, " ", family.kind, "\n"]);
    for metric in &family.metrics {
        let line = Line { name: &family.name, labels: &metric.labels };
        match &metric.value {
            ValueView::Number(value) => line.push(out, "", None, *value),
            ValueView::Histogram { cumulative, sum } => {
                let count = cumulative.last().map_or(0, |(_, count)| *count);
                for (bound, count) in cumulative {
                    line.push(out, "_bucket", Some(("le", *bound)), *count as f64);
                }
                line.push(out, "_sum", None, *sum);
                line.push(out, "_count", None, count as f64);
            }
            ValueView::Summary { quantiles, sum, count } => {
                for (quantile, value) in quantiles {
                    line.push(out, "", Some(("quantile", *quantile)), *value);
                }
                line.push(out, "_sum", None, *sum);
                line.push(out, "_count", None, *count as f64);
            }
        }
    }
}

/// Name and labels of the lines of one child.
struct Line<'a> {
    name: &'a str,
    labels: &'a [(Box<str>, Box<str>)],
}

impl Line<'_> {
    fn push(&self, out: &mut String, suffix: &str, extra: Option<(&str, f64)>, value: f64) {
        out.extend([self.name, suffix]);
        let mut opening = "{";
        for (name, value) in self.labels {
            out.extend([opening, name, "=\""]);
            push_escaped(out, value, true);
            out.push('"');
            opening = ",";
        }
        if let Some((name, number)) = extra {
            out.extend([opening, name, "=\""]);
            push_float(out, number);
            out.push('"');
            opening = ",";
        }
        out.push_str(if opening == "," { "} " } else { " " });
        push_float(out, value);
        out.push('\n');
    }
}

fn push_escaped(out: &mut String, text: &str, is_label_value: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if is_label_value => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests;
