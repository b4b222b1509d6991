//! Tests of the two forms of an answer, made by our own server, and of bytes that are none.

use super::response::{Series, read};
use super::*;
use crate::read::{self, Form, Limits};
use chunk::SampleColumns;
use model::SeriesRef;
use proptest::prelude::*;
use storage::{Appendable, FloatBatch, LabelBatch, MemoryStorage};

const COUNT: i64 = 500;

/// A server with one series `up{a="1"}`, and an external label.
fn server() -> read::Server {
    let storage = MemoryStorage::new();
    let mut appender = storage.appender(0);
    let mut refs = Vec::new();
    let pairs = [("__name__", "up"), ("a", "1")];
    appender.resolve(LabelBatch::new(&pairs, &[2]), &mut refs, &mut Vec::new()).expect("resolved");
    let refs: Vec<SeriesRef> = vec![refs[0].expect("new"); COUNT as usize];
    let times: Vec<i64> = (0..COUNT).map(|second| second * 1000).collect();
    let values: Vec<f64> = (0..COUNT).map(|second| second as f64 / 3.0).collect();
    let batch = FloatBatch::new(&refs, &times, &values);
    appender.append_floats(batch, &mut Vec::new()).expect("appended");
    appender.commit().expect("committed");
    let external = Labels::from_pairs([("zone", "z")]);
    let external = Arc::new(arc_swap::ArcSwap::from_pointee(external));
    let limits = Limits { max_frame_bytes: 500, ..Limits::default() };
    read::Server::new(Arc::new(storage), limits, external, &Registry::new())
}

/// What the server answers, and its content type.
fn answer(form: Form) -> (&'static str, Bytes) {
    let server = server();
    let matchers = [Matcher::new("__name__", MatchOp::Equal, "up").expect("matcher")];
    let mut plain = Vec::new();
    push_request(&mut plain, TimeRange::new(0, i64::MAX), &matchers, &SelectHints::default());
    let packed = snap::raw::Encoder::new().compress_vec(&plain).expect("small");
    let mut request = server.parse(&packed).expect("a request");
    assert_eq!(request.form, Form::Chunks);
    request.form = form;
    let cancel = Cancel::new();
    if form == Form::Samples {
        let packed = server.samples(&request, &cancel).expect("answered");
        return ("application/x-protobuf", Bytes::from(packed));
    }
    let mut body = Vec::new();
    server.chunks(&request, &cancel, &mut body, &mut |_| Ok(())).expect("answered");
    let kind = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
    (kind, Bytes::from(body))
}

fn columns(series: &Series) -> SampleColumns {
    let (mut batch, mut columns) = (SeriesBatch::default(), SampleColumns::default());
    series.push_chunks(&mut batch);
    batch.finish_series(&[]);
    batch.read(0, TimeRange::ALL, &mut columns).expect("samples");
    columns
}

#[test]
fn both_forms_bring_all_samples() {
    for form in [Form::Samples, Form::Chunks] {
        let (kind, body) = answer(form);
        let series = read(kind, &body, 1 << 20).expect("an answer");
        assert_eq!(series.len(), 1);
        let labels = Labels::from_pairs([("__name__", "up"), ("a", "1"), ("zone", "z")]);
        assert_eq!(series[0].labels, labels);
        let columns = columns(&series[0]);
        assert_eq!(columns.timestamps_ms, (0..COUNT).map(|s| s * 1000).collect::<Vec<_>>());
        assert_eq!(columns.values[2].to_bits(), (2.0_f64 / 3.0).to_bits());
    }
}

#[test]
fn damaged_frames_are_told() {
    let (kind, body) = answer(Form::Chunks);
    assert!(read(kind, &body, 10).expect_err("too large").contains("exceeded the limit"));
    assert!(read(kind, &body.slice(..body.len() - 1), 1 << 20).is_err());
    let mut flipped = body.to_vec();
    flipped[20] ^= 1;
    assert!(read(kind, &Bytes::from(flipped), 1 << 20).expect_err("damaged").contains("checksum"));
    assert!(read("text/html", &body, 1 << 20).is_err());
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let body = Bytes::from(bytes);
        for kind in ["application/x-protobuf", "application/x-streamed-protobuf"] {
            let _checked = read(kind, &body, 1000).is_ok();
        }
    }
}
