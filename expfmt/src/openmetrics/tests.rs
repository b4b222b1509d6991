//! What `openmetrics` promises beyond the recorded bodies.

use super::*;
use proptest::prelude::*;

#[test]
fn a_known_line_is_recognised_only_whole() {
    for (body, series, expected) in [
        ("a{b=\"c\"} 5\n", "a{b=\"c\"}", Some((5.0, None))),
        ("a 5 7.5\n", "a", Some((5.0, Some(7500)))),
        ("ab 5\n", "a", None),
        ("a{} 5\n", "a", None),
    ] {
        let mut parser = OpenMetricsParser::new(body.as_bytes(), ParseOptions::default());
        let sample = parser.next_of(Fingerprint::of(series.as_bytes())).expect("a good line");
        let found = sample.map(|s| (s.point.value, s.point.timestamp_ms));
        assert_eq!(found, expected, "{body}");
        if expected.is_none() {
            assert_eq!(parser.position(), 0);
        }
    }
}

#[test]
fn a_known_line_keeps_its_exemplar() {
    let body = b"a 5 # {b=\"c\"} 1 2\nd 1\n# EOF\n";
    let mut parser = OpenMetricsParser::new(body, ParseOptions::default());
    parser.next_of(Fingerprint::of(b"a")).expect("a good line").expect("the line of a");
    let exemplar = parser.exemplar(0).expect("an exemplar");
    assert_eq!((exemplar.value, exemplar.timestamp_ms), (1.0, Some(2000)));
    parser.next_of(Fingerprint::of(b"d")).expect("a good line").expect("the line of d");
    assert_eq!(parser.exemplar(0), None);
}

#[test]
fn a_family_without_start_timestamps_is_looked_through_once() {
    let mut body = b"# TYPE a counter\n".to_vec();
    for index in 0..20_000 {
        body.extend_from_slice(format!("a_total{{i=\"{index}\"}} 1\n").as_bytes());
    }
    body.extend_from_slice(b"a_created{i=\"19999\"} 5\n# EOF\n");
    let options = ParseOptions { start_timestamps: true, ..ParseOptions::default() };
    let mut parser = OpenMetricsParser::new(&body, options);
    let mut starts = Vec::new();
    while let Some(entry) = parser.next_entry().expect("a good body") {
        if let Entry::Sample(sample) = entry {
            starts.push(sample.point.start_timestamp_ms);
        }
    }
    assert_eq!(starts.len(), 20_000);
    assert_eq!(starts.iter().filter(|&&ms| ms != 0).count(), 1);
    assert_eq!(starts.last(), Some(&5000));
}

const PIECES: &[&[u8]] = &[
    b"a",
    b"{",
    b"}",
    b"\"",
    b"=",
    b",",
    b"\\",
    b" ",
    b"1",
    b"\n",
    b"# EOF",
    b" # {",
    b"# TYPE a counter\n",
    b"a_created",
    b"a{b=\"c\"} 1\n",
    b"\xff",
    b"\0",
];

proptest! {
    /// Whatever the bytes, the parser ends, and what it gives out can be split.
    #[test]
    fn foreign_bytes_never_panic(start_timestamps: bool, body in proptest::collection::vec(
        proptest::sample::select(PIECES), 0..40)) {
        let body = body.concat();
        let options = ParseOptions { start_timestamps, ..ParseOptions::default() };
        let mut parser = OpenMetricsParser::new(&body, options);
        let mut labels = crate::labels::LabelBuffer::default();
        while let Ok(Some(entry)) = parser.next_entry() {
            if let Entry::Sample(sample) = entry {
                crate::labels::split_series(sample.series, &crate::labels::Declared::default(), &mut labels);
                prop_assert!(!labels.is_empty());
            }
            if let Some(exemplar) = parser.exemplar(0) {
                exemplar.labels(&mut labels);
            }
        }
        prop_assert!(parser.position() <= body.len());
    }
}
