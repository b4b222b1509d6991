//! The memory budget while the log is read back: at the soft mark full chunks go to their files and series that are done
//! with to blocks. Those blocks wait in a directory of their own until the replay is over, so that a start that does not
//! get there leaves nothing behind. What happens once the database is open is in `relief`.

use super::maintain::Work;
use super::pieces::{PiecesSpec, Place, block_ranges};
use super::relief::IDLE_MS;
use super::{Db, Parts};
use crate::block::{Block, remove};
use crate::head::{IdleSeries, LateSeries, Replay, SpilledSeries};
use crate::{Head, Result};
use ::metrics::Stopwatch;
use disk::Disk;
use model::TimeRange;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where memory is short, it is looked at again after so many records of the log, or so many bytes of them, whatever
/// comes first.
const RECORDS_BETWEEN_LOOKS: usize = 256;
const BYTES_BETWEEN_LOOKS: usize = 256 << 10;
/// A byte of the log becomes hardly more bytes of memory than this: a new series took eight or more in packed records.
const GROWTH: u64 = 64;

/// Where the blocks wait, in the data directory. Prometheus does not look at it.
const SPILL_DIR: &str = "replay_spill";

/// What is idle for so long goes at the hard mark: twice the usual interval of scrapes.
const HARD_IDLE_MS: i64 = 2 * 60 * 1000;
/// Writing a block pays for one in so many of the series.
const LEAST_PART: usize = 16;
/// Records that are replayed before series are looked at again, unless one in [`LEAST_PART`] has come.
const RECORDS_BETWEEN_SPILLS: u64 = 4096;

/// What went to blocks so far.
pub(super) struct Spill {
    dir: PathBuf,
    work: Work,
    /// How many series were left the last time, and how many records had been read; `None` before the first time.
    last: Option<(usize, u64)>,
    num_series: usize,
    /// Series with late samples stay; read when it is needed.
    late: Option<LateSeries>,
    has_failed: bool,
    /// What was read since memory was looked at: records, and their bytes.
    unlooked: (usize, usize),
    /// After so many it is looked at again.
    until: (usize, usize),
}

impl Spill {
    /// Nothing. What an earlier start left is removed.
    pub(super) fn new(disk: &dyn Disk, data_dir: &Path, seed: u64) -> Result<Self> {
        let dir = data_dir.join(SPILL_DIR);
        if disk.is_dir(&dir) {
            disk.remove(&dir)?;
        }
        // Not the names that the open database gives.
        let work = Work::new(!seed);
        let (unlooked, until) = ((0, 0), (0, 0));
        let (last, late) = (None, None);
        Ok(Self { dir, work, last, num_series: 0, late, has_failed: false, unlooked, until })
    }

    /// Whether it is time to look at memory, after these further records.
    pub(super) fn wants_look(&mut self, num_records: usize, len_bytes: usize) -> bool {
        self.unlooked.0 += num_records;
        self.unlooked.1 += len_bytes;
        self.unlooked.0 >= self.until.0 || self.unlooked.1 >= self.until.1
    }

    /// Memory was looked at: so much is left before it is short.
    fn looked(&mut self, left_bytes: u64) {
        self.unlooked = (0, 0);
        self.until = if left_bytes == 0 {
            (RECORDS_BETWEEN_LOOKS, BYTES_BETWEEN_LOOKS)
        } else {
            let bytes = usize::try_from(left_bytes / GROWTH).unwrap_or(usize::MAX);
            (usize::MAX, bytes.max(BYTES_BETWEEN_LOOKS))
        };
    }

    fn is_due(&self, num_series: usize, num_records: u64) -> bool {
        !self.has_failed
            && self.last.is_none_or(|(left, records)| {
                num_series - num_series.min(left) > left / LEAST_PART
                    || num_records - records >= RECORDS_BETWEEN_SPILLS
            })
    }
}

impl Parts {
    /// Where memory is short, chunks go to their files as soon as they are full; elsewhere that has time. Where that is
    /// not enough, series that are done with go to blocks.
    pub(super) fn keep_to_budget(
        &self,
        head: &Head,
        replay: &mut Replay,
        spill: &mut Spill,
    ) -> Result<()> {
        let Some(budget) = &self.options.memory else {
            spill.looked(u64::MAX);
            return Ok(());
        };
        let left_bytes = budget.soft_bytes().saturating_sub(budget.used_bytes());
        spill.looked(left_bytes);
        if left_bytes > 0 {
            return Ok(());
        }
        head.map_full_chunks()?;
        let num_series = head.num_series();
        if !spill.is_due(num_series, replay.num_records()) {
            return Ok(());
        }
        budget.give_back();
        let used = budget.used_bytes();
        if used < budget.soft_bytes() {
            return Ok(());
        }
        let idle_ms = if used < budget.hard_bytes() { IDLE_MS } else { HARD_IDLE_MS };
        match self.spill_idle(head, replay, spill, (idle_ms, budget.series_of_block())) {
            Ok(0) => {}
            Ok(num_gone) => {
                budget.give_back();
                spill.num_series += num_gone;
                self.metrics.idle_series_dropped.inc_by(num_gone as u64);
                self.log.warn(
                    "Memory is short while the log is replayed: moved series that are done with to blocks",
                    &[
                        ("budget_bytes", &budget.bytes()),
                        ("used_bytes", &used),
                        ("left_bytes", &budget.used_bytes()),
                        ("series", &num_gone),
                        ("series_left", &head.num_series()),
                    ],
                );
            }
            Err(error) => {
                // The log has them: a start that takes more memory is better than none.
                spill.has_failed = true;
                self.log.warn(
                    "Series could not be moved to blocks while the log is replayed; memory may grow beyond the budget",
                    &[("err", &error)],
                );
            }
        }
        spill.last = Some((head.num_series(), replay.num_records()));
        Ok(())
    }

    /// Moves what was idle for so long, so many series at a time. Answers how many went.
    fn spill_idle(
        &self,
        head: &Head,
        replay: &mut Replay,
        spill: &mut Spill,
        (idle_ms, num_at_once): (i64, usize),
    ) -> Result<usize> {
        if spill.late.is_none() {
            spill.late = Some(self.late_series()?);
        }
        let late = spill.late.as_ref().expect("read above");
        let Some(idle) = replay.idle_series(idle_ms, late) else { return Ok(0) };
        if idle.len() < head.num_series() / LEAST_PART {
            return Ok(0);
        }
        if !self.disk.is_dir(&spill.dir) {
            self.disk.create_dir(&spill.dir)?;
        }
        let mut num_gone = 0;
        for part in idle.parts(num_at_once) {
            let mut blocks = Vec::new();
            let written = self.write_idle(head, spill, &part, &mut blocks);
            let paths: Vec<PathBuf> = blocks.iter().map(|block| block.dir().to_owned()).collect();
            let gone = written.and_then(|()| Ok(replay.spill(blocks)?));
            if gone.is_err() {
                // The head still has what is in them. What cannot be removed now goes with the next start.
                paths.iter().for_each(|path| drop(remove(&*self.disk, path)));
            }
            num_gone += gone?;
        }
        Ok(num_gone)
    }

    /// Writes blocks of these series.
    fn write_idle(
        &self,
        head: &Head,
        spill: &mut Spill,
        idle: &IdleSeries,
        blocks: &mut Vec<Arc<Block>>,
    ) -> Result<()> {
        let spec = PiecesSpec::of_idle_series();
        let place = Place { disk: &*self.disk, dir: &spill.dir, options: &self.options };
        for range in block_ranges(idle.range, self.options.min_block_ms) {
            let range = TimeRange::new(range.min_ms.max(idle.range.min_ms), range.max_ms);
            let ulid = spill.work.ulid(head.max_time());
            let querier = head.idle_querier(range, idle);
            if let Some(meta) = place.write_piece(head, (ulid, range), &spec, &*querier)? {
                let dir = spill.dir.join(meta.ulid.to_string());
                blocks.push(Arc::new(Block::open(&*self.disk, &dir)?));
            }
        }
        Ok(())
    }
}

impl Db {
    /// Takes the blocks of the replay that is over in. To be called before anything is logged.
    pub(super) fn take_in_spilled(&self, spill: &Spill, spilled: SpilledSeries) -> Result<()> {
        if !self.disk.is_dir(&spill.dir) {
            return Ok(());
        }
        let stopwatch = Stopwatch::start();
        let num_back = spill.num_series.saturating_sub(spilled.gone.len() + spilled.num_ended);
        for (block, deleted) in spilled.blocks {
            if deleted.is_all_of(block.meta().stats.num_series) {
                remove(&*self.disk, block.dir())?;
            } else {
                block.delete_series(&*self.disk, &deleted.into_ranges())?;
            }
        }
        let added = self.add_blocks(&spill.dir)?;
        self.disk.remove(&spill.dir)?;
        // Without this the next start would refuse samples that come to such a series before its newest one.
        self.head.end_spilled(&spilled.gone)?;
        self.log.info(
            "Series left memory while the log was replayed",
            &[
                ("series", &spill.num_series),
                ("came_back", &num_back),
                ("went_earlier", &spilled.num_ended),
                ("blocks", &added.len()),
                ("duration", &format!("{:.3}s", stopwatch.elapsed_seconds())),
            ],
        );
        Ok(())
    }
}
