//! Which new series are taken: bounds on their number, in all and by job, and the room that the memory budget leaves.
//! Series that are there are never asked. What is refused is counted by job and metric name.

use super::stage::Scratch;
use super::{Head, Shared};
use crate::sync::Mutex;
use metrics::{CounterVec, Registry};
use model::hash::HashMap;
use model::{METRIC_NAME, SeriesRef};
use parking_lot::MutexGuard;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use storage::{LabelBatch, RejectReason, Rejected};

/// The label that says which job a series belongs to.
const JOB: &str = "job";
/// No bound.
const UNBOUNDED: u64 = u64::MAX;
/// Jobs and metrics that are named; a flood of names must not fill what counts it.
const MAX_NAMED: usize = 100;

/// How many series the head may hold; zero is no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesLimits {
    /// All together.
    pub total: u64,
    /// Those with one value of the label `job`.
    pub per_job: u64,
    /// The same for single jobs, by name, instead of `per_job`.
    pub jobs: HashMap<Box<str>, u64>,
}

/// New series of one job and metric name that were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSeries {
    /// Value of the label `job`; empty without one, and for all that are not named.
    pub job: Box<str>,
    /// The metric name; empty without one, and for all that are not named.
    pub metric: Box<str>,
    /// Which bound refused them.
    pub reason: RejectReason,
    /// How often: a series that comes again with each scrape counts each time.
    pub count: u64,
}

/// The bounds in force and what they refused.
#[derive(Debug)]
pub(super) struct Admission {
    /// Asked before the lock is.
    is_bounded: AtomicBool,
    /// New series that the memory budget has room for until it is measured again. Changes under the lock of `limits`.
    room: AtomicU64,
    limits: Mutex<SeriesLimits>,
    refused: Mutex<Vec<RefusedSeries>>,
    counters: CounterVec,
}

impl Admission {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            is_bounded: AtomicBool::new(false),
            room: AtomicU64::new(UNBOUNDED),
            limits: Mutex::default(),
            refused: Mutex::default(),
            counters: registry.counter_vec(
                "firesteel_tsdb_new_series_refused_total",
                "Times a new series was refused at a bound of the head, by bound, job and metric name; \
                 beyond a hundred of these without job and name.",
                &["reason", "job", "metric"],
            ),
        }
    }

    /// What memory has room for.
    pub(super) fn room(&self) -> u64 {
        self.room.load(Ordering::Relaxed)
    }

    fn rebound(&self, limits: &SeriesLimits) {
        let is_limited = *limits != SeriesLimits::default();
        let is_bounded = is_limited || self.room() != UNBOUNDED;
        self.is_bounded.store(is_bounded, Ordering::Relaxed);
    }

    /// Takes the refusals of a batch into account.
    fn count(&self, batch: &HashMap<(&str, &str, RejectReason), u64>) {
        let mut known = self.refused.lock();
        for (&(mut job, mut metric, reason), &count) in batch {
            let find = |known: &[RefusedSeries], job: &str, metric: &str| {
                known
                    .iter()
                    .position(|r| *r.job == *job && *r.metric == *metric && r.reason == reason)
            };
            let mut place = find(&known, job, metric);
            if place.is_none() && known.len() >= MAX_NAMED {
                (job, metric) = ("", "");
                place = find(&known, job, metric);
            }
            let place = place.unwrap_or_else(|| {
                known.push(RefusedSeries {
                    job: job.into(),
                    metric: metric.into(),
                    reason,
                    count: 0,
                });
                known.len() - 1
            });
            known[place].count += count;
            self.counters.with(&[reason_name(reason), job, metric]).inc_by(count);
        }
    }
}

/// The bound as a label value.
fn reason_name(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::SeriesLimit => "max_head_series",
        RejectReason::JobSeriesLimit => "job_max_head_series",
        _ => "memory_budget",
    }
}

impl Head {
    /// Bounds the number of series from now on. Those that are there stay, also where they are more.
    pub fn set_series_limits(&self, limits: SeriesLimits) {
        let admission = &self.0.admission;
        let mut current = admission.limits.lock();
        *current = limits;
        admission.rebound(&current);
    }

    /// The bounds on the number of series.
    #[must_use]
    pub fn series_limits(&self) -> SeriesLimits {
        self.0.admission.limits.lock().clone()
    }

    /// How many new series memory has room for until this is said again; `None`: as many as come.
    pub fn set_series_room(&self, room: Option<u64>) {
        let admission = &self.0.admission;
        let limits = admission.limits.lock();
        admission.room.store(room.unwrap_or(UNBOUNDED), Ordering::Relaxed);
        admission.rebound(&limits);
    }

    /// New series that were refused since the start, most first.
    #[must_use]
    pub fn refused_series(&self) -> Vec<RefusedSeries> {
        let mut refused = self.0.admission.refused.lock().clone();
        refused.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.metric.cmp(&b.metric)));
        refused
    }
}

/// What is left of the bounds within one batch.
struct Left<'a> {
    memory: u64,
    total: u64,
    jobs: HashMap<&'a str, u64>,
}

impl<'a> Left<'a> {
    fn take(&mut self, job: &'a str, of_job: impl FnOnce() -> u64) -> Result<(), RejectReason> {
        if self.memory == 0 {
            return Err(RejectReason::MemoryBudget);
        }
        if self.total == 0 {
            return Err(RejectReason::SeriesLimit);
        }
        let of_job = self.jobs.entry(job).or_insert_with(of_job);
        if *of_job == 0 {
            return Err(RejectReason::JobSeriesLimit);
        }
        for left in [&mut self.memory, &mut self.total, of_job] {
            if *left != UNBOUNDED {
                *left -= 1;
            }
        }
        Ok(())
    }
}

fn value_of<'a>(labels: &[(&'a str, &'a str)], name: &str) -> &'a str {
    labels.iter().find(|(other, _)| *other == name).map_or("", |(_, value)| value)
}

impl Shared {
    /// Takes the rows that must not become series out of the missing ones and reports them. What this returns is held
    /// until the others are created; `None` if nothing is bounded.
    pub(super) fn admit(
        &self,
        labels: LabelBatch<'_>,
        scratch: &mut Scratch,
        refs: &mut [Option<SeriesRef>],
        rejected: &mut Vec<Rejected>,
    ) -> Option<MutexGuard<'_, SeriesLimits>> {
        let admission = &self.admission;
        if !admission.is_bounded.load(Ordering::Relaxed) {
            return None;
        }
        let limits = admission.limits.lock();
        let num_series =
            || self.shards.iter().map(|shard| shard.0.read().num_series()).sum::<usize>();
        let total = match limits.total {
            0 => UNBOUNDED,
            total => total.saturating_sub(num_series() as u64),
        };
        let memory = admission.room();
        let mut left = Left { memory, total, jobs: HashMap::default() };
        let mut refused: HashMap<(&str, &str, RejectReason), u64> = HashMap::default();
        let Scratch { missing, ids, .. } = scratch;
        missing.retain(|&row| {
            let set = labels.get(row as usize);
            let job = value_of(set, JOB);
            let Err(reason) = left.take(job, || self.room_of_job(&limits, job)) else {
                return true;
            };
            let id = ids[row as usize];
            let shard = self.shards[self.shard_of(id)].0.read();
            // Another transaction may have been faster: then the series is there.
            if let Some(slot) = shard.find(id) {
                refs[row as usize] = SeriesRef::new(shard.cold[slot].number);
                return false;
            }
            *refused.entry((job, value_of(set, METRIC_NAME), reason)).or_default() += 1;
            rejected.push(Rejected { row, reason });
            false
        });
        admission.room.store(left.memory, Ordering::Relaxed);
        if !refused.is_empty() {
            admission.count(&refused);
        }
        Some(limits)
    }

    /// How many more series of a job there may be.
    fn room_of_job(&self, limits: &SeriesLimits, job: &str) -> u64 {
        let bound = limits.jobs.get(job).copied().unwrap_or(limits.per_job);
        if bound == 0 {
            return UNBOUNDED;
        }
        let hash = self.hasher.label(JOB, job);
        let count = |shard: &super::Padded| {
            let shard = shard.0.read();
            shard.labels.find_pair(hash).map_or(0, |pair| shard.labels.postings(pair).len())
        };
        bound.saturating_sub(self.shards.iter().map(count).sum::<usize>() as u64)
    }
}

#[cfg(test)]
mod tests;
