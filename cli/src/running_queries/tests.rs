//! The bytes of `queries.active`, and what a start reads from them.

use super::*;

const NOW_MS: fn() -> i64 = || 1_700_000_000_999;

fn slots(bytes: &[u8]) -> Vec<String> {
    let text = |slot: &[u8]| String::from_utf8(slot.to_vec()).expect("text").replace('\0', "");
    assert_eq!((bytes[0], bytes.len() % SLOT_BYTES), (b'[', 1));
    bytes[1..].chunks(SLOT_BYTES).map(text).collect()
}

#[test]
fn queries_stand_in_their_slots_as_long_as_they_run() {
    let scratch = ::tests::Scratch::new("running");
    let read = || slots(&std::fs::read(scratch.path().join(NAME)).expect("content"));
    let file = RunningFile::new(2, NOW_MS);
    assert_eq!(file.begin("early"), None);
    assert_eq!(file.open(scratch.path()).expect("opens"), None);
    assert_eq!(read(), ["", ""]);
    let first = file.begin("a<\"é\">").expect("a slot");
    let second = file.begin("b").expect("a slot");
    assert_eq!(file.begin("c"), None, "there is no third");
    let a = r#"{"query":"a\u003c\"é\"\u003e","timestamp_sec":1700000000},"#;
    let b = r#"{"query":"b","timestamp_sec":1700000000},"#;
    assert_eq!(read(), [a, b]);
    file.end(first);
    assert_eq!(read(), ["", b]);
    // The next start, after a crash.
    let left = RunningFile::new(2, NOW_MS).open(scratch.path()).expect("opens");
    assert_eq!(left.as_deref(), Some(&*format!("[{}]", b.trim_end_matches(','))));
    assert_eq!(read(), ["", ""]);
    file.end(second);
    // After a good end nothing is left.
    assert_eq!(RunningFile::new(2, NOW_MS).open(scratch.path()).expect("opens"), None);
}

#[test]
fn long_queries_are_cut_to_their_slot() {
    for (query, len) in [("x".repeat(5000), 954), ("é".repeat(600), 954), ("<".repeat(999), 954)] {
        let slot = slot(&query, 1_700_000_000);
        assert_eq!(slot.len(), SLOT_BYTES);
        assert_eq!(slot.last(), Some(&b','));
        let object: Vec<u8> = slot.iter().copied().filter(|&b| b != 0).collect();
        let object = &object[..object.len() - 1];
        let json: serde_json::Value = serde_json::from_slice(object).expect("an object");
        let kept = json["query"].as_str().expect("text");
        assert!(query.starts_with(kept), "{kept}");
        let escaped = object.len() - r#"{"query":"","timestamp_sec":1700000000}"#.len();
        assert!(escaped > len - 12 && escaped < SLOT_BYTES - 38, "{escaped} bytes");
    }
}

#[test]
fn leftovers_of_any_kind_are_read() {
    assert_eq!(unfinished(b""), None);
    assert_eq!(unfinished(b"[\0\0"), None);
    assert_eq!(unfinished(b"\0\0\0"), None);
    assert_eq!(unfinished(b"[{\"query\":\"cut").as_deref(), Some("[{\"query\":\"cut]"));
    assert_eq!(unfinished(b"[\xff\xff,").as_deref(), Some("[\u{fffd}\u{fffd}]"));
}
