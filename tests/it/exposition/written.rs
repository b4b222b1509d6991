//! Samples written by a naive writer of each format come back as they were: names, labels with all that needs escapes,
//! values to the bit, timestamps. What is refused is tested against the recordings.

use expfmt::labels::{Declared, LabelBuffer, split_series};
use expfmt::{Entry, OpenMetricsParser, ParseOptions, Parser, ProtobufParser, TextParser};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Clone, Debug)]
struct Written {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
    /// Whole seconds.
    timestamp_s: Option<i64>,
}

fn written() -> impl Strategy<Value = Written> {
    let text = proptest::collection::vec(
        prop_oneof![Just('"'), Just('\\'), Just('\n'), Just('}'), Just(','), any::<char>()],
        0..6,
    );
    let text = text.prop_map(|chars| chars.into_iter().filter(|c| *c != '\0').collect::<String>());
    let value = prop_oneof![any::<f64>(), Just(f64::INFINITY), (0..1000_i32).prop_map(f64::from)];
    (
        "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}",
        proptest::collection::btree_map("[a-zA-Z][a-zA-Z0-9_]{0,5}", text, 0..4),
        value.prop_map(|value| if value.is_nan() { 0.0 } else { value }),
        proptest::option::of(1..10_000_000_000_i64),
    )
        .prop_map(|(name, labels, value, timestamp_s)| Written {
            name,
            labels,
            value,
            timestamp_s,
        })
}

/// A line of text; timestamps are in parts of a second.
fn line(sample: &Written, parts: i64) -> String {
    let mut out = sample.name.clone();
    let escaped =
        |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> = sample
        .labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    if !labels.is_empty() {
        write!(out, "{{{}}}", labels.join(",")).expect("a text");
    }
    write!(out, " {}", model::float::general(sample.value)).expect("a text");
    if let Some(seconds) = sample.timestamp_s {
        write!(out, " {}", seconds * parts).expect("a text");
    }
    out.push('\n');
    out
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A family with one gauge.
fn message(sample: &Written) -> Vec<u8> {
    let mut metric = Vec::new();
    for (name, value) in &sample.labels {
        let pair = [field(1, name.as_bytes()), field(2, value.as_bytes())].concat();
        metric.extend(field(1, &pair));
    }
    let gauge = [&[1 << 3 | 1][..], &sample.value.to_le_bytes()].concat();
    metric.extend(field(2, &gauge));
    if let Some(seconds) = sample.timestamp_s {
        metric.push(6 << 3);
        varint((seconds * 1000).cast_unsigned(), &mut metric);
    }
    let family = [field(1, sample.name.as_bytes()), vec![3 << 3, 1], field(4, &metric)].concat();
    let mut out = Vec::new();
    varint(family.len() as u64, &mut out);
    out.extend(family);
    out
}

/// All samples of a body: name, labels, bits, timestamp.
type Read = Vec<(String, BTreeMap<String, String>, u64, Option<i64>)>;

fn read(mut parser: impl Parser) -> Result<Read, String> {
    let mut out = Vec::new();
    let mut buffer = LabelBuffer::default();
    while let Some(entry) = parser.next().map_err(|error| error.to_string())? {
        let Entry::Sample(sample) = entry else { continue };
        split_series(sample.series, &Declared::default(), &mut buffer);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string());
        let mut labels = BTreeMap::new();
        for (name, value) in buffer.iter() {
            labels.insert(text(name)?, text(value)?);
        }
        let name = labels.remove("__name__").unwrap_or_default();
        out.push((name, labels, sample.point.value.to_bits(), sample.point.timestamp_ms));
    }
    Ok(out)
}

proptest! {
    #[test]
    fn what_is_written_is_read(samples in proptest::collection::vec(written(), 0..8)) {
        let expected: Read = samples
            .iter()
            .map(|s| (s.name.clone(), s.labels.clone(), s.value.to_bits(), s.timestamp_s.map(|t| t * 1000)))
            .collect();
        let text: String = samples.iter().map(|sample| line(sample, 1000)).collect();
        prop_assert_eq!(read(TextParser::new(text.as_bytes())), Ok(expected.clone()));
        let text: String = samples.iter().map(|sample| line(sample, 1)).chain(["# EOF\n".into()]).collect();
        let options = ParseOptions::default();
        prop_assert_eq!(read(OpenMetricsParser::new(text.as_bytes(), options)), Ok(expected.clone()));
        let body: Vec<u8> = samples.iter().flat_map(message).collect();
        prop_assert_eq!(read(ProtobufParser::new(&body, options)), Ok(expected));
    }
}
