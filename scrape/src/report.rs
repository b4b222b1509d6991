//! The series that each scrape adds about itself: `up` and its kin. Relabelling and limits do not touch them.

use crate::Result;
use crate::ingest::Counts;
use model::metadata::{Metadata, MetricType};
use model::{Labels, LabelsBuilder, METRIC_NAME, STALE_NAN, SeriesRef};
use storage::{Appender, FloatBatch, LabelBatch, RejectReason};

/// Name, unit, help.
type Described = (&'static str, &'static str, &'static str);

const ALWAYS: [Described; 5] = [
    ("up", "targets", "Whether the last scrape of the target went well."),
    ("scrape_duration_seconds", "seconds", "How long the last scrape took."),
    ("scrape_samples_scraped", "samples", "How many samples the target exposed."),
    (
        "scrape_samples_post_metric_relabeling",
        "samples",
        "How many samples were left after relabelling.",
    ),
    ("scrape_series_added", "series", "How many series the last scrape had that were new."),
];
const EXTRA: [Described; 3] = [
    ("scrape_timeout_seconds", "seconds", "How long a scrape of the target may take."),
    ("scrape_sample_limit", "samples", "How many samples the target may expose; 0 is no limit."),
    ("scrape_body_size_bytes", "bytes", "How long the last body was before compression."),
];
/// Where limits leave out instead of failing; at the end of all.
const LEFT_OUT: Described =
    ("scrape_samples_dropped", "samples", "How many samples limits left out of the last scrape.");

/// What there is to report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) up: bool,
    pub(crate) duration_seconds: f64,
    pub(crate) counts: Counts,
    pub(crate) timeout_seconds: f64,
    pub(crate) sample_limit: u64,
    /// Negative if the body was too long.
    pub(crate) body_size_bytes: i64,
}

/// The report series of one target.
#[derive(Debug)]
pub(crate) struct ReportSeries {
    labels: Vec<Labels>,
    refs: Vec<SeriesRef>,
    /// Of each of the series, where the storage is told.
    metadata: Vec<Metadata>,
    extra: bool,
    left_out: bool,
}

impl ReportSeries {
    /// The series of the target with these labels; `extra` ones are asked for by the configuration, `left_out` tells that
    /// limits leave samples out, `metadata` that the storage is told what the series are.
    pub(crate) fn new(target_labels: &Labels, extra: bool, left_out: bool, metadata: bool) -> Self {
        let mut builder = LabelsBuilder::new();
        let described = ALWAYS.iter().chain(EXTRA.iter().filter(|_| extra));
        let described = described.chain([&LEFT_OUT].into_iter().filter(|_| left_out));
        let told = described.clone().filter(|_| metadata).map(|(_, unit, help)| Metadata {
            metric_type: MetricType::Gauge,
            unit: (*unit).into(),
            help: (*help).into(),
        });
        let metadata = told.collect();
        let labels = described
            .map(|(name, ..)| {
                builder.clear();
                builder.set(METRIC_NAME, name);
                for (name, value) in target_labels {
                    // As if the report were exposed and its labels gave way: that makes room under the other name.
                    builder.remove(&format!("exported_{name}"));
                    builder.set(name, value);
                }
                builder.labels()
            })
            .collect();
        Self { labels, refs: Vec::new(), metadata, extra, left_out }
    }

    /// Stages the report of the scrape at `timestamp_ms`.
    pub(crate) fn append(
        &mut self,
        report: &Report,
        timestamp_ms: i64,
        appender: &mut dyn Appender,
    ) -> Result<()> {
        let mut values = vec![
            f64::from(u8::from(report.up)),
            report.duration_seconds,
            report.counts.scraped as f64,
            report.counts.after_relabelling as f64,
            report.counts.series_added as f64,
        ];
        if self.extra {
            let body_size = report.body_size_bytes as f64;
            values.extend([report.timeout_seconds, report.sample_limit as f64, body_size]);
        }
        if self.left_out {
            values.push(report.counts.left_out as f64);
        }
        self.append_values(&values, timestamp_ms, false, appender)
    }

    /// Stages the markers that end the series.
    pub(crate) fn append_stale(
        &mut self,
        timestamp_ms: i64,
        appender: &mut dyn Appender,
    ) -> Result<()> {
        self.append_values(&vec![STALE_NAN; self.labels.len()], timestamp_ms, true, appender)
    }

    /// Refused samples are of no consequence: a reload may have made a new loop that was faster.
    fn append_values(
        &mut self,
        values: &[f64],
        timestamp_ms: i64,
        in_order_only: bool,
        appender: &mut dyn Appender,
    ) -> Result<()> {
        let timestamps_ms = vec![timestamp_ms; values.len()];
        let mut rejected = Vec::new();
        for _ in 0..2 {
            let is_new = self.refs.is_empty();
            if is_new {
                self.resolve(appender)?;
            }
            if self.refs.len() < values.len() {
                return Ok(());
            }
            if is_new && !self.metadata.is_empty() {
                appender.append_metadata(&self.refs, &self.metadata)?;
            }
            rejected.clear();
            let batch = FloatBatch::new(&self.refs, &timestamps_ms, values);
            let batch = if in_order_only { batch.in_order_only() } else { batch };
            appender.append_floats(batch, &mut rejected)?;
            if rejected.iter().all(|r| r.reason != RejectReason::UnknownRef) {
                return Ok(());
            }
            // The storage forgot the series. Rows that it took already are refused as duplicates.
            self.refs.clear();
        }
        Ok(())
    }

    fn resolve(&mut self, appender: &mut dyn Appender) -> Result<()> {
        let (mut pairs, mut ends) = (Vec::new(), Vec::new());
        for labels in &self.labels {
            pairs.extend(labels.iter());
            ends.push(pairs.len() as u32);
        }
        let (mut refs, mut rejected) = (Vec::new(), Vec::new());
        appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
        // All or nothing: a storage without room for all of them is asked again.
        if rejected.is_empty() {
            self.refs.extend(refs.into_iter().flatten());
        }
        Ok(())
    }
}
