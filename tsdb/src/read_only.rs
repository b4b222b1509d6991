//! A data directory as it lies on disk, looked at without the lock and without changing a file of it: for tools, also
//! beside a running server. Nothing is repaired here: what is damaged is an error.

use crate::block::{Block, BlockMeta, Ulid};
use crate::db::{HEAD_CHUNKS_DIR, LATE_LOG_DIR, LOG_DIR};
use crate::querier::DbQuerier;
use crate::{Error, Head, HeadOptions, Result};
use disk::Disk;
use model::TimeRange;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::Queryable;

/// A data directory that is only read.
#[derive(Debug)]
pub struct ReadOnlyDb {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

fn invalid(what: String) -> Error {
    Error::Io(io::Error::new(io::ErrorKind::InvalidInput, what))
}

impl ReadOnlyDb {
    /// The data directory `dir`, which must exist.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self> {
        if !disk.is_dir(dir) {
            let what = format!("opening the db dir: {}: no such directory", dir.display());
            return Err(Error::Io(io::Error::new(io::ErrorKind::NotFound, what)));
        }
        Ok(Self { disk, dir: dir.to_owned() })
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = self.disk.list(&self.dir)?;
        names.retain(|name| name.parse::<Ulid>().is_ok());
        Ok(names)
    }

    /// The blocks, by their begin. A directory without a readable meta.json is no block; one that a block replaces may be
    /// damaged; any other that cannot be opened is an error.
    pub fn blocks(&self) -> Result<Vec<Arc<Block>>> {
        let mut metas: Vec<(PathBuf, BlockMeta)> = Vec::new();
        for name in self.names()? {
            let dir = self.dir.join(name);
            metas.extend(BlockMeta::read(&*self.disk, &dir).ok().map(|meta| (dir, meta)));
        }
        let parents = metas.iter().flat_map(|(_, meta)| &meta.compaction.parents);
        let replaced: Vec<Ulid> = parents.map(|parent| parent.ulid).collect();
        let mut blocks = Vec::new();
        for (dir, meta) in metas {
            match Block::open(&*self.disk, &dir) {
                Ok(block) => blocks.push(Arc::new(block)),
                Err(_) if replaced.contains(&meta.ulid) => {}
                Err(error) => {
                    return Err(invalid(format!("corrupted block {}: {error}", meta.ulid)));
                }
            }
        }
        blocks.sort_by_key(|block| (block.meta().min_time, block.meta().ulid));
        Ok(blocks)
    }

    /// The block of this name, or the one made last.
    pub fn block(&self, name: Option<&str>) -> Result<Arc<Block>> {
        let names = self.names()?;
        let name = match name {
            Some(name) => names.iter().find(|known| *known == name).ok_or_else(|| {
                invalid(format!("invalid block ID {name}: there is none in {}", self.dir.display()))
            })?,
            None => names
                .last()
                .ok_or_else(|| invalid(format!("no blocks found in {}", self.dir.display())))?,
        };
        Ok(Arc::new(Block::open(&*self.disk, &self.dir.join(name))?))
    }

    /// A snapshot of blocks and log. Replaying the log may write chunks: that happens in a directory of its own below
    /// `sandbox_root`, which is gone when this returns. `seed` is random: it keys hashes and names that directory.
    pub fn querier(&self, range: TimeRange, sandbox_root: &Path, seed: u64) -> Result<DbQuerier> {
        let mut blocks = self.blocks()?;
        // Those that another one replaces hold nothing of their own.
        let parents = blocks.iter().flat_map(|block| &block.meta().compaction.parents);
        let replaced: Vec<Ulid> = parents.map(|parent| parent.ulid).collect();
        blocks.retain(|block| !replaced.contains(&block.meta().ulid));
        let sandbox = sandbox_root.join(format!("tmp-read-only-{seed:016x}"));
        let replayed = self.replay(&blocks, &sandbox, seed);
        if self.disk.exists(&sandbox) {
            // Views of its files stay good.
            self.disk.remove(&sandbox)?;
        }
        let head = replayed?.querier(range).map_err(Error::from)?;
        Ok(DbQuerier::new(range, Some(head), blocks))
    }

    fn replay(&self, blocks: &[Arc<Block>], sandbox: &Path, seed: u64) -> Result<Head> {
        let chunks_dir = sandbox.join(HEAD_CHUNKS_DIR);
        self.link_chunks(&chunks_dir)?;
        let options = HeadOptions::new(Arc::clone(&self.disk), chunks_dir);
        let head = Head::new(options, seed, &::metrics::Registry::new());
        let in_order = blocks.iter().filter(|block| block.meta().compaction.hints.is_empty());
        if let Some(end_ms) = in_order.map(|block| block.meta().max_time).max() {
            head.set_min_valid_time(end_ms);
        }
        let (mut replay, _) = head.replay()?;
        let mut log = wal::Replay::open(Arc::clone(&self.disk), &self.dir.join(LOG_DIR))?;
        while let Some(record) = log.next_record()? {
            if let Err(error) = replay.apply(record) {
                return Err(log.corruption(&error.to_string()).into());
            }
        }
        let (_, mut late, _) = replay.finish_in_order()?;
        let dir = self.dir.join(LATE_LOG_DIR);
        let segments = wal::list_segments(&*self.disk, &dir)?;
        crate::db::LateFeed::new(&self.disk, &dir, &segments).run(&mut late)?;
        late.finish()?;
        Ok(head)
    }

    /// Second names for the files of head chunks, or copies where the sandbox lies on another file system. Files are
    /// removed there if they are damaged, and never written to.
    fn link_chunks(&self, chunks_dir: &Path) -> Result<()> {
        let from = self.dir.join(HEAD_CHUNKS_DIR);
        let names = match self.disk.list(&from) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let is_needed = |name: &&String| name.parse::<u32>().is_ok();
        for (index, name) in names.iter().filter(is_needed).enumerate() {
            if index == 0 {
                self.disk.create_dir(chunks_dir)?;
            }
            let (from, to) = (from.join(name), chunks_dir.join(name));
            if self.disk.hard_link(&from, &to).is_err() {
                self.disk.create(&to)?.append(&self.disk.view(&from)?)?;
            }
        }
        Ok(())
    }
}
