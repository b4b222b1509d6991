//! OTLP metrics in: a body to one transaction, all of it or nothing.
//! Reading order: `message` (what a request holds), `protobuf` and `json` (bytes to it), `translate` (what it means
//! to Prometheus: `names`, `labels`, `buckets`), here (to the storage), `known` (the quick way through all of that).

mod buckets;
mod config;
mod deltas;
mod json;
mod known;
mod labels;
mod message;
mod names;
mod protobuf;
mod rows;
mod translate;
mod values;

pub use config::{Config, Strategy};

use crate::receive::{self, Key, MAX_AHEAD_MS};
use arc_swap::ArcSwap;
use deltas::Deltas;
use flate2::read::GzDecoder;
use known::{Known, Walked};
use metrics::{Counter, CounterVec, Registry};
use model::SeriesRef;
use model::metadata::Metadata;
use parking_lot::Mutex;
use rows::{Fault, Samples, Translated};
use std::io::Read;
use std::sync::Arc;
use storage::{
    Appendable, Appender, ExemplarBatch, ExemplarRow, FloatBatch, HistogramBatch, LabelBatch,
    RejectReason, Rejected,
};
use translate::Translator;

/// The most bytes of a body as it is sent.
pub const MAX_BODY_BYTES: usize = 32 << 20;

/// The most bytes of a body that was packed.
const MAX_UNPACKED_BYTES: u64 = 256 << 20;

/// Why a request was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sender is to blame.
    #[error("{0}")]
    Refused(Box<str>),
    /// What the request means cannot be stored.
    #[error("{0}")]
    Impossible(Box<str>),
    /// All series of the request would be new, and there is no room for them at the moment: later there may be.
    #[error("{0}")]
    NoRoom(&'static str),
    /// The storage failed: sending it again may help.
    #[error("{0}")]
    Storage(#[from] storage::Error),
}

fn refused(text: impl Into<Box<str>>) -> Error {
    Error::Refused(text.into())
}

/// What flags and features say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Type and unit become labels.
    pub type_and_unit_labels: bool,
    /// A start timestamp becomes a sample of zero.
    pub zero_samples: bool,
    /// Start timestamps are stored.
    pub start_timestamps: bool,
    /// Metadata is stored.
    pub metadata: bool,
    /// Deltas are stored as they are.
    pub native_delta: bool,
    /// Deltas are summed up.
    pub sums_deltas: bool,
    /// How far instant queries look back; `target_info` comes twice as often.
    pub lookback_ms: i64,
}

/// Takes OTLP bodies and appends them to a storage.
pub struct Receiver {
    appendable: Arc<dyn Appendable>,
    options: Options,
    config: Arc<ArcSwap<Config>>,
    deltas: Mutex<Deltas>,
    known: Known,
    warnings: CounterVec,
    exemplars_out_of_order: Counter,
    left_out: Counter,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("otlp::Receiver").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Receiver {
    /// A receiver that writes to `appendable` with the configuration of the moment.
    #[must_use]
    pub fn new(
        appendable: Arc<dyn Appendable>,
        options: Options,
        config: Arc<ArcSwap<Config>>,
        registry: &Registry,
    ) -> Self {
        // Nothing is ever counted here: metadata that the storage refuses fails the request.
        registry.counter(
            "prometheus_api_otlp_appended_samples_without_metadata_total",
            "The total number of received OTLP data points which were ingested without corresponding metadata.",
        );
        Self {
            appendable,
            options,
            config,
            deltas: Mutex::default(),
            known: Known::new(),
            warnings: registry.counter_vec(
                "prometheus_api_otlp_translation_warnings_total",
                "The total number of warnings produced while translating OTLP metrics to the Prometheus model, \
                 by category.",
                &["category"],
            ),
            left_out: registry.counter(
                "firesteel_otlp_series_left_out_total",
                "Series of OTLP requests that would have been new and that there was no room for.",
            ),
            exemplars_out_of_order: registry.counter(
                "prometheus_api_otlp_out_of_order_exemplars_total",
                "The total number of received OTLP exemplars which were rejected because they were out of order.",
            ),
        }
    }

    /// Stores a request. Absent headers are empty texts; `now_ms` is the wall clock.
    pub fn write(
        &self,
        content_type: &str,
        content_encoding: &str,
        body: &[u8],
        now_ms: i64,
    ) -> Result<(), Error> {
        let is_json = match content_type {
            "application/json" => true,
            "application/x-protobuf" => false,
            other => {
                return Err(refused(format!(
                    "unsupported content type: {other}, supported: [application/json, application/x-protobuf]"
                )));
            }
        };
        let unpacked;
        let body = match content_encoding {
            "" => body,
            "gzip" => {
                unpacked = unpack(body)?;
                &unpacked
            }
            other => {
                return Err(refused(format!(
                    "unsupported compression: {other}. Only \"gzip\" or no compression supported"
                )));
            }
        };
        let config = self.config.load_full();
        let max_ms = now_ms.saturating_add(MAX_AHEAD_MS);
        // Metadata and sums of deltas are made of what the quick way passes over.
        let is_quick = !is_json && !self.options.metadata && !self.options.sums_deltas;
        let mut walked = is_quick
            .then(|| self.known.walk(body, (&self.options, &config), (now_ms, max_ms)))
            .flatten();
        if let Some(walked) = &mut walked
            && self.append_known(walked, now_ms)?
        {
            return Ok(());
        }
        let keys = walked.map_or_else(Vec::new, |walked| walked.keys);
        let out = Translated::new(max_ms);
        let mut translator = Translator { config: &config, options: &self.options, out };
        if is_json {
            let value = json::parse(body).map_err(refused)?;
            let mut resources = json::read(&value).map_err(refused)?;
            self.sum_deltas(&mut resources, now_ms);
            resources.iter().for_each(|resource| translator.resource(resource));
        } else {
            let mut resources = protobuf::read(body).map_err(|error| refused(error.to_string()))?;
            self.sum_deltas(&mut resources, now_ms);
            resources.iter().for_each(|resource| translator.resource(resource));
        }
        let translated = translator.out;
        if translated.collisions > 0 {
            self.warnings.with(&["label_name_collision"]).inc_by(translated.collisions);
        }
        self.append(translated, now_ms, &keys)
    }

    /// Stores a request of known series; `false` if that is not all there is to it, and nothing is stored.
    fn append_known(&self, walked: &mut Walked, now_ms: i64) -> Result<bool, Error> {
        if walked.keys.is_empty() || !self.known.resolve(walked) {
            return Ok(false);
        }
        let mut appender = self.appendable.appender(now_ms);
        let mut faults = Vec::new();
        let rejected = self.floats(&mut *appender, &walked.samples, &mut faults)?;
        let dangling = rejected.iter().filter(|row| row.reason == RejectReason::UnknownRef);
        self.known.forget(dangling.map(|row| walked.samples.rows.refs[row.row as usize]));
        if !rejected.is_empty() {
            return Ok(false);
        }
        appender.commit()?;
        Ok(true)
    }

    fn sum_deltas(&self, resources: &mut [message::Resource<'_>], now_ms: i64) {
        if self.options.sums_deltas {
            self.deltas.lock().sum_up(resources, now_ms);
        }
    }

    /// Stores a translated request. Its series are known by `keys` from then on, unless they are others.
    fn append(&self, mut translated: Translated, now_ms: i64, keys: &[Key]) -> Result<(), Error> {
        let mut faults = std::mem::take(&mut translated.faults);
        if !translated.series.is_empty() {
            let mut appender = self.appendable.appender(now_ms);
            let (refs, bad) = self.resolve(&mut *appender, &translated, &mut faults)?;
            let Translated { floats, histograms, .. } = &mut translated;
            settle(floats, &refs, &bad);
            settle(histograms, &refs, &bad);
            self.floats(&mut *appender, &translated.floats, &mut faults)?;
            self.histograms(&mut *appender, &translated.histograms, &mut faults)?;
            if faults.is_empty() {
                self.exemplars(&mut *appender, &translated, &refs)?;
                metadata(&mut *appender, &translated, &refs)?;
                appender.commit()?;
                // Collisions are counted with each request, so that these are translated again.
                if keys.len() == refs.len() && translated.collisions == 0 {
                    self.known.insert(keys, &refs);
                }
            }
        }
        conclude(faults)
    }

    /// The reference of each series, none if its labels are bad or there is no room for it, and the series with bad
    /// labels.
    fn resolve(
        &self,
        appender: &mut dyn Appender,
        translated: &Translated,
        faults: &mut Vec<Fault>,
    ) -> Result<(Vec<Option<SeriesRef>>, Vec<u32>), Error> {
        let mut pairs = Vec::new();
        let mut ends = Vec::with_capacity(translated.series.len());
        let mut bad: Vec<(u32, &str)> = Vec::new();
        for series in 0..translated.series.len() as u32 {
            let begin = pairs.len();
            if let Err(text) = translated.labels(series, &mut pairs) {
                pairs.truncate(begin);
                bad.push((series, text));
            }
            ends.push(pairs.len() as u32);
        }
        let mut refs = Vec::with_capacity(ends.len());
        let mut rejected = Vec::new();
        appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
        let left_out = rejected.iter().find(|row| row.reason.refuses_new_series());
        if let Some(first) = left_out
            && refs.iter().all(Option::is_none)
        {
            return Err(Error::NoRoom(first.reason.as_str()));
        }
        self.left_out
            .inc_by(rejected.iter().filter(|r| r.reason.refuses_new_series()).count() as u64);
        for &(series, text) in &bad {
            let Samples { series: of_floats, metrics, .. } = &translated.floats;
            let of_float = of_floats.iter().position(|&of| of == series).map(|row| metrics[row]);
            let Samples { series: of_histograms, metrics, .. } = &translated.histograms;
            let of_histogram = of_histograms.iter().position(|&of| of == series);
            if let Some(metric) = of_float.or(of_histogram.map(|row| metrics[row])) {
                faults.push(Fault { metric, text: text.to_owned(), is_refusal: false });
            }
        }
        Ok((refs, bad.into_iter().map(|(series, _)| series).collect()))
    }

    fn floats(
        &self,
        appender: &mut dyn Appender,
        samples: &Samples<f64>,
        faults: &mut Vec<Fault>,
    ) -> Result<Vec<Rejected>, Error> {
        let rows = &samples.rows;
        let mut rejected = Vec::new();
        let zeros = self.options.zero_samples;
        let zeros = zeros.then(|| receive::with_zeros(rows, appender, |_| 0.0)).flatten();
        let (sent, origins) = match &zeros {
            Some((sent, origins)) => (sent, Some(&origins[..])),
            None => (rows, None),
        };
        let mut batch = FloatBatch::new(&sent.refs, &sent.timestamps_ms, &sent.values);
        if self.options.start_timestamps && !sent.start_timestamps_ms.is_empty() {
            batch = batch.with_start_timestamps(&sent.start_timestamps_ms);
        }
        appender.append_floats(batch, &mut rejected)?;
        receive::settle_origins(&mut rejected, origins);
        let explain = |row: Rejected| receive::explain(appender, rows, row);
        take_note(&rejected, &samples.metrics, faults, explain);
        Ok(rejected)
    }

    fn histograms(
        &self,
        appender: &mut dyn Appender,
        samples: &Samples<model::histogram::Histogram>,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Error> {
        let rows = &samples.rows;
        let mut rejected = Vec::new();
        let zeros = self.options.zero_samples;
        let zeros = zeros.then(|| receive::with_zeros(rows, appender, receive::zero)).flatten();
        let (sent, origins) = match &zeros {
            Some((sent, origins)) => (sent, Some(&origins[..])),
            None => (rows, None),
        };
        let mut batch = HistogramBatch::new(&sent.refs, &sent.timestamps_ms, &sent.values);
        if self.options.start_timestamps && !sent.start_timestamps_ms.is_empty() {
            batch = batch.with_start_timestamps(&sent.start_timestamps_ms);
        }
        appender.append_histograms(batch, &mut rejected)?;
        receive::settle_origins(&mut rejected, origins);
        take_note(&rejected, &samples.metrics, faults, |row| row.reason.as_str().to_owned());
        Ok(())
    }

    fn exemplars(
        &self,
        appender: &mut dyn Appender,
        translated: &Translated,
        refs: &[Option<SeriesRef>],
    ) -> Result<(), Error> {
        let examples = translated.exemplars.iter();
        let examples: Vec<_> =
            examples.filter(|example| example.timestamp_ms <= translated.max_ms).collect();
        let labels: Vec<Vec<(&str, &str)>> = examples
            .iter()
            .map(|example| example.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect())
            .collect();
        let (refs, rows): (Vec<SeriesRef>, Vec<ExemplarRow<'_>>) = examples
            .iter()
            .zip(&labels)
            .filter_map(|(example, labels)| {
                let row = ExemplarRow {
                    labels,
                    timestamp_ms: example.timestamp_ms,
                    value: example.value,
                };
                Some((refs[example.series as usize]?, row))
            })
            .unzip();
        let mut rejected = Vec::new();
        appender.append_exemplars(ExemplarBatch::new(&refs, &rows), &mut rejected)?;
        let late = rejected.iter().filter(|row| row.reason == RejectReason::OutOfOrderExemplar);
        self.exemplars_out_of_order.inc_by(late.count() as u64);
        Ok(())
    }
}

/// Gives each row its reference; rows of series that there is no room for go.
fn settle<V>(samples: &mut Samples<V>, refs: &[Option<SeriesRef>], bad: &[u32]) {
    let of = |series: &u32| refs[*series as usize];
    if samples.series.iter().any(|series| bad.binary_search(series).is_ok()) {
        // The request fails as a whole: what its good rows would have met is not told beside it.
        *samples = Samples::default();
    } else if !samples.series.iter().all(|series| of(series).is_some()) {
        let rows = 0..samples.series.len() as u32;
        let kept: Vec<u32> =
            rows.filter(|&row| of(&samples.series[row as usize]).is_some()).collect();
        samples.rows.keep(&kept);
        samples.series = kept.iter().map(|&row| samples.series[row as usize]).collect();
        samples.metrics = kept.iter().map(|&row| samples.metrics[row as usize]).collect();
    }
    samples.rows.refs = samples.series.iter().filter_map(of).collect();
}

fn metadata(
    appender: &mut dyn Appender,
    translated: &Translated,
    refs: &[Option<SeriesRef>],
) -> Result<(), Error> {
    let told = translated.metadata.iter();
    let (refs, metadata): (Vec<SeriesRef>, Vec<Metadata>) = told
        .filter_map(|(series, metadata)| Some((refs[*series as usize]?, metadata.clone())))
        .unzip();
    if !refs.is_empty() {
        appender.append_metadata(&refs, &metadata)?;
    }
    Ok(())
}

/// Turns refused rows into faults of their metrics.
fn take_note(
    rejected: &[Rejected],
    metrics: &[u32],
    faults: &mut Vec<Fault>,
    explain: impl Fn(Rejected) -> String,
) {
    let mut rejected = rejected.to_vec();
    rejected.sort_by_key(|row| row.row);
    let mut last = None;
    for row in rejected {
        let metric = metrics[row.row as usize];
        if last.replace(metric) != Some(metric) {
            let is_refusal = matches!(
                row.reason,
                RejectReason::OutOfOrder
                    | RejectReason::OutOfBounds
                    | RejectReason::TooOld
                    | RejectReason::DuplicateTimestamp
            );
            faults.push(Fault { metric, text: explain(row), is_refusal });
        }
    }
}

/// The first fault of each metric, in their order; a refusal among them makes the sender responsible.
fn conclude(mut faults: Vec<Fault>) -> Result<(), Error> {
    if faults.is_empty() {
        return Ok(());
    }
    faults.sort_by_key(|fault| fault.metric);
    faults.dedup_by_key(|fault| fault.metric);
    let texts: Vec<&str> = faults.iter().map(|fault| fault.text.as_str()).collect();
    let text = texts.join("\n").into();
    let is_refusal = faults.iter().any(|fault| fault.is_refusal);
    Err(if is_refusal { Error::Refused(text) } else { Error::Impossible(text) })
}

/// Takes gzip off a body.
fn unpack(body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut unpacked = Vec::new();
    let mut reader = GzDecoder::new(body).take(MAX_UNPACKED_BYTES + 1);
    reader.read_to_end(&mut unpacked).map_err(|error| {
        refused(match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
            std::io::ErrorKind::InvalidInput => "gzip: invalid header".to_owned(),
            _ => format!("gzip: {error}"),
        })
    })?;
    if unpacked.len() as u64 > MAX_UNPACKED_BYTES {
        return Err(refused(format!(
            "the unpacked body exceeds the {MAX_UNPACKED_BYTES} bytes limit"
        )));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests;
