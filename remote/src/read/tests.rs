//! Tests of what frames hold: whole chunks untouched, cut ones anew, large series in several frames.

use super::*;
use crate::proto::Fields;
use chunk::{ChunkMeta, Encoding, SampleColumns};
use model::SeriesRef;
use storage::{Appendable, FloatBatch, LabelBatch, MemoryStorage};

/// A storage with one series `up{a="1"}` of `count` samples, one a second.
fn storage(count: i64) -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut appender = storage.appender(0);
    let mut refs = Vec::new();
    let pairs = [("__name__", "up"), ("a", "1")];
    appender.resolve(LabelBatch::new(&pairs, &[2]), &mut refs, &mut Vec::new()).expect("resolved");
    let refs: Vec<SeriesRef> = vec![refs[0].expect("new"); count as usize];
    let times: Vec<i64> = (0..count).map(|second| second * 1000).collect();
    let values: Vec<f64> = (0..count).map(|second| second as f64 / 3.0).collect();
    let batch = FloatBatch::new(&refs, &times, &values);
    appender.append_floats(batch, &mut Vec::new()).expect("appended");
    appender.commit().expect("committed");
    storage
}

fn server(count: i64, limits: Limits, external: &[(&str, &str)]) -> Server {
    let external = Arc::new(ArcSwap::from_pointee(Labels::from_pairs(external.iter().copied())));
    Server::new(Arc::new(storage(count)), limits, external, &Registry::new())
}

fn request(form: Form, range: TimeRange, matchers: &[(&str, &str)]) -> Request {
    let matchers = matchers.iter().map(|(name, value)| request::SentMatcher {
        op: 0,
        name: (*name).into(),
        value: (*value).into(),
    });
    let query = Query {
        start_ms: range.min_ms,
        end_ms: range.max_ms,
        matchers: matchers.collect(),
        is_for_series: false,
    };
    Request { queries: vec![query], form }
}

fn frames(server: &Server, request: &Request) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut take = |out: &mut Vec<u8>| {
        frames.push(std::mem::take(out));
        Ok(())
    };
    server.chunks(request, &Cancel::new(), &mut Vec::new(), &mut take).expect("answered");
    frames
}

/// The samples of a frame, its framing checked.
fn samples(frame: &[u8]) -> Vec<i64> {
    let mut reader = crate::proto::Reader(frame);
    let len = reader.varint().expect("length") as usize;
    let (crc, message) = reader.0.split_at(4);
    assert_eq!((message.len(), crc), (len, &crc32c::crc32c(message).to_be_bytes()[..]));
    let mut columns = SampleColumns::default();
    let mut fields = Fields(message);
    let (_, series) = fields.next().expect("legal").expect("a series");
    let mut fields = Fields(series.bytes(1).expect("bytes"));
    while let Some((field, value)) = fields.next().expect("legal") {
        if field != 2 {
            continue;
        }
        let (mut min_ms, mut max_ms, mut data): (i64, i64, &[u8]) = (0, 0, &[]);
        let mut chunk = Fields(value.bytes(2).expect("bytes"));
        while let Some((field, value)) = chunk.next().expect("legal") {
            match field {
                1 => min_ms = value.varint(1).expect("number").cast_signed(),
                2 => max_ms = value.varint(2).expect("number").cast_signed(),
                4 => data = value.bytes(4).expect("bytes"),
                _ => {}
            }
        }
        let num_samples = u32::from(u16::from_be_bytes([data[0], data[1]]));
        let meta = ChunkMeta { min_ms, max_ms, num_samples, encoding: Encoding::Xor };
        let begin = columns.len();
        chunk::decode(meta, data, &mut columns).expect("a chunk");
        assert_eq!(columns.timestamps_ms[begin], min_ms);
        assert_eq!(columns.timestamps_ms.last(), Some(&max_ms));
    }
    columns.timestamps_ms
}

#[test]
fn frames_hold_the_samples_of_the_range() {
    let server = server(500, Limits::default(), &[]);
    let range = TimeRange::new(1_500, 400_000);
    let frames = frames(&server, &request(Form::Chunks, range, &[("__name__", "up")]));
    let expect: Vec<i64> = (2..=400).map(|second| second * 1000).collect();
    assert_eq!(frames.iter().flat_map(|frame| samples(frame)).collect::<Vec<_>>(), expect);
    assert_eq!(frames.len(), 1);
}

#[test]
fn large_series_take_several_frames() {
    let server = server(1000, Limits { max_frame_bytes: 1, ..Limits::default() }, &[]);
    let frames = frames(&server, &request(Form::Chunks, TimeRange::ALL, &[("__name__", "up")]));
    assert!(frames.len() > 4, "{}", frames.len());
    assert_eq!(frames.iter().map(|frame| samples(frame).len()).sum::<usize>(), 1000);
}

#[test]
fn external_labels_are_added_and_asked_for() {
    let server = server(1, Limits::default(), &[("a", "2"), ("zone", "z")]);
    let answer = |matchers: &[(&str, &str)]| {
        let request = request(Form::Samples, TimeRange::ALL, matchers);
        let packed = server.samples(&request, &Cancel::new()).expect("answered");
        let plain = snap::raw::Decoder::new().decompress_vec(&packed).expect("packed");
        String::from_utf8_lossy(&plain).into_owned()
    };
    let found = answer(&[("zone", "z")]);
    assert!(found.contains("zone") && found.contains("up"), "{found:?}");
    assert!(!answer(&[("zone", "y"), ("__name__", "up")]).contains("up"));
    // The condition on `a` with our value becomes one for its absence.
    assert!(!answer(&[("a", "2"), ("__name__", "up")]).contains("up"));
    assert!(answer(&[("a", "1"), ("__name__", "up")]).contains("up"));
}

#[test]
fn limits_and_nonsense_are_refused() {
    let server = server(10, Limits { max_samples: 9, ..Limits::default() }, &[]);
    let all = request(Form::Samples, TimeRange::ALL, &[("__name__", "up")]);
    let error = server.samples(&all, &Cancel::new()).expect_err("too many");
    assert_eq!(error.to_string(), "exceeded sample limit (9)");
    for packed in [&[][..], &[0x80, 0x80, 0x80, 0x10, 0], &[3, 8, 0xFF, 0xFF, 0xFF]] {
        assert!(matches!(server.parse(packed), Err(Error::Request(_))), "{packed:?}");
    }
}
