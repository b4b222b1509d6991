//! The work of every minute: full chunks to disk, the head to a block, blocks to larger blocks, what is too old away,
//! the log shorter. One job at a time; what fails is reported, counted and tried again the next time.

use crate::block::{BlockMeta, Ulid};
use crate::compact::{self, BlockSpec, plan, write_block};
use crate::{Block, Db, Error, Result};
use ::metrics::Stopwatch;
use model::hash::HashSet;
use model::{Symbols, TimeRange};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, Querier, SelectHints};
use wal::checkpoint::{self, CheckpointStats};

use super::recover::mend;
use super::{LOG_DIR, uploads};

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Blocks that were cut from the head.
    pub head_blocks: usize,
    /// Blocks of samples that came out of order.
    pub ooo_blocks: usize,
    /// Series that left memory early.
    pub idle_series: usize,
    /// Blocks that were merged from others.
    pub merged_blocks: usize,
    /// The last segment that a new checkpoint covers.
    pub checkpoint: Option<u32>,
}

/// What the jobs remember.
#[derive(Debug)]
pub(super) struct Work {
    random: u64,
    /// Blocks whose merging failed for a reason that trying again does not change.
    unmergeable: HashSet<Ulid>,
    /// Where the blocks end that the log was truncated for.
    truncated_ms: i64,
    /// The segment behind the image of the head.
    pub(super) image: Option<u32>,
}

impl Work {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: seed, unmergeable: HashSet::default(), truncated_ms: i64::MIN, image: None }
    }

    /// Sixty-four bits that look random (SplitMix64 of the seed).
    fn roll(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn ulid(&mut self, now_ms: i64) -> Ulid {
        Ulid::new(now_ms, u128::from(self.roll()) << 64 | u128::from(self.roll()))
    }
}

/// So many series with full chunks do not wait for the next round: their chunks take some ten megabytes.
const MANY_SEALED: usize = 16_384;

impl Db {
    /// Moves full chunks out of memory between two rounds where many wait for it, as when hours of samples come within a
    /// minute. To be called every few seconds from the thread of [`Self::maintain`].
    pub fn map_many_chunks(&self) -> Result<()> {
        if self.head.num_sealed() < MANY_SEALED {
            return Ok(());
        }
        Ok(self.head.map_full_chunks()?)
    }

    /// One round of housekeeping, to be called every minute from one thread. `now_ms` is the wall clock: it names
    /// blocks. Fails with the first failure, after doing what does not depend on it.
    pub fn maintain(&self, now_ms: i64) -> Result<Maintained> {
        let mut work = self.work.lock();
        let mut done = Maintained::default();
        let mapped = self.head.map_full_chunks().map_err(Error::from);
        let synced = self.sync_retired();
        let reloaded = self.reload();
        self.metrics.compactions_triggered.inc();
        let cut = self.compact_head(&mut work, now_ms, &mut done);
        let stale = self.compact_stale(&mut work, now_ms, &mut done);
        let merged = self.compact_blocks(&mut work, now_ms, &mut done);
        self.refresh_image_in(&mut work);
        mapped.and(synced).and(reloaded).and(cut).and(stale).and(merged).map(|()| done)
    }

    pub(super) fn reload(&self) -> Result<()> {
        self.blocks.reload(&*self.disk, &self.dir, &self.options, &self.metrics, &self.log)
    }

    /// Makes full segments of the log durable, without holding up commits.
    fn sync_retired(&self) -> Result<()> {
        let retired = self.writer.lock().take_retired();
        let stopwatch = Stopwatch::start();
        retired.sync()?;
        self.metrics.log.fsync_seconds.observe(stopwatch.elapsed_seconds());
        Ok(())
    }

    /// Cuts blocks from the head as long as it spans more than one and a half of them.
    fn compact_head(&self, work: &mut Work, now_ms: i64, done: &mut Maintained) -> Result<()> {
        let mut end_ms = None;
        let mut outcome = Ok(());
        while let Some(range) = self.head.compactable_range() {
            outcome = self.cut_block(work, now_ms, range, done);
            if outcome.is_err() {
                break;
            }
            end_ms = Some(range.max_ms + 1);
        }
        let truncated = match end_ms {
            Some(end_ms) => {
                let truncated = self.truncate_log(work, end_ms, done);
                truncated.and(self.compact_ooo(work, now_ms, done))
            }
            None => Ok(()),
        };
        outcome.and(truncated)
    }

    fn cut_block(
        &self,
        work: &mut Work,
        now_ms: i64,
        range: TimeRange,
        done: &mut Maintained,
    ) -> Result<()> {
        let end_ms = range.max_ms + 1;
        self.head.wait_for_appenders(end_ms);
        let stopwatch = Stopwatch::start();
        let querier = self.head.in_order_querier(range);
        let written = self.write_head_block(work.ulid(now_ms), (&*querier, range), &self.dir);
        // The truncation below waits for readers.
        drop(querier);
        match self.count_compaction("Writing a block from the head failed", &stopwatch, written)? {
            Some(meta) => {
                done.head_blocks += 1;
                self.report("Wrote a block from the head", &meta, &stopwatch);
                self.reload()?;
            }
            None => {
                self.log.info("The head had no samples in range", &[("maxt", &end_ms)]);
                self.head.note_cut(end_ms)?;
            }
        }
        Ok(self.head.truncate_before(end_ms)?)
    }

    pub(super) fn write_head_block(
        &self,
        ulid: Ulid,
        (querier, range): (&dyn Querier, TimeRange),
        into: &Path,
    ) -> storage::Result<Option<BlockMeta>> {
        let (symbols, cancel) = (Symbols::new(), Cancel::new());
        let mut source = querier.select(&[], &SelectHints::default(), &symbols, &cancel)?;
        let spec = BlockSpec {
            segment_bytes: self.options.block_segment_bytes,
            xor2: self.head.encodings().xor2,
            ..BlockSpec::from_head(range.min_ms, range.max_ms.saturating_add(1))
        };
        self.metrics.populating_block.set(1.0);
        let written = write_block(&mut *source, &symbols, &spec, ulid, &*self.disk, into);
        self.metrics.populating_block.set(0.0);
        written
    }

    /// Merges blocks as long as there is something to merge and the head needs no attention.
    fn compact_blocks(&self, work: &mut Work, now_ms: i64, done: &mut Maintained) -> Result<()> {
        let policy = plan::Policy::new(
            self.options.min_block_ms,
            self.options.max_block_ms,
            self.options.merge_overlapping,
        );
        let path = self.options.delay_compact_file.as_deref();
        let uploaded = path.and_then(|path| uploads::read(&*self.disk, path, &self.log));
        while !self.head.is_compactable() {
            let mut blocks = self.blocks.current().to_vec();
            if let Some(uploaded) = &uploaded {
                uploads::drop_waiting(&mut blocks, uploaded);
            }
            let mut metas: Vec<BlockMeta> = blocks.iter().map(|b| b.meta().clone()).collect();
            for meta in &mut metas {
                meta.compaction.failed |= work.unmergeable.contains(&meta.ulid);
            }
            let chosen = plan::plan(&metas.iter().collect::<Vec<_>>(), &policy);
            let chosen: Vec<_> =
                chosen.into_iter().map(|index| Arc::clone(&blocks[index])).collect();
            // Overlapping blocks are planned even where a merge of them failed.
            let known = |block: &Arc<Block>| work.unmergeable.contains(&block.meta().ulid);
            if chosen.is_empty() || chosen.iter().any(known) {
                break;
            }
            let overlap = chosen.windows(2).any(|pair| pair[1].range().overlaps(pair[0].range()));
            self.metrics.vertical_compactions.inc_by(u64::from(overlap));
            let stopwatch = Stopwatch::start();
            let ulid = work.ulid(now_ms);
            let segment_bytes = self.options.block_segment_bytes;
            let xor2 = self.head.encodings().xor2;
            self.metrics.populating_block.set(1.0);
            let merged =
                compact::merge_blocks(&chosen, ulid, segment_bytes, xor2, &*self.disk, &self.dir);
            self.metrics.populating_block.set(0.0);
            if let Err(storage::Error::Corrupt { .. } | storage::Error::Unsupported(_)) = &merged {
                work.unmergeable.extend(chosen.iter().map(|block| block.meta().ulid));
            }
            match self.count_compaction("Merging blocks failed", &stopwatch, merged)? {
                Some(meta) => {
                    self.report("Merged blocks", &meta, &stopwatch);
                    done.merged_blocks += 1;
                }
                // Nothing was left of them.
                None => {
                    for block in &chosen {
                        self.remove_empty(block)?;
                    }
                }
            }
            self.reload()?;
        }
        Ok(())
    }

    /// Removes a block of which nothing is left. That the head was cut for it, only the log tells from then on.
    pub(super) fn remove_empty(&self, block: &Block) -> Result<()> {
        if block.meta().compaction.hints.is_empty() {
            self.head.note_cut(block.meta().max_time.min(self.head.min_valid_time()))?;
            self.sync()?;
        }
        Ok(crate::block::remove(&*self.disk, block.dir())?)
    }

    /// Counts a compaction; one that failed is reported and what it left behind is removed.
    pub(super) fn count_compaction(
        &self,
        failure: &'static str,
        stopwatch: &Stopwatch,
        outcome: storage::Result<Option<BlockMeta>>,
    ) -> Result<Option<BlockMeta>> {
        match outcome {
            Ok(meta) => {
                self.metrics.compactions.inc();
                self.metrics.compaction_seconds.observe(stopwatch.elapsed_seconds());
                Ok(meta)
            }
            Err(error) => {
                self.metrics.compactions_failed.inc();
                self.log.error(failure, &[("err", &error)]);
                // The failure to report is the first one; opening the database removes leftovers too.
                drop(crate::block::remove_leftovers(&*self.disk, &self.dir));
                Err(error.into())
            }
        }
    }

    pub(super) fn report(&self, message: &'static str, meta: &BlockMeta, stopwatch: &Stopwatch) {
        let seconds = format!("{:.3}s", stopwatch.elapsed_seconds());
        self.log.info(
            message,
            &[
                ("mint", &meta.min_time),
                ("maxt", &meta.max_time),
                ("ulid", &meta.ulid),
                ("series", &meta.stats.num_series),
                ("samples", &meta.stats.num_samples),
                ("duration", &seconds),
            ],
        );
    }

    /// Folds the older part of the log into a checkpoint, now that samples before `min_ms` are in blocks.
    fn truncate_log(&self, work: &mut Work, min_ms: i64, done: &mut Maintained) -> Result<()> {
        if min_ms <= work.truncated_ms {
            return Ok(());
        }
        work.truncated_ms = min_ms;
        let stopwatch = Stopwatch::start();
        let dir = self.dir.join(LOG_DIR);
        let segments = wal::list_segments(&*self.disk, &dir)?;
        // A new segment, so that little traffic does not keep old segments for long.
        self.head.flush_new_series()?;
        self.head.repeat_cut()?;
        self.writer.lock().cut()?;
        self.sync_retired()?;
        let (Some(&first), Some(&last)) = (segments.first(), segments.last()) else {
            return Ok(());
        };
        let Some(covered) = checkpoint::plan(first, last) else { return Ok(()) };
        let upto = *covered.end();
        // What came late is in a log of its own until it is in blocks, and has to stay deleted as long.
        let late = self.head.ooo_range().map_or(min_ms, |late| late.min_ms.min(min_ms));
        let bounds = (min_ms, late);
        self.metrics.log.checkpoints.inc();
        let stats = self.create_checkpoint(&dir, &covered, bounds).inspect_err(|error| {
            self.metrics.log.checkpoints_failed.inc();
            self.log.error("Creating a checkpoint failed", &[("err", error)]);
        })?;
        self.log.skipped(stats.dropped_unknown);
        done.checkpoint = Some(upto);
        // From here on nothing is lost if removing fails: replay ignores what the checkpoint covers.
        if let Err(error) = self.writer.lock().truncate(upto + 1) {
            self.log.error("Removing old segments failed", &[("err", &error)]);
        }
        self.head.forget_expired(min_ms);
        self.metrics.log.checkpoint_deletions.inc();
        if let Err(error) = checkpoint::remove_before(&*self.disk, &dir, upto) {
            self.metrics.log.checkpoint_deletions_failed.inc();
            self.log.error("Removing old checkpoints failed", &[("err", &error)]);
        }
        self.metrics.log.truncate_seconds.observe(stopwatch.elapsed_seconds());
        self.log.info(
            "Wrote a checkpoint",
            &[
                ("first", &first),
                ("last", &upto),
                ("series", &(stats.total_series - stats.dropped_series)),
                ("samples", &(stats.total_samples - stats.dropped_samples)),
                ("duration", &format!("{:.3}s", stopwatch.elapsed_seconds())),
            ],
        );
        Ok(())
    }

    /// Damage is mended on the way: an image may have kept a start from reading that far back, and without a checkpoint
    /// the log grows for good.
    fn create_checkpoint(
        &self,
        dir: &Path,
        covered: &RangeInclusive<u32>,
        bounds: (i64, i64),
    ) -> Result<CheckpointStats> {
        let mut keep = |number| self.head.keeps_series_record(number, bounds.0);
        loop {
            let (covered, options) = (covered.clone(), self.options.writer());
            let created = checkpoint::create_with_deletions(
                &self.disk, dir, covered, options, bounds, &mut keep,
            );
            let Err(wal::Error::Corrupt(found)) = created else { return Ok(created?) };
            let message = "Damaged log found while a checkpoint was written, attempting repair";
            mend((&*self.disk, &self.dir), (&self.metrics, &self.log), message, &found)?;
        }
    }
}
