//! A block: an immutable directory that holds the series of one time range. Opened here, written in `writer`.
//! Opening checks headers, tables and checksums of the index; series and chunks are checked when read.

mod chunks;
mod delete;
mod meta;
mod sink;
#[cfg(test)]
mod tests;
mod tombstones;
mod ulid;
mod writer;

pub use chunks::{ChunkReader, SegmentWriter, StoredChunk};
pub use meta::{BlockMeta, BlockStats, Compaction, Hint, Parent};
pub(crate) use sink::Sink;
pub use tombstones::Tombstones;
pub use ulid::Ulid;
pub use writer::BlockWriter;

use crate::index::IndexReader;
use crate::querier::BlockQuerier;
use disk::Disk;
use model::TimeRange;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{Error, Result};

/// Ends the name of a directory whose block is being written.
pub const CREATION_SUFFIX: &str = ".tmp-for-creation";
/// Ends the name of a directory whose block is being removed.
pub const DELETION_SUFFIX: &str = ".tmp-for-deletion";

const INDEX_FILE: &str = "index";
const CHUNKS_DIR: &str = "chunks";
const META_FILE: &str = "meta.json";
const TOMBSTONES_FILE: &str = "tombstones";

/// An open block. Whoever holds it can read it, even after its directory is removed.
#[derive(Debug)]
pub struct Block {
    dir: PathBuf,
    meta: BlockMeta,
    index: Arc<IndexReader>,
    chunks: Arc<ChunkReader>,
    tombstones: Tombstones,
    size_bytes: u64,
}

/// The disk names the path in its errors; here is said what it was for.
fn io_error(op: &str, source: std::io::Error) -> Error {
    Error::Io { op: op.into(), source }
}

impl Block {
    /// Opens the block in directory `dir`.
    pub fn open(disk: &dyn Disk, dir: &Path) -> Result<Self> {
        let meta = BlockMeta::read(disk, dir)?;
        Self::open_with(disk, dir, meta)
    }

    fn open_with(disk: &dyn Disk, dir: &Path, meta: BlockMeta) -> Result<Self> {
        let chunks = ChunkReader::open(disk, &dir.join(CHUNKS_DIR))?;
        let path = dir.join(INDEX_FILE);
        let data = disk.view(&path).map_err(|source| io_error("open block index", source))?;
        let index = IndexReader::open(data, &path.display().to_string())?;
        let tombstones = Tombstones::read(disk, &dir.join(TOMBSTONES_FILE))?;
        let small = |name: &str| disk.len(&dir.join(name)).unwrap_or(0);
        let size_bytes =
            chunks.size_bytes() + index.size_bytes() + small(TOMBSTONES_FILE) + small(META_FILE);
        let (index, chunks) = (Arc::new(index), Arc::new(chunks));
        Ok(Self { dir: dir.to_owned(), meta, index, chunks, tombstones, size_bytes })
    }

    /// What meta.json says.
    #[must_use]
    pub fn meta(&self) -> &BlockMeta {
        &self.meta
    }

    /// The directory it was opened in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The times it may have samples for.
    #[must_use]
    pub fn range(&self) -> TimeRange {
        self.meta.range()
    }

    /// Bytes on disk, as retention counts them.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Its index.
    #[must_use]
    pub fn index(&self) -> &IndexReader {
        &self.index
    }

    /// Its chunks.
    #[must_use]
    pub fn chunks(&self) -> &ChunkReader {
        &self.chunks
    }

    /// Its deleted ranges.
    #[must_use]
    pub fn tombstones(&self) -> &Tombstones {
        &self.tombstones
    }

    /// A querier for the samples inside `range`.
    #[must_use]
    pub fn querier(self: &Arc<Self>, range: TimeRange) -> BlockQuerier {
        BlockQuerier::new(Arc::clone(self), range)
    }
}

/// A directory that looks like a block and cannot be opened.
#[derive(Debug)]
pub struct BrokenBlock {
    /// The directory.
    pub dir: PathBuf,
    /// Why.
    pub error: Error,
}

/// What a data directory holds.
#[derive(Debug, Default)]
pub struct BlockSet {
    /// The blocks that can be read and are to be read, sorted by their begin.
    pub blocks: Vec<Arc<Block>>,
    /// Those that were left out because they cannot be read.
    pub broken: Vec<BrokenBlock>,
    /// Directories of blocks that others replace: parents of a block that is there. To be removed.
    pub superseded: Vec<PathBuf>,
}

impl BlockSet {
    /// Opens the blocks of `data_dir`; those of `known` that are still there are taken over as they are.
    pub fn open(disk: &dyn Disk, data_dir: &Path, known: &[Arc<Block>]) -> Result<Self> {
        let names = disk.list(data_dir).map_err(|source| io_error("list blocks", source))?;
        let mut set = Self::default();
        let mut found = Vec::new();
        for name in names.iter().filter(|name| name.parse::<Ulid>().is_ok()) {
            let dir = data_dir.join(name);
            match BlockMeta::read(disk, &dir) {
                Ok(meta) => found.push((dir, meta)),
                Err(error) => set.broken.push(BrokenBlock { dir, error }),
            }
        }
        let replaced: Vec<Ulid> = found
            .iter()
            .flat_map(|(_, meta)| &meta.compaction.parents)
            .map(|parent| parent.ulid)
            .collect();
        let (parents, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(_, meta)| replaced.contains(&meta.ulid));
        for (dir, meta) in others {
            set.add(disk, dir, meta, known);
        }
        // What a damaged block was made of is still needed. Newer ones first: they may be parents themselves.
        for (dir, meta) in parents.into_iter().rev() {
            let has_child = |block: &Arc<Block>| {
                block.meta.compaction.parents.iter().any(|parent| parent.ulid == meta.ulid)
            };
            if set.blocks.iter().any(has_child) || set.is_grandparent(&meta) {
                set.superseded.push(dir);
            } else {
                set.add(disk, dir, meta, known);
            }
        }
        set.superseded.sort_unstable();
        set.blocks.sort_by_key(|block| (block.meta.min_time, block.meta.ulid));
        Ok(set)
    }

    /// Whether a block that can be read was made of this one's descendants.
    fn is_grandparent(&self, meta: &BlockMeta) -> bool {
        let sources = &meta.compaction.sources;
        !sources.is_empty()
            && self.blocks.iter().any(|block| {
                block.meta.compaction.level > meta.compaction.level
                    && sources.iter().all(|source| block.meta.compaction.sources.contains(source))
            })
    }

    fn add(&mut self, disk: &dyn Disk, dir: PathBuf, meta: BlockMeta, known: &[Arc<Block>]) {
        let same = |block: &&Arc<Block>| block.dir == dir && block.meta == meta;
        if let Some(block) = known.iter().find(same) {
            self.blocks.push(Arc::clone(block));
            return;
        }
        match Block::open_with(disk, &dir, meta) {
            Ok(block) => self.blocks.push(Arc::new(block)),
            Err(error) => self.broken.push(BrokenBlock { dir, error }),
        }
    }
}

/// Removes the directory of a block so that a crash on the way never leaves half of it under its name.
pub fn remove(disk: &dyn Disk, dir: &Path) -> Result<()> {
    let mut aside = dir.as_os_str().to_owned();
    aside.push(DELETION_SUFFIX);
    let aside = PathBuf::from(aside);
    disk.rename(dir, &aside).map_err(|source| io_error("remove block", source))?;
    disk.remove(&aside).map_err(|source| io_error("remove block", source))
}

/// Removes what an interrupted creation or removal left behind; answers how many directories.
pub fn remove_leftovers(disk: &dyn Disk, data_dir: &Path) -> Result<usize> {
    let names = disk.list(data_dir).map_err(|source| io_error("list blocks", source))?;
    let mut removed = 0;
    for name in names {
        let stem = [CREATION_SUFFIX, DELETION_SUFFIX, ".tmp"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix));
        if stem.is_some_and(|stem| stem.parse::<Ulid>().is_ok()) {
            let path = data_dir.join(&name);
            disk.remove(&path).map_err(|source| io_error("remove unfinished block", source))?;
            removed += 1;
        }
    }
    Ok(removed)
}
