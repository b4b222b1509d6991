//! Deleting from a block and copying one: ranges are noted in its tombstones file, the chunks stay until a compaction.

use super::{Block, CHUNKS_DIR, INDEX_FILE, META_FILE, TOMBSTONES_FILE, Tombstones, io_error};
use crate::index::ChunkEntry;
use crate::postings::select;
use disk::{Disk, write_atomic};
use model::{Matcher, TimeRange};
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, Result};

impl Block {
    /// Marks the samples inside `range` of the series that satisfy one of `matcher_sets` as deleted, durably. Answers
    /// the block as it is from then on; `None` if nothing matched. This one still reads as before.
    pub fn delete(
        &self,
        disk: &dyn Disk,
        range: TimeRange,
        matcher_sets: &[Vec<Matcher>],
    ) -> Result<Option<Self>> {
        let mut tombstones = self.tombstones.clone();
        let mut chunks = Vec::new();
        for matchers in matcher_sets {
            for id in select(&self.index, matchers, &Cancel::new())? {
                if let Some(inside) = self.span_touched(id, range, &mut chunks)? {
                    tombstones.add(u64::from(id), inside);
                }
            }
        }
        self.with_tombstones(disk, tombstones)
    }

    /// Marks the samples in these ranges of series, by their ids, as deleted; see [`Self::delete`].
    pub(crate) fn delete_series(
        &self,
        disk: &dyn Disk,
        deleted: &Tombstones,
    ) -> Result<Option<Self>> {
        let mut tombstones = self.tombstones.clone();
        let mut chunks = Vec::new();
        for (series, range) in deleted.all() {
            let id = u32::try_from(series).expect("ids of series have 32 bits");
            if let Some(inside) = self.span_touched(id, range, &mut chunks)? {
                tombstones.add(series, inside);
            }
        }
        self.with_tombstones(disk, tombstones)
    }

    /// The block with these tombstones, durably; `None` if it has them.
    fn with_tombstones(&self, disk: &dyn Disk, tombstones: Tombstones) -> Result<Option<Self>> {
        if tombstones == self.tombstones {
            return Ok(None);
        }
        let mut meta = self.meta.clone();
        meta.stats.num_tombstones = tombstones.num_ranges();
        // The file with the ranges first: without it the count in the other would promise what is not there.
        for (name, bytes) in [(TOMBSTONES_FILE, tombstones.encode()), (META_FILE, meta.to_json())] {
            write_atomic(disk, &self.dir.join(name), &bytes)
                .map_err(|source| io_error("delete from block", source))?;
        }
        let small = |name: &str| disk.len(&self.dir.join(name)).unwrap_or(0);
        let size_bytes = self.chunks.size_bytes()
            + self.index.size_bytes()
            + small(TOMBSTONES_FILE)
            + small(META_FILE);
        let (index, chunks) = (Arc::clone(&self.index), Arc::clone(&self.chunks));
        Ok(Some(Self { dir: self.dir.clone(), meta, index, chunks, tombstones, size_bytes }))
    }

    /// What of `range` lies between the first and the last sample of a series, if one of its chunks touches it.
    fn span_touched(
        &self,
        id: u32,
        range: TimeRange,
        chunks: &mut Vec<ChunkEntry>,
    ) -> Result<Option<TimeRange>> {
        self.index.chunks(id, chunks)?;
        let is_touched =
            chunks.iter().any(|chunk| TimeRange::new(chunk.min_ms, chunk.max_ms).overlaps(range));
        let ends = chunks.first().zip(chunks.last()).filter(|_| is_touched);
        Ok(ends.map(|(first, last)| {
            TimeRange::new(range.min_ms.max(first.min_ms), range.max_ms.min(last.max_ms))
        }))
    }

    /// Gives the files of the block second names in directory `target`, under the name of the block. What is deleted
    /// from it later replaces files and so does not reach the copy.
    pub fn snapshot(&self, disk: &dyn Disk, target: &Path) -> Result<()> {
        let copy = target.join(self.meta.ulid.to_string());
        let link = || {
            disk.create_dir(&copy.join(CHUNKS_DIR))?;
            for name in [META_FILE, INDEX_FILE, TOMBSTONES_FILE] {
                let path = self.dir.join(name);
                // A block without a tombstones file is one without deletions.
                if name != TOMBSTONES_FILE || disk.exists(&path) {
                    disk.hard_link(&path, &copy.join(name))?;
                }
            }
            for name in disk.list(&self.dir.join(CHUNKS_DIR))? {
                let part = Path::new(CHUNKS_DIR).join(name);
                disk.hard_link(&self.dir.join(&part), &copy.join(&part))?;
            }
            disk.sync_dir(&copy.join(CHUNKS_DIR))?;
            disk.sync_dir(&copy)?;
            disk.sync_dir(target)
        };
        link().map_err(|source| io_error("snapshot of a block", source))
    }
}
