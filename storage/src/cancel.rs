//! Cooperative cancellation: one flag per request, polled between batches. Timers live with whoever sets it.

use crate::{Error, Result};
use std::sync::atomic::{AtomicU8, Ordering};

/// A flag that long work polls between batches. A deadline is a timer that sets it.
#[derive(Debug, Default)]
pub struct Cancel(AtomicU8);

const CANCELLED: u8 = 1;
const TIMED_OUT: u8 = 2;

impl Cancel {
    /// A flag that nobody set yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to stop: the caller went away.
    pub fn cancel(&self) {
        // Relaxed: the flag carries no data and a poll that misses it meets it at the next batch.
        self.0.store(CANCELLED, Ordering::Relaxed);
    }

    /// Asks the work to stop: its deadline passed.
    pub fn time_out(&self) {
        self.0.store(TIMED_OUT, Ordering::Relaxed);
    }

    /// Fails once someone asked to stop.
    #[inline]
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            TIMED_OUT => Err(Error::TimedOut),
            _ => Err(Error::Cancelled),
        }
    }
}
