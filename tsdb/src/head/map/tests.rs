//! What happens to a shard between the moment its chunks are copied and the moment their places are entered.

use super::{Place, Taken, place_chunks, push_sealed};
use crate::head::chunks::Batch;
use crate::head::tests::{commit, options};
use crate::head::{Head, Shared};
use disk::SimDisk;
use std::sync::Arc;

fn places(shared: &Shared, slot: u32) -> Vec<Option<u64>> {
    let shard = shared.shards[0].0.read();
    let place = |place| match place {
        Place::Disk(place) => Some(place),
        Place::Memory(..) => None,
    };
    shard.full_chunks(slot).iter().map(|chunk| place(chunk.place())).collect()
}

/// Chunks were written without a lock. A series that sealed another one meanwhile took the place of the next series'
/// chunk for it, and every series behind it read the chunk of another one.
#[test]
fn a_chunk_sealed_while_others_are_written_waits_for_the_next_time() {
    let registry = metrics::Registry::new();
    let head = Head::new(options(Arc::new(SimDisk::new()), 1), 7, &registry);
    let fill = |name: &str, from: i64| {
        let samples: Vec<_> = (from..from + 130).map(|i| (i * 15_000, i as f64)).collect();
        commit(&head, &[("__name__", name)], &samples);
    };
    fill("a", 0);
    fill("b", 0);
    let mut batch = Batch::default();
    let taken: Vec<Taken> = {
        let shard = head.0.shards[0].0.read();
        [0, 1].iter().map(|&slot| push_sealed(&shard, slot, &mut batch)).collect()
    };
    let num_chunks: Vec<usize> = taken.iter().map(|taken| taken.num_chunks).collect();
    fill("a", 130);
    let before = places(&head.0, 0).len();
    assert!(before > num_chunks[0], "another chunk is full");
    let written: Vec<u64> = (0..num_chunks.iter().sum::<usize>() as u64).collect();
    place_chunks(&mut head.0.shards[0].0.write(), &taken, &mut &written[..]);
    let (own, others) = written.split_at(num_chunks[0]);
    let mut wanted: Vec<_> = own.iter().copied().map(Some).collect();
    wanted.resize(before, None);
    assert_eq!(places(&head.0, 0), wanted);
    assert_eq!(places(&head.0, 1), others.iter().copied().map(Some).collect::<Vec<_>>());
}
