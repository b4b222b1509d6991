//! What the workers of a replay do: samples into their series, under the rules of a commit.

use super::worker::{Row, StartedRow};
use crate::head::Shared;
use crate::head::series::{OooFloor, When};
use crate::head::shard::{Commit, Shard, Tally};
use model::histogram::Histogram;
use std::sync::atomic::Ordering;

/// Whether a row still means the series of its slot. As long as no slot was freed, all do.
#[inline]
fn is_of(shard: &Shard, slot: u32, number: u64) -> bool {
    shard.generation == 0 || shard.cold[slot].number == number
}

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
        shard: usize,
        rows: Vec<StartedRow<Histogram>>,
        tally: &mut Tally,
    ) {
        let commit = self.replay_commit();
        let mut shard = self.shards[shard].0.write();
        for (slot, number, when, value) in rows {
            if is_of(&shard, slot, number) {
                // What came late is in the other log.
                let _is_late = shard.append_histogram(slot, when, &value, &commit, tally);
            }
        }
    }

    pub(super) fn replay_rows(&self, shard: usize, rows: &[Row], tally: &mut Tally) {
        let commit = self.replay_commit();
        let mut shard = self.shards[shard].0.write();
        shard.append_in_groups(
            rows,
            |row| row.slot,
            |shard, rows| {
                for &Row { slot, number, timestamp_ms, value } in rows {
                    if is_of(shard, slot, number) {
                        let when = When { timestamp_ms, start_ms: 0 };
                        shard.append(slot, when, value, &commit, tally);
                    }
                }
            },
        );
    }

    pub(super) fn replay_started(&self, shard: usize, rows: &[StartedRow<f64>], tally: &mut Tally) {
        let commit = self.replay_commit();
        let mut shard = self.shards[shard].0.write();
        for &(slot, number, when, value) in rows {
            if is_of(&shard, slot, number) {
                shard.append(slot, when, value, &commit, tally);
            }
        }
    }
}
