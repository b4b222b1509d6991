//! What `message` promises, case by case: broken bytes are refused, names are followed but not for ever.

use super::*;

#[test]
fn broken_messages_are_refused() {
    let mut bytes = vec![0, 1, 0x81, 0x80, 0, 0, 0, 1, 0, 0, 0, 0];
    bytes.extend_from_slice(&[1, b'a', 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1]);
    let whole = parse(&bytes).expect("an answer");
    assert_eq!(whole.records, [Data::Address(IpAddr::from([10, 0, 0, 1]))]);
    for length in 0..bytes.len() {
        assert_eq!(parse(&bytes[..length]), None, "cut at {length}");
    }
    // A name that points at itself.
    bytes[12..14].copy_from_slice(&[0xc0, 12]);
    assert_eq!(parse(&bytes), None);
}

#[test]
fn odd_bytes_of_names_are_escaped() {
    let mut reader = Reader { bytes: &[4, b'a', b'.', 7, b'\\', 0], at: 0 };
    assert_eq!(reader.name().as_deref(), Some("a\\.\\007\\\\."));
}

#[test]
fn damaged_messages_do_no_harm() {
    let head = |kind: u8, data: &[u8]| {
        let mut bytes = vec![0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        bytes.extend_from_slice(&[1, b'a', 2, b'b', b'c', 0, 0, kind, 0, 1]);
        bytes.extend_from_slice(&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 9, 0, data.len() as u8]);
        bytes.extend_from_slice(data);
        bytes
    };
    let seeds = [
        head(1, &[10, 0, 0, 1]),
        head(2, &[1, b'n', 0xc0, 12]),
        head(15, &[0, 5, 0xc0, 14]),
        head(28, &[1; 16]),
        head(33, &[0, 1, 0, 2, 0x1f, 0x90, 1, b'h', 0xc0, 12]),
    ];
    assert!(seeds.iter().all(|seed| parse(seed).is_some()));
    ::tests::mutate::mutations(&seeds, 50_000, |bytes| drop(parse(bytes)));
}
