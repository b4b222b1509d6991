//! What `chunked` promises, case by case.

use super::*;

/// The body, and how many bytes follow it, when `bytes` come in pieces of `step`.
fn read(bytes: &[u8], step: usize) -> Result<(Vec<u8>, Option<usize>), &'static str> {
    let (mut chunked, mut body, mut rest) = (Chunked::new(), Vec::new(), 0);
    let mut ended = false;
    for mut piece in bytes.chunks(step) {
        if ended {
            rest += piece.len();
            continue;
        }
        loop {
            match chunked.next(&mut piece)? {
                Piece::Data(data) => body.extend_from_slice(data),
                Piece::Nothing => break,
                Piece::End => {
                    (ended, rest) = (true, piece.len());
                    break;
                }
            }
        }
    }
    Ok((body, ended.then_some(rest)))
}

#[test]
fn chunks_come_in_any_pieces() {
    let bytes =
        b"5\r\nhello\r\n1;name=value\r\n \r\n00a  \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nnext";
    for step in 1..=bytes.len() {
        let (body, rest) = read(bytes, step).expect("good chunks");
        assert_eq!(body, b"hello 0123456789", "{step}");
        assert_eq!(rest, Some(4), "{step}");
    }
    for length in 0..bytes.len() - 4 {
        let (_, rest) = read(&bytes[..length], 3).expect("good so far");
        assert_eq!(rest, None, "{length}");
    }
}

#[test]
fn bad_chunks_are_named_as_in_go() {
    let long = format!("1;{}", "x".repeat(MAX_LINE_BYTES));
    let trailers = format!("0\r\n{}", "a: b\r\n".repeat(MAX_TRAILER_BYTES));
    for (bytes, said) in [
        (&b"\r\n"[..], "empty hex number for chunk length"),
        (b"zz\r\n", "invalid byte in chunk length"),
        (b"+5\r\n", "invalid byte in chunk length"),
        (b"00000000000000001\r\n", "http chunk length too large"),
        (b"1\r\nab", "malformed chunked encoding"),
        (b"1\r\na\n", "malformed chunked encoding"),
        (long.as_bytes(), "header line too long"),
        (trailers.as_bytes(), "http: suspiciously long trailer after chunked body"),
    ] {
        assert_eq!(read(bytes, 7), Err(said));
    }
    let (body, rest) = read(b"ffffffffffffffff\r\nabc", 4).expect("a long chunk");
    assert_eq!((body.as_slice(), rest), (&b"abc"[..], None));
}
