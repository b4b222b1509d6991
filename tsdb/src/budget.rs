//! How much memory a database may use, and who tells how much is in use: the core does not ask the system.

use std::fmt;
use std::sync::Arc;

/// A bound on memory. At three quarters of it series that are done with leave memory early; at nine tenths new series
/// are refused, while samples of known ones are taken: what is left is for them, for queries and for compaction.
#[derive(Clone)]
pub struct MemoryBudget {
    bytes: u64,
    used: Arc<dyn Fn() -> u64 + Send + Sync>,
    give_back: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl MemoryBudget {
    /// A budget of `bytes`; `used` answers how many are in use at the moment.
    #[must_use]
    pub fn new(bytes: u64, used: Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self { bytes, used, give_back: None }
    }

    /// The same budget, with the means to have free memory given back to the system at once. Else an allocator keeps it
    /// for a while, and what was freed still counts as in use.
    #[must_use]
    pub fn giving_back(self, give_back: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { give_back: Some(give_back), ..self }
    }

    /// Has free memory given back, as far as that can be.
    pub(crate) fn give_back(&self) {
        if let Some(give_back) = &self.give_back {
            give_back();
        }
    }

    /// How much memory is in use.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        (self.used)()
    }

    /// The budget.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// From here on series leave memory early.
    #[must_use]
    pub fn soft_bytes(&self) -> u64 {
        self.bytes / 4 * 3
    }

    /// From here on new series are refused.
    #[must_use]
    pub fn hard_bytes(&self) -> u64 {
        self.bytes / 10 * 9
    }

    /// How many series go to one block where memory is short: what writing it takes is an eighth of the budget.
    pub(crate) fn series_of_block(&self) -> usize {
        usize::try_from(self.bytes / 8 / WRITTEN_SERIES_BYTES).unwrap_or(usize::MAX).max(1)
    }

    /// How many new series there is room for.
    pub(crate) fn room(&self, used_bytes: u64) -> u64 {
        self.hard_bytes().saturating_sub(used_bytes) / NEW_SERIES_BYTES
    }
}

/// What a series takes while a block of it is written: labels, their order, its place in the index.
const WRITTEN_SERIES_BYTES: u64 = 640;

/// What a new series takes at most until memory is measured again, with its labels, its place in indexes, and what
/// scraping and remote write remember of it.
const NEW_SERIES_BYTES: u64 = 2048;

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBudget").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
