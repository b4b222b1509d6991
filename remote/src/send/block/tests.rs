//! Tests of the block against the decoder of the snappy crate.

use super::*;

/// What is packed, with the pieces taken from `plain` as the numbers of `noise` say.
fn pack(plain: &[u8], noise: &mut impl FnMut() -> usize) -> Vec<u8> {
    let mut block = Block::default();
    block.clear();
    while block.len() < plain.len() {
        let at = block.len();
        let len = (1 + noise() % 200).min(plain.len() - at);
        let piece = &plain[at..at + len];
        let offset = 1 + noise() % at.clamp(1, MAX_OFFSET);
        let is_there = at >= offset && (0..len).all(|i| plain[at + i] == plain[at + i - offset]);
        match noise() % 3 {
            0 if is_there => block.copy(offset, len),
            _ if is_there => block.repeat(offset, piece),
            _ => block.push(piece),
        }
    }
    block.finish().to_vec()
}

#[test]
fn what_is_packed_comes_out_again() {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize
    };
    for size in [0, 1, 59, 60, 61, 64, 65, 120, 5000, 200_000] {
        // Stretches of one byte, so that many offsets fit.
        let mut plain = Vec::new();
        while plain.len() < size {
            let byte = noise() as u8;
            plain.resize((plain.len() + 1 + noise() % 300).min(size), byte);
        }
        let packed = pack(&plain, &mut noise);
        let unpacked = snap::raw::Decoder::new().decompress_vec(&packed).expect("a block");
        assert!(unpacked == plain, "{size} bytes");
        assert!(packed.len() <= snap::raw::max_compress_len(size), "{size} bytes");
    }
}
