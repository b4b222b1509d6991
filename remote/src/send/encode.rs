//! Batches as messages of 1.0 and 2.0. Items of one series are put together, in their order.

use super::item::{Item, Payload};
use crate::proto::{histogram, write};
use crate::receive::Message;
use model::Labels;
use model::hash::HashMap;
use model::metadata::{Metadata, MetricType};

/// Buffers for one batch after the other.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    plain: Vec<u8>,
    packed: Vec<u8>,
    /// The series of 2.0, which come behind the symbols they refer to.
    series: Vec<u8>,
    /// The items of each series.
    groups: Vec<Vec<u32>>,
    /// Which group the items of a kind of a series are in.
    found: HashMap<(u64, bool), usize>,
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
        self.plain.clear();
        self.group(items);
        match message {
            Message::V1 => {
                self.v1(items);
                self.families(families);
            }
            Message::V2 => self.v2(items),
        }
        self.pack()
    }

    fn families(&mut self, families: &[(String, Metadata)]) {
        for (family, metadata) in families {
            write::message(&mut self.plain, 3, |out| {
                write::uint(out, 1, metric_type(metadata.metric_type));
                write::bytes(out, 2, family.as_bytes());
                write::bytes(out, 4, metadata.help.as_bytes());
                write::bytes(out, 5, metadata.unit.as_bytes());
            });
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

    /// Floats and histograms of a series go apart: a message has one kind.
    fn group(&mut self, items: &[Item]) {
        self.groups.iter_mut().for_each(Vec::clear);
        self.found.clear();
        for (index, item) in items.iter().enumerate() {
            let is_histogram = matches!(item.payload, Payload::Histogram(_));
            let next = self.found.len();
            let group = *self.found.entry((item.series, is_histogram)).or_insert(next);
            if group == self.groups.len() {
                self.groups.push(Vec::new());
            }
            self.groups[group].push(index as u32);
        }
        self.groups.truncate(self.found.len());
    }

    fn v1(&mut self, items: &[Item]) {
        for group in &self.groups {
            write::message(&mut self.plain, 1, |out| {
                for (name, value) in items[group[0] as usize].labels.iter_bytes() {
                    push_label(out, name, value);
                }
                for item in group.iter().map(|&index| &items[index as usize]) {
                    match &item.payload {
                        Payload::Float(value) => {
                            let time = item.timestamp_ms.cast_unsigned();
                            write::prefix(out, 2, 10 + write::varint_len(time));
                            write::always_double(out, 1, *value);
                            write::always_uint(out, 2, time);
                        }
                        Payload::Histogram(value) => write::message(out, 4, |out| {
                            histogram::push(out, value, item.timestamp_ms, 0);
                        }),
                        Payload::Absent => {}
                    }
                    for exemplar in &item.exemplars {
                        write::message(out, 3, |out| {
                            for (name, value) in exemplar.labels.iter_bytes() {
                                push_label(out, name, value);
                            }
                            write::double(out, 2, exemplar.value);
                            write::int(out, 3, exemplar.timestamp_ms);
                        });
                    }
                }
            });
        }
    }

    fn v2(&mut self, items: &[Item]) {
        let mut symbols = Symbols::default();
        symbols.id("");
        self.series.clear();
        for group in &self.groups {
            let group = group.iter().map(|&index| &items[index as usize]);
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
    let refs = symbols.refs(&newest.labels);
    write::uints(out, 1, refs.into_iter());
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
                let refs = symbols.refs(&exemplar.labels);
                write::uints(out, 1, refs.into_iter());
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

fn push_label(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    write::prefix(out, 1, write::bytes_len(name) + write::bytes_len(value));
    write::bytes(out, 1, name);
    write::bytes(out, 2, value);
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
}

impl<'i> Symbols<'i> {
    fn id(&mut self, text: &'i str) -> u64 {
        let next = self.texts.len() as u64;
        *self.ids.entry(text).or_insert_with(|| {
            self.texts.push(text);
            next
        })
    }

    fn refs(&mut self, labels: &'i Labels) -> Vec<u64> {
        let mut refs = Vec::with_capacity(32);
        for (name, value) in labels.iter() {
            refs.push(self.id(name));
            refs.push(self.id(value));
        }
        refs
    }
}

#[cfg(test)]
mod tests;
