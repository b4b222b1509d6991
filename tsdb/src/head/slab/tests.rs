//! Pages, classes, growth.

use super::{BLOCK_BYTES, Buffer, ByteSlab, Paged};

impl super::Vacant for u64 {
    const VACANT: &'static Self = &0;
}

#[test]
fn paged_keeps_values_across_pages() {
    let mut table = Paged::default();
    for value in 0..3000u64 {
        assert_eq!(u64::from(table.push(value)), value);
    }
    table[2047] = 7;
    assert_eq!((table[0], table[2047], table[2999], table.len()), (0, 7, 2999, 3000));
    table.truncate(1500);
    assert_eq!((table.len(), table[1499], table[2999]), (1500, 1499, 0));
    assert_eq!(table.held_bytes(), 2 * 1024 * 8);
    assert_eq!(table.push(9), 1500);
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
    let beyond = slab.alloc(5000);
    assert_eq!(slab.used_bytes(), 24 + 24 + 1040 + 5000);
    for buffer in [first, other, larger, beyond] {
        slab.free(buffer);
    }
    assert_eq!(slab.used_bytes(), 0);
}

/// Series that begin together grow out of a size together: what they leave behind must not stay.
#[test]
fn pages_that_are_empty_are_given_back() {
    let mut slab = ByteSlab::default();
    let mut buffers: Vec<Buffer> = (0..10_000).map(|_| slab.alloc(24)).collect();
    for len in [32, 48, 64, 96] {
        for buffer in &mut buffers {
            *buffer = slab.grow(*buffer, 24, len);
        }
        // What the size before left behind serves this one; of the rest an eighth is kept.
        let num_blocks = 10_000_usize.div_ceil(BLOCK_BYTES / len);
        assert!(slab.held_bytes() <= (num_blocks + num_blocks / 8 + 2) * BLOCK_BYTES);
    }
    for buffer in buffers.drain(..) {
        slab.free(buffer);
    }
    assert!(slab.held_bytes() <= 2 * BLOCK_BYTES);
    // What was given back is found again, wherever its entry in the lists ended up.
    let again: Vec<Buffer> = (0..1000).map(|_| slab.alloc(48)).collect();
    let distinct: model::hash::HashSet<u32> = again.iter().map(|buffer| buffer.0).collect();
    assert_eq!(distinct.len(), again.len());
}

/// Random use against a model: no two live buffers share memory, nothing in them changes.
#[test]
fn live_buffers_keep_their_bytes() {
    let mut slab = ByteSlab::default();
    let mut live: Vec<(Buffer, u8)> = Vec::new();
    let mut state = 7_u64;
    for round in 0..20_000_u64 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = (state >> 33) as usize;
        let shrinking = round / 4000 % 2 == 1;
        if live.is_empty() || draw % 10 < if shrinking { 3 } else { 7 } {
            let buffer = slab.alloc(1 + draw % 90);
            let mark = draw as u8;
            slab.get_mut(buffer).fill(mark);
            live.push((buffer, mark));
        } else {
            let (buffer, mark) = live.swap_remove(draw / 10 % live.len());
            assert!(slab.get(buffer).iter().all(|&byte| byte == mark));
            slab.free(buffer);
        }
    }
    for (buffer, mark) in live {
        assert!(slab.get(buffer).iter().all(|&byte| byte == mark));
    }
}
