//! Memory that the targets of a job share, for bodies and for work: as much as is scraped at one time, not as much as
//! there are targets.

use parking_lot::Mutex;

/// How many are kept while nobody uses them.
const MAX_KEPT: usize = 4;
/// Memory beyond this size is not kept.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// What can be used again.
pub(crate) trait Reusable: Default {
    /// Forgets the contents and keeps the memory.
    fn clear(&mut self);

    /// The memory it holds when it is empty.
    fn capacity_bytes(&self) -> usize;
}

impl Reusable for Vec<u8> {
    fn clear(&mut self) {
        self.clear();
    }

    fn capacity_bytes(&self) -> usize {
        self.capacity()
    }
}

/// Those that are free.
#[derive(Debug)]
pub(crate) struct Spare<T>(Mutex<Vec<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Reusable> Spare<T> {
    /// An empty one, that used last if there is one.
    pub(crate) fn take(&self) -> T {
        self.0.lock().pop().unwrap_or_default()
    }

    /// Takes one back.
    pub(crate) fn give_back(&self, mut used: T) {
        used.clear();
        if used.capacity_bytes() > MAX_KEPT_BYTES {
            return;
        }
        let mut free = self.0.lock();
        if free.len() < MAX_KEPT {
            free.push(used);
        }
    }
}

#[cfg(test)]
mod tests;
