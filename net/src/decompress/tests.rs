//! What `decompress` promises, case by case.

use super::*;
use flate2::{Compression, write::GzEncoder};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn read(bytes: &[u8], compressed: bool, limit: Option<u64>) -> Result<Vec<u8>, Error> {
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
