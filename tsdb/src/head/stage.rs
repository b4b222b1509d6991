//! What a transaction has taken so far: samples in columns, batch by batch, and buffers that the next one gets. Rules
//! are in `append`, logging and applying in `commit`.

use super::dictionary::{LabelHash, PairId};
use super::ooo::OooRow;
use super::refs::Target;
use super::series::When;
use super::shard::LabelsId;
use model::hash::HashMap;
use model::histogram::{FloatHistogram, Histogram, IntHistogram};
use model::metadata::Metadata;
use storage::RejectReason;

/// Samples that are logged and applied floats first: no series has a float behind a histogram in them, or histograms of
/// two kinds.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) floats: wal::record::Samples,
    pub(super) float_targets: Vec<Target>,
    pub(super) histograms: wal::record::Histograms,
    pub(super) histogram_targets: Vec<Target>,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.floats.clear();
        self.float_targets.clear();
        self.histograms.clear();
        self.histogram_targets.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.float_targets.is_empty() && self.histogram_targets.is_empty()
    }

    fn push_histogram(&mut self, (number, target): (u64, Target), when: When, value: &Histogram) {
        self.histograms.push_copy(number, when.timestamp_ms, value, when.start_ms);
        self.histogram_targets.push(target);
    }
}

/// The staleness marker behind a histogram of this kind.
pub(super) fn stale_marker(kind: u8) -> Histogram {
    let sum = model::STALE_NAN;
    if kind & 2 == 0 {
        Histogram::Int(IntHistogram { sum, ..IntHistogram::default() })
    } else {
        Histogram::Float(FloatHistogram { sum, ..FloatHistogram::default() })
    }
}

/// Which record a histogram goes to.
fn record_kind(histogram: &Histogram) -> u8 {
    let is_float = matches!(histogram, Histogram::Float(_));
    u8::from(is_float) << 1 | u8::from(histogram.layout().is_custom())
}

/// Buffers of a transaction, handed on to the next one.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Staged samples that nothing joins any more, in order.
    pub(super) sealed: Vec<Batch>,
    /// The staged samples behind those.
    pub(super) batch: Batch,
    /// Which record the histograms of a series go to in that batch.
    pub(super) kinds: HashMap<u64, u8>,
    /// Rows by shard; see [`group_by_shard`].
    pub(super) order: Vec<u32>,
    pub(super) ends: Vec<u32>,
    /// Staged samples that turned out to be out of order.
    pub(super) ooo: Vec<OooRow>,
    /// The staged exemplars.
    pub(super) exemplars: Vec<super::exemplars::Staged>,
    /// The staged metadata.
    pub(super) metadata: Vec<(u64, Metadata)>,
    /// The record of samples.
    pub(super) record: Vec<u8>,
    pub(super) targets: Vec<Target>,
    pub(super) verdicts: Vec<Option<RejectReason>>,
    /// The hashes of the labels of all sets, back to back, and of the sets.
    pub(super) hashes: Vec<LabelHash>,
    pub(super) ids: Vec<LabelsId>,
    pub(super) missing: Vec<u32>,
    pub(super) created: Vec<(u64, Target)>,
    pub(super) pairs: Vec<PairId>,
    pub(super) new_series: Vec<u8>,
}

impl Scratch {
    /// Ends the batch at hand.
    pub(super) fn seal(&mut self) {
        self.sealed.push(std::mem::take(&mut self.batch));
        self.kinds.clear();
    }

    pub(super) fn stage_histogram(&mut self, series: (u64, Target), when: When, value: &Histogram) {
        let kind = record_kind(value);
        if self.kinds.get(&series.0).is_some_and(|held| *held != kind) {
            self.seal();
        }
        self.kinds.insert(series.0, kind);
        self.batch.push_histogram(series, when, value);
    }

    /// All staged samples, batch by batch.
    pub(super) fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.sealed.iter().chain(std::iter::once(&self.batch)).filter(|batch| !batch.is_empty())
    }

    /// Forgets what is staged.
    pub(super) fn unstage(&mut self) {
        self.sealed.clear();
        self.batch.clear();
        self.kinds.clear();
    }
}

/// Rows that go to no shard.
pub(super) const NO_SHARD: usize = usize::MAX;

/// Sorts rows by shard, stable: those of shard `s` are `order[ends[s - 1]..ends[s]]`, the first ones begin at zero.
pub(super) fn group_by_shard(
    num_shards: usize,
    num_rows: usize,
    shard_of: impl Fn(usize) -> usize,
    order: &mut Vec<u32>,
    ends: &mut Vec<u32>,
) {
    ends.clear();
    ends.resize(num_shards, 0);
    let mut total = 0;
    for row in 0..num_rows {
        let shard = shard_of(row);
        if shard != NO_SHARD {
            ends[shard] += 1;
            total += 1;
        }
    }
    let mut begin = 0;
    for end in ends.iter_mut() {
        (*end, begin) = (begin, begin + *end);
    }
    order.clear();
    order.resize(total, 0);
    for row in 0..num_rows {
        let shard = shard_of(row);
        if shard != NO_SHARD {
            order[ends[shard] as usize] = row as u32;
            ends[shard] += 1;
        }
    }
}

/// The rows of each shard that has any.
pub(super) fn rows_by_shard<'a>(
    order: &'a [u32],
    ends: &'a [u32],
) -> impl Iterator<Item = (usize, &'a [u32])> {
    let begins = std::iter::once(0).chain(ends.iter().copied());
    let spans = begins.zip(ends).enumerate();
    spans
        .map(|(shard, (begin, &end))| (shard, &order[begin as usize..end as usize]))
        .filter(|(_, rows)| !rows.is_empty())
}
