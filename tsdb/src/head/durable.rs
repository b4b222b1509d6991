//! Commits that are answered only once their log is on the disk: one of those that wait flushes for all of them.

use super::SharedLog;
use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// Who waits for the disk. Commits are numbered as they are logged.
#[derive(Debug, Default)]
pub(super) struct SyncGate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The last commit that was logged.
    logged: u64,
    /// The last one that is on the disk.
    durable: u64,
    /// Somebody flushes, or waits for others before flushing.
    has_leader: bool,
}

impl SyncGate {
    /// Numbers a commit; to be called under the lock of the log, right after it was logged.
    pub(super) fn logged(&self) -> u64 {
        let mut state = self.state.lock();
        state.logged += 1;
        state.logged
    }

    /// Returns once commit `number` is on the disk. Whoever comes first waits `gather` for others and flushes for all.
    pub(super) fn wait(&self, number: u64, gather: Duration, log: &SharedLog) -> wal::Result<()> {
        let mut state = self.state.lock();
        while state.has_leader && state.durable < number {
            self.changed.wait(&mut state);
        }
        if state.durable >= number {
            return Ok(());
        }
        state.has_leader = true;
        if !gather.is_zero() {
            // Nobody wakes a leader early: the time is what the writer asked for.
            let idle = Condvar::new();
            idle.wait_for(&mut state, gather);
        }
        drop(state);
        let (upto, outcome) = {
            let mut log = log.lock();
            let upto = self.state.lock().logged;
            (upto, log.sync())
        };
        let mut state = self.state.lock();
        state.has_leader = false;
        if outcome.is_ok() {
            state.durable = state.durable.max(upto);
        }
        drop(state);
        // After a failure each of the others tries for itself and learns that the log is closed.
        self.changed.notify_all();
        outcome
    }
}

#[cfg(test)]
mod tests;
