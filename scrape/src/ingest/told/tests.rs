//! Which series are told of, and when.

use super::*;
use crate::config::Limits;
use crate::ingest::{Features, HistogramLimits, LabelRules};
use expfmt::{Format, ParseOptions};
use model::validate::NameValidation;
use model::{Labels, SeriesRef};
use std::sync::Arc;
use storage::{FloatBatch, LabelBatch, Rejected};

/// Takes everything and remembers what was told, by metric name.
#[derive(Default)]
struct Listener {
    known: Vec<Labels>,
    told: Vec<String>,
}

impl Appender for &mut Listener {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        _rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        for row in 0..labels.len() {
            self.known.push(Labels::from_pairs(labels.get(row).iter().copied()));
            refs.push(SeriesRef::new(self.known.len() as u64));
        }
        Ok(())
    }

    fn append_floats(
        &mut self,
        _batch: FloatBatch<'_>,
        _rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        Ok(())
    }

    fn append_metadata(
        &mut self,
        refs: &[SeriesRef],
        metadata: &[Metadata],
    ) -> storage::Result<()> {
        for (series, told) in refs.iter().zip(metadata) {
            let name = self.known[series.get() as usize - 1].get(METRIC_NAME).unwrap_or_default();
            let kind = told.metric_type.as_str();
            self.told.push(format!("{name} {kind} {}{}", told.help, told.unit));
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> storage::Result<()> {
        Ok(())
    }
}

fn rules(metadata: bool) -> SampleRules {
    SampleRules {
        labels: LabelRules {
            target_labels: Labels::from_pairs([("job", "j")]),
            honor_labels: false,
            metric_relabel: Arc::new([]),
            validation_scheme: NameValidation::Utf8,
            limits: Limits::default(),
        },
        honor_timestamps: true,
        track_timestamps_staleness: false,
        sample_limit: 0,
        interval_ms: 15_000,
        parse: ParseOptions::default(),
        histograms: HistogramLimits::default(),
        features: Features { metadata, ..Features::default() },
    }
}

#[test]
fn new_series_and_changed_families_are_told() {
    let (mut ingest, rules, mut storage) = (Ingest::default(), rules(true), Listener::default());
    let mut scrape = |body: &str, now_ms: i64| {
        storage.told.clear();
        let body = (Format::Text, body.as_bytes());
        ingest.append(body, now_ms, &rules, &mut &mut storage).1.expect("a good body");
        storage.told.join(", ")
    };
    let first = "# HELP a what\n# TYPE a counter\na 1\na_total 2\nstray 1\n";
    assert_eq!(scrape(first, 1000), "a counter what, a_total counter what");
    assert_eq!(scrape(first, 2000), "");
    let more = "# HELP a what\n# TYPE a counter\na 1\na_total 2\na{x=\"y\"} 2\n";
    assert_eq!(scrape(more, 3000), "a counter what");
    let other = "# HELP a else\n# TYPE a counter\na 1\na_total 2\na{x=\"y\"} 2\n";
    let all = "a counter else, a_total counter else, a counter else";
    assert_eq!(scrape(other, 4000), all);
    assert_eq!(scrape(other, 5000), "");
    assert_eq!(scrape("# TYPE a gauge\na_total 1\na 1\n", 6000), "a gauge else");
}

#[test]
fn nothing_is_told_where_nobody_listens() {
    let (mut ingest, rules, mut storage) = (Ingest::default(), rules(false), Listener::default());
    let body = (Format::Text, &b"# TYPE a counter\na 1\n"[..]);
    ingest.append(body, 1000, &rules, &mut &mut storage).1.expect("a good body");
    assert_eq!(storage.told, [""; 0]);
}

#[test]
fn series_belong_to_families_by_suffix() {
    let cases = [
        ("a_total", "a", MetricType::Counter, true),
        ("a_total", "a_total", MetricType::Counter, true),
        ("a_sum", "a", MetricType::Counter, false),
        ("a_bucket", "a", MetricType::Histogram, true),
        ("a", "a", MetricType::Histogram, true),
        ("a_gsum", "a", MetricType::GaugeHistogram, true),
        ("a_gsum", "a", MetricType::Histogram, false),
        ("a_count", "a", MetricType::Summary, true),
        ("a_info", "a", MetricType::Info, true),
        ("ab", "a", MetricType::Gauge, false),
        ("b", "a", MetricType::Unknown, false),
    ];
    for (name, family, metric_type, expected) in cases {
        assert_eq!(is_member(name, family, metric_type), expected, "{name} of {family}");
    }
}
