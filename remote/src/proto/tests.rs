//! Tests of the writer against the reader, and of bytes that are no message.

use super::*;
use model::histogram::{FloatHistogram, Histogram, IntHistogram, Layout, Span};
use proptest::prelude::*;
use std::sync::Arc;

#[test]
fn lengths_above_a_byte_move_the_content() {
    for len in [0_usize, 1, 127, 128, 300, 20_000] {
        let mut out = vec![9];
        write::message(&mut out, 3, |out| out.resize(out.len() + len, 7));
        let mut fields = Fields(&out[1..]);
        let (field, value) = fields.next().expect("legal").expect("one");
        assert_eq!((field, value.bytes(3).expect("bytes")), (3, &vec![7; len][..]));
        assert!(fields.next().expect("legal").is_none());
    }
}

#[test]
fn histograms_come_back() {
    let layout = Layout {
        schema: -3,
        zero_threshold: 0.5,
        positive_spans: vec![Span { offset: -5, length: 2 }],
        negative_spans: vec![Span { offset: 1, length: 1 }, Span { offset: 3, length: 1 }],
        custom_values: vec![1.0, 2.5],
    };
    let layout = Arc::new(layout);
    let int = IntHistogram {
        layout: Arc::clone(&layout),
        zero_count: 3,
        count: 9,
        sum: -1.5,
        positive_deltas: vec![4, -3],
        negative_deltas: vec![1, 0],
        ..IntHistogram::default()
    };
    let float = FloatHistogram {
        layout: Arc::clone(&layout),
        count: 2.5,
        positive: vec![0.5, 1.0],
        negative: vec![1.0, 0.0],
        ..FloatHistogram::default()
    };
    for histogram in [Histogram::Int(int), Histogram::Float(float)] {
        let mut message = Vec::new();
        histogram::push(&mut message, &histogram, -7, 5);
        let mut last = Arc::clone(&layout);
        let point = histogram::read(&message, &mut last).expect("legal");
        assert_eq!((point.timestamp_ms, point.start_timestamp_ms), (-7, 5));
        assert_eq!(format!("{:?}", point.histogram), format!("{histogram:?}"));
        assert!(Arc::ptr_eq(&last, &layout), "equal layouts are shared");
    }
}

#[test]
fn groups_are_passed_over() {
    // Field 15 is a group with a number, a text and a group in it; field 1 comes behind.
    let group = [0x7B, 0x08, 0x96, 0x01, 0x12, 1, b'x', 0x1B, 0x1C, 0x7C, 0x08, 5];
    let mut fields = Fields(&group);
    assert!(matches!(fields.next(), Ok(Some((15, Value::Other)))));
    assert!(matches!(fields.next(), Ok(Some((1, Value::Varint(5))))));
    assert!(matches!(fields.next(), Ok(None)));
    assert_eq!(Fields(&group[..9]).next().err(), Some(Malformed::CutOff));
    assert_eq!(Fields(&[0x0C]).next().err(), Some(Malformed::IllegalWireType(4)));
}

proptest! {
    #[test]
    fn numbers_come_back(number in any::<u64>(), signed in any::<i64>()) {
        let mut out = Vec::new();
        write::varint(&mut out, number);
        let mut reader = Reader(&out);
        prop_assert_eq!(reader.varint(), Ok(number));
        prop_assert!(reader.0.is_empty());
        prop_assert_eq!(zigzag(write::zigzag(signed)), signed);
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _checked = histogram::read(&bytes, &mut Arc::default()).is_ok();
    }
}
