//! Batches as messages of 1.0 (in `v1`) and 2.0. Items of one series are put together, in their order.

mod v1;

use super::item::{Item, Payload};
use super::wire::Wire;
use crate::proto::{histogram, write};
use crate::receive::Message;
use model::hash::HashMap;
use model::metadata::{Metadata, MetricType};

/// Buffers for one batch after the other.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    plain: Vec<u8>,
    packed: Vec<u8>,
    v1: v1::Writer,
    /// The series of 2.0, which come behind the symbols they refer to.
    series: Vec<u8>,
    /// Items in the order in which they are written, each behind the number of its series in the message.
    order: Vec<(u32, u32)>,
    /// Which that is for the items of a kind of a series.
    found: HashMap<(u64, bool), u32>,
}

impl Encoder {
    /// The packed message of these items.
    pub(super) fn encode(&mut self, message: Message, items: &[Item]) -> &[u8] {
        self.encode_all(message, items, &[])
    }

    /// The packed message of 1.0 with metadata of metric families.
    pub(super) fn encode_metadata(&mut self, families: &[(String, Metadata)]) -> &[u8] {
        self.encode_all(Message::V1, &[], families)
    }

    /// The packed message of items and, in 1.0, metadata of families.
    pub(super) fn encode_all(
        &mut self,
        message: Message,
        items: &[Item],
        families: &[(String, Metadata)],
    ) -> &[u8] {
        self.group(items);
        match message {
            Message::V1 => {
                self.v1.begin();
                let mut before = None;
                for group in self.order.chunk_by(|a, b| a.0 == b.0) {
                    let group = group.iter().map(|&(_, index)| &items[index as usize]);
                    before = self.v1.series(group, before.as_ref());
                }
                self.v1.families(families);
                self.v1.finish()
            }
            Message::V2 => {
                self.v2(items);
                self.pack()
            }
        }
    }

    fn pack(&mut self) -> &[u8] {
        let bound = snap::raw::max_compress_len(self.plain.len());
        if self.packed.len() < bound {
            self.packed.resize(bound, 0);
        }
        let packed = snap::raw::Encoder::new().compress(&self.plain, &mut self.packed);
        let len = packed.expect("a batch is far below 4 GiB and the buffer is large enough");
        &self.packed[..len]
    }

    /// Brings the items of each series together. Floats and histograms of a series go apart: a message has one kind.
    fn group(&mut self, items: &[Item]) {
        self.order.clear();
        let indices = 0..items.len() as u32;
        // Mostly each series is there once, in the order of its number.
        if items.is_sorted_by(|one, next| one.series < next.series) {
            self.order.extend(indices.map(|index| (index, index)));
            return;
        }
        self.found.clear();
        for (item, index) in items.iter().zip(indices) {
            let is_histogram = matches!(item.payload, Payload::Histogram(_));
            let next = self.found.len() as u32;
            let group = *self.found.entry((item.series, is_histogram)).or_insert(next);
            self.order.push((group, index));
        }
        self.order.sort_by_key(|(group, _)| *group);
    }

    fn v2(&mut self, items: &[Item]) {
        let mut symbols = Symbols::default();
        symbols.id("");
        self.plain.clear();
        self.series.clear();
        for group in self.order.chunk_by(|a, b| a.0 == b.0) {
            let group = group.iter().map(|&(_, index)| &items[index as usize]);
            write::message(&mut self.series, 5, |out| push_series(out, group, &mut symbols));
        }
        for symbol in &symbols.texts {
            write::always_bytes(&mut self.plain, 4, symbol.as_bytes());
        }
        self.plain.extend_from_slice(&self.series);
    }
}

/// The content of a series in 2.0.
fn push_series<'i>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = &'i Item> + Clone,
    symbols: &mut Symbols<'i>,
) {
    let Some(newest) = items.clone().last() else { return };
    write::uints(out, 1, symbols.refs(&newest.labels).iter().copied());
    for item in items {
        match &item.payload {
            Payload::Float(value) => write::message(out, 2, |out| {
                write::double(out, 1, *value);
                write::int(out, 2, item.timestamp_ms);
                write::int(out, 3, item.start_timestamp_ms);
            }),
            Payload::Histogram(value) => write::message(out, 3, |out| {
                histogram::push(out, value, item.timestamp_ms, item.start_timestamp_ms);
            }),
            Payload::Absent => {}
        }
        for exemplar in &item.exemplars {
            write::message(out, 4, |out| {
                write::uints(out, 1, symbols.refs(&exemplar.labels).iter().copied());
                write::double(out, 2, exemplar.value);
                write::int(out, 3, exemplar.timestamp_ms);
            });
        }
    }
    // Where nothing is known of it, that has to be said too.
    write::message(out, 5, |out| {
        if let Some(metadata) = &newest.metadata {
            write::uint(out, 1, metric_type(metadata.metric_type));
            write::uint(out, 3, symbols.id(&metadata.help));
            write::uint(out, 4, symbols.id(&metadata.unit));
        }
    });
}

/// The numbers of both versions.
fn metric_type(kind: MetricType) -> u64 {
    match kind {
        MetricType::Unknown => 0,
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
        MetricType::GaugeHistogram => 4,
        MetricType::Summary => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}

/// The table of symbols of a request.
#[derive(Debug, Default)]
struct Symbols<'i> {
    ids: HashMap<&'i str, u64>,
    texts: Vec<&'i str>,
    /// The labels of the series before, and their numbers.
    labels: Option<&'i Wire>,
    refs: Vec<u64>,
}

impl<'i> Symbols<'i> {
    fn id(&mut self, text: &'i str) -> u64 {
        let next = self.texts.len() as u64;
        *self.ids.entry(text).or_insert_with(|| {
            self.texts.push(text);
            next
        })
    }

    /// The numbers of names and values. Most are those of the series before.
    fn refs(&mut self, labels: &'i Wire) -> &[u64] {
        let mut known = self.labels.replace(labels).into_iter().flat_map(Wire::iter);
        let mut refs = std::mem::take(&mut self.refs);
        let mut num_labels = 0;
        for (index, (name, value)) in labels.iter().enumerate() {
            let (known_name, known_value) = known.next().unwrap_or_default();
            num_labels = index + 1;
            for (at, known, text) in
                [(2 * index, known_name, name), (2 * index + 1, known_value, value)]
            {
                if at == refs.len() {
                    let id = self.id(text);
                    refs.push(id);
                } else if known != text {
                    refs[at] = self.id(text);
                }
            }
        }
        refs.truncate(2 * num_labels);
        self.refs = refs;
        &self.refs
    }
}

#[cfg(test)]
mod tests;
