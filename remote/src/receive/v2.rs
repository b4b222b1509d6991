//! A `Request` of 2.0 to columns. Its labels are references into a table of symbols, which is walked in place: a known
//! series is recognised by the hashes of its symbols, each of which is hashed once a request.

mod plain;

use super::cache::{Key, Lookup, SeriesCache};
use super::columns::{Columns, Kind, Misses, Part, TOO_FAR_AHEAD, place_of};
use super::labels::{self, Pairs};
use super::v1::plain_sample;
use crate::proto::{Fields, Malformed, histogram};
use model::histogram::Layout;
use model::metadata::{Metadata, MetricType};
use model::quote::QuotedBytes;
use std::sync::Arc;

/// What the walk needs to know of the world.
pub(super) struct Walk<'w> {
    pub(super) cache: &'w SeriesCache,
    /// Whether references may be taken from the cache.
    pub(super) trusts_cache: bool,
    /// The latest time that is taken.
    pub(super) max_ms: i64,
    /// Type and unit become labels.
    pub(super) type_and_unit_labels: bool,
    /// Metadata is stored.
    pub(super) keeps_metadata: bool,
}

/// The table of symbols of a request.
#[derive(Debug, Default)]
pub(super) struct Table<'b> {
    symbols: Vec<&'b [u8]>,
    keys: Vec<Key>,
}

/// The fields of a series.
#[derive(Default)]
struct Series<'b> {
    refs: Vec<u32>,
    samples: Vec<&'b [u8]>,
    histograms: Vec<&'b [u8]>,
    exemplars: Vec<&'b [u8]>,
    metric_type: u64,
    help: u32,
    unit: u32,
}

/// The table of symbols of `body`.
pub(super) fn table<'b>(body: &'b [u8], cache: &SeriesCache) -> Result<Table<'b>, Malformed> {
    let mut table = Table::default();
    let mut fields = Fields(body);
    while let Some((field, value)) = fields.next()? {
        if field == 4 {
            let symbol = value.bytes(4)?;
            table.symbols.push(symbol);
            table.keys.push(cache.key(symbol));
        }
    }
    Ok(table)
}

impl<'b> Table<'b> {
    /// Appends name and value of each pair of references, in their order; what is wrong with them otherwise.
    fn resolve(&self, refs: &[u32], out: &mut Vec<(&'b [u8], &'b [u8])>) -> Result<(), String> {
        if !refs.len().is_multiple_of(2) {
            return Err(format!("invalid labelRefs length {}", refs.len()));
        }
        for pair in refs.chunks_exact(2) {
            let text = |index: u32| self.symbols.get(index as usize).copied();
            let (Some(name), Some(value)) = (text(pair[0]), text(pair[1])) else {
                return Err(format!(
                    "labelRefs {} (name) = {} (value) outside of symbols table (size {})",
                    pair[0],
                    pair[1],
                    self.symbols.len()
                ));
            };
            out.push((name, value));
        }
        Ok(())
    }

    /// Labels of an exemplar; what is wrong with them otherwise.
    pub(super) fn exemplar_labels(
        &self,
        refs: &[u32],
        pairs: &mut Pairs<'b>,
    ) -> Result<bool, String> {
        let mut raw = Vec::with_capacity(refs.len() / 2);
        self.resolve(refs, &mut raw)?;
        Ok(labels::push_sorted(raw.into_iter(), pairs))
    }

    fn metadata(&self, series: &Series<'_>) -> Result<(), String> {
        for (name, index) in [("unit_ref", series.unit), ("help_ref", series.help)] {
            if index as usize >= self.symbols.len() {
                return Err(format!(
                    "metadata {name} {index} outside of symbols table (size {})",
                    self.symbols.len()
                ));
            }
        }
        Ok(())
    }

    fn text(&self, index: u32) -> &'b str {
        let symbol = self.symbols.get(index as usize).copied().unwrap_or_default();
        std::str::from_utf8(symbol).unwrap_or_default()
    }
}

fn metric_type(number: u64) -> MetricType {
    match number {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}

/// Labels as Prometheus prints them: sorted by name, names quoted where they must be.
pub(super) fn describe(raw: &mut [(&[u8], &[u8])]) -> String {
    use std::fmt::Write as _;
    raw.sort_by_key(|(name, _)| *name);
    let mut text = String::from("{");
    for (index, (name, value)) in raw.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let plain = std::str::from_utf8(name).ok();
        let value = QuotedBytes(value);
        let written = match plain.filter(|name| model::validate::is_legacy_label_name(name)) {
            Some(name) => write!(text, "{comma}{name}={value}"),
            None => write!(text, "{comma}{}={value}", QuotedBytes(name)),
        };
        written.expect("a String takes all");
    }
    text.push('}');
    text
}

impl Walk<'_> {
    /// Reads `body` into `columns`; answers the series that are not known.
    pub(super) fn run<'b>(
        &self,
        body: &'b [u8],
        table: &Table<'b>,
        columns: &mut Columns,
    ) -> Result<Misses<'b>, Malformed> {
        columns.clear();
        let mut misses = Misses::default();
        let mut layout = Arc::default();
        let mut series = Series::default();
        let known = self.cache.lookup();
        let is_plain = self.trusts_cache && !self.type_and_unit_labels && !self.keeps_metadata;
        let mut fields = Fields(body);
        while let Some((field, value)) = fields.next()? {
            if field == 5 {
                let message = value.bytes(5)?;
                if is_plain
                    && let Some(plain) = plain::read(message, table, self.cache.joint())
                    && plain.timestamp_ms <= self.max_ms
                    && let Some(hit) = known.get(plain.key)
                {
                    let sample = (plain.timestamp_ms, plain.value);
                    columns.push_plain((plain.key, hit), sample, place_of(message, body));
                    continue;
                }
                series.read(message)?;
                self.series(
                    (body, message),
                    (table, &known),
                    &series,
                    &mut (columns, &mut misses, &mut layout),
                )?;
            }
        }
        columns.settle();
        Ok(misses)
    }

    fn series<'b>(
        &self,
        (body, message): (&'b [u8], &'b [u8]),
        (table, known): (&Table<'b>, &Lookup<'_>),
        series: &Series<'b>,
        (columns, misses, layout): &mut (&mut Columns, &mut Misses<'b>, &mut Arc<Layout>),
    ) -> Result<(), Malformed> {
        let num_samples = (series.samples.len() + series.histograms.len()) as u64;
        let key = table.key(series, self.type_and_unit_labels, self.cache);
        let hit = key.filter(|_| self.trusts_cache).and_then(|key| known.get(key));
        let first_pair = misses.pairs.len();
        if hit.is_none() || num_samples == 0 {
            if let Err((kind, text)) = self.labels(table, series, &mut misses.pairs) {
                misses.pairs.truncate(first_pair);
                columns.fault(Part::Labels, kind, text);
                columns.num_invalid += if kind == Kind::Labels { num_samples } else { 0 };
                // A series with nothing in it: the faults of the next one must not be taken for those of this one.
                columns.end_series(None, None, place_of(message, body));
                self.push_metadata(table, None, columns);
                return Ok(());
            }
        } else if let Err(text) = table.metadata(series) {
            columns.fault(Part::Labels, Kind::Labels, bad_metadata(&series.refs, &text));
            columns.end_series(None, None, place_of(message, body));
            self.push_metadata(table, None, columns);
            return Ok(());
        }
        self.rows(body, table, series, columns, layout)?;
        if hit.is_none() {
            misses.series.push(columns.series.len() as u32);
            misses.ends.push(misses.pairs.len() as u32);
        }
        columns.end_series(key, hit, place_of(message, body));
        self.push_metadata(table, Some(series), columns);
        Ok(())
    }

    fn rows<'b>(
        &self,
        body: &'b [u8],
        table: &Table<'b>,
        series: &Series<'b>,
        columns: &mut Columns,
        layout: &mut Arc<Layout>,
    ) -> Result<(), Malformed> {
        for message in &series.samples {
            let (timestamp_ms, start_timestamp_ms, value) = sample(message)?;
            if timestamp_ms > self.max_ms {
                let text = format!("{TOO_FAR_AHEAD}{}", self.suffix(table, series));
                columns.fault(Part::Floats, Kind::TooFarAhead, text);
                continue;
            }
            columns.floats.push(timestamp_ms, value);
            columns.floats.set_start(start_timestamp_ms);
        }
        for message in &series.histograms {
            let point = histogram::read(message, layout)?;
            if let Err((kind, text)) = columns.push_histogram(point, self.max_ms) {
                let text = text + &self.suffix(table, series);
                columns.fault(Part::Histograms, kind, text);
            }
        }
        columns.exemplars.extend(series.exemplars.iter().map(|message| place_of(message, body)));
        Ok(())
    }

    fn suffix(&self, table: &Table<'_>, series: &Series<'_>) -> String {
        format!(" for series {}", self.describe(table, series))
    }

    /// The labels as they would be stored, printed.
    fn describe(&self, table: &Table<'_>, series: &Series<'_>) -> String {
        let mut raw = Vec::new();
        // A series whose references are bad is never described.
        drop(table.resolve(&series.refs, &mut raw));
        self.with_type_and_unit(table, series, &mut raw);
        describe(&mut raw)
    }

    /// The labels of the series whose message is given, printed: for refusals that the storage finds.
    pub(super) fn describe_message(&self, table: &Table<'_>, message: &[u8]) -> String {
        let mut series = Series::default();
        match series.read(message) {
            Ok(()) => self.describe(table, &series),
            Err(_) => unreachable!("this message was read before"),
        }
    }

    fn with_type_and_unit<'t>(
        &self,
        table: &Table<'t>,
        series: &Series<'_>,
        raw: &mut Vec<(&'t [u8], &'t [u8])>,
    ) {
        let kind = metric_type(series.metric_type);
        let unit = table.symbols.get(series.unit as usize).copied().unwrap_or_default();
        if !self.type_and_unit_labels || (kind == MetricType::Unknown && unit.is_empty()) {
            return;
        }
        raw.retain(|(name, _)| *name != b"__type__" && *name != b"__unit__");
        if kind != MetricType::Unknown {
            raw.push((b"__type__", kind.as_str().as_bytes()));
        }
        if !unit.is_empty() {
            raw.push((b"__unit__", unit));
        }
    }

    /// Appends the labels, sorted, checked, without empty values.
    fn labels<'b>(
        &self,
        table: &Table<'b>,
        series: &Series<'_>,
        pairs: &mut Pairs<'b>,
    ) -> Result<(), (Kind, String)> {
        let mut raw = Vec::with_capacity(series.refs.len() / 2 + 2);
        let bad = |text: String| (Kind::Labels, text);
        table.resolve(&series.refs, &mut raw).map_err(|text| {
            bad(format!("parsing labels for series {}: {text}", numbers(&series.refs)))
        })?;
        table.metadata(series).map_err(|text| bad(bad_metadata(&series.refs, &text)))?;
        self.with_type_and_unit(table, series, &mut raw);
        raw.sort_by_key(|(name, _)| *name);
        let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        let is_valid = raw.iter().any(|(name, _)| *name == b"__name__")
            && raw.iter().all(|(name, value)| {
                let is_name = *name == b"__name__";
                !name.is_empty()
                    && is_text(name)
                    && is_text(value)
                    && !(is_name && value.is_empty())
            });
        if !is_valid {
            let labels = describe(&mut raw);
            return Err(bad(format!("invalid metric name or labels, got {labels}")));
        }
        if let Some(twice) = raw.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let name = String::from_utf8_lossy(twice[0].0).into_owned();
            let labels = describe(&mut raw);
            return Err(bad(format!(
                "invalid labels for series, labels {labels}, duplicated label {name}"
            )));
        }
        if series.samples.is_empty() && series.histograms.is_empty() {
            let labels = describe(&mut raw);
            return Err((
                Kind::NoSamples,
                format!(
                    "TimeSeries must contain at least one sample or histogram for series {labels}"
                ),
            ));
        }
        labels::push_sorted(raw.into_iter(), pairs);
        Ok(())
    }

    fn push_metadata(&self, table: &Table<'_>, series: Option<&Series<'_>>, columns: &mut Columns) {
        if self.keeps_metadata {
            columns.metadata.push(
                series
                    .map(|series| Metadata {
                        metric_type: metric_type(series.metric_type),
                        unit: table.text(series.unit).into(),
                        help: table.text(series.help).into(),
                    })
                    .unwrap_or_default(),
            );
        }
    }
}

fn bad_metadata(refs: &[u32], text: &str) -> String {
    format!("parsing metadata for series {}: {text}", numbers(refs))
}

/// Numbers as Go prints a slice.
fn numbers(refs: &[u32]) -> String {
    let texts: Vec<String> = refs.iter().map(u32::to_string).collect();
    format!("[{}]", texts.join(" "))
}

impl<'b> Series<'b> {
    /// Replaces all with the fields of `message`.
    fn read(&mut self, message: &'b [u8]) -> Result<(), Malformed> {
        self.refs.clear();
        self.samples.clear();
        self.histograms.clear();
        self.exemplars.clear();
        (self.metric_type, self.help, self.unit) = (0, 0, 0);
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => value.push_varints(1, &mut self.refs, |number| number as u32)?,
                2 => self.samples.push(value.bytes(2)?),
                3 => self.histograms.push(value.bytes(3)?),
                4 => self.exemplars.push(value.bytes(4)?),
                5 => {
                    let mut fields = Fields(value.bytes(5)?);
                    while let Some((field, value)) = fields.next()? {
                        match field {
                            1 => self.metric_type = value.varint(1)?,
                            3 => self.help = value.varint(3)? as u32,
                            4 => self.unit = value.varint(4)? as u32,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Table<'_> {
    /// What the cache knows a series by: the keys of its symbols in their order, and of what else becomes a label.
    /// `None` if its references are bad.
    fn key(&self, series: &Series<'_>, type_and_unit: bool, cache: &SeriesCache) -> Option<Key> {
        let mut joint = cache.joint();
        let key = |index: u32| self.keys.get(index as usize).copied();
        let (pairs, odd) = series.refs.as_chunks::<2>();
        for &[name, value] in pairs {
            joint.add_pair(key(name)?, key(value)?);
        }
        if type_and_unit {
            joint.add(key(series.unit)?);
            joint.add_number(metric_type(series.metric_type) as u64);
        }
        (odd.is_empty() && !pairs.is_empty()).then(|| joint.key())
    }
}

/// Timestamp, start timestamp and value of a `Sample` message.
fn sample(message: &[u8]) -> Result<(i64, i64, f64), Malformed> {
    if let Some((timestamp_ms, value)) = plain_sample(message) {
        return Ok((timestamp_ms, 0, value));
    }
    let (mut timestamp_ms, mut start_timestamp_ms, mut sample) = (0, 0, 0.0);
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => sample = value.double(1)?,
            2 => timestamp_ms = value.varint(2)?.cast_signed(),
            3 => start_timestamp_ms = value.varint(3)?.cast_signed(),
            _ => {}
        }
    }
    Ok((timestamp_ms, start_timestamp_ms, sample))
}

/// References, time and value of an `Exemplar` message.
pub(super) fn exemplar(message: &[u8], refs: &mut Vec<u32>) -> Result<(i64, f64), Malformed> {
    let (mut timestamp_ms, mut number) = (0, 0.0);
    refs.clear();
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => value.push_varints(1, refs, |number| number as u32)?,
            2 => number = value.double(2)?,
            3 => timestamp_ms = value.varint(3)?.cast_signed(),
            _ => {}
        }
    }
    Ok((timestamp_ms, number))
}

#[cfg(test)]
mod tests;
