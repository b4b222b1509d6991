//! A number that only goes up. Adding is one atomic operation without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only goes up; cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<Parts>);

// Whole steps, which are nearly all, take the integer; the float holds the rest.
#[derive(Debug, Default)]
struct Parts {
    whole: AtomicU64,
    float_bits: AtomicU64,
}

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// Adds `steps`.
    pub fn inc_by(&self, steps: u64) {
        self.0.whole.fetch_add(steps, Ordering::Relaxed);
    }

    /// Adds `amount`, which must not be negative.
    pub fn add(&self, amount: f64) {
        debug_assert!(amount >= 0.0, "a counter only goes up");
        add_float(&self.0.float_bits, amount);
    }

    /// The sum of all that was added.
    #[must_use]
    pub fn get(&self) -> f64 {
        let float = f64::from_bits(self.0.float_bits.load(Ordering::Relaxed));
        self.0.whole.load(Ordering::Relaxed) as f64 + float
    }
}

/// Adds to a float kept as bits.
pub(crate) fn add_float(bits: &AtomicU64, amount: f64) {
    bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
        Some((f64::from_bits(old) + amount).to_bits())
    })
    .expect("the closure always answers");
}
