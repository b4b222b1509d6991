//! What `decompress` promises, case by case.

use super::*;
use flate2::{Compression, write::GzEncoder};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn read(bytes: &[u8], compressed: bool, limit: Option<u64>) -> Result<Vec<u8>, Error> {
    let limit = BodyLimit::new(limit, None);
    let mut reader = BodyReader::new(vec![1, 2, 3], compressed, limit);
    for frame in bytes.chunks(7) {
        reader.push(frame)?;
    }
    reader.finish()
}

#[test]
fn the_limit_counts_uncompressed_bytes() {
    let body = vec![b'x'; 100_000];
    assert!(read(&gzip(&body), true, Some(100_001)).is_ok_and(|read| read == body));
    assert!(matches!(read(&gzip(&body), true, Some(100_000)), Err(Error::BodyTooLarge)));
    assert!(matches!(read(&body, false, Some(100_000)), Err(Error::BodyTooLarge)));
    assert!(read(&body, false, None).is_ok_and(|read| read == body));
}

#[test]
fn broken_compression_is_an_error() {
    assert!(matches!(read(b"a 1\nb 2\nnot compressed", true, None), Err(Error::Body(_))));
    let whole = gzip(b"some text that is long enough");
    assert!(matches!(read(&whole[..whole.len() - 9], true, None), Err(Error::Body(_))));
}

/// A target whose body grew by 100,000 lines with each scrape ended the server in a control group of 1 GiB: new series
/// were refused, and the body took what was left.
#[test]
fn a_body_that_leaves_no_memory_to_work_on_it_is_refused() {
    const MB: u64 = 1 << 20;
    let left: MemoryLeft = Arc::new(|| 100 * MB);
    let limit = || BodyLimit::new(None, Some(Arc::clone(&left)));
    assert!(limit().check(50 * MB, 0).is_ok());
    let error = limit().check(51 * MB, 0).expect_err("told to be too long");
    assert_eq!(
        error.to_string(),
        "body of 53477376 bytes or more does not fit into what --storage.tsdb.memory-budget leaves"
    );
    // What came already is not in what is left.
    assert!(limit().check(100 * MB, 100 << 20).is_ok());
    assert!(limit().check(101 * MB, 100 << 20).is_err());
    let zeros = vec![0; 120 << 20];
    for compressed in [false, true] {
        let bytes = if compressed { gzip(&zeros) } else { zeros.clone() };
        let left: MemoryLeft = Arc::new(|| 40 * MB);
        let mut reader = BodyReader::new(Vec::new(), compressed, BodyLimit::new(None, Some(left)));
        let outcome = bytes.chunks(1 << 16).try_for_each(|frame| reader.push(frame));
        assert!(matches!(outcome, Err(Error::BodyBeyondMemory { .. })), "{outcome:?}");
    }
    // Nobody looks for what is short.
    let unlooked: MemoryLeft = Arc::new(|| unreachable!("a short body"));
    assert!(BodyLimit::new(None, Some(unlooked)).check(LOOK_BYTES - 1, 0).is_ok());
}

#[test]
fn memory_is_taken_for_what_is_believed_to_come() {
    assert_eq!(foreseen(0, 100), 100);
    assert_eq!(foreseen(0, 1 << 40), 4 << 20);
    assert_eq!(foreseen(4 << 20, 1 << 40), 32 << 20);
    assert_eq!(foreseen(4 << 20, 10 << 20), 10 << 20);
}
