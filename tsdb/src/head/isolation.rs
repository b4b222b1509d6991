//! Who may see which commit. Commits carry an epoch; the epoch moves on when a reader opens, and no commit is being
//! applied at that moment. So a reader sees whole commits only: those of the epochs up to its watermark.
//! Also here: waiting for readers and appenders of a time range before it is dropped or compacted.

use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex, RwLock};
use model::hash::HashMap;
use parking_lot::RwLockReadGuard;
use std::sync::atomic::Ordering;

/// No reader is open.
const NO_READER: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
struct Reader {
    watermark: u64,
    min_ms: i64,
    max_ms: i64,
}

/// Epochs and the open readers and appenders.
#[derive(Debug)]
pub(super) struct Isolation {
    /// Held shared while a commit is applied, exclusively while a reader opens.
    gate: RwLock<()>,
    epoch: AtomicU64,
    is_epoch_used: AtomicBool,
    oldest_reader: AtomicU64,
    readers: Mutex<HashMap<u64, Reader>>,
    /// Open appenders with the earliest time they may still write.
    appenders: Mutex<HashMap<u64, i64>>,
    next_id: AtomicU64,
    reader_closed: Condvar,
    appender_closed: Condvar,
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            gate: RwLock::default(),
            epoch: AtomicU64::new(1),
            is_epoch_used: AtomicBool::new(false),
            oldest_reader: AtomicU64::new(NO_READER),
            readers: Mutex::default(),
            appenders: Mutex::default(),
            next_id: AtomicU64::new(1),
            reader_closed: Condvar::new(),
            appender_closed: Condvar::new(),
        }
    }
}

/// A commit that is being applied; readers open before or after it, never during.
#[derive(Debug)]
pub(super) struct Applying<'a> {
    /// The epoch its samples carry.
    pub(super) epoch: u64,
    /// The watermark of the oldest open reader; all ones without readers.
    pub(super) oldest_reader: u64,
    _gate: RwLockReadGuard<'a, ()>,
}

/// An open reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReaderId {
    id: u64,
    /// The last epoch it sees.
    pub(super) watermark: u64,
}

impl Isolation {
    /// Begins to apply a commit.
    pub(super) fn apply(&self) -> Applying<'_> {
        let gate = self.gate.read();
        // All three are only stored under the exclusive gate, but for `oldest_reader`, which grows when a reader
        // closes: an old value keeps a little more than needed.
        self.is_epoch_used.store(true, Ordering::Relaxed);
        Applying {
            epoch: self.epoch.load(Ordering::Relaxed),
            oldest_reader: self.oldest_reader.load(Ordering::Relaxed),
            _gate: gate,
        }
    }

    /// Opens a reader of `min_ms..=max_ms` that sees all commits so far.
    pub(super) fn open_reader(&self, min_ms: i64, max_ms: i64) -> ReaderId {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let gate = self.gate.write();
        let epoch = self.epoch.load(Ordering::Relaxed);
        let watermark = if self.is_epoch_used.swap(false, Ordering::Relaxed) {
            self.epoch.store(epoch + 1, Ordering::Relaxed);
            epoch
        } else {
            epoch - 1
        };
        let mut readers = self.readers.lock();
        readers.insert(id, Reader { watermark, min_ms, max_ms });
        self.oldest_reader.fetch_min(watermark, Ordering::Relaxed);
        drop(readers);
        drop(gate);
        ReaderId { id, watermark }
    }

    /// Closes a reader.
    pub(super) fn close_reader(&self, reader: ReaderId) {
        let mut readers = self.readers.lock();
        readers.remove(&reader.id);
        let oldest = readers.values().map(|reader| reader.watermark).min();
        self.oldest_reader.store(oldest.unwrap_or(NO_READER), Ordering::Relaxed);
        self.reader_closed.notify_all();
    }

    /// Waits until no open reader overlaps `min_ms..=max_ms`.
    pub(super) fn wait_for_readers(&self, min_ms: i64, max_ms: i64) {
        let mut readers = self.readers.lock();
        while readers.values().any(|r| r.min_ms <= max_ms && min_ms <= r.max_ms) {
            self.reader_closed.wait(&mut readers);
        }
    }

    /// Waits until the readers that are open now are closed; those that open meanwhile do not matter.
    pub(super) fn wait_for_open_readers(&self) {
        let end = self.next_id.load(Ordering::Relaxed);
        let mut readers = self.readers.lock();
        while readers.keys().any(|&id| id < end) {
            self.reader_closed.wait(&mut readers);
        }
    }

    /// Registers an appender that takes samples from `min_valid_ms` on.
    pub(super) fn open_appender(&self, min_valid_ms: i64) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.appenders.lock().insert(id, min_valid_ms);
        id
    }

    /// Closes an appender.
    pub(super) fn close_appender(&self, id: u64) {
        self.appenders.lock().remove(&id);
        self.appender_closed.notify_all();
    }

    /// Waits until no open appender may write before `end_ms`.
    pub(super) fn wait_for_appenders(&self, end_ms: i64) {
        let mut appenders = self.appenders.lock();
        while appenders.values().any(|&min_valid_ms| min_valid_ms < end_ms) {
            self.appender_closed.wait(&mut appenders);
        }
    }

    /// The lowest watermark of an open reader and the newest epoch.
    pub(super) fn watermarks(&self) -> (u64, u64) {
        let newest = self.epoch.load(Ordering::Relaxed);
        (self.oldest_reader.load(Ordering::Relaxed).min(newest), newest)
    }
}

#[cfg(test)]
mod tests;
