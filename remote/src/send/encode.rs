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
    /// The items of each series.
    groups: Vec<Vec<u32>>,
}

impl Encoder {
    /// The packed message of these items.
    pub(super) fn encode(&mut self, message: Message, items: &[Item]) -> &[u8] {
        self.plain.clear();
        self.group(items);
        match message {
            Message::V1 => self.v1(items),
            Message::V2 => self.v2(items),
        }
        self.pack()
    }

    /// The packed message of 1.0 with metadata of metric families.
    pub(super) fn encode_metadata(&mut self, families: &[(String, Metadata)]) -> &[u8] {
        self.plain.clear();
        for (family, metadata) in families {
            write::message(&mut self.plain, 3, |out| {
                write::uint(out, 1, metric_type(metadata.metric_type));
                write::bytes(out, 2, family.as_bytes());
                write::bytes(out, 4, metadata.help.as_bytes());
                write::bytes(out, 5, metadata.unit.as_bytes());
            });
        }
        self.pack()
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

    fn group(&mut self, items: &[Item]) {
        self.groups.iter_mut().for_each(Vec::clear);
        let mut found: HashMap<&Labels, usize> = HashMap::default();
        for (index, item) in items.iter().enumerate() {
            let next = found.len();
            let group = *found.entry(&item.labels).or_insert(next);
            if group == self.groups.len() {
                self.groups.push(Vec::new());
            }
            self.groups[group].push(index as u32);
        }
        self.groups.truncate(found.len());
    }

    fn v1(&mut self, items: &[Item]) {
        for group in &self.groups {
            write::message(&mut self.plain, 1, |out| {
                for (name, value) in items[group[0] as usize].labels.iter() {
                    push_label(out, name, value);
                }
                for item in group.iter().map(|&index| &items[index as usize]) {
                    match &item.payload {
                        Payload::Float(value) => write::message(out, 2, |out| {
                            write::always_double(out, 1, *value);
                            write::always_uint(out, 2, item.timestamp_ms.cast_unsigned());
                        }),
                        Payload::Histogram(value) => write::message(out, 4, |out| {
                            histogram::push(out, value, item.timestamp_ms, 0);
                        }),
                        Payload::Exemplar(exemplar) => write::message(out, 3, |out| {
                            for (name, value) in exemplar.0.iter() {
                                push_label(out, name, value);
                            }
                            write::double(out, 2, exemplar.1);
                            write::int(out, 3, item.timestamp_ms);
                        }),
                    }
                }
            });
        }
    }

    fn v2(&mut self, items: &[Item]) {
        let mut symbols = Symbols::default();
        symbols.id("");
        let mut series = Vec::new();
        for group in &self.groups {
            let first = &items[group[0] as usize].labels;
            write::message(&mut series, 5, |out| {
                let refs = symbols.refs(first);
                write::uints(out, 1, refs.into_iter());
                for item in group.iter().map(|&index| &items[index as usize]) {
                    match &item.payload {
                        Payload::Float(value) => write::message(out, 2, |out| {
                            write::double(out, 1, *value);
                            write::int(out, 2, item.timestamp_ms);
                            write::int(out, 3, item.start_timestamp_ms);
                        }),
                        Payload::Histogram(value) => write::message(out, 3, |out| {
                            let start_ms = item.start_timestamp_ms;
                            histogram::push(out, value, item.timestamp_ms, start_ms);
                        }),
                        Payload::Exemplar(exemplar) => write::message(out, 4, |out| {
                            let refs = symbols.refs(&exemplar.0);
                            write::uints(out, 1, refs.into_iter());
                            write::double(out, 2, exemplar.1);
                            write::int(out, 3, item.timestamp_ms);
                        }),
                    }
                }
                // Nothing is known of it, which has to be said.
                write::message(out, 5, |_| {});
            });
        }
        for symbol in &symbols.texts {
            write::always_bytes(&mut self.plain, 4, symbol.as_bytes());
        }
        self.plain.extend_from_slice(&series);
    }
}

fn push_label(out: &mut Vec<u8>, name: &str, value: &str) {
    write::message(out, 1, |out| {
        write::bytes(out, 1, name.as_bytes());
        write::bytes(out, 2, value.as_bytes());
    });
}

/// The numbers of 1.0.
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
mod tests {
    use super::*;
    use crate::Receiver;
    use crate::receive::Options;
    use metrics::Registry;
    use model::{MatchOp, Matcher, TimeRange};
    use std::sync::Arc;
    use storage::{Cancel, MemoryStorage, Queryable, SelectHints, SeriesBatch};

    fn item(name: &str, timestamp_ms: i64, value: f64) -> Item {
        Item {
            labels: Labels::from_pairs([("__name__", name), ("a", "b")]),
            series: 0,
            timestamp_ms,
            start_timestamp_ms: 0,
            payload: Payload::Float(value),
            number: 0,
            may_repeat: false,
        }
    }

    #[test]
    fn what_is_sent_is_what_is_received() {
        let items = [item("x", 1, 1.5), item("y", 1, -0.0), item("x", 2, f64::INFINITY)];
        for message in [Message::V1, Message::V2] {
            let storage = MemoryStorage::new();
            let to = Arc::new(storage.clone());
            let receiver = Receiver::new(to, Options::default(), &Registry::new());
            let mut encoder = Encoder::default();
            encoder.encode(message, &items[..1]);
            let (written, result) = receiver.write(message, encoder.encode(message, &items), 10);
            result.expect("stored");
            assert!(written.is_none_or(|written| written.samples == 3));
            let querier = storage.querier(TimeRange::ALL).expect("querier");
            let (symbols, cancel) = (model::Symbols::new(), Cancel::new());
            let all = [Matcher::new("a", MatchOp::Equal, "b").expect("matcher")];
            let mut set =
                querier.select(&all, &SelectHints::default(), &symbols, &cancel).expect("selected");
            let (mut batch, mut columns) =
                (SeriesBatch::default(), chunk::SampleColumns::default());
            assert!(set.next_batch(&mut batch).expect("batch"));
            batch.read(0, TimeRange::ALL, &mut columns).expect("samples");
            assert_eq!(
                (&columns.timestamps_ms[..], &columns.values[..]),
                (&[1, 2][..], &[1.5, f64::INFINITY][..])
            );
            batch.read(1, TimeRange::ALL, &mut columns).expect("samples");
            assert_eq!(columns.values[0].to_bits(), (-0.0_f64).to_bits());
        }
    }
}
