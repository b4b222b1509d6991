//! What a transaction has taken so far: samples in columns, batch by batch, and buffers that the next one gets. Rules
//! are in `append`, logging and applying in `commit`.

use super::dictionary::{LabelHash, PairId};
use super::ooo::OooRow;
use super::refs::Target;
use super::series::When;
use super::shard::LabelsId;
use model::SeriesRef;
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
    /// The rows of the floats by shard, where checking them has sorted them already.
    pub(super) float_groups: Groups,
    pub(super) histograms: wal::record::Histograms,
    pub(super) histogram_targets: Vec<Target>,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.floats.clear();
        self.float_targets.clear();
        self.float_groups.clear();
        self.histograms.clear();
        self.histogram_targets.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.float_targets.is_empty() && self.histogram_targets.is_empty()
    }

    /// Takes in floats that all passed the checks. `groups` are theirs; they are swapped for others.
    pub(super) fn extend_floats(
        &mut self,
        (refs, timestamps_ms, values): (&[SeriesRef], &[i64], &[f64]),
        targets: &[Target],
        groups: &mut Groups,
    ) {
        if self.float_targets.is_empty() {
            std::mem::swap(&mut self.float_groups, groups);
        } else {
            self.float_groups.clear();
        }
        self.floats.refs.extend(refs.iter().map(|number| number.get()));
        self.floats.timestamps_ms.extend_from_slice(timestamps_ms);
        self.floats.values.extend_from_slice(values);
        self.float_targets.extend_from_slice(targets);
    }

    /// Takes in a float.
    pub(super) fn push_float(&mut self, (number, target): (u64, Target), when: When, value: f64) {
        self.floats.push(number, when.timestamp_ms, value, when.start_ms);
        self.float_targets.push(target);
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
    /// Rows by shard.
    pub(super) groups: Groups,
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

/// Rows sorted by shard, stable: those of shard `s` are `order[ends[s - 1]..ends[s]]`, the first ones begin at zero.
#[derive(Debug, Default)]
pub(super) struct Groups {
    order: Vec<u32>,
    ends: Vec<u32>,
}

impl Groups {
    /// How many rows go to a shard.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.ends.clear();
    }

    /// Sorts `num_rows` rows.
    pub(super) fn group(
        &mut self,
        num_shards: usize,
        num_rows: usize,
        shard_of: impl Fn(usize) -> usize,
    ) {
        let Self { order, ends } = self;
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
    pub(super) fn by_shard(&self) -> impl Iterator<Item = (usize, &[u32])> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = begins.zip(&self.ends).enumerate();
        spans
            .map(|(shard, (begin, &end))| (shard, &self.order[begin as usize..end as usize]))
            .filter(|(_, rows)| !rows.is_empty())
    }
}
