//! Whose chunks are whose, and which had to go.

use super::FoundChunks;
use crate::head::series::{FullChunk, Place};
use crate::head::tests::head;
use chunk::{ChunkMeta, Encoding};

fn chunk(min_ms: i64, max_ms: i64, place: u64) -> FullChunk {
    let meta = ChunkMeta { min_ms, max_ms, num_samples: 2, encoding: Encoding::Xor };
    FullChunk::new(meta, Place::Disk(place))
}

#[test]
fn chunks_find_their_series_in_order() {
    let mut found = FoundChunks::default();
    for (number, chunk, is_late) in [
        (7, chunk(10, 20, 1), false),
        (3, chunk(0, 5, 2), false),
        (7, chunk(20, 30, 3), false),
        (7, chunk(21, 30, 4), false),
        (3, chunk(6, 9, 5), false),
        (7, chunk(1, 9, 6), true),
        (7, chunk(0, 50, 7), true),
    ] {
        found.push(number, chunk, is_late);
    }
    // One begins where that before it ends.
    assert_eq!(found.settle(), 1);
    assert_eq!(found.last_place, 7);
    let head = head();
    let head = &head.0;
    let mut shard = head.shards[0].0.write();
    for (number, name, wanted, late) in [
        (7, "seven", vec![1, 4], vec![6, 7]),
        (3, "three", vec![2, 5], vec![]),
        (5, "five", vec![], vec![]),
    ] {
        let (mut hashes, mut pairs) = (Vec::new(), Vec::new());
        let id = head.hasher.labels(&[("a", name)], &mut hashes);
        let slot = shard.create(number, id, &[("a", name)], &hashes, &mut pairs);
        found.hand_over(head, &mut shard, slot);
        let places = |chunks: &[FullChunk]| -> Vec<u64> {
            let places = chunks.iter().filter_map(|chunk| match chunk.place() {
                Place::Disk(place) => Some(place),
                Place::Memory(..) => None,
            });
            places.collect()
        };
        assert_eq!(places(shard.full_chunks(slot)), wanted, "{name}");
        let of_late = shard.ooo.get(&slot).map_or(&[][..], |ooo| &ooo.chunks);
        assert_eq!(places(of_late), late, "{name}");
    }
    assert_eq!(shard.num_chunks, 4);
    drop(shard);
    assert_eq!((head.min_ms.load(std::sync::atomic::Ordering::Relaxed)), 0);
}
