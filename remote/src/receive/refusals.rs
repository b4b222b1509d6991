//! Counts what was refused, and says so in the log: each kind once a minute with an example and how often it came.

use super::columns::{Fault, Kind};
use metrics::{Counter, Registry};
use parking_lot::Mutex;

/// How often each kind is logged.
const INTERVAL_MS: i64 = 60_000;

const KINDS: [Kind; 11] = [
    Kind::Labels,
    Kind::NoSamples,
    Kind::TooFarAhead,
    Kind::OutOfOrder,
    Kind::OutOfBounds,
    Kind::TooOld,
    Kind::Duplicate,
    Kind::Histogram,
    Kind::Exemplar,
    Kind::Unsupported,
    Kind::NoRoom,
];

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::NoSamples => "no_samples",
            Self::TooFarAhead => "too_far_ahead",
            Self::OutOfOrder => "out_of_order",
            Self::OutOfBounds => "out_of_bounds",
            Self::TooOld => "too_old",
            Self::Duplicate => "duplicate",
            Self::Histogram => "histogram",
            Self::Exemplar => "exemplar",
            Self::Unsupported => "unsupported",
            Self::NoRoom => "no_room",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Logged {
    at_ms: i64,
    /// Refusals since then.
    silent: u64,
}

/// The counters and when each kind was logged.
#[derive(Debug)]
pub(super) struct Refusals {
    counters: [Counter; KINDS.len()],
    logged: Mutex<[Logged; KINDS.len()]>,
}

impl Refusals {
    pub(super) fn new(registry: &Registry) -> Self {
        let family = registry.counter_vec(
            "firesteel_remote_write_refused_total",
            "Samples, series and exemplars of remote write requests that were refused, by reason.",
            &["reason"],
        );
        let never = Logged { at_ms: i64::MIN, silent: 0 };
        Self {
            counters: KINDS.map(|kind| family.with(&[kind.as_str()])),
            logged: Mutex::new([never; KINDS.len()]),
        }
    }

    /// Takes note of the faults of a request.
    pub(super) fn note(&self, faults: &[Fault], now_ms: i64) {
        if faults.is_empty() {
            return;
        }
        for (index, kind) in KINDS.into_iter().enumerate() {
            let mut own = faults.iter().filter(|fault| fault.kind == kind);
            let Some(first) = own.next() else { continue };
            let count = 1 + own.count() as u64;
            self.counters[index].inc_by(count);
            let mut logged = self.logged.lock();
            let logged = &mut logged[index];
            logged.silent += count;
            if logged.at_ms == i64::MIN || now_ms.saturating_sub(logged.at_ms) >= INTERVAL_MS {
                let refused = std::mem::replace(logged, Logged { at_ms: now_ms, silent: 0 }).silent;
                tracing::warn!(
                    component = "web",
                    reason = kind.as_str(),
                    refused,
                    example = &*first.text,
                    "Remote write refused"
                );
            }
        }
    }
}
