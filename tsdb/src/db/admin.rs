//! What an administrator asks for: deleting samples, rewriting blocks without what is deleted, copies of the whole.

use super::Db;
use crate::block::Ulid;
use crate::{Error, Result, compact};
use ::metrics::Stopwatch;
use model::{Matcher, TimeRange};
use std::path::Path;
use storage::Queryable;

impl Db {
    /// Deletes the samples inside `range` of the series that satisfy all matchers of one of `matcher_sets`, durably in
    /// blocks, as durably as samples in the head. Queries that are open still see them. A set without matchers
    /// matches nothing.
    pub fn delete(&self, range: TimeRange, matcher_sets: &[Vec<Matcher>]) -> Result<()> {
        let sets: Vec<_> = matcher_sets.iter().filter(|set| !set.is_empty()).cloned().collect();
        if sets.is_empty() || range.min_ms > range.max_ms {
            return Ok(());
        }
        let _alone = self.work.lock();
        for block in self.blocks.current().iter().filter(|block| block.range().overlaps(range)) {
            if let Some(changed) = block.delete(&*self.disk, range, &sets)? {
                self.blocks.replace(changed);
            }
        }
        Ok(self.head.delete(range, &sets)?)
    }

    /// Rewrites every block that something was deleted from, so that nothing of it is left. `now_ms` is the wall
    /// clock: it names blocks.
    pub fn clean_tombstones(&self, now_ms: i64) -> Result<()> {
        let mut work = self.work.lock();
        let whole = Stopwatch::start();
        for block in &*self.blocks.current() {
            if block.tombstones().is_empty() {
                continue;
            }
            let stopwatch = Stopwatch::start();
            let ulid = work.ulid(now_ms);
            let segment_bytes = self.options.block_segment_bytes;
            let xor2 = self.head.encodings().xor2;
            let written =
                compact::rewrite_block(block, ulid, segment_bytes, xor2, &*self.disk, &self.dir);
            match self.count_compaction("Rewriting a block failed", &stopwatch, written)? {
                Some(meta) => {
                    self.report("Rewrote a block without its deletions", &meta, &stopwatch);
                }
                None => self.remove_empty(block)?,
            }
            self.reload()?;
        }
        self.metrics.tombstone_cleanup_seconds.observe(whole.elapsed_seconds());
        Ok(())
    }

    /// Moves the blocks of directory `from`, which lies on the same disk, into the database, where they appear together;
    /// answers those that retention let stay.
    pub fn add_blocks(&self, from: &Path) -> Result<Vec<Ulid>> {
        let _alone = self.work.lock();
        let disk = &*self.disk;
        let names = disk.list(from)?;
        let added: Vec<Ulid> = names.iter().filter_map(|name| name.parse().ok()).collect();
        for ulid in &added {
            let name = ulid.to_string();
            disk.rename(&from.join(&name), &self.dir.join(&name))?;
        }
        disk.sync_dir(&self.dir)?;
        self.reload()?;
        let blocks = self.blocks.current();
        let is_there = |ulid: &Ulid| blocks.iter().any(|block| block.meta().ulid == *ulid);
        Ok(added.into_iter().filter(is_there).collect())
    }

    /// Copies the database into directory `target`, created if absent: blocks by second names for their files, the
    /// head, if wanted, as a block. `now_ms` is the wall clock: it names that block.
    pub fn snapshot(&self, target: &Path, with_head: bool, now_ms: i64) -> Result<()> {
        if target == self.dir {
            return Err(Error::Options("a snapshot cannot be made in the data directory".into()));
        }
        let mut work = self.work.lock();
        let disk = &*self.disk;
        disk.create_dir(target)?;
        for block in &*self.blocks.current() {
            block.snapshot(disk, target)?;
        }
        // What came out of order is in the head, too, and may be all there is.
        let late = self.head.ooo_range().unwrap_or(TimeRange::new(i64::MAX, i64::MIN));
        let range = TimeRange::new(
            self.head.min_time().min(late.min_ms),
            self.head.max_time().max(late.max_ms),
        );
        if with_head && range.min_ms <= range.max_ms {
            let querier = self.head.querier(range)?;
            self.write_head_block(work.ulid(now_ms), (&*querier, range), target)?;
        }
        Ok(disk.sync_dir(target.parent().unwrap_or(Path::new("")))?)
    }
}
