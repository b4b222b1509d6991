//! Tests of packed messages against the same written field by field.

use crate::proto::write;
use crate::receive::Message;
use crate::send::encode::Encoder;
use crate::send::item::{Doubt, Exemplar, Item, Payload};
use crate::send::wire::Wire;
use model::Labels;
use model::metadata::Metadata;
use proptest::prelude::*;

/// The message as its definition says, unpacked.
fn naive(items: &[Item], families: &[(String, Metadata)]) -> Vec<u8> {
    let labels = |out: &mut Vec<u8>, labels: &Wire| {
        for (name, value) in labels.iter() {
            write::message(out, 1, |out| {
                write::bytes(out, 1, name.as_bytes());
                write::bytes(out, 2, value.as_bytes());
            });
        }
    };
    let mut out = Vec::new();
    let mut seen = Vec::new();
    for first in items {
        if seen.contains(&first.series) {
            continue;
        }
        seen.push(first.series);
        write::message(&mut out, 1, |out| {
            labels(out, &first.labels);
            for item in items.iter().filter(|item| item.series == first.series) {
                if let Payload::Float(value) = item.payload {
                    write::message(out, 2, |out| {
                        write::always_double(out, 1, value);
                        write::always_uint(out, 2, item.timestamp_ms.cast_unsigned());
                    });
                }
                for exemplar in &item.exemplars {
                    write::message(out, 3, |out| {
                        labels(out, &exemplar.labels);
                        write::double(out, 2, exemplar.value);
                        write::int(out, 3, exemplar.timestamp_ms);
                    });
                }
            }
        });
    }
    for (family, metadata) in families {
        write::message(&mut out, 3, |out| {
            write::bytes(out, 2, family.as_bytes());
            write::bytes(out, 4, metadata.help.as_bytes());
        });
    }
    out
}

fn any_labels() -> impl Strategy<Value = Wire> {
    let text = prop_oneof![
        4 => "[ab]{1,3}",
        2 => "node-[0-9]{1,4}",
        1 => "x{120,140}",
    ];
    let name = prop_oneof![4 => "[a-d]", 1 => "__name__"];
    proptest::collection::vec((name, text), 1..6)
        .prop_map(|pairs| Wire::new(&Labels::from_pairs(pairs)))
}

fn any_item() -> impl Strategy<Value = Item> {
    let value = prop_oneof![Just(0.0), Just(1.5), any::<f64>(), (0..1000_u32).prop_map(f64::from)];
    let time = prop_oneof![3 => Just(1_793_494_800_000_i64), 1 => any::<i64>()];
    let exemplars = prop_oneof![9 => Just(false), 1 => Just(true)];
    (any_labels(), value, time, exemplars).prop_map(|(labels, value, timestamp_ms, observed)| {
        let exemplar = Exemplar { labels: labels.clone(), timestamp_ms: 5, value: 0.5 };
        Item {
            labels,
            metadata: None,
            series: 0,
            timestamp_ms,
            start_timestamp_ms: 0,
            payload: Payload::Float(value),
            exemplars: if observed { vec![exemplar] } else { Vec::new() },
            number: 0,
            doubt: Doubt::None,
        }
    })
}

fn unpacked(encoder: &mut Encoder, items: &[Item], families: &[(String, Metadata)]) -> Vec<u8> {
    let packed = encoder.encode_all(Message::V1, items, families);
    snap::raw::Decoder::new().decompress_vec(packed).expect("a block")
}

proptest! {
    #[test]
    fn packed_is_what_the_definition_says(
        mut items in proptest::collection::vec(any_item(), 0..20),
        order in proptest::collection::vec(0_u64..30, 20),
        with_family in any::<bool>(),
    ) {
        // Items of one series have its labels.
        for at in 0..items.len() {
            items[at].series = if with_family { order[at] } else { at as u64 };
            let first = items[..at].iter().find(|item| item.series == items[at].series);
            if let Some(labels) = first.map(|item| item.labels.clone()) {
                items[at].labels = labels;
            }
        }
        let family = Metadata { help: "How long.".into(), ..Metadata::default() };
        let families = [("seconds".to_owned(), family)];
        let families = if with_family { &families[..] } else { &[] };
        let mut encoder = Encoder::default();
        drop(unpacked(&mut encoder, &items[..items.len() / 2], families));
        prop_assert_eq!(unpacked(&mut encoder, &items, families), naive(&items, families));
    }
}

#[test]
fn what_repeats_is_packed_and_what_lies_too_far_back_is_written_again() {
    let item = |series: u64, text: &str| Item {
        labels: Wire::new(&Labels::from_pairs([
            ("__name__", "up"),
            ("instance", "localhost:9090"),
            ("text", text),
        ])),
        metadata: None,
        series,
        timestamp_ms: 1_793_494_800_000,
        start_timestamp_ms: 0,
        payload: Payload::Float(1.0),
        exemplars: Vec::new(),
        number: 0,
        doubt: Doubt::None,
    };
    let mut encoder = Encoder::default();
    let items: Vec<Item> = (0..1000).map(|number| item(number, &format!("{number:04}"))).collect();
    assert_eq!(unpacked(&mut encoder, &items, &[]), naive(&items, &[]));
    let packed_len = encoder.encode(Message::V1, &items).len();
    assert!(packed_len < 1000 * 20, "{packed_len} bytes for a thousand series");
    let long = "x".repeat(50_000);
    let items = [item(0, &long), item(1, &long), item(2, &long)];
    assert_eq!(unpacked(&mut encoder, &items, &[]), naive(&items, &[]));
}
