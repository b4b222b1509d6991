//! What is sent: a sample or histogram with its labels, and the exemplars that came with it.

use super::wire::Wire;
use model::histogram::Histogram;
use model::metadata::Metadata;
use std::sync::Arc;

/// What a series has at a time.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    Float(f64),
    Histogram(Box<Histogram>),
    /// Exemplars whose sample was sent before, or never.
    Absent,
}

/// An observation behind a sample.
#[derive(Clone, Debug)]
pub(super) struct Exemplar {
    pub(super) labels: Wire,
    pub(super) timestamp_ms: i64,
    pub(super) value: f64,
}

/// Whether the receiver may have an item already: from before the sender was started, or by a request whose end nobody
/// knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// It was never sent.
    #[default]
    None,
    /// It may, and if it does then it has all that the shard sent before it, too.
    InOrder,
    /// It may.
    Any,
}

/// Something to send.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) labels: Wire,
    /// What the series is, as far as that was logged.
    pub(super) metadata: Option<Arc<Metadata>>,
    /// Its reference in the log, which decides the shard.
    pub(super) series: u64,
    pub(super) timestamp_ms: i64,
    /// Since when it counts; zero if not known.
    pub(super) start_timestamp_ms: i64,
    pub(super) payload: Payload,
    /// They travel with their sample: 2.0 takes none without.
    pub(super) exemplars: Vec<Exemplar>,
    /// Its number in the ledger.
    pub(super) number: u64,
    /// Whether it may have been stored already.
    pub(super) doubt: Doubt,
}

/// How many of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) samples: u64,
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
}

impl Counts {
    pub(super) fn of<'i>(items: impl IntoIterator<Item = &'i Item>) -> Self {
        let mut counts = Self::default();
        for item in items {
            match item.payload {
                Payload::Float(_) => counts.samples += 1,
                Payload::Histogram(_) => counts.histograms += 1,
                Payload::Absent => {}
            }
            counts.exemplars += item.exemplars.len() as u64;
        }
        counts
    }

    /// What is left without `other`, which is no more of any kind.
    pub(super) fn without(self, other: Self) -> Self {
        Self {
            samples: self.samples - other.samples,
            histograms: self.histograms - other.histograms,
            exemplars: self.exemplars - other.exemplars,
        }
    }

    pub(super) fn total(self) -> u64 {
        self.samples + self.histograms + self.exemplars
    }
}
