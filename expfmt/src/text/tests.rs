//! What `text` promises, case by case.

use super::*;
use crate::entry::Place;
use proptest::prelude::*;

fn entries(body: &[u8]) -> (usize, Option<ParseError>) {
    let mut parser = TextParser::new(body);
    let mut count = 0;
    loop {
        match parser.next() {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, None),
            Err(error) => return (count, Some(error)),
        }
    }
}

#[test]
fn errors_name_line_and_reason() {
    let (count, error) = entries(b"# TYPE a gauge\na 1\nb{x=\"y\" oops\n");
    assert_eq!(count, 2);
    let error = error.expect("the third line is broken");
    assert_eq!(error.place, Place::Text { line: 3, column: 13 });
    assert_eq!(
        error.to_string(),
        "line 3, column 13: expected '=' after a label name, got the end of the line in \"b{x=\\\"y\\\" oops\""
    );
}

#[test]
fn a_known_line_is_recognised_only_whole() {
    for (body, series, expected) in [
        ("a{b=\"c\"} 5\n", "a{b=\"c\"}", Some((5.0, None))),
        ("a{b=\"c\"}5 7\n", "a{b=\"c\"}", Some((5.0, Some(7)))),
        ("a 5", "a", Some((5.0, None))),
        ("ab 5\n", "a", None),
        ("a{} 5\n", "a", None),
        ("a {b=\"c\"} 5\n", "a", None),
        ("b 5\n", "a", None),
    ] {
        let mut parser = TextParser::new(body.as_bytes());
        let expected = expected.map(|(value, timestamp_ms)| Point {
            value,
            timestamp_ms,
            start_timestamp_ms: 0,
        });
        assert_eq!(
            parser.next_of(Fingerprint::of(series.as_bytes())).map(|found| found.map(|s| s.point)),
            Ok(expected),
            "{body}"
        );
        if expected.is_none() {
            assert_eq!(parser.position(), 0);
        }
    }
    assert!(TextParser::new(b"a x\n").next_of(Fingerprint::of(b"a")).is_err());
}

proptest! {
    /// Whatever the bytes, the parser ends, and what it gives out can be split and recognised again.
    #[test]
    fn foreign_bytes_never_panic(body in proptest::collection::vec(
        prop_oneof![Just(b'a'), Just(b'{'), Just(b'}'), Just(b'"'), Just(b'='), Just(b','), Just(b'\\'), Just(b' '),
            Just(b'1'), Just(b'\n'), Just(b'#'), Just(0_u8), any::<u8>()], 0..60)) {
        let mut parser = TextParser::new(&body);
        let mut labels = crate::labels::LabelBuffer::default();
        loop {
            let begin = parser.position();
            match parser.next_entry() {
                Ok(Some(Entry::Sample(sample))) => {
                    let declared = crate::labels::Declared { metric_type: MetricType::Histogram, ..Default::default() };
                    crate::labels::split_series(sample.series, &declared, &mut labels);
                    prop_assert!(!labels.is_empty());
                    let mut again = parser.clone();
                    again.at = begin;
                    while again.peek() == Some(b'\n') || again.slice(again.at, again.at + sample.series.len()) != sample.series {
                        again.at += 1;
                    }
                    let found = again.next_of(Fingerprint::of(sample.series));
                    let point = found.expect("parsed before").expect("same text").point;
                    prop_assert_eq!(point.value.to_bits(), sample.point.value.to_bits());
                    prop_assert_eq!(point.timestamp_ms, sample.point.timestamp_ms);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
}
