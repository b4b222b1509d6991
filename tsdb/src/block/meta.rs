//! meta.json of a block: what is known of it without opening it. The shape of the file is in `wire`.

mod wire;

pub use wire::{BlockMeta, BlockStats, Compaction, Hint, Parent};

use super::{META_FILE, Ulid, io_error};
use disk::Disk;
use model::TimeRange;
use serde::Serialize;
use std::path::Path;
use storage::{Error, Result};

/// The only version there is.
const VERSION: u32 = 1;

impl BlockMeta {
    /// Reads meta.json of the block in `dir`.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Self> {
        let path = dir.join(META_FILE);
        let open = |source| io_error("read block meta", source);
        let len = usize::try_from(disk.len(&path).map_err(open)?).unwrap_or(usize::MAX);
        let text = disk.read_at(&path, 0, len).map_err(open)?;
        let corrupt = |what: String| Error::Corrupt {
            place: path.display().to_string().into(),
            what: what.into(),
        };
        let meta: Self = serde_json::from_slice(&text).map_err(|e| corrupt(e.to_string()))?;
        if meta.version != VERSION {
            return Err(corrupt(format!("unexpected meta file version {}", meta.version)));
        }
        Ok(meta)
    }

    /// A meta with the current version and nothing else known.
    #[must_use]
    pub fn new(ulid: Ulid, min_time: i64, max_time: i64) -> Self {
        Self {
            ulid,
            min_time,
            max_time,
            stats: BlockStats::default(),
            compaction: Compaction::default(),
            version: VERSION,
        }
    }

    /// The bytes of meta.json.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
        Serialize::serialize(self, &mut serializer).expect("plain data into memory");
        out
    }

    /// The times it may have samples for.
    #[must_use]
    pub fn range(&self) -> TimeRange {
        TimeRange::new(self.min_time, self.max_time.saturating_sub(1))
    }

    /// This block as a parent of another one.
    #[must_use]
    pub fn as_parent(&self) -> Parent {
        Parent { ulid: self.ulid, min_time: self.min_time, max_time: self.max_time }
    }
}
