//! Memory for bodies, which the targets of a job share: as much as is scraped at one time, not as much as there are
//! targets.

use parking_lot::Mutex;

/// Buffers that are kept while nobody uses them.
const MAX_KEPT: usize = 16;
/// A buffer beyond this size is not kept.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// Buffers that are free.
#[derive(Debug, Default)]
pub(crate) struct Bodies(Mutex<Vec<Vec<u8>>>);

impl Bodies {
    /// An empty buffer, the one used last if there is one.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(crate) fn give_back(&self, mut body: Vec<u8>) {
        body.clear();
        let mut free = self.0.lock();
        if free.len() < MAX_KEPT && body.capacity() <= MAX_KEPT_BYTES {
            free.push(body);
        }
    }
}

#[cfg(test)]
mod tests;
