//! One pass over a body: known lines by one comparison, new ones with their labels, into columns. Stores nothing.

use super::rows::When;
use super::{Counts, Ingest, NewSeries, SampleRules};
use crate::cache::{Cache, Slot, State};
use crate::config::LimitMode;
use crate::starts::Start;
use crate::{Error, Result};
use expfmt::labels::{Declared, split_series};
use expfmt::{
    ConvertClassic, Entry, Fingerprint, Format, OpenMetricsParser, ParseOptions, Parser, Point,
    ProtobufParser, TextParser,
};
use model::METRIC_NAME;
use model::histogram::{FloatHistogram, Histogram, IntHistogram, Layout};
use model::metadata::MetricType;
use std::sync::Arc;

/// How far ahead of the clock a sample may be.
const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// How old a start may be to become a sample of zero. A storage accepts hardly older ones; one that is empty would let
/// its data begin there.
const MAX_ZERO_AGE_MS: i64 = 60 * 60 * 1000;

/// New lines beyond those that the storage has room for that are offered to it all the same, so that it can name them.
const LOOKS_BEYOND_ROOM: u64 = 1000;

/// The state of reading one body.
pub(super) struct Reading<'a> {
    rules: &'a SampleRules,
    now_ms: i64,
    max_ms: i64,
    pub(super) counts: Counts,
    /// Samples counted against the limit.
    num_limited: u64,
    /// Set if what is beyond the limits is left out: how many series may still be added.
    room: Option<u64>,
    /// How many new lines may still be looked at.
    looks: u64,
    /// What the body declared last, and for which family.
    metric_type: MetricType,
    unit: Vec<u8>,
    family: Vec<u8>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        rules: &'a SampleRules,
        now_ms: i64,
        cache: &Cache,
        room_for_series: u64,
    ) -> Self {
        let room = match (rules.labels.limits.mode, rules.sample_limit) {
            (LimitMode::Reject, _) => None,
            (LimitMode::KeepExisting, 0) => Some(u64::MAX),
            (LimitMode::KeepExisting, limit) => {
                Some(limit.saturating_sub(cache.num_series() as u64))
            }
        };
        Self {
            rules,
            now_ms,
            max_ms: now_ms.saturating_add(MAX_AHEAD_MS),
            counts: Counts::default(),
            num_limited: 0,
            room,
            looks: room_for_series.saturating_add(LOOKS_BEYOND_ROOM),
            metric_type: MetricType::Unknown,
            unit: Vec::new(),
            family: Vec::new(),
        }
    }

    /// The settings.
    pub(super) fn rules(&self) -> &'a SampleRules {
        self.rules
    }

    /// Whether a sample may go to the storage: below the limit, not too far ahead.
    #[inline]
    fn admits(&mut self, timestamp_ms: Option<i64>) -> bool {
        self.num_limited += 1;
        let limit = self.rules.sample_limit;
        if limit > 0 && self.num_limited > limit && self.room.is_none() {
            self.counts.over_limit += 1;
            return false;
        }
        if timestamp_ms.is_some_and(|timestamp_ms| timestamp_ms > self.max_ms) {
            self.counts.out_of_bounds += 1;
            return false;
        }
        true
    }

    #[inline]
    fn exposed_ms(&self, point: Point) -> Option<i64> {
        point.timestamp_ms.filter(|_| self.rules.honor_timestamps)
    }

    #[inline]
    fn when(&self, point: Point) -> When {
        let exposed_ms = self.exposed_ms(point);
        let start_ms = self.rules.features.start_timestamps.then_some(point.start_timestamp_ms);
        let timestamp_ms = exposed_ms.unwrap_or(self.now_ms);
        When { timestamp_ms, exposed: exposed_ms.is_some(), start_ms }
    }

    fn declare_type(&mut self, metric: &[u8], metric_type: MetricType) {
        self.metric_type = metric_type;
        self.family.clear();
        self.family.extend_from_slice(metric);
    }

    /// Whether the series of this name counts up since a start, by what was declared.
    fn is_counter(&self, name: &[u8]) -> bool {
        let Some(suffix) = name.strip_prefix(&self.family[..]) else { return false };
        match self.metric_type {
            MetricType::Counter => matches!(suffix, b"" | b"_total"),
            MetricType::Histogram => matches!(suffix, b"" | b"_bucket" | b"_sum" | b"_count"),
            _ => false,
        }
    }
}

/// What is done with the parser of a body, whatever its format.
pub(super) trait WithParser {
    type Output;

    fn run<P: Parser>(self, parser: P) -> Self::Output;
}

/// Does `work` with the parser of `body`.
pub(super) fn with_parser<W: WithParser>(
    format: Format,
    body: &[u8],
    options: ParseOptions,
    work: W,
) -> W::Output {
    let convert = options.convert_classic;
    match format {
        Format::Text if convert => work.run(ConvertClassic::new(TextParser::new(body), options)),
        Format::Text => work.run(TextParser::new(body)),
        Format::OpenMetrics if convert => {
            work.run(ConvertClassic::new(OpenMetricsParser::new(body, options), options))
        }
        Format::OpenMetrics => work.run(OpenMetricsParser::new(body, options)),
        Format::Protobuf => work.run(ProtobufParser::new(body, options)),
    }
}

/// Reads a body into the columns.
pub(super) struct Read<'a, 'r> {
    pub(super) ingest: &'a mut Ingest,
    pub(super) body: &'a [u8],
    pub(super) reading: &'a mut Reading<'r>,
}

impl WithParser for Read<'_, '_> {
    type Output = Result<()>;

    fn run<P: Parser>(self, parser: P) -> Result<()> {
        self.ingest.read_all(parser, self.body, self.reading)
    }
}

impl Ingest {
    fn read_all<P: Parser>(
        &mut self,
        mut parser: P,
        body: &[u8],
        reading: &mut Reading<'_>,
    ) -> Result<()> {
        loop {
            if P::RECALLS_LINES && parser.at_comment() {
                if let Some((line, metric_type)) = self.metadata.expected()
                    && parser.skip_line(line, metric_type)
                {
                    self.see_expected_comment(reading);
                    continue;
                }
            } else if let Some((slot, text)) = self.cache.expected()
                && let Some(sample) = parser.next_of(text)?
            {
                if let Some(point) = self.known_line(reading, slot, sample.point) {
                    self.push_float(reading, slot, point);
                    self.tell(reading, slot, sample.series, false)?;
                    self.take_exemplars(&parser, reading, slot, point, false);
                }
                continue;
            }
            let begin = parser.position();
            match parser.next()? {
                None => return Ok(()),
                Some(Entry::Sample(sample)) => {
                    let point = sample.point;
                    let before = self.new_series.len();
                    if let Some(slot) = self.line(reading, sample.series, point)? {
                        self.push_float(reading, slot, point);
                        self.tell(reading, slot, sample.series, self.new_series.len() > before)?;
                        self.take_exemplars(&parser, reading, slot, point, false);
                    }
                }
                Some(Entry::Histogram(sample)) => {
                    let point = sample.point;
                    let before = self.new_series.len();
                    let slot = self.line(reading, sample.series, point)?;
                    if let Some(slot) = slot {
                        self.tell(reading, slot, sample.series, self.new_series.len() > before)?;
                    }
                    let histogram = parser.take_histogram(self.histograms.spare());
                    if let Some(slot) = slot
                        && self.push_histogram(reading, slot, point, histogram)
                    {
                        self.take_exemplars(&parser, reading, slot, point, true);
                    }
                }
                Some(entry) => {
                    self.see_comment::<P>(reading, &entry);
                    if P::RECALLS_LINES {
                        // The entry may borrow from the parser; the place of the next one does not.
                        self.metadata.see_line(&entry);
                        let line = body.get(begin..parser.position()).unwrap_or_default();
                        self.metadata.remember_line(line);
                    } else {
                        self.metadata.see(&entry);
                    }
                }
            }
        }
    }

    /// The comment that was expected next.
    fn see_expected_comment(&mut self, reading: &mut Reading<'_>) {
        let seen = self.metadata.see_expected();
        if reading.rules.features.metadata {
            self.told.see(seen.metric.as_bytes());
        }
        if let Some(metric_type) = seen.metric_type {
            reading.declare_type(seen.metric.as_bytes(), metric_type);
        }
        if let Some(unit) = &seen.unit {
            reading.unit.clear();
            reading.unit.extend_from_slice(unit.as_bytes());
        }
    }

    /// Another comment.
    fn see_comment<P: Parser>(&mut self, reading: &mut Reading<'_>, entry: &Entry<'_>) {
        let metric = match entry {
            Entry::Type { metric, metric_type } => {
                reading.declare_type(metric, *metric_type);
                metric
            }
            Entry::Unit { unit, metric } => {
                (*unit).clone_into(&mut reading.unit);
                metric
            }
            Entry::Help { metric, .. } => {
                if P::DECLARES_FAMILIES {
                    reading.unit.clear();
                }
                metric
            }
            _ => return,
        };
        if reading.rules.features.metadata {
            self.told.see(metric);
        }
    }

    /// A line in no expected order. Returns its place if its sample is to be stored.
    fn line(
        &mut self,
        reading: &mut Reading<'_>,
        series: &[u8],
        point: Point,
    ) -> Result<Option<Slot>> {
        let text = Fingerprint::of(series);
        match self.cache.find(text) {
            Some(slot) => Ok(self.known_line(reading, slot, point).map(|_| slot)),
            None => self.new_line(reading, (series, text), point),
        }
    }

    /// Returns the point if it is to be stored.
    #[inline]
    fn known_line(&mut self, reading: &mut Reading<'_>, slot: Slot, point: Point) -> Option<Point> {
        reading.counts.scraped += 1;
        let again = self.cache.see(slot);
        match self.cache.state(slot) {
            State::Dropped => return None,
            State::Limited | State::Refused => {
                reading.counts.left_out += 1;
                return None;
            }
            State::Pending | State::Series(_) => {}
        }
        reading.counts.after_relabelling += 1;
        let exposed_ms = reading.exposed_ms(point);
        if again && exposed_ms.is_none() {
            reading.counts.duplicates += 1;
            return None;
        }
        reading.admits(exposed_ms).then_some(point)
    }

    #[cold]
    fn new_line(
        &mut self,
        reading: &mut Reading<'_>,
        (series, text): (&[u8], Fingerprint),
        point: Point,
    ) -> Result<Option<Slot>> {
        reading.counts.scraped += 1;
        if reading.room == Some(0) || reading.looks == 0 {
            // Without a look at its labels: a flood of new series must not cost more than reading it.
            reading.counts.left_out += 1;
            return Ok(None);
        }
        let rules = reading.rules;
        let (metric_type, as_labels) = (reading.metric_type, rules.features.type_and_unit_labels);
        let declared = Declared { metric_type, unit: &reading.unit, as_labels };
        split_series(series, &declared, &mut self.exposed_labels);
        match rules.labels.apply(&self.exposed_labels, &mut self.builder, &mut self.scratch) {
            Ok(true) => {}
            Ok(false) => {
                self.cache.insert(text, State::Dropped, metric_type, None);
                return Ok(None);
            }
            Err(Error::LabelLimit(_)) if reading.room.is_some() => {
                reading.counts.left_out += 1;
                self.cache.insert(text, State::Limited, metric_type, None);
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        reading.counts.after_relabelling += 1;
        if !reading.admits(reading.exposed_ms(point)) {
            return Ok(None);
        }
        reading.room = reading.room.map(|room| room - 1);
        reading.looks -= 1;
        let unit = as_labels.then_some(&reading.unit[..]);
        let slot = self.cache.insert(text, State::Pending, metric_type, unit);
        self.new_series.push(NewSeries { slot, labels: self.builder.labels() });
        if rules.features.synthesise_starts && point.start_timestamp_ms == 0 {
            let name = self.exposed_labels.iter().find(|(n, _)| *n == METRIC_NAME.as_bytes());
            if name.is_some_and(|(_, name)| reading.is_counter(name)) {
                self.cache.set_start(slot, Start::unseen());
            }
        }
        Ok(Some(slot))
    }

    #[inline]
    fn push_float(&mut self, reading: &Reading<'_>, slot: Slot, mut point: Point) {
        let features = reading.rules.features;
        let mut when = reading.when(point);
        if features.synthesise_starts
            && point.start_timestamp_ms == 0
            && let Some(start) = self.cache.start_mut(slot)
        {
            let Some(value) = start.since(when.timestamp_ms, point.value) else { return };
            point.value = value;
            when.start_ms = when.start_ms.map(|_| start.start_ms);
        } else if features.zero_samples && self.begins(slot, when.timestamp_ms, point) {
            self.zero_floats.push(slot, zero(when, point), 0.0);
        }
        self.floats.push(slot, when, point.value);
    }

    /// Whether a histogram was pushed: not if it has too many buckets, or only tells where a count begins.
    fn push_histogram(
        &mut self,
        reading: &mut Reading<'_>,
        slot: Slot,
        point: Point,
        mut histogram: Histogram,
    ) -> bool {
        let features = reading.rules.features;
        let mut when = reading.when(point);
        let is_synthesised = features.synthesise_starts && point.start_timestamp_ms == 0;
        if is_synthesised && let Some(start) = self.cache.histogram_start(slot) {
            let Some(counted) = start.since(when.timestamp_ms, histogram) else { return false };
            histogram = counted;
            when.start_ms = when.start_ms.map(|_| start.start_ms);
        }
        if !reading.rules.histograms.apply(&mut histogram) {
            match reading.room {
                None => reading.counts.over_bucket_limit += 1,
                Some(_) => reading.counts.left_out += 1,
            }
            return false;
        }
        if features.zero_samples && self.begins(slot, when.timestamp_ms, point) {
            self.zero_histograms.push(slot, zero(when, point), empty(&histogram));
        }
        self.histograms.push(slot, when, histogram);
        true
    }

    /// Whether a counter began before this sample and nothing was said of that yet.
    fn begins(&mut self, slot: Slot, timestamp_ms: i64, point: Point) -> bool {
        let start_ms = point.start_timestamp_ms;
        if start_ms == 0 || start_ms >= timestamp_ms || start_ms < timestamp_ms - MAX_ZERO_AGE_MS {
            return false;
        }
        if self.cache.start_mut(slot).is_some_and(|start| start.start_ms == start_ms) {
            return false;
        }
        self.cache.set_start(slot, Start::at(start_ms));
        true
    }

    #[inline]
    fn take_exemplars(
        &mut self,
        parser: &impl Parser,
        reading: &Reading<'_>,
        slot: Slot,
        point: Point,
        of_histogram: bool,
    ) {
        if parser.exemplar(0).is_some() {
            let timestamp_ms = reading.when(point).timestamp_ms;
            self.exemplars.take(parser, &mut self.cache, slot, timestamp_ms, of_histogram);
        }
    }
}

/// When the sample of zero of a counter is.
fn zero(when: When, point: Point) -> When {
    let start_ms = when.start_ms.map(|_| 0);
    When { timestamp_ms: point.start_timestamp_ms, start_ms, ..when }
}

/// A histogram without observations in the layout of another.
fn empty(other: &Histogram) -> Histogram {
    let before = other.layout();
    let layout = Arc::new(Layout {
        schema: before.schema,
        zero_threshold: before.zero_threshold,
        custom_values: before.custom_values.clone(),
        ..Layout::default()
    });
    let hint = other.hint();
    match other {
        Histogram::Int(_) => Histogram::Int(IntHistogram { layout, hint, ..Default::default() }),
        Histogram::Float(_) => {
            Histogram::Float(FloatHistogram { layout, hint, ..Default::default() })
        }
    }
}
