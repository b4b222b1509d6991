//! The messages of the client data model as far as they are needed, decoded into reusable memory. No entries, no checks
//! of meaning.

use super::wire::{Fields, WireError};
use crate::entry::{Exemplar, ExemplarLabels};
use crate::labels::{LabelBuffer, write_pair};
use model::histogram::Span;

type Result<T, E = WireError> = std::result::Result<T, E>;

/// A family; its metrics are still encoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Family<'a> {
    pub(super) name: &'a [u8],
    pub(super) help: &'a [u8],
    pub(super) unit: &'a [u8],
    pub(super) metric_type: i32,
    pub(super) metrics: Vec<&'a [u8]>,
}

impl<'a> Family<'a> {
    pub(super) fn decode(&mut self, message: &'a [u8]) -> Result<()> {
        (self.name, self.help, self.unit, self.metric_type) = (&[], &[], &[], 0);
        self.metrics.clear();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => self.name = field.bytes()?,
                2 => self.help = field.bytes()?,
                3 => self.metric_type = field.varint()? as i32,
                4 => self.metrics.push(field.bytes()?),
                5 => self.unit = field.bytes()?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// A bucket of a classic histogram; `exemplar` is its place among those of the metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    pub(super) upper_bound: f64,
    pub(super) count: Count,
    pub(super) exemplar: Option<usize>,
}

/// A number that may be given as an integer or as a float.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) int: u64,
    pub(super) float: f64,
}

impl Count {
    /// The float if there is one.
    pub(super) fn value(self) -> f64 {
        if self.float == 0.0 { self.int as f64 } else { self.float }
    }
}

/// One side of a native histogram.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    pub(super) spans: Vec<Span>,
    pub(super) deltas: Vec<i64>,
    pub(super) counts: Vec<f64>,
}

impl Side {
    fn clear(&mut self) {
        self.spans.clear();
        self.deltas.clear();
        self.counts.clear();
    }

    fn push_span(&mut self, message: &[u8]) -> Result<()> {
        let mut span = Span::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => span.offset = field.sint32()?,
                2 => span.length = field.varint()? as u32,
                _ => {}
            }
        }
        self.spans.push(span);
        Ok(())
    }
}

/// A metric of any type.
#[derive(Clone, Debug, Default)]
pub(super) struct Metric<'a> {
    /// Encoded pairs.
    pub(super) labels: Vec<&'a [u8]>,
    pub(super) timestamp_ms: i64,
    pub(super) start_timestamp_ms: i64,
    /// The value by type: gauge, counter, untyped.
    pub(super) gauge: f64,
    pub(super) counter: f64,
    pub(super) untyped: f64,
    pub(super) counter_exemplar: Option<Exemplar<'a>>,
    /// Of summaries and histograms.
    pub(super) count: Count,
    pub(super) sum: f64,
    pub(super) summary_count: u64,
    pub(super) summary_sum: f64,
    pub(super) quantiles: Vec<(f64, f64)>,
    pub(super) buckets: Vec<Bucket>,
    pub(super) bucket_exemplars: Vec<Exemplar<'a>>,
    pub(super) exemplars: Vec<Exemplar<'a>>,
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: Count,
    pub(super) positive: Side,
    pub(super) negative: Side,
}

impl<'a> Metric<'a> {
    fn clear(&mut self) {
        self.labels.clear();
        (self.timestamp_ms, self.start_timestamp_ms) = (0, 0);
        (self.gauge, self.counter, self.untyped, self.sum) = (0.0, 0.0, 0.0, 0.0);
        (self.summary_count, self.summary_sum) = (0, 0.0);
        self.counter_exemplar = None;
        (self.count, self.zero_count) = (Count::default(), Count::default());
        (self.schema, self.zero_threshold) = (0, 0.0);
        self.quantiles.clear();
        self.buckets.clear();
        self.bucket_exemplars.clear();
        self.exemplars.clear();
        self.positive.clear();
        self.negative.clear();
    }

    pub(super) fn decode(&mut self, message: &'a [u8]) -> Result<()> {
        self.clear();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => self.labels.push(field.bytes()?),
                2 => number(field.bytes()?, &mut self.gauge)?,
                3 => self.decode_counter(field.bytes()?)?,
                4 => self.decode_summary(field.bytes()?)?,
                5 => number(field.bytes()?, &mut self.untyped)?,
                6 => self.timestamp_ms = field.varint()?.cast_signed(),
                7 => self.decode_histogram(field.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn decode_counter(&mut self, message: &'a [u8]) -> Result<()> {
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => self.counter = field.double()?,
                2 => self.counter_exemplar = Some(exemplar(field.bytes()?)?),
                3 => self.start_timestamp_ms = start(field.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn decode_summary(&mut self, message: &'a [u8]) -> Result<()> {
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => self.summary_count = field.varint()?,
                2 => self.summary_sum = field.double()?,
                3 => {
                    let mut quantile = (0.0, 0.0);
                    let mut fields = Fields::new(field.bytes()?);
                    while let Some(field) = fields.next()? {
                        match field.number {
                            1 => quantile.0 = field.double()?,
                            2 => quantile.1 = field.double()?,
                            _ => {}
                        }
                    }
                    self.quantiles.push(quantile);
                }
                4 => self.start_timestamp_ms = start(field.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn decode_histogram(&mut self, message: &'a [u8]) -> Result<()> {
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => self.count.int = field.varint()?,
                2 => self.sum = field.double()?,
                3 => self.decode_bucket(field.bytes()?)?,
                4 => self.count.float = field.double()?,
                5 => self.schema = field.sint32()?,
                6 => self.zero_threshold = field.double()?,
                7 => self.zero_count.int = field.varint()?,
                8 => self.zero_count.float = field.double()?,
                9 => self.negative.push_span(field.bytes()?)?,
                10 => field.push_sint64(&mut self.negative.deltas)?,
                11 => field.push_double(&mut self.negative.counts)?,
                12 => self.positive.push_span(field.bytes()?)?,
                13 => field.push_sint64(&mut self.positive.deltas)?,
                14 => field.push_double(&mut self.positive.counts)?,
                15 => self.start_timestamp_ms = start(field.bytes()?)?,
                16 => self.exemplars.push(exemplar(field.bytes()?)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn decode_bucket(&mut self, message: &'a [u8]) -> Result<()> {
        let mut bucket = Bucket { upper_bound: 0.0, count: Count::default(), exemplar: None };
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => bucket.count.int = field.varint()?,
                2 => bucket.upper_bound = field.double()?,
                3 => {
                    bucket.exemplar = Some(self.bucket_exemplars.len());
                    self.bucket_exemplars.push(exemplar(field.bytes()?)?);
                }
                4 => bucket.count.float = field.double()?,
                _ => {}
            }
        }
        self.buckets.push(bucket);
        Ok(())
    }

    /// Whether there is more than classic buckets.
    pub(super) fn is_native(&self) -> bool {
        !self.positive.spans.is_empty()
            || !self.negative.spans.is_empty()
            || self.zero_threshold > 0.0
            || self.zero_count.int > 0
    }
}

/// A message whose first field is a number.
fn number(message: &[u8], out: &mut f64) -> Result<()> {
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        if field.number == 1 {
            *out = field.double()?;
        }
    }
    Ok(())
}

/// Seconds and nanoseconds.
fn timestamp(message: &[u8]) -> Result<(i64, i32)> {
    let mut time = (0, 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => time.0 = field.varint()?.cast_signed(),
            2 => time.1 = field.varint()? as i32,
            _ => {}
        }
    }
    Ok(time)
}

/// A start timestamp in ms.
fn start(message: &[u8]) -> Result<i64> {
    let (seconds, nanos) = timestamp(message)?;
    Ok(seconds.wrapping_mul(1000).wrapping_add(i64::from(nanos.div_euclid(1_000_000))))
}

fn exemplar(message: &[u8]) -> Result<Exemplar<'_>> {
    let (mut value, mut timestamp_ms) = (0.0, None);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => {
                pair(field.bytes()?)?;
            }
            2 => value = field.double()?,
            3 => {
                let (seconds, nanos) = timestamp(field.bytes()?)?;
                let ms = seconds.wrapping_mul(1000).wrapping_add(i64::from(nanos / 1_000_000));
                timestamp_ms = Some(ms);
            }
            _ => {}
        }
    }
    Ok(Exemplar { labels: ExemplarLabels::Protobuf(message), value, timestamp_ms })
}

/// Puts the labels of an exemplar, which was decoded before, into `out`.
pub(crate) fn exemplar_labels(message: &[u8], out: &mut LabelBuffer) {
    out.clear();
    let mut fields = Fields::new(message);
    while let Ok(Some(field)) = fields.next() {
        if field.number == 1
            && let Ok((name, value)) = field.bytes().and_then(pair)
        {
            out.push(name, value);
        }
    }
}

/// Name and value of a label.
pub(super) fn pair(message: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut pair: (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => pair.0 = field.bytes()?,
            2 => pair.1 = field.bytes()?,
            _ => {}
        }
    }
    Ok(pair)
}

impl Metric<'_> {
    /// Writes the labels as part of a key. What is not UTF-8 is returned: whether it is a name, and the bytes.
    pub(super) fn write_labels(&self, out: &mut Vec<u8>) -> Result<Option<(bool, Vec<u8>)>> {
        out.clear();
        for message in &self.labels {
            let (name, value) = pair(message)?;
            for (is_name, text) in [(true, name), (false, value)] {
                if std::str::from_utf8(text).is_err() {
                    return Ok(Some((is_name, text.to_vec())));
                }
            }
            write_pair(name, value, out);
        }
        Ok(None)
    }
}
