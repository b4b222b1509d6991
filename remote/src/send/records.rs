//! Records of the log to items: keeps the labels and metadata of each series as they are sent, and leaves out what this
//! receiver does not get. Exemplars join the sample of their commit. Where the records come from is in `follow`.

use super::config::WriteConfig;
use super::item::{Counts, Doubt, Exemplar, Item, Payload};
use super::metrics::{Drop, QueueMetrics};
use super::series::{Series, Table};
use super::shard::Context;
use super::wire::Wire;
use crate::receive::Message;
use model::hash::HashMap;
use model::histogram::Histogram;
use model::metadata::Metadata;
use model::relabel::{Scratch, process};
use model::{Labels, LabelsBuilder};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wal::record::{self, DecodeError, Histograms, Kind, Samples};

/// See the module.
pub(super) struct Records {
    context: Arc<Context>,
    external_labels: Labels,
    series: Table,
    /// What was read and not taken yet.
    items: Vec<Item>,
    /// The newest item of each series among them.
    places: HashMap<u64, usize>,
    samples: Samples,
    histograms: Histograms,
    metadata: Vec<(u64, Metadata)>,
    builder: LabelsBuilder,
    scratch: Scratch,
}

/// What a record had that is not sent.
#[derive(Default)]
struct Left {
    relabelled: Counts,
    unknown: Counts,
}

impl Left {
    fn count(&mut self, why: Drop, counts: Counts) {
        let all = match why {
            Drop::Relabelled => &mut self.relabelled,
            _ => &mut self.unknown,
        };
        all.samples += counts.samples;
        all.histograms += counts.histograms;
        all.exemplars += counts.exemplars;
    }

    fn tell(&self, metrics: &QueueMetrics) {
        for (counts, why) in
            [(self.relabelled, Drop::Relabelled), (self.unknown, Drop::UnknownSeries)]
        {
            if counts.total() > 0 {
                metrics.dropped(counts, why, false);
            }
        }
    }
}

impl WriteConfig {
    /// Whether native histograms are sent: 2.0 was made for them.
    fn wants_histograms(&self) -> bool {
        self.send_native_histograms || self.message == Message::V2
    }
}

impl Records {
    pub(super) fn new(context: Arc<Context>, external_labels: Labels) -> Self {
        Self {
            context,
            external_labels,
            series: Table::default(),
            items: Vec::new(),
            places: HashMap::default(),
            samples: Samples::default(),
            histograms: Histograms::default(),
            metadata: Vec::new(),
            builder: LabelsBuilder::new(),
            scratch: Scratch::default(),
        }
    }

    /// What was read since it was taken last.
    pub(super) fn items(&mut self) -> &mut Vec<Item> {
        &mut self.items
    }

    /// Forgets the series that nothing from `segment` on names.
    pub(super) fn forget_before(&mut self, segment: u32) {
        self.series.forget_before(segment);
    }

    fn counts_all(&self) -> bool {
        self.context.counts_all.load(Ordering::Relaxed)
    }

    /// Reads what a record says of series; samples are passed over.
    pub(super) fn read_series(&mut self, bytes: &[u8], segment: u32) {
        self.context.metrics.record(record::name(bytes));
        let read = match record::kind(bytes) {
            Kind::Series => self.series(bytes, segment),
            Kind::Metadata => self.metadata(bytes),
            _ => Ok(()),
        };
        if read.is_err() {
            self.context.metrics.decode_failures.inc();
        }
    }

    /// Reads a record. `doubt`: whether what it holds may have been sent before a crash.
    pub(super) fn read(&mut self, bytes: &[u8], segment: u32, doubt: Doubt) {
        let first = self.items.len();
        let read = match record::kind(bytes) {
            Kind::Samples => self.floats(bytes),
            Kind::Histograms => self.histograms(bytes),
            Kind::Exemplars => self.exemplars(bytes),
            _ => return self.read_series(bytes, segment),
        };
        self.context.metrics.record(record::name(bytes));
        if read.is_err() {
            self.context.metrics.decode_failures.inc();
        }
        if doubt != Doubt::None
            && let Some(fresh) = self.items.get_mut(first..)
        {
            fresh.iter_mut().for_each(|item| item.doubt = doubt);
            self.context.metrics.pre_tailing.inc_by(fresh.len() as u64);
        }
    }

    fn series(&mut self, bytes: &[u8], segment: u32) -> Result<(), DecodeError> {
        let rows = record::decode_series(bytes)?;
        for (number, pairs) in rows.iter() {
            let source = model::stable_hash(pairs.iter().copied());
            if let Some(known) = self.series.get_mut(number).filter(|s| s.source == source) {
                known.segment = known.segment.max(segment);
                continue;
            }
            self.builder.clear();
            for (name, value) in pairs {
                self.builder.set(name, value);
            }
            for (name, value) in self.external_labels.iter() {
                if self.builder.get(name).is_empty() {
                    self.builder.set(name, value);
                }
            }
            let rules = &self.context.config.rules;
            let is_kept = process(rules, &mut self.builder, &mut self.scratch);
            let labels = is_kept.then(|| self.builder.labels()).filter(|labels| !labels.is_empty());
            let labels = labels.map(|labels| Wire::new(&labels));
            self.series.insert(number, Series { labels, metadata: None, segment, source });
        }
        Ok(())
    }

    /// Only 2.0 sends it with the samples.
    fn metadata(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.context.config.message != Message::V2 {
            return Ok(());
        }
        let read = record::decode_metadata(bytes, &mut self.metadata);
        for (number, metadata) in self.metadata.drain(..) {
            if let Some(series) = self.series.get_mut(number)
                && series.metadata.as_deref() != Some(&metadata)
            {
                series.metadata = Some(Arc::new(metadata));
            }
        }
        read
    }

    fn floats(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let read = record::decode_samples(bytes, &mut self.samples);
        let (mut left, mut highest_ms) = (Left::default(), i64::MIN);
        self.items.reserve(self.samples.len());
        for (row, (number, timestamp_ms, value)) in self.samples.iter().enumerate() {
            highest_ms = highest_ms.max(timestamp_ms);
            match item(&self.series, number, timestamp_ms, Payload::Float(value)) {
                Ok(mut item) => {
                    item.start_timestamp_ms = self.samples.start_ms(row);
                    self.items.push(item);
                }
                Err(why) => left.count(why, Counts { samples: 1, ..Counts::default() }),
            }
        }
        let counts = Counts { samples: self.samples.len() as u64, ..Counts::default() };
        let is_first = self.counts_all();
        let metrics = &self.context.metrics;
        metrics.came_in(counts, highest_ms, is_first);
        metrics.flow.count_read(counts);
        left.tell(metrics);
        read
    }

    fn histograms(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let (config, metrics) = (&self.context.config, &self.context.metrics);
        let is_first = self.counts_all();
        if !config.wants_histograms() && !is_first {
            return Ok(());
        }
        let read = record::decode_histograms(bytes, &mut self.histograms);
        let histograms = &mut self.histograms;
        let highest_ms = histograms.timestamps_ms.iter().copied().max().unwrap_or(i64::MIN);
        let counts = Counts { histograms: histograms.refs.len() as u64, ..Counts::default() };
        metrics.came_in(counts, highest_ms, is_first);
        if !config.wants_histograms() {
            return read;
        }
        metrics.flow.count_read(counts);
        let (mut left, mut custom) = (Left::default(), Counts::default());
        let values = std::mem::take(&mut histograms.values);
        for (row, value) in values.into_iter().enumerate() {
            if config.message == Message::V1 && is_custom(&value) {
                custom.histograms += 1;
                continue;
            }
            let payload = Payload::Histogram(Box::new(value));
            let (number, timestamp_ms) = (histograms.refs[row], histograms.timestamps_ms[row]);
            match item(&self.series, number, timestamp_ms, payload) {
                Ok(mut item) => {
                    item.start_timestamp_ms = histograms.start_ms(row);
                    self.items.push(item);
                }
                Err(why) => left.count(why, Counts { histograms: 1, ..Counts::default() }),
            }
        }
        if custom.total() > 0 {
            metrics.dropped(custom, Drop::CustomBuckets, false);
        }
        left.tell(metrics);
        read
    }

    fn exemplars(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let (config, metrics) = (&self.context.config, &self.context.metrics);
        let is_first = self.counts_all();
        if !config.send_exemplars && !is_first {
            return Ok(());
        }
        let rows = record::decode_exemplars(bytes)?;
        let counts = Counts { exemplars: rows.refs.len() as u64, ..Counts::default() };
        metrics.came_in(counts, i64::MIN, is_first);
        if !config.send_exemplars {
            return Ok(());
        }
        metrics.flow.count_read(counts);
        self.places.clear();
        self.places.extend(self.items.iter().enumerate().map(|(place, item)| (item.series, place)));
        let (mut left, mut alone) = (Left::default(), Counts::default());
        let one = Counts { exemplars: 1, ..Counts::default() };
        for (number, timestamp_ms, value, pairs) in rows.iter() {
            let labels = Wire::new(&Labels::from_pairs(pairs.iter().copied()));
            let exemplar = Exemplar { labels, timestamp_ms, value };
            if let Some(&place) = self.places.get(&number) {
                self.items[place].exemplars.push(exemplar);
                continue;
            }
            match item(&self.series, number, timestamp_ms, Payload::Absent) {
                Err(why) => left.count(why, one),
                Ok(_) if config.message == Message::V2 => alone.exemplars += 1,
                Ok(item) => {
                    self.places.insert(number, self.items.len());
                    self.items.push(Item { exemplars: vec![exemplar], ..item });
                }
            }
        }
        if alone.total() > 0 {
            metrics.dropped(alone, Drop::LoneExemplar, false);
        }
        left.tell(metrics);
        Ok(())
    }
}

fn is_custom(histogram: &Histogram) -> bool {
    histogram.layout().is_custom()
}

/// What is to be sent of a series, or why it is not.
fn item(series: &Table, number: u64, timestamp_ms: i64, payload: Payload) -> Result<Item, Drop> {
    let series = series.get(number).ok_or(Drop::UnknownSeries)?;
    let labels = series.labels.clone().ok_or(Drop::Relabelled)?;
    Ok(Item {
        labels,
        metadata: series.metadata.clone(),
        series: number,
        timestamp_ms,
        start_timestamp_ms: 0,
        payload,
        exemplars: Vec::new(),
        number: 0,
        doubt: Doubt::None,
    })
}

#[cfg(test)]
mod tests;
