//! `/federate`: the newest sample of each selected series as exposition, for another server to scrape.

use crate::call::{Done, done};
use crate::error::Result;
use crate::json::Out;
use expfmt::encode::{Encoder, Family, FamilyHead, FamilyType, Metric, MetricValue, Wanted};
use model::histogram::{CounterResetHint, FloatHistogram};
use model::{LabelPair, Labels, LabelsColumn, Matcher, Symbols, TimeRange, is_stale_nan};
use storage::{Cancel, Queryable, SampleColumns, SelectHints, SeriesBatch};

/// What is sent.
#[derive(Debug)]
pub(crate) struct Federation {
    pub(crate) selectors: Vec<Vec<Matcher>>,
    pub(crate) external_labels: Labels,
    pub(crate) lookback_ms: i64,
    pub(crate) now_ms: i64,
    pub(crate) wanted: Wanted,
}

/// The newest sample of a series.
enum Newest {
    Float(f64),
    Histogram(Box<FloatHistogram>),
}

/// The newest samples of the series found: columns of equal length.
#[derive(Default)]
struct Found {
    labels: LabelsColumn,
    samples: Vec<(i64, Newest)>,
}

impl Federation {
    fn sends_native(&self) -> bool {
        self.wanted.notation != expfmt::encode::Notation::Text
    }

    /// Answers the newest samples, a family after the other.
    pub(crate) fn answer(
        &self,
        storage: &dyn Queryable,
        cancel: &Cancel,
        out: &mut Out<'_>,
    ) -> Result<Done> {
        let symbols = Symbols::new();
        let found = self.select(storage, &symbols, cancel)?;
        let name = symbols.find("__name__");
        let name_of = |row: usize| {
            let pair = found.labels.get(row).iter().find(|pair| Some(pair.name) == name);
            pair.map_or("", |pair| symbols.text(pair.value))
        };
        let mut rows: Vec<usize> = (0..found.samples.len()).collect();
        rows.sort_by(|&a, &b| {
            let by_labels = || symbols.compare(found.labels.get(a), found.labels.get(b));
            name_of(a).cmp(name_of(b)).then_with(by_labels)
        });
        rows.dedup_by(|a, b| found.labels.get(*a) == found.labels.get(*b));
        let encoder = Encoder::new(self.wanted);
        let mut family = Family::default();
        let mut open: Option<(&str, FamilyType)> = None;
        for row in rows {
            let (timestamp_ms, newest) = &found.samples[row];
            let kind = match newest {
                Newest::Float(_) => FamilyType::Untyped,
                Newest::Histogram(histogram) if histogram.hint == CounterResetHint::Gauge => {
                    FamilyType::GaugeHistogram
                }
                Newest::Histogram(_) => FamilyType::Histogram,
            };
            let next = (name_of(row), kind);
            if open != Some(next) {
                if open.is_some() {
                    encoder.end(&mut family, &mut out.bytes);
                }
                encoder.begin(&mut family, &FamilyHead { name: next.0, help: None, kind });
                open = Some(next);
            }
            let value = match newest {
                Newest::Float(value) => MetricValue::Number(*value),
                Newest::Histogram(histogram) => MetricValue::Native(histogram.view()),
            };
            let labels = self.labels(found.labels.get(row), &symbols);
            let metric = Metric { labels: &labels, value, timestamp_ms: Some(*timestamp_ms) };
            encoder.metric(&mut family, kind, &metric);
            encoder.take(&mut family, &mut out.bytes);
            if out.spill().is_err() {
                return Ok(Done::Gone);
            }
        }
        if open.is_some() {
            encoder.end(&mut family, &mut out.bytes);
        }
        done(out.spill())
    }

    /// The labels of a series without its name, then those external ones that it lacks. There always is an instance,
    /// so that a scraper that honours labels does not put its own in.
    fn labels<'a>(&'a self, pairs: &[LabelPair], symbols: &'a Symbols) -> Vec<(&'a str, &'a str)> {
        let own = pairs.iter().map(|pair| (symbols.text(pair.name), symbols.text(pair.value)));
        let mut labels: Vec<_> =
            own.filter(|(name, value)| *name != "__name__" && !value.is_empty()).collect();
        let num_own = labels.len();
        let mut external: Vec<(&str, &str)> = self.external_labels.iter().collect();
        if let Err(at) = external.binary_search_by(|(name, _)| (*name).cmp("instance")) {
            external.insert(at, ("instance", ""));
        }
        for (name, value) in external {
            if !labels[..num_own].iter().any(|(own, _)| *own == name) {
                labels.push((name, value));
            }
        }
        labels
    }

    fn select(&self, storage: &dyn Queryable, symbols: &Symbols, cancel: &Cancel) -> Result<Found> {
        let range = TimeRange::new(self.now_ms.saturating_sub(self.lookback_ms), self.now_ms);
        let querier = storage.querier(range)?;
        let hints = SelectHints { range: Some(range), newest_only: true, ..SelectHints::default() };
        let mut found = Found::default();
        let mut batch = SeriesBatch::default();
        let mut columns = SampleColumns::default();
        for matchers in self.selectors.iter().filter(|matchers| !matchers.is_empty()) {
            let mut set = querier.select(matchers, &hints, symbols, cancel)?;
            while set.next_batch(&mut batch)? {
                cancel.check()?;
                for series in 0..batch.len() {
                    batch.read(series, range, &mut columns)?;
                    let Some(newest) = self.newest(&columns) else { continue };
                    found.labels.push(batch.labels().get(series).iter().copied());
                    found.samples.push(newest);
                }
            }
        }
        Ok(found)
    }

    /// The newest sample, unless it says that the series ended or the notation has no way to write it.
    fn newest(&self, columns: &SampleColumns) -> Option<(i64, Newest)> {
        let float = columns.timestamps_ms.last().zip(columns.values.last());
        let histogram_ms = columns.histograms.timestamps_ms().last().copied();
        if let Some(timestamp_ms) = histogram_ms
            && float.is_none_or(|(float_ms, _)| *float_ms < timestamp_ms)
        {
            let view = columns.histograms.get(columns.histograms.len() - 1);
            if view.is_stale() || !(self.sends_native() || view.layout.is_custom()) {
                return None;
            }
            return Some((timestamp_ms, Newest::Histogram(Box::new(view.to_owned()))));
        }
        float
            .filter(|(_, value)| !is_stale_nan(**value))
            .map(|(timestamp_ms, value)| (*timestamp_ms, Newest::Float(*value)))
    }
}
