//! What the workers of a replay do: samples into their series, under the rules of a commit.

use crate::head::Shared;
use crate::head::refs::Target;
use crate::head::series::{OooFloor, When};
use crate::head::shard::{Commit, Tally};
use model::histogram::Histogram;
use std::sync::atomic::Ordering;

impl Shared {
    fn replay_commit(&self) -> Commit {
        Commit {
            rule: self.rule,
            encodings: self.encodings(),
            is_strict: self.keep_starts,
            min_valid_ms: self.min_valid_ms.load(Ordering::Relaxed),
            ooo_floor: OooFloor(None),
            epoch: 0,
            oldest_reader: u64::MAX,
        }
    }

    pub(super) fn replay_histograms(
        &self,
        rows: &[(Target, u64, When, Histogram)],
        tally: &mut Tally,
    ) {
        let commit = self.replay_commit();
        for (target, number, when, value) in rows {
            let (index, slot) = self.place(*target);
            let mut shard = self.shards[index].0.write();
            if shard.cold[slot].number == *number {
                // What came late is in the other log.
                let _is_late = shard.append_histogram(slot, *when, value, &commit, tally);
            }
        }
    }

    pub(super) fn replay_rows(&self, rows: &[(Target, u64, i64, f64)], tally: &mut Tally) {
        let commit = self.replay_commit();
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let (index, _) = self.place(first.0);
            let mut shard = self.shards[index].0.write();
            let same = rest.iter().take_while(|row| self.place(row.0).0 == index).count();
            let (run, later) = rest.split_at(same);
            rest = later;
            for &(target, number, timestamp_ms, value) in run {
                let (_, slot) = self.place(target);
                if shard.cold[slot].number == number {
                    let when = When { timestamp_ms, start_ms: 0 };
                    shard.append(slot, when, value, &commit, tally);
                }
            }
        }
    }

    pub(super) fn replay_started(&self, rows: &[(Target, u64, When, f64)], tally: &mut Tally) {
        let commit = self.replay_commit();
        for &(target, number, when, value) in rows {
            let (index, slot) = self.place(target);
            let mut shard = self.shards[index].0.write();
            if shard.cold[slot].number == number {
                shard.append(slot, when, value, &commit, tally);
            }
        }
    }
}
