//! The sweep that moves full chunks from memory to mapped files. Commits only seal chunks; writing them is done here,
//! without a lock on the shard.

#[cfg(test)]
mod tests;

use super::chunks::Batch;
use super::series::{FullChunk, Place};
use super::shard::Shard;
use super::{Head, Padded, Shared};
use storage::{Error, Result};

/// Bytes of chunks that are copied, and series whose chunks are given their places, before waiting writers get their
/// turn: a tenth of a millisecond. Little in the tests, whose heads are small.
const SLICE_BYTES: usize = if cfg!(test) { 64 } else { 128 << 10 };
const SLICE: usize = if cfg!(test) { 2 } else { 512 };

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
        let (mut batch, mut taken) = (Batch::default(), Vec::new());
        let mut from = 0;
        while from < sealed.len() {
            batch.clear();
            taken.clear();
            let begin = from;
            while from < sealed.len() && batch.len_bytes() < Batch::TARGET_BYTES {
                let locked = shard.0.read();
                let end = batch.len_bytes() + SLICE_BYTES;
                while from < sealed.len() && batch.len_bytes() < end {
                    taken.push(push_sealed(&locked, sealed[from], &mut batch));
                    from += 1;
                }
            }
            match self.chunks.write(&batch) {
                Ok(places) => {
                    self.metrics.mapped_chunks.inc_by(places.len() as u64);
                    let mut rest = &places[..];
                    for slice in taken.chunks(SLICE) {
                        place_chunks(&mut shard.0.write(), slice, &mut rest);
                    }
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

/// How many chunks of a series are in a batch.
#[derive(Clone, Copy, Debug)]
struct Taken {
    slot: u32,
    num_chunks: usize,
}

fn push_sealed(shard: &Shard, slot: u32, batch: &mut Batch) -> Taken {
    let mut num_chunks = 0;
    for chunk in shard.full_chunks(slot) {
        if let Place::Memory(buffer, len) = chunk.place() {
            let data = &shard.buffers.get(buffer)[..len];
            batch.push(shard.cold[slot].number, chunk.meta(), data);
            num_chunks += 1;
        }
    }
    Taken { slot, num_chunks }
}

/// Enters the places of the chunks that `push_sealed` saw, in the same order. A series may have sealed more since, which
/// come behind its own and stay in memory for the next time; nothing is collected in between.
fn place_chunks(shard: &mut Shard, taken: &[Taken], places: &mut &[u64]) {
    for &Taken { slot, num_chunks } in taken {
        let (own, rest) = places.split_at(num_chunks);
        *places = rest;
        let list = shard.cold[slot].full as usize;
        let chunks = shard.full[list].iter_mut().filter(|chunk| in_memory(chunk));
        for (chunk, &place) in chunks.zip(own) {
            if let Place::Memory(buffer, _) = chunk.place() {
                shard.buffers.free(buffer);
            }
            *chunk = FullChunk::new(chunk.meta(), Place::Disk(place));
        }
    }
}
