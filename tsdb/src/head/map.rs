//! The sweep that moves full chunks from memory to mapped files. Commits only seal chunks; writing them is done here,
//! without a lock on the shard.

use super::chunks::Batch;
use super::series::{FullChunk, Place};
use super::shard::Shard;
use super::{Head, Padded, Shared};
use storage::{Error, Result};

impl Head {
    /// Writes all full chunks that are still in memory to `chunks_head/` and frees their memory. To be called every
    /// maintenance tick. After a failure the chunks that were not written stay in memory for the next call.
    pub fn map_full_chunks(&self) -> Result<()> {
        let _alone = self.0.maintenance.lock();
        for shard in &self.0.shards {
            self.0.map_shard(shard)?;
        }
        Ok(())
    }

    /// How many series have full chunks in memory, about.
    pub fn num_sealed(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.0.read().sealed.len()).sum()
    }
}

impl Shared {
    fn map_shard(&self, shard: &Padded) -> Result<()> {
        let mut sealed = std::mem::take(&mut shard.0.write().sealed);
        // A series that sealed several chunks is named several times, but all its chunks are taken at once.
        sealed.sort_unstable();
        sealed.dedup();
        let mut batch = Batch::default();
        let mut from = 0;
        while from < sealed.len() {
            batch.clear();
            let begin = from;
            let locked = shard.0.read();
            while from < sealed.len() && batch.len_bytes() < Batch::TARGET_BYTES {
                push_sealed(&locked, sealed[from], &mut batch);
                from += 1;
            }
            drop(locked);
            match self.chunks.write(&batch) {
                Ok(places) => {
                    self.metrics.mapped_chunks.inc_by(places.len() as u64);
                    place_chunks(&mut shard.0.write(), &sealed[begin..from], &places);
                }
                Err(source) => {
                    shard.0.write().sealed.extend(sealed.drain(begin..));
                    return Err(Error::Io { op: "write head chunks".into(), source });
                }
            }
        }
        Ok(())
    }
}

fn in_memory(chunk: &FullChunk) -> bool {
    matches!(chunk.place(), Place::Memory(..))
}

fn push_sealed(shard: &Shard, slot: u32, batch: &mut Batch) {
    for chunk in shard.full_chunks(slot) {
        if let Place::Memory(buffer, len) = chunk.place() {
            let data = &shard.buffers.get(buffer)[..len];
            batch.push(shard.cold[slot].number, chunk.meta(), data);
        }
    }
}

/// Enters the places of the chunks that `push_sealed` saw, in the same order. Chunks sealed since come behind them;
/// nothing is collected in between.
fn place_chunks(shard: &mut Shard, slots: &[u32], places: &[u64]) {
    let mut places = places.iter();
    for &slot in slots {
        let list = shard.cold[slot].full as usize;
        for chunk in shard.full[list].iter_mut().filter(|chunk| in_memory(chunk)) {
            let Some(&place) = places.next() else { return };
            if let Place::Memory(buffer, _) = chunk.place() {
                shard.buffers.free(buffer);
            }
            *chunk = FullChunk::new(chunk.meta(), Place::Disk(place));
        }
    }
}
