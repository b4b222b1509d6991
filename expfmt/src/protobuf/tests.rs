//! What `protobuf` promises beyond the recorded bodies.

use super::*;
use crate::labels::{Declared, LabelBuffer, split_series};
use proptest::prelude::*;

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("short");
    [&[number << 3 | 2, length][..], bytes].concat()
}

fn double(number: u8, value: f64) -> Vec<u8> {
    [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
}

/// A histogram family `h{a="b"}` with one bucket.
fn body() -> Vec<u8> {
    let label = [field(1, b"a"), field(2, b"b")].concat();
    let bucket = [vec![8, 2], double(2, 1.0)].concat();
    let histogram = [vec![8, 5], double(2, 2.5), field(3, &bucket)].concat();
    let metric = [field(1, &label), field(7, &histogram)].concat();
    let family = [field(1, b"h"), vec![0x18, 4], field(4, &metric)].concat();
    [vec![family.len() as u8], family].concat()
}

#[test]
fn known_series_are_recognised_in_order() {
    let body = body();
    let mut first = ProtobufParser::new(&body, ParseOptions::default());
    let mut known = Vec::new();
    while let Some(entry) = first.next().expect("a good body") {
        if let Entry::Sample(sample) = entry {
            known.push((sample.series.to_vec(), sample.point.value));
        }
    }
    assert_eq!(known.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [5.0, 2.5, 2.0, 5.0]);
    let mut again = ProtobufParser::new(&body, ParseOptions::default());
    let mut found = Vec::new();
    let mut others = 0;
    while let Some((series, _)) = known.get(found.len()) {
        match again.next_of(Fingerprint::of(series)).expect("a good body") {
            Some(sample) => found.push((sample.series.to_vec(), sample.point.value)),
            None => {
                assert!(again.next().expect("a good body").is_some());
                others += 1;
            }
        }
    }
    assert_eq!(found, known);
    assert_eq!(others, 2, "help and type");
    assert_eq!(again.next_of(Fingerprint::of(b"x")), Ok(None));
    assert_eq!(again.next(), Ok(None));
}

proptest! {
    /// Whatever the bytes, the parser ends.
    #[test]
    fn foreign_bytes_never_panic(
        cut in 0..60_usize, changes in proptest::collection::vec((0..60_usize, any::<u8>()), 0..6), options: u8,
    ) {
        let mut body = [body(), body()].concat();
        body.truncate(body.len().saturating_sub(cut));
        for (at, byte) in changes {
            if let Some(place) = body.get_mut(at) {
                *place = byte;
            }
        }
        let options = ParseOptions {
            start_timestamps: options & 1 != 0,
            convert_classic: options & 2 != 0,
            keep_classic: options & 4 != 0,
            ignore_native: options & 8 != 0,
        };
        let mut parser = ProtobufParser::new(&body, options);
        let mut labels = LabelBuffer::default();
        while let Ok(Some(entry)) = parser.next() {
            if let Entry::Sample(sample) | Entry::Histogram(sample) = entry {
                split_series(sample.series, &Declared::default(), &mut labels);
                prop_assert!(!labels.is_empty());
            }
        }
    }
}
