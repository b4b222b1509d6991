//! What `text` promises, case by case.

use super::*;
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
    assert_eq!(error.line, 3);
    assert_eq!(
        error.to_string(),
        "line 3: expected '=' after a label name, got the end of the line in \"b{x=\\\"y\\\" oops\""
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
        assert_eq!(parser.next_of(series.as_bytes()), Ok(expected), "{body}");
        if expected.is_none() {
            assert_eq!(parser.position(), 0);
        }
    }
    assert!(TextParser::new(b"a x\n").next_of(b"a").is_err());
}

#[test]
fn help_escapes() {
    assert_eq!(
        unescape_help(r#"back\\slash new\nline quote\" t\t end\"#),
        "back\\slash new\nline quote\\\" t\\t end\\"
    );
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
            match parser.next() {
                Ok(Some(Entry::Sample(sample))) => {
                    crate::labels::split_series(sample.series, MetricType::Histogram, &mut labels);
                    prop_assert!(!labels.is_empty());
                    let mut again = parser.clone();
                    again.at = begin;
                    while again.peek() == Some(b'\n') || again.slice(again.at, again.at + sample.series.len()) != sample.series {
                        again.at += 1;
                    }
                    let (value, timestamp_ms) = again.next_of(sample.series).expect("parsed before").expect("same text");
                    prop_assert_eq!(value.to_bits(), sample.value.to_bits());
                    prop_assert_eq!(timestamp_ms, sample.timestamp_ms);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
}
