//! Memory that queries are done with, for the next ones: batches of series and rows go through the same few buffers,
//! query after query, where each would take fresh pages from the system and give them back.

use crate::operator::StepBatch;
use parking_lot::Mutex;
use std::sync::Arc;
use storage::SeriesBatch;

/// As many of each kind are kept.
const MAX_KEPT: usize = 8;

/// What is larger is not kept.
const MAX_BYTES: usize = 1 << 20;

/// Buffers that no query has. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Spares(Arc<Pools>);

#[derive(Debug, Default)]
struct Pools {
    batches: Mutex<Vec<SeriesBatch>>,
    rows: Mutex<Vec<StepBatch>>,
}

impl Spares {
    /// A batch to be filled.
    pub(crate) fn batch(&self) -> SeriesBatch {
        self.0.batches.lock().pop().unwrap_or_default()
    }

    /// Takes a batch back; what it holds on to is let go.
    pub(crate) fn give_batch(&self, mut batch: SeriesBatch) {
        batch.clear();
        let mut batches = self.0.batches.lock();
        if batches.len() < MAX_KEPT && batch.room_bytes() <= MAX_BYTES {
            batches.push(batch);
        }
    }

    /// No rows, with room for `num` of so many steps.
    pub(crate) fn rows(&self, steps: usize, num: usize) -> StepBatch {
        let mut rows = self.0.rows.lock().pop().unwrap_or_default();
        rows.clear(steps);
        rows.reserve(num);
        rows
    }

    /// Takes rows back.
    pub(crate) fn give_rows(&self, mut rows: StepBatch) {
        rows.clear(0);
        let room_bytes = rows.room_bytes();
        let mut kept = self.0.rows.lock();
        if kept.len() < MAX_KEPT && (1..=MAX_BYTES).contains(&room_bytes) {
            kept.push(rows);
        }
    }
}

#[cfg(test)]
mod tests;
