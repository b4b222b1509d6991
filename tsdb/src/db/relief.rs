//! Keeping to the memory budget: room for new series is measured out, and at the soft mark what is done with leaves
//! memory before its time.

use super::maintain::Work;
use super::pieces::PiecesSpec;
use super::{Db, Maintained};
use crate::{MemoryBudget, Result};
use ::metrics::Stopwatch;

/// A series that got no sample for so long may leave memory early.
pub(super) const IDLE_MS: i64 = 10 * 60 * 1000;
/// How long to wait before trying again when nothing is to be had, and when something was.
const FRUITLESS_PAUSE_MS: i64 = 60_000;
const PAUSE_MS: i64 = 5_000;
/// What memory was in use at a peak, beyond what is in use now, is forgotten within about this time: a body of a scrape
/// that comes each minute is still remembered by a third when the next one comes.
const PEAK_MS: i64 = 60_000;
/// How often refused series are told.
const REFUSALS_PAUSE_MS: i64 = 60_000;

/// What is remembered between two looks at memory.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    /// No relief before this.
    next_relief_ms: i64,
    /// No line about refused series before this.
    next_line_ms: i64,
    /// Refusals that were told.
    told: u64,
    /// What was in use at most, by and by forgotten; and when it was looked at last.
    peak_bytes: u64,
    looked_ms: i64,
}

impl Pressure {
    /// Takes in what is in use. Memory comes and goes with each large body: room for what stays is what its peaks leave.
    fn look(&mut self, used_bytes: u64, now_ms: i64) {
        let passed_ms = now_ms.saturating_sub(self.looked_ms).clamp(0, PEAK_MS);
        self.looked_ms = now_ms;
        let beyond = self.peak_bytes.saturating_sub(used_bytes);
        let forgotten = u128::from(beyond) * passed_ms as u128 / PEAK_MS as u128;
        self.peak_bytes = used_bytes + (beyond - forgotten as u64);
    }

    /// What has to be reckoned with.
    pub(super) fn peak_bytes(&self, used_bytes: u64) -> u64 {
        self.peak_bytes.max(used_bytes)
    }
}

/// How memory stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    /// The budget; zero if there is none.
    pub budget_bytes: u64,
    /// From here on series leave memory early.
    pub soft_bytes: u64,
    /// From here on new series are refused.
    pub hard_bytes: u64,
    /// In use right now; zero without a budget.
    pub used_bytes: u64,
}

impl Db {
    /// How memory stands.
    #[must_use]
    pub fn memory(&self) -> MemoryState {
        self.options.memory.as_ref().map_or_else(MemoryState::default, |budget| MemoryState {
            budget_bytes: budget.bytes(),
            soft_bytes: budget.soft_bytes(),
            hard_bytes: budget.hard_bytes(),
            used_bytes: budget.used_bytes(),
        })
    }

    /// Looks at memory, to be called every second from one thread: measures out room for new series and, at the soft
    /// mark, moves what is done with to blocks, unless other work is under way. `now_ms` is the wall clock. Answers
    /// how many series left memory.
    pub fn watch_memory(&self, now_ms: i64) -> Result<usize> {
        self.tell_refusals(now_ms);
        self.watch_safe_mode(now_ms);
        let Some(budget) = &self.options.memory else { return Ok(0) };
        let used = budget.used_bytes();
        self.pressure.lock().look(used, now_ms);
        self.update_series_room();
        if used < budget.soft_bytes() || now_ms < self.pressure.lock().next_relief_ms {
            return Ok(0);
        }
        let Some(mut work) = self.work.try_lock() else { return Ok(0) };
        let outcome = self.relieve(&mut work, now_ms);
        budget.give_back();
        let num_dropped = *outcome.as_ref().unwrap_or(&0);
        let pause_ms = if num_dropped == 0 { FRUITLESS_PAUSE_MS } else { PAUSE_MS };
        let left = budget.used_bytes();
        {
            let mut pressure = self.pressure.lock();
            pressure.next_relief_ms = now_ms.saturating_add(pause_ms);
            // What left memory is not there at the next peak either.
            pressure.peak_bytes = pressure.peak_bytes.saturating_sub(used.saturating_sub(left));
        }
        self.update_series_room();
        self.metrics.reliefs.inc();
        self.log.warn(
            "Memory is short: moved what is done with to disk",
            &[
                ("budget_bytes", &budget.bytes()),
                ("used_bytes", &used),
                ("left_bytes", &left),
                ("series", &num_dropped),
            ],
        );
        outcome
    }

    /// Full chunks go to their files, series that are stale or idle to blocks.
    fn relieve(&self, work: &mut Work, now_ms: i64) -> Result<usize> {
        self.head.map_full_chunks()?;
        self.compact_idle(work, now_ms, self.head.max_time().saturating_sub(IDLE_MS))
    }

    /// Moves series that are stale, or got nothing since `before_ms`, to blocks. Answers how many left memory.
    fn compact_idle(&self, work: &mut Work, now_ms: i64, before_ms: i64) -> Result<usize> {
        let Some(idle) = self.head.idle_series(before_ms) else { return Ok(0) };
        let stopwatch = Stopwatch::start();
        let spec = PiecesSpec::of_idle_series();
        let budget = self.options.memory.as_ref();
        let mut num_dropped = 0;
        for part in idle.parts(budget.map_or(usize::MAX, MemoryBudget::series_of_block)) {
            let querier = |range| self.head.idle_querier(range, &part);
            self.write_pieces(work, now_ms, part.range, &spec, &querier)?;
            self.reload()?;
            num_dropped += self.head.drop_idle(&part)?;
        }
        self.metrics.idle_series_dropped.inc_by(num_dropped as u64);
        self.log.info(
            "Series that are done with left memory",
            &[
                ("series", &num_dropped),
                ("duration", &format!("{:.3}s", stopwatch.elapsed_seconds())),
            ],
        );
        Ok(num_dropped)
    }

    /// Moves stale series to blocks when there are as many as the configuration wants for that.
    pub(super) fn compact_stale(
        &self,
        work: &mut Work,
        now_ms: i64,
        done: &mut Maintained,
    ) -> Result<()> {
        let ratio = *self.stale_ratio.lock();
        let num_series = self.head.num_series();
        if ratio <= 0.0 || num_series == 0 {
            return Ok(());
        }
        if self.head.num_stale() as f64 / num_series as f64 >= ratio {
            done.idle_series = self.compact_idle(work, now_ms, i64::MIN)?;
        }
        Ok(())
    }

    /// From what share of stale series on, zero to one, these leave memory early; zero never.
    pub fn set_stale_series_ratio(&self, ratio: f64) {
        *self.stale_ratio.lock() = ratio;
    }

    /// Says in the log which new series were refused most, once a minute while there are any.
    fn tell_refusals(&self, now_ms: i64) {
        let mut pressure = self.pressure.lock();
        if now_ms < pressure.next_line_ms {
            return;
        }
        let refused = self.head.refused_series();
        let all: u64 = refused.iter().map(|refused| refused.count).sum();
        let Some(first) = refused.first().filter(|_| all > pressure.told) else { return };
        pressure.next_line_ms = now_ms.saturating_add(REFUSALS_PAUSE_MS);
        self.log.warn(
            "New series are refused",
            &[
                ("reason", &first.reason.as_str()),
                ("job", &first.job),
                ("metric", &first.metric),
                ("of_these", &first.count),
                ("refused_since_last_line", &(all - pressure.told)),
            ],
        );
        pressure.told = all;
    }
}

#[cfg(test)]
mod tests;
