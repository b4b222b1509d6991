//! Ranges of samples, errors with their line, passes over the text.

use super::*;

use crate::import::remote_write::RemoteWrite;
use remote::receive::Message;
use tsdb::ImportValue;

type Block = (Vec<String>, Vec<(u32, i64, f64)>);

const LIMITS: Limits = Limits { block_ms: 10_000, max_ms: 1_000_000, max_rows: 1000 };

fn run(source: &dyn Source, limits: Limits) -> Result<Vec<Block>, ImportError> {
    let mut blocks = Vec::new();
    let mut write = |labels: &[Labels], rows: &mut Vec<ImportRow>| {
        let row = |row: &ImportRow| match &row.value {
            ImportValue::Float(value) => (row.series, row.timestamp_ms, *value),
            ImportValue::Histogram(_) => panic!("no histograms"),
        };
        let rows = rows.iter().map(row).collect();
        blocks.push((labels.iter().map(Labels::to_string).collect(), rows));
        Ok(())
    };
    super::import(source, limits, &mut write, &mut |_| Ok(()))?;
    Ok(blocks)
}

fn import(text: &str) -> Result<Vec<Block>, ImportError> {
    let labels = [("x".to_owned(), "y".to_owned())];
    run(&OpenMetrics { body: text.as_bytes(), labels: &labels }, LIMITS)
}

#[test]
fn samples_go_to_the_range_of_their_time() {
    let text = "# TYPE a gauge\na{b=\"1\",c=\"2\"} 1 25\na{c=\"2\",b=\"1\"} 2 -1\na 3 21\n# EOF\n";
    let blocks = import(text).expect("good");
    let labels = [
        "{__name__=\"a\", b=\"1\", c=\"2\", x=\"y\"}".to_owned(),
        "{__name__=\"a\", x=\"y\"}".to_owned(),
    ];
    let expected = [
        (labels.to_vec(), vec![(0, -1000, 2.0)]),
        (labels.to_vec(), vec![(0, 25_000, 1.0), (1, 21_000, 3.0)]),
    ];
    assert_eq!(blocks, expected);
}

#[test]
fn bounds_of_histograms_are_written_as_scraping_does() {
    let text = "# TYPE h histogram\nh_bucket{le=\"1\"} 1 1\nh_bucket{le=\"+Inf\"} 1 1\n# EOF\n";
    let blocks = import(text).expect("good");
    assert_eq!(blocks[0].0[0], "{__name__=\"h_bucket\", le=\"1.0\", x=\"y\"}");
}

#[test]
fn errors_name_the_line() {
    let line = |text: &str| import(text).expect_err("bad").to_string();
    assert_eq!(
        line("# TYPE a gauge\na 1 1\na 1\n# EOF\n"),
        "line 3: expected timestamp for series a, got none; add it behind the value"
    );
    assert!(line("a 1 1\na x 1\n# EOF\n").starts_with("line 2, column 3"));
    assert!(line("a 1 1\n").contains("# EOF"));
}

#[test]
fn a_range_that_does_not_fit_becomes_several_blocks() {
    let source = OpenMetrics { body: b"a 1 1\na 2 2\na 3 3\n# EOF\n", labels: &[] };
    let blocks = run(&source, Limits { max_rows: 2, ..LIMITS }).expect("good");
    let rows: Vec<_> = blocks.into_iter().map(|(_, rows)| rows).collect();
    assert_eq!(rows, [vec![(0, 1000, 1.0), (0, 2000, 2.0)], vec![(0, 3000, 3.0)]]);
}

#[test]
fn the_future_is_refused_with_its_line() {
    let error = import("a 1 1\na 1 1001\n# EOF\n").expect_err("bad").to_string();
    assert!(error.starts_with("line 2: timestamp 1001000 ms is in the future"), "{error}");
}

/// A message of remote write 1.0 with one series `b` and samples of value 1 at these times, packed.
fn message(times_ms: &[u8]) -> Vec<u8> {
    let mut series = b"\x0A\x0D\x0A\x08__name__\x12\x01b".to_vec();
    for &time_ms in times_ms {
        series.extend([0x12, 11, 0x09]);
        series.extend(1_f64.to_le_bytes());
        series.extend([0x10, time_ms]);
    }
    let mut plain = vec![0x0A, series.len() as u8];
    plain.extend(series);
    // Snappy may leave bytes as they are: length, then one literal with its length in a byte.
    let mut packed = vec![plain.len() as u8, 60 << 2, plain.len() as u8 - 1];
    packed.extend(plain);
    packed
}

fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for message in messages {
        body.push(message.len() as u8);
        body.extend(crc32c::crc32c(message).to_be_bytes());
        body.extend(message);
    }
    body
}

fn import_messages(body: &[u8], is_framed: bool) -> Result<Vec<Block>, ImportError> {
    let source = RemoteWrite { body, message: Message::V1, is_framed, now_ms: 0 };
    run(&source, Limits { block_ms: 10, ..LIMITS })
}

#[test]
fn messages_of_remote_write_alone_and_in_frames() {
    let labels = vec!["{__name__=\"b\"}".to_owned()];
    let one = import_messages(&message(&[5, 7]), false).expect("good");
    assert_eq!(one, [(labels.clone(), vec![(0, 5, 1.0), (0, 7, 1.0)])]);
    let two = import_messages(&framed(&[message(&[25]), message(&[5])]), true).expect("good");
    assert_eq!(two, [(labels.clone(), vec![(0, 5, 1.0)]), (labels, vec![(0, 25, 1.0)])]);
    assert!(import_messages(&[], true).expect("nothing").is_empty());
}

#[test]
fn bad_messages_are_numbered() {
    let wrong = |body: &[u8]| import_messages(body, true).expect_err("bad").to_string();
    let good = framed(&[message(&[1])]);
    let after = |bytes: &[u8]| wrong(&[&good[..], bytes].concat());
    assert_eq!(after(&[5, 0]), "message 2: the body ends in the middle of it");
    assert_eq!(after(&[0xFF; 12]), "message 2: its length is no varint");
    assert_eq!(after(&[0, 1, 2, 3, 4]), "message 2: its checksum does not fit; send it again");
    assert!(after(&[0xFF, 0xFF, 0xFF, 0x7F]).contains("limit"));
    assert_eq!(after(&framed(&[vec![9]])), "message 2: s2: corrupt input");
}

#[test]
fn passes_hold_what_fits() {
    let counts = BTreeMap::from([(-1, 5), (0, 5), (7, 1), (9, 20), (10, 1)]);
    assert_eq!(passes(&counts, 10), [-1..1, 7..8, 9..10, 10..11]);
    assert_eq!(passes(&counts, u64::MAX), [Range { start: -1, end: 11 }]);
    assert!(passes(&BTreeMap::new(), 1).is_empty());
}
