//! Messages of remote write as a source of past samples: one of them, or many in frames. They are read by the receiver
//! of remote write, which writes to a storage that only listens.

use super::{ImportError, Series, Sink, Source};
use metrics::Registry;
use model::histogram::Histogram;
use model::{Labels, SeriesRef};
use parking_lot::Mutex;
use remote::Receiver;
use remote::receive::{MAX_BODY_BYTES, Message, Options};
use std::sync::Arc;
use storage::{Appendable, Appender, FloatBatch, HistogramBatch, LabelBatch, Rejected};
use tsdb::{ImportRow, ImportValue};

/// Bytes between two reports.
const REPORT_BYTES: usize = 4 << 20;

/// A body of remote write.
pub(crate) struct RemoteWrite<'a> {
    /// The body.
    pub(crate) body: &'a [u8],
    /// What its messages are.
    pub(crate) message: Message,
    /// Whether there are frames around them: length as varint, checksum, message, as in streamed remote read.
    pub(crate) is_framed: bool,
    /// The wall clock in milliseconds.
    pub(crate) now_ms: i64,
}

impl RemoteWrite<'_> {
    /// The message at `at` and where the next one begins; `None` at the end.
    fn message(&self, at: usize) -> Result<Option<(&[u8], usize)>, String> {
        if !self.is_framed {
            return Ok((at == 0).then_some((self.body, usize::MAX)));
        }
        let rest = self.body.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let (len, used) = varint(rest).ok_or("its length is no varint")?;
        let len = usize::try_from(len).ok().filter(|&len| len <= MAX_BODY_BYTES);
        let len =
            len.ok_or_else(|| format!("its length is above the {MAX_BODY_BYTES} bytes limit"))?;
        let rest = &rest[used..];
        let (Some((sum, rest)), true) = (rest.split_first_chunk::<4>(), rest.len() >= 4 + len)
        else {
            return Err("the body ends in the middle of it".to_owned());
        };
        let message = &rest[..len];
        if crc32c::crc32c(message) != u32::from_be_bytes(*sum) {
            return Err("its checksum does not fit; send it again".to_owned());
        }
        Ok(Some((message, at + used + 4 + len)))
    }
}

/// A varint at the beginning of `bytes` and its length.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7F) << (7 * index);
        if byte < 0x80 {
            return Some((number, index + 1));
        }
    }
    None
}

impl Source for RemoteWrite<'_> {
    fn walk(&self, sink: &mut Sink<'_>) -> Result<(), ImportError> {
        let heard = Heard::default();
        let receiver = Receiver::new(Arc::new(heard.clone()), Options::default(), &Registry::new());
        let (mut at, mut number, mut reported) = (0, 0, 0);
        loop {
            number += 1;
            let wrong = |what: String| ImportError::Message { number, what };
            let Some((message, next)) = self.message(at).map_err(wrong)? else { return Ok(()) };
            let (_, outcome) = receiver.write(self.message, message, self.now_ms);
            outcome.map_err(|error| wrong(error.to_string()))?;
            let mut heard = heard.0.lock();
            for labels in &heard.series.labels[sink.series.labels.len()..] {
                sink.series.labels.push(labels.clone());
            }
            for row in heard.rows.drain(..) {
                if sink.wants(row.timestamp_ms).map_err(wrong)? {
                    sink.take(row)?;
                }
            }
            at = next;
            if at.saturating_sub(reported) >= REPORT_BYTES {
                reported = at;
                sink.reached(at.min(self.body.len()))?;
            }
        }
    }
}

/// What the receiver wrote.
#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    series: Series,
    /// Samples of transactions that were committed.
    rows: Vec<ImportRow>,
}

impl Appendable for Heard {
    fn appender(&self, _now_ms: i64) -> Box<dyn Appender> {
        Box::new(Listener { heard: self.clone(), rows: Vec::new() })
    }
}

/// One transaction.
struct Listener {
    heard: Heard,
    rows: Vec<ImportRow>,
}

impl Listener {
    fn push(&mut self, series: SeriesRef, timestamp_ms: i64, value: ImportValue) {
        // Numbers begin with one, as references do.
        let series = (series.get() - 1) as u32;
        self.rows.push(ImportRow { series, timestamp_ms, value });
    }
}

impl Appender for Listener {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        _rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let series = &mut self.heard.0.lock().series;
        for index in 0..labels.len() {
            let labels = Labels::from_pairs(labels.get(index).iter().copied());
            refs.push(SeriesRef::new(u64::from(series.id(labels)) + 1));
        }
        Ok(())
    }

    fn append_floats(
        &mut self,
        batch: FloatBatch<'_>,
        _rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let (refs, times, values) = batch.columns();
        for ((&series, &time_ms), &value) in refs.iter().zip(times).zip(values) {
            self.push(series, time_ms, ImportValue::Float(value));
        }
        Ok(())
    }

    fn append_histograms(
        &mut self,
        batch: HistogramBatch<'_>,
        _rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let (refs, times, values) = batch.columns();
        for ((&series, &time_ms), value) in refs.iter().zip(times).zip(values) {
            let value = Box::new(Histogram::clone(value));
            self.push(series, time_ms, ImportValue::Histogram(value));
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> storage::Result<()> {
        self.heard.0.lock().rows.extend(self.rows);
        Ok(())
    }
}
