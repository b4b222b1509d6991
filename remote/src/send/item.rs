//! What is sent: a sample, histogram or exemplar with its labels.

use model::Labels;
use model::histogram::Histogram;

/// What a series has at a time.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    Float(f64),
    #[expect(dead_code, reason = "the log's records of histograms are not decoded yet")]
    Histogram(Box<Histogram>),
    /// Labels of its own and the value.
    #[expect(dead_code, reason = "the log's records of exemplars are not decoded yet")]
    Exemplar(Box<(Labels, f64)>),
}

/// Something to send.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) labels: Labels,
    /// Its reference in the log, which decides the shard.
    pub(super) series: u64,
    pub(super) timestamp_ms: i64,
    /// Since when it counts; zero if not known.
    pub(super) start_timestamp_ms: i64,
    pub(super) payload: Payload,
    /// Its number in the ledger.
    pub(super) number: u64,
    /// It may have been sent before the sender was started.
    pub(super) may_repeat: bool,
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
                Payload::Exemplar(_) => counts.exemplars += 1,
            }
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
