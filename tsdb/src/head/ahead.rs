//! Asking memory for what many series need while others are worked on. Each series lies on cache lines of its own: asked
//! for one after the other, in between the work on them, every one of them is waited for; what is asked for together
//! comes together. What is done with series is not here.

use super::shard::Shard;
use chunk::prefetch::prefetch;
use std::slice::Chunks;

/// What of so many series is asked for together.
pub(super) const GROUP: usize = 16;

/// Rows in groups: of a group the data is asked for while the group before is worked on, and the state, which tells where
/// the data is, one group earlier.
#[derive(Debug)]
pub(super) struct Ahead<'r, R> {
    states: Chunks<'r, R>,
    data: Chunks<'r, R>,
    is_fresh: bool,
}

impl<'r, R> Ahead<'r, R> {
    pub(super) fn new(rows: &'r [R]) -> Self {
        Self { states: rows.chunks(GROUP), data: rows.chunks(GROUP), is_fresh: true }
    }

    /// To be called before the work on each group.
    #[inline]
    pub(super) fn ask(&mut self, mut state: impl FnMut(&R), mut data: impl FnMut(&R)) {
        let is_fresh = std::mem::take(&mut self.is_fresh);
        if is_fresh {
            self.states.next().unwrap_or_default().iter().for_each(&mut state);
        }
        for _ in 0..=usize::from(is_fresh) {
            self.states.next().unwrap_or_default().iter().for_each(&mut state);
            self.data.next().unwrap_or_default().iter().for_each(&mut data);
        }
    }
}

/// Asks for the state of a series.
#[inline]
pub(super) fn ask_state(shard: &Shard, slot: u32) {
    prefetch(&shard.hot[slot]);
    prefetch(&shard.cold[slot]);
}

#[cfg(test)]
mod tests;
