//! Tests of the messages against our own receiver, and field by field.

use super::*;
use crate::Receiver;
use crate::proto::{Fields, Value};
use crate::receive::Options;
use crate::send::item::{Doubt, Exemplar};
use metrics::Registry;
use model::histogram::{Histogram, IntHistogram};
use model::{Labels, MatchOp, Matcher, TimeRange};
use std::sync::Arc;
use storage::{Cancel, MemoryStorage, Queryable, SelectHints, SeriesBatch};

fn item(name: &str, timestamp_ms: i64, value: f64) -> Item {
    Item {
        labels: Wire::new(&Labels::from_pairs([("__name__", name), ("a", "b")])),
        metadata: None,
        series: name.bytes().map(u64::from).sum(),
        timestamp_ms,
        start_timestamp_ms: 0,
        payload: Payload::Float(value),
        exemplars: Vec::new(),
        number: 0,
        doubt: Doubt::None,
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
        let (mut batch, mut columns) = (SeriesBatch::default(), chunk::SampleColumns::default());
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

/// The fields of a message: numbers, and the bytes of messages.
fn fields(message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let (mut fields, mut found) = (Fields(message), Vec::new());
    while let Some((field, value)) = fields.next().expect("legal") {
        found.push(match value {
            Value::Bytes(bytes) => (field, bytes.to_vec()),
            Value::Varint(number) | Value::Fixed64(number) => {
                (field, number.to_string().into_bytes())
            }
            Value::Other => panic!("no such field is sent"),
        });
    }
    found
}

/// The messages of a series, by field.
fn of(series: &[(u64, Vec<u8>)], field: u64) -> Vec<&[u8]> {
    series.iter().filter(|(found, _)| *found == field).map(|(_, bytes)| &bytes[..]).collect()
}

#[test]
fn a_series_of_2_0_says_all_that_is_known() {
    let mut float = item("x", 7, 1.5);
    float.start_timestamp_ms = 5;
    float.metadata = Some(Arc::new(Metadata {
        metric_type: MetricType::Counter,
        unit: "seconds".into(),
        help: "How long.".into(),
    }));
    float.exemplars = vec![Exemplar {
        labels: Wire::new(&Labels::from_pairs([("trace", "abc")])),
        timestamp_ms: 6,
        value: 0.5,
    }];
    let histogram = Histogram::Int(IntHistogram { count: 3, ..IntHistogram::default() });
    let histogram = Item { payload: Payload::Histogram(Box::new(histogram)), ..item("x", 8, 0.0) };
    let mut encoder = Encoder::default();
    let packed = encoder.encode(Message::V2, &[float, histogram]);
    let plain = snap::raw::Decoder::new().decompress_vec(packed).expect("packed");
    let request = fields(&plain);
    let symbols: Vec<String> = of(&request, 4)
        .into_iter()
        .map(|text| String::from_utf8(text.to_vec()).expect("text"))
        .collect();
    assert_eq!(symbols[0], "");
    let text = |index: &[u8]| {
        let index: usize = String::from_utf8_lossy(index).parse().expect("a number");
        symbols[index].as_str()
    };
    let series: Vec<_> = of(&request, 5).into_iter().map(fields).collect();
    assert_eq!(series.len(), 2, "floats and histograms are apart");
    let sample = fields(of(&series[0], 2)[0]);
    assert_eq!((of(&sample, 2), of(&sample, 3)), (vec![&b"7"[..]], vec![&b"5"[..]]));
    let exemplar = fields(of(&series[0], 4)[0]);
    let refs: Vec<&str> =
        of(&exemplar, 1)[0].iter().map(|&index| &*symbols[usize::from(index)]).collect();
    assert_eq!((refs, of(&exemplar, 3)), (vec!["trace", "abc"], vec![&b"6"[..]]));
    let metadata = fields(of(&series[0], 5)[0]);
    assert_eq!(of(&metadata, 1), [b"1"]);
    assert_eq!((text(of(&metadata, 3)[0]), text(of(&metadata, 4)[0])), ("How long.", "seconds"));
    assert!(of(&series[1], 2).is_empty() && of(&series[1], 3).len() == 1);
    assert_eq!(of(&series[1], 5), [b""], "nothing is known, which is said");
}
