//! A buffer comes back when nobody reads it any more, and no sooner.

use super::*;

#[test]
fn a_buffer_comes_back_once_it_is_sent() {
    let spares = Spares::default();
    let mut bytes = spares.take();
    bytes.extend_from_slice(b"piece");
    let place = bytes.as_ptr();
    let sent = spares.lend(bytes);
    let part = sent.slice(1..3);
    drop(sent);
    assert_eq!(&part[..], b"ie");
    let other = spares.take();
    assert_ne!(other.as_ptr(), place, "a part of it is still read");
    drop(part);
    let again = spares.take();
    assert_eq!(again.as_ptr(), place);
    assert!(again.is_empty());
}

#[test]
fn what_grew_large_is_not_kept() {
    let spares = Spares::default();
    drop(spares.lend(Vec::with_capacity(MAX_ROOM_BYTES + 1)));
    assert!(spares.take().capacity() <= MAX_ROOM_BYTES);
}
