//! Pages, classes, growth.

use super::{Buffer, ByteSlab, Paged};

#[test]
fn paged_keeps_values_across_pages() {
    let mut table = Paged::default();
    for value in 0..3000u64 {
        assert_eq!(u64::from(table.push(value)), value);
    }
    table[2047] = 7;
    assert_eq!((table[0], table[2047], table[2999], table.len()), (0, 7, 2999, 3000));
}

#[test]
fn buffers_grow_and_come_back() {
    let mut slab = ByteSlab::default();
    let first = slab.alloc(10);
    slab.get_mut(first)[..3].copy_from_slice(b"abc");
    let other = slab.alloc(10);
    assert_ne!(first, other);
    let larger = slab.grow(first, 3, 1000);
    assert_eq!(&slab.get(larger)[..3], b"abc");
    assert!(slab.get(larger).len() >= 1000);
    assert_eq!(slab.alloc(24), first);
    slab.free(Buffer::NONE);
}
