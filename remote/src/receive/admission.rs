//! Back-pressure: bodies in flight share a bound, so that a storm of writes is turned away instead of eating all
//! memory.

use metrics::{Counter, Gauge, Registry};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes bodies in flight may take, packed and unpacked.
const MAX_IN_FLIGHT_BYTES: u64 = 512 << 20;

/// What a body takes for each byte on the wire: itself, what it unpacks to, its columns.
const GROWTH: u64 = 6;

/// What is reckoned for a body whose length is not told.
const UNTOLD_BYTES: u64 = 1 << 20;

/// The bound and who takes room.
#[derive(Debug)]
pub(super) struct Gate {
    taken: Arc<AtomicU64>,
    in_flight: Gauge,
    turned_away: Counter,
}

/// Room for one body, given back when dropped.
#[derive(Debug)]
pub struct Admission {
    taken: Arc<AtomicU64>,
    in_flight: Gauge,
    bytes: u64,
}

impl Gate {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            taken: Arc::default(),
            in_flight: registry.gauge(
                "firesteel_remote_write_in_flight_bytes",
                "Memory reckoned for remote write requests in flight.",
            ),
            turned_away: registry.counter(
                "firesteel_remote_write_turned_away_total",
                "Remote write requests that were told to come again later because too many were in flight.",
            ),
        }
    }

    /// Room for a body, unless it is the one too many. A single body always gets in.
    pub(super) fn admit(&self, body_bytes: Option<u64>) -> Option<Admission> {
        let bytes = body_bytes.unwrap_or(UNTOLD_BYTES).saturating_mul(GROWTH);
        let fits = |taken: u64| {
            let sum = taken.saturating_add(bytes);
            (taken == 0 || sum <= MAX_IN_FLIGHT_BYTES).then_some(sum)
        };
        // Relaxed: the number guards no data.
        if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            self.turned_away.inc();
            return None;
        }
        self.in_flight.add(bytes as f64);
        Some(Admission { taken: Arc::clone(&self.taken), in_flight: self.in_flight.clone(), bytes })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
        self.in_flight.add(-(self.bytes as f64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_too_many_waits_and_a_single_one_never() {
        let gate = Gate::new(&Registry::new());
        let all = gate.admit(Some(u64::MAX)).expect("nothing is in flight");
        assert!(gate.admit(Some(1)).is_none());
        drop(all);
        let half = MAX_IN_FLIGHT_BYTES / GROWTH / 2;
        let (first, second) = (gate.admit(Some(half)), gate.admit(Some(half)));
        assert!(first.is_some() && second.is_some());
        assert!(gate.admit(None).is_none());
        drop(first);
        assert!(gate.admit(None).is_some());
    }
}
