//! Past samples that come by HTTP: the body is kept in a file first, read as often as it takes, and becomes blocks in a
//! directory of its own, which the database takes over at the end. Whatever fails leaves nothing behind.

use super::{ImportError, Limits, OpenMetrics, Progress, RemoteWrite, Source};
use crate::clock;
use crate::late::LateDb;
use disk::{Disk, DiskFile};
use model::Labels;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use storage::Error;
use tsdb::block::BlockMeta;
use tsdb::{DEFAULT_BLOCK_MS, Db, ImportRow, ImportSpec, block_length_ms, import_block};
use web::import::{Failure, Format, Import, Imported, ImportedBlock, Step, Upload};

/// Where imports lie in the data directory until they are done.
const DIR: &str = "import";
/// Samples held at a time, 64 MB of them.
const MAX_ROWS: u64 = 2 << 20;
/// How far ahead of the clock a sample may be.
const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// Imports into the database, one at a time.
#[derive(Debug)]
pub(crate) struct Importer {
    db: Arc<LateDb>,
    is_busy: Arc<AtomicBool>,
}

impl Importer {
    /// Imports into this database, once it is open.
    pub(crate) fn new(db: Arc<LateDb>) -> Self {
        Self { db, is_busy: Arc::default() }
    }
}

/// Removes what imports left behind that a crash ended.
pub(crate) fn clean(disk: &dyn Disk, data_dir: &Path) -> std::io::Result<()> {
    let dir = data_dir.join(DIR);
    if disk.exists(&dir) { disk.remove(&dir) } else { Ok(()) }
}

impl Import for Importer {
    fn begin(&self, format: Format) -> Result<Box<dyn Upload>, Failure> {
        let db = self.db.get().ok_or_else(|| Error::Closed("TSDB not ready".into()))?;
        let alone = Alone::enter(&self.is_busy).ok_or(Failure::Busy)?;
        let disk: Arc<dyn Disk> = Arc::new(disk::RealDisk);
        let dir = Staging { disk: Arc::clone(&disk), dir: db.dir().join(DIR) };
        let name = dir.dir.join("body");
        clean(&*disk, db.dir()).map_err(|error| io("remove old imports", error))?;
        disk.create_dir(&dir.dir.join("blocks")).map_err(|error| io("create directory", error))?;
        let body = disk.create(&name).map_err(|error| io("keep the body", error))?;
        Ok(Box::new(Uploading { db, dir, body, name, format, _alone: alone }))
    }
}

fn io(op: &str, source: std::io::Error) -> Error {
    Error::Io { op: op.into(), source }
}

/// Keeps other imports out.
struct Alone(Arc<AtomicBool>);

impl Alone {
    fn enter(is_busy: &Arc<AtomicBool>) -> Option<Self> {
        // Pairs with the store below: whoever enters finds the directory of the one before gone.
        let was_busy = is_busy.swap(true, Ordering::Acquire);
        (!was_busy).then(|| Self(Arc::clone(is_busy)))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The directory of an import; gone with it.
struct Staging {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = self.disk.remove(&self.dir) {
            tracing::warn!(component = "import", err = %error, "What an import left behind cannot be removed");
        }
    }
}

/// An import whose body arrives.
struct Uploading {
    db: Arc<Db>,
    dir: Staging,
    body: Box<dyn DiskFile>,
    name: PathBuf,
    format: Format,
    _alone: Alone,
}

impl Upload for Uploading {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.body.append(bytes).map_err(|error| io("keep the body", error))?)
    }

    fn finish(
        self: Box<Self>,
        report: &mut dyn FnMut(Step) -> std::io::Result<()>,
    ) -> Result<Imported, Failure> {
        let disk = Arc::clone(&self.dir.disk);
        let body = disk.view(&self.name).map_err(|error| io("read the body", error))?;
        let now_ms = clock::now_ms();
        let (source, block_ms): (Box<dyn Source + '_>, i64) = match &self.format {
            Format::OpenMetrics { labels, max_block_ms } => {
                let block_ms = block_length_ms(max_block_ms.unwrap_or(0));
                (Box::new(OpenMetrics { body: &body, labels }), block_ms)
            }
            Format::RemoteWrite { message, is_framed } => {
                let (message, is_framed) = (*message, *is_framed);
                let source = RemoteWrite { body: &body, message, is_framed, now_ms };
                (Box::new(source), DEFAULT_BLOCK_MS)
            }
        };
        let limits =
            Limits { block_ms, max_ms: now_ms.saturating_add(MAX_AHEAD_MS), max_rows: MAX_ROWS };
        let mut written = self.write_blocks(&*source, limits, now_ms, body.len(), report)?;
        let kept = self.db.add_blocks(&self.dir.dir.join("blocks")).map_err(Error::from)?;
        for block in &mut written.blocks {
            block.is_expired = !kept.iter().any(|ulid| ulid.to_string() == block.ulid);
        }
        let (blocks, samples) = (written.blocks.len(), written.num_samples);
        tracing::info!(component = "import", blocks, samples, "Imported past samples");
        Ok(written)
    }
}

impl Uploading {
    /// Writes the blocks of `source` beside the database.
    fn write_blocks(
        &self,
        source: &dyn Source,
        limits: Limits,
        now_ms: i64,
        all_bytes: usize,
        report: &mut dyn FnMut(Step) -> std::io::Result<()>,
    ) -> Result<Imported, Failure> {
        let dir = self.dir.dir.join("blocks");
        // A head that is empty yet may begin a little in the past.
        let late_from_ms = self.db.head().min_time().min(now_ms - 2 * DEFAULT_BLOCK_MS);
        let mut written = Imported::default();
        let mut write = |labels: &[Labels], rows: &mut Vec<ImportRow>| {
            let (ulid, seed) = (clock::ulid(), clock::seed());
            let spec = ImportSpec { ulid, seed, block_ms: limits.block_ms, late_from_ms };
            let done = import_block(&self.dir.disk, &dir, labels, rows, &spec)?;
            written.num_refused += done.num_refused;
            written.num_samples += done.meta.as_ref().map_or(0, |meta| meta.stats.num_samples);
            written.blocks.extend(done.meta.as_ref().map(shown));
            Ok(())
        };
        let mut report = |progress: Progress| {
            let Progress { pass, num_passes, read_bytes } = progress;
            report(Step { pass, num_passes, read_bytes, all_bytes })
        };
        let imported = super::import(source, limits, &mut write, &mut report);
        imported.map_err(|error| match error {
            ImportError::Storage(error) => Failure::Storage(error),
            ImportError::Io(_) => Failure::Gone,
            input => Failure::Refused(input.to_string()),
        })?;
        Ok(written)
    }
}

fn shown(meta: &BlockMeta) -> ImportedBlock {
    ImportedBlock {
        ulid: meta.ulid.to_string(),
        min_ms: meta.min_time,
        max_ms: meta.max_time,
        num_series: meta.stats.num_series,
        num_samples: meta.stats.num_samples,
        is_expired: false,
    }
}
