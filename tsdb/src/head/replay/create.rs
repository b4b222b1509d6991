//! A series of a log in the head, under the reference that the log gives it.

use super::FoundChunks;
use crate::head::Shared;
use crate::head::dictionary::{LabelHash, PairId};
use crate::head::refs::Target;

/// Buffers for creating one after the other.
#[derive(Debug, Default)]
pub(in crate::head) struct Scratch {
    hashes: Vec<LabelHash>,
    pairs: Vec<PairId>,
}

/// What became of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::head) enum Created {
    /// It is there.
    New,
    /// Its labels were there already, under this reference.
    Known(u64),
    /// It is none, or its reference is another's.
    Refused,
}

impl Shared {
    /// Creates a series unless it is there; it gets the chunks of `found`.
    pub(in crate::head) fn create_replayed(
        &self,
        number: u64,
        labels: &[(&str, &str)],
        found: Option<&FoundChunks>,
        scratch: &mut Scratch,
    ) -> Created {
        // Zero is no reference, a set that breaks the rules no series: their samples count as unknown.
        let is_sorted = labels.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if number == 0 || labels.is_empty() || !is_sorted {
            return Created::Refused;
        }
        scratch.hashes.clear();
        let id = self.hasher.labels(labels, &mut scratch.hashes);
        let index = self.shard_of(id);
        let mut shard = self.shards[index].0.write();
        if let Some(slot) = shard.find(id) {
            return Created::Known(shard.cold[slot].number);
        }
        if self.refs.read().get(number) != Target::NONE {
            // Two label sets under one reference: only a damaged log says so, and the first one stays.
            return Created::Refused;
        }
        let slot = shard.create(number, id, labels, &scratch.hashes, &mut scratch.pairs);
        if let Some(found) = found {
            found.hand_over(self, &mut shard, slot);
        }
        drop(shard);
        self.refs.write().insert(number, self.target(index, slot));
        Created::New
    }
}
