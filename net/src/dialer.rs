//! Connections counted by who makes them, in the metrics that Prometheus has for it. Making them is in `connect`.

use metrics::{Counter, CounterVec, Registry};
use std::io;

/// Why connecting failed, by the words of the metric.
const REASONS: [&str; 4] = ["refused", "resolution", "timeout", "unknown"];
const REFUSED: usize = 0;
const RESOLUTION: usize = 1;
const TIMEOUT: usize = 2;
const UNKNOWN: usize = 3;

/// The counters of all dialers of a server.
#[derive(Clone, Debug)]
pub struct Dialers {
    attempted: CounterVec,
    established: CounterVec,
    closed: CounterVec,
    failed: CounterVec,
}

impl Dialers {
    /// Declares the counters; declared twice they are the same.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registry.counter_vec(&format!("net_conntrack_dialer_conn_{name}_total"), help, labels)
        };
        let name = &["dialer_name"];
        Self {
            attempted: counters("attempted", "Connections that a dialer tried to make.", name),
            established: counters("established", "Connections that a dialer made.", name),
            closed: counters("closed", "Connections of a dialer that ended.", name),
            failed: counters(
                "failed",
                "Connections that a dialer could not make, by reason.",
                &["dialer_name", "reason"],
            ),
        }
    }

    /// The counters of one dialer.
    #[must_use]
    pub fn with(&self, name: &str) -> Dialer {
        Dialer {
            attempted: self.attempted.with(&[name]),
            established: self.established.with(&[name]),
            closed: self.closed.with(&[name]),
            failed: REASONS.map(|reason| self.failed.with(&[name, reason])),
        }
    }
}

/// The counters of one dialer. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Dialer {
    attempted: Counter,
    established: Counter,
    closed: Counter,
    failed: [Counter; REASONS.len()],
}

impl Dialer {
    /// Counts an attempt, which ends with [`Attempt::end`].
    pub(crate) fn attempt(&self) -> Attempt {
        self.attempted.inc();
        Attempt(Some(self.clone()))
    }
}

/// A connection in the making. One that is given up, since time ran out, is dropped.
#[derive(Debug)]
pub(crate) struct Attempt(Option<Dialer>);

impl Attempt {
    /// Counts how it came out; what is connected is open until the guard goes.
    pub(crate) fn end<T>(mut self, connected: &io::Result<T>) -> Option<Open> {
        let dialer = self.0.take()?;
        match connected {
            Ok(_) => {
                dialer.established.inc();
                return Some(Open(dialer.closed));
            }
            Err(error) => dialer.failed[reason(error)].inc(),
        }
        None
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(dialer) = &self.0 {
            dialer.failed[TIMEOUT].inc();
        }
    }
}

fn reason(error: &io::Error) -> usize {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => REFUSED,
        io::ErrorKind::TimedOut => TIMEOUT,
        // The system has no number for a name that does not resolve, but for everything that happens to a socket.
        _ if error.raw_os_error().is_none() => RESOLUTION,
        _ => UNKNOWN,
    }
}

/// An open connection; its end is counted.
#[derive(Debug)]
pub(crate) struct Open(Counter);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.inc();
    }
}
