//! Remote write 1.0: a body to one transaction. All samples of a request are stored or none.
//!
//! The hot path never looks at a label: the bytes of a series' labels, hashed to 128 bits, lead to its reference
//! (`cache`). Only what is not known is parsed, checked, sorted and resolved, all of it in one batch.

mod cache;
mod labels;
pub mod negotiate;
mod walk;

use cache::SeriesCache;
use metrics::{Counter, Registry};
use model::{SeriesRef, float};
use parking_lot::Mutex;
use std::sync::Arc;
use storage::{Appendable, Appender, FloatBatch, LabelBatch, RejectReason, Rejected};
use walk::Columns;

/// The most bytes of a body, packed and unpacked.
pub const MAX_BODY_BYTES: usize = 32 << 20;

/// How far ahead of the wall clock a sample may be.
const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// How many sets of buffers are kept for the next requests.
const MAX_IDLE_BUFFERS: usize = 8;

/// Why a request was not stored, by what its sender can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body is wrong or its samples are refused: sending it again will not help.
    #[error("{0}")]
    Refused(Box<str>),
    /// The body is in a form this server does not take.
    #[error("{0}")]
    Unsupported(Box<str>),
    /// The body is larger than [`MAX_BODY_BYTES`].
    #[error("request body exceeds the {MAX_BODY_BYTES} bytes limit")]
    TooLarge,
    /// The storage failed: sending it again may help.
    #[error("{0}")]
    Storage(#[from] storage::Error),
}

fn refused(text: impl Into<Box<str>>) -> Error {
    Error::Refused(text.into())
}

/// Buffers of one request, kept for the next one.
#[derive(Debug, Default)]
struct Buffers {
    body: Vec<u8>,
    columns: Columns,
    rejected: Vec<Rejected>,
}

/// Takes remote-write bodies and appends them to a storage.
pub struct Receiver {
    appendable: Arc<dyn Appendable>,
    cache: SeriesCache,
    idle: Mutex<Vec<Buffers>>,
    invalid_labels: Counter,
    histograms_refused: Counter,
    exemplars_dropped: Counter,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("cached_series", &self.cache.len()).finish_non_exhaustive()
    }
}

impl Receiver {
    /// A receiver that writes to `appendable` and counts in `registry`.
    #[must_use]
    pub fn new(appendable: Arc<dyn Appendable>, registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| registry.counter(name, help);
        Self {
            appendable,
            cache: SeriesCache::new(),
            idle: Mutex::default(),
            invalid_labels: counter(
                "prometheus_api_remote_write_invalid_labels_samples_total",
                "The total number of received remote write samples and histogram samples which were \
                 rejected due to invalid labels.",
            ),
            histograms_refused: counter(
                "firesteel_remote_write_histograms_refused_total",
                "Received native histogram samples that were not stored because native histograms are not built yet.",
            ),
            exemplars_dropped: counter(
                "firesteel_remote_write_exemplars_dropped_total",
                "Received exemplars that were not stored because exemplar storage is off.",
            ),
        }
    }

    /// Stores the samples of a snappy-packed `WriteRequest`. `now_ms` is the wall clock.
    pub fn write_v1(&self, packed: &[u8], now_ms: i64) -> Result<(), Error> {
        let mut buffers = self.idle.lock().pop().unwrap_or_default();
        let result = self.write_with(packed, now_ms, &mut buffers);
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE_BUFFERS {
            idle.push(buffers);
        }
        result
    }

    fn write_with(&self, packed: &[u8], now_ms: i64, buffers: &mut Buffers) -> Result<(), Error> {
        unpack(packed, &mut buffers.body)?;
        self.cache.sweep(now_ms);
        let Buffers { body, columns, rejected } = buffers;
        if self.attempt(body, now_ms, Some(&self.cache), columns, rejected)? == Attempt::Stale {
            // A series was dropped since its reference was cached. The transaction never happened: once more, with
            // every label set resolved.
            self.attempt(body, now_ms, None, columns, rejected)?;
        }
        self.invalid_labels.inc_by(columns.num_invalid);
        self.exemplars_dropped.inc_by(columns.num_exemplars);
        if columns.num_histograms > 0 {
            self.histograms_refused.inc_by(columns.num_histograms);
            return Err(refused(format!(
                "native histograms are not supported yet: {} of this request were not stored, its {} float samples were",
                columns.num_histograms,
                columns.timestamps_ms.len()
            )));
        }
        Ok(())
    }

    /// One transaction over `body`.
    fn attempt(
        &self,
        body: &[u8],
        now_ms: i64,
        cache: Option<&SeriesCache>,
        columns: &mut Columns,
        rejected: &mut Vec<Rejected>,
    ) -> Result<Attempt, Error> {
        let misses = walk::walk(body, |span| cache.and_then(|cache| cache.get(span)), columns)?;
        if columns.timestamps_ms.is_empty() {
            return Ok(Attempt::Done);
        }
        let mut appender = self.appendable.appender(now_ms);
        rejected.clear();
        self.resolve(&mut *appender, &misses, columns, rejected)?;
        let max_ms = now_ms.saturating_add(MAX_AHEAD_MS);
        let ahead = columns.timestamps_ms.iter().position(|&timestamp| timestamp > max_ms);
        let Columns { refs, timestamps_ms, values, .. } = &*columns;
        let len = ahead.unwrap_or(refs.len());
        let batch = FloatBatch::new(&refs[..len], &timestamps_ms[..len], &values[..len]);
        appender.append_floats(batch, rejected)?;
        if rejected.iter().any(|r| r.reason == RejectReason::UnknownRef) && cache.is_some() {
            for row in rejected.iter().filter(|r| r.reason == RejectReason::UnknownRef) {
                self.cache.forget(refs[row.row as usize]);
            }
            return Ok(Attempt::Stale);
        }
        if let Some(first) = rejected.iter().min_by_key(|r| r.row) {
            return Err(refused(explain(&*appender, columns, *first)));
        }
        if ahead.is_some() {
            return Err(refused("out of bounds: timestamp is too far in the future"));
        }
        appender.commit()?;
        Ok(Attempt::Done)
    }

    /// Finds or creates the series that the cache did not know.
    fn resolve(
        &self,
        appender: &mut dyn Appender,
        misses: &walk::Misses<'_>,
        columns: &mut Columns,
        rejected: &mut Vec<Rejected>,
    ) -> Result<(), Error> {
        if misses.series.is_empty() {
            return Ok(());
        }
        let mut refs = Vec::with_capacity(misses.series.len());
        appender.resolve(LabelBatch::new(&misses.pairs, &misses.ends), &mut refs, rejected)?;
        if let Some(first) = rejected.first() {
            return Err(refused(first.reason.as_str()));
        }
        for (miss, series) in misses.series.iter().zip(refs) {
            let series = series.expect("what was not resolved was rejected");
            columns.refs[miss.rows.clone()].fill(series);
            if let Some(span) = miss.span {
                self.cache.insert(span, series);
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Done,
    /// A cached reference dangles; nothing was stored.
    Stale,
}

/// Unpacks a snappy block into `out`, within the bound.
fn unpack(packed: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let corrupt = || refused("s2: corrupt input");
    if packed.len() > MAX_BODY_BYTES {
        return Err(Error::TooLarge);
    }
    let len = snap::raw::decompress_len(packed).map_err(|_| corrupt())?;
    if len > MAX_BODY_BYTES {
        return Err(refused(format!("decoded size exceeds the {MAX_BODY_BYTES} bytes limit")));
    }
    // Snappy cannot pack below about 1 to 21: a claim beyond is a lie, told before memory is spent on it.
    if len / 64 > packed.len() {
        return Err(corrupt());
    }
    out.resize(len, 0);
    let len = snap::raw::Decoder::new().decompress(packed, out).map_err(|_| corrupt())?;
    out.truncate(len);
    Ok(())
}

/// The words of Prometheus for a refused row.
fn explain(appender: &dyn Appender, columns: &Columns, rejected: Rejected) -> String {
    let row = rejected.row as usize;
    let reason = rejected.reason.as_str();
    if rejected.reason != RejectReason::DuplicateTimestamp {
        return reason.to_owned();
    }
    let (timestamp, value): (i64, f64) = (columns.timestamps_ms[row], columns.values[row]);
    let series: SeriesRef = columns.refs[row];
    let existing = match appender.newest(series) {
        Some((at, existing)) if at == timestamp => {
            format!("existing {}, ", float::general(existing))
        }
        _ => String::new(),
    };
    let value = float::general(value);
    format!("{reason} {timestamp}; overrides not allowed: {existing}new value {value}")
}

#[cfg(test)]
mod tests;
