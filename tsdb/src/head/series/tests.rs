//! Sizes that the memory goal rests on, and the packed place of a chunk.

use super::{Buffer, Cold, FullChunk, Hot, Place};
use chunk::{ChunkMeta, Encoding};

#[test]
fn hot_state_is_one_cache_line() {
    assert_eq!(size_of::<Hot>(), 64);
    assert_eq!(size_of::<Cold>(), 32);
    assert_eq!(size_of::<FullChunk>(), 32);
}

#[test]
fn places_survive_packing() {
    let meta = ChunkMeta { min_ms: -5, max_ms: 7, num_samples: 240, encoding: Encoding::Xor };
    for place in [
        Place::Memory(Buffer(u32::MAX - 1), 1024),
        Place::Memory(Buffer(0), 24),
        Place::Disk(8),
        Place::Disk(0x7FFF_FFFF_FFFF_FFFF),
    ] {
        let chunk = FullChunk::new(meta, place);
        assert_eq!((chunk.place(), chunk.meta()), (place, meta));
    }
}
