//! Which blocks there are: read from the directory, retention applied, published at once.

use crate::block::{self, Block, BlockSet, BrokenBlock};
use crate::compact::retention::{self, BlockStat, Policy};
use crate::db::{HEAD_CHUNKS_DIR, LATE_LOG_DIR, LOG_DIR};
use crate::log::Log;
use crate::metrics::DbMetrics;
use crate::{DbOptions, Result, quarantine};
use arc_swap::ArcSwap;
use disk::{Disk, dir_size};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The open blocks, by their begin. Readers take the list whole.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    current: ArcSwap<Vec<Arc<Block>>>,
    /// Directories of blocks that cannot be read and were reported.
    broken: Mutex<Vec<PathBuf>>,
}

impl Blocks {
    /// The blocks of this moment.
    pub(super) fn current(&self) -> Arc<Vec<Arc<Block>>> {
        self.current.load_full()
    }

    /// Reads the directory again, leaves out what retention drops, publishes the rest, and removes what is replaced or
    /// dropped.
    pub(super) fn reload(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        options: &DbOptions,
        metrics: &DbMetrics,
        log: &Log,
    ) -> Result<()> {
        metrics.reloads.inc();
        let outcome = self.try_reload(disk, dir, options, metrics, log);
        if outcome.is_err() {
            metrics.reloads_failed.inc();
        }
        outcome
    }

    fn try_reload(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        options: &DbOptions,
        metrics: &DbMetrics,
        log: &Log,
    ) -> Result<()> {
        let known = self.current();
        let mut set = BlockSet::open(disk, dir, &known)?;
        if !set.broken.is_empty() {
            metrics.reloads_failed.inc();
        }
        let left = quarantine_broken(disk, dir, set.broken, metrics, log)?;
        set.broken = Vec::new();
        self.report(&left, log);
        let mut dropped = expired(disk, dir, options, &set, metrics)?;
        set.blocks.retain(|block| !dropped.iter().any(|dir| dir == block.dir()));
        self.publish(set.blocks, metrics);
        // Blocks go only after nobody can find them any more; who reads them keeps them mapped.
        dropped.append(&mut set.superseded);
        for dir in dropped {
            block::remove(disk, &dir)?;
            log.info("Deleted a block", &[("block", &dir.display())]);
        }
        Ok(())
    }

    /// Shows `changed` in the place of the open block of that name.
    pub(super) fn replace(&self, changed: Block) {
        let changed = Arc::new(changed);
        let mut blocks = Vec::clone(&self.current());
        for block in &mut blocks {
            if block.dir() == changed.dir() {
                *block = Arc::clone(&changed);
            }
        }
        self.current.store(Arc::new(blocks));
    }

    /// Names blocks that cannot be read: once each, not every minute.
    fn report(&self, found: &[BrokenBlock], log: &Log) {
        let mut known = self.broken.lock();
        for broken in found.iter().filter(|broken| !known.contains(&broken.dir)) {
            let dir = broken.dir.display();
            log.error(
                "A block cannot be read and is left out; repair it or move it away",
                &[("block", &dir), ("err", &broken.error)],
            );
        }
        *known = found.iter().map(|broken| broken.dir.clone()).collect();
    }

    fn publish(&self, blocks: Vec<Arc<Block>>, metrics: &DbMetrics) {
        metrics.blocks_loaded.set(blocks.len() as f64);
        metrics.blocks_bytes.set(blocks.iter().map(|block| block.size_bytes() as f64).sum());
        if let Some(min_ms) = blocks.iter().map(|block| block.meta().min_time).min() {
            metrics.lowest_timestamp_ms.set(min_ms as f64);
            metrics.lowest_timestamp_seconds.set(min_ms.div_euclid(1000) as f64);
        }
        self.current.store(Arc::new(blocks));
    }
}

/// Moves blocks that break their format aside. Answers the others: those that may be readable the next time, and those
/// without meta.json, which somebody may still be copying.
fn quarantine_broken(
    disk: &dyn Disk,
    dir: &Path,
    broken: Vec<BrokenBlock>,
    metrics: &DbMetrics,
    log: &Log,
) -> Result<Vec<BrokenBlock>> {
    let mut left = Vec::new();
    for broken in broken {
        if matches!(broken.error, storage::Error::Corrupt { .. }) {
            let found = quarantine::move_block(disk, dir, &broken.dir, &broken.error)?;
            metrics.quarantined(log, &found);
        } else {
            left.push(broken);
        }
    }
    Ok(left)
}

/// The directories of the blocks that retention drops.
fn expired(
    disk: &dyn Disk,
    dir: &Path,
    options: &DbOptions,
    set: &BlockSet,
    metrics: &DbMetrics,
) -> Result<Vec<PathBuf>> {
    let stats: Vec<BlockStat> = set
        .blocks
        .iter()
        .map(|block| BlockStat {
            max_time: block.meta().max_time,
            size_bytes: block.size_bytes(),
            deletable: block.meta().compaction.deletable,
        })
        .collect();
    let by_time = Policy { retention_ms: options.retention_ms, ..Policy::default() };
    let space = match options.retention_percentage > 0.0 || options.disk_low_water_bytes > 0 {
        true => disk.space(dir)?,
        false => None,
    };
    let both = Policy {
        max_bytes: options.retention_bytes,
        max_percentage: options.retention_percentage,
        disk_bytes: space.map_or(0, |space| space.total_bytes),
        missing_bytes: space
            .map_or(0, |space| options.disk_low_water_bytes.saturating_sub(space.free_bytes)),
        ..by_time
    };
    let mut head_bytes = 0;
    if options.retention_bytes > 0 || options.retention_percentage > 0.0 {
        for part in [LOG_DIR, LATE_LOG_DIR, HEAD_CHUNKS_DIR] {
            head_bytes += dir_size(disk, &dir.join(part))?;
        }
    }
    let aged = retention::expired(&stats, &by_time, head_bytes);
    let all = retention::expired(&stats, &both, head_bytes);
    let deletable = stats.iter().filter(|stat| stat.deletable).count();
    metrics.time_retentions.inc_by(aged.len().saturating_sub(deletable) as u64);
    metrics.size_retentions.inc_by((all.len() - aged.len()) as u64);
    Ok(all.into_iter().map(|index| set.blocks[index].dir().to_owned()).collect())
}
