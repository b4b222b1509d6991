//! A query to one `QueryResult` with all samples. Series without samples in the range are listed too, as Prometheus
//! does; therefore the labels are asked for apart.

use super::{Asked, Error, Limits, labels};
use crate::proto::{histogram, write};
use chunk::SampleColumns;
use chunk::exact::{ExactSample, ExactValue};
use model::{LabelPair, Symbols};
use std::cmp::Ordering;
use storage::{Cancel, Querier, Queryable, SelectHints, SeriesBatch, SeriesSet};

/// Appends the series of a query as field 1.
pub(super) fn push_result(
    queryable: &dyn Queryable,
    asked: &Asked,
    limits: &Limits,
    cancel: &Cancel,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if asked.matchers.is_empty() {
        return Ok(());
    }
    let querier = queryable.querier(asked.span)?;
    let symbols = Symbols::new();
    let mut sampled = Sampled::new(&*querier, asked, &symbols, cancel)?;
    let hints = SelectHints { labels_only: true, ..SelectHints::default() };
    let mut all = querier.select(&asked.matchers, &hints, &symbols, cancel)?;
    let mut batch = SeriesBatch::default();
    let mut samples = Samples::default();
    let mut left = if limits.max_samples == 0 { u64::MAX } else { limits.max_samples };
    while all.next_batch(&mut batch)? {
        for pairs in batch.labels().iter() {
            sampled.read(pairs, &mut samples)?;
            let taken = (samples.floats.len() + samples.histograms.len()) as u64;
            left = left.checked_sub(taken).ok_or(Error::TooManySamples(limits.max_samples))?;
            write::message(out, 1, |out| {
                labels::push(out, pairs, &symbols, &asked.external_labels);
                push_samples(out, &samples);
            });
        }
    }
    Ok(())
}

/// The samples of one series.
#[derive(Default)]
struct Samples {
    floats: SampleColumns,
    /// Counts as they were sent: the columns beside the floats know only float counts.
    histograms: Vec<ExactSample>,
}

fn push_samples(out: &mut Vec<u8>, samples: &Samples) {
    let floats = &samples.floats;
    for (&timestamp_ms, &value) in floats.timestamps_ms.iter().zip(&floats.values) {
        write::message(out, 2, |out| {
            write::double(out, 1, value);
            write::int(out, 2, timestamp_ms);
        });
    }
    for sample in &samples.histograms {
        if let ExactValue::Histogram(histogram) = &sample.value {
            write::message(out, 4, |out| histogram::push(out, histogram, sample.timestamp_ms, 0));
        }
    }
}

/// The series that have samples in the range, in label order.
struct Sampled<'q> {
    set: Option<Box<dyn SeriesSet + 'q>>,
    batch: SeriesBatch,
    row: usize,
    range: model::TimeRange,
    symbols: &'q Symbols,
}

impl<'q> Sampled<'q> {
    fn new(
        querier: &'q dyn Querier,
        asked: &Asked,
        symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> Result<Self, Error> {
        let hints = SelectHints { range: asked.range, ..SelectHints::default() };
        let set = match asked.range {
            Some(_) if !asked.labels_only => {
                Some(querier.select(&asked.matchers, &hints, symbols, cancel)?)
            }
            _ => None,
        };
        Ok(Self { set, batch: SeriesBatch::default(), row: 0, range: asked.span, symbols })
    }

    /// Replaces `out` with the samples of the series with these labels; nothing if it has none. Asked in label order.
    fn read(&mut self, pairs: &[LabelPair], out: &mut Samples) -> Result<(), Error> {
        out.floats.clear();
        out.histograms.clear();
        while let Some(set) = &mut self.set {
            if self.row >= self.batch.len() {
                self.row = 0;
                if !set.next_batch(&mut self.batch)? {
                    self.set = None;
                }
                continue;
            }
            match self.symbols.compare(self.batch.labels().get(self.row), pairs) {
                Ordering::Less => self.row += 1,
                Ordering::Equal => {
                    self.batch.read(self.row, self.range, &mut out.floats)?;
                    if !out.floats.histograms.is_empty() {
                        self.batch.read_exact(self.row, self.range, &mut out.histograms)?;
                        out.histograms
                            .retain(|sample| matches!(sample.value, ExactValue::Histogram(_)));
                    }
                    self.row += 1;
                    break;
                }
                Ordering::Greater => break,
            }
        }
        Ok(())
    }
}
