//! Tests of bytes that are no request, and of protocol buffers against JSON.

use super::*;
use crate::proto::write;
use proptest::prelude::*;
use storage::MemoryStorage;

fn receiver() -> Receiver {
    let options = Options { lookback_ms: 300_000, ..Options::default() };
    let config = Arc::new(ArcSwap::from_pointee(Config::default()));
    Receiver::new(Arc::new(MemoryStorage::new()), options, config, &Registry::new())
}

/// A request with a gauge of one point.
fn gauge() -> Vec<u8> {
    let mut out = Vec::new();
    write::message(&mut out, 1, |out| {
        write::message(out, 2, |out| {
            write::message(out, 2, |out| {
                write::bytes(out, 1, b"g");
                write::message(out, 5, |out| {
                    write::message(out, 1, |out| {
                        write::always_double(out, 4, 1.5);
                        write::message(out, 7, |out| write::bytes(out, 1, b"k"));
                    });
                });
            });
        });
    });
    out
}

#[test]
fn both_forms_read_alike() {
    let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":
        {"dataPoints":[{"asDouble":1.5,"attributes":[{"key":"k"}]}]}}]}]}]}"#;
    let value = json::parse(json).expect("JSON");
    assert_eq!(protobuf::read(&gauge()).expect("legal"), json::read(&value).expect("a request"));
}

#[test]
fn a_span_of_centuries_is_no_flood() {
    let body = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"s"}}}},
        {{"key":"a","value":{{"stringValue":"b"}}}}]}},"scopeMetrics":[{{"metrics":[{{"name":"g","gauge":
        {{"dataPoints":[{{"timeUnixNano":0,"asDouble":1}},{{"timeUnixNano":"{}","asDouble":1}}]}}}}]}}]}}]}}"#,
        i64::MAX
    );
    let now_ms = i64::MAX / 1_000_000;
    receiver().write("application/json", "", body.as_bytes(), now_ms).expect("stored");
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let receiver = receiver();
        for content_type in ["application/json", "application/x-protobuf"] {
            for encoding in ["", "gzip"] {
                let _checked = receiver.write(content_type, encoding, &bytes, 0).is_ok();
            }
        }
    }

    #[test]
    fn damaged_requests_never_panic(cut in 0_usize..60, flip in 0_usize..60, bits in any::<u8>()) {
        let mut bytes = gauge();
        let place = flip % bytes.len();
        bytes[place] ^= bits;
        bytes.truncate(cut);
        let _checked = receiver().write("application/x-protobuf", "", &bytes, 0).is_ok();
    }
}
