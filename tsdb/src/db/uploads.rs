//! Blocks that wait with merging until somebody has uploaded them: the list of those that are.

use crate::Block;
use crate::block::Ulid;
use crate::log::Log;
use disk::Disk;
use model::hash::HashSet;
use std::path::Path;
use std::sync::Arc;

/// The blocks that were uploaded; `None` if nobody says, and then none waits, as in Prometheus.
pub(super) fn read(disk: &dyn Disk, path: &Path, log: &Log) -> Option<HashSet<Ulid>> {
    let text = disk
        .len(path)
        .and_then(|len| disk.read_at(path, 0, usize::try_from(len).unwrap_or(usize::MAX)));
    let parsed = text.map_err(|error| error.to_string()).and_then(|text| {
        serde_json::from_slice::<serde_json::Value>(&text).map_err(|error| error.to_string())
    });
    match parsed {
        Ok(list) => {
            let names = list["uploaded"].as_array().into_iter().flatten();
            Some(names.filter_map(|name| name.as_str()?.parse().ok()).collect())
        }
        Err(error) => {
            log.warn(
                "The list of uploaded blocks cannot be read; merging does not wait for it",
                &[("path", &path.display()), ("err", &error)],
            );
            None
        }
    }
}

/// Leaves out the first block by name that waits and all behind it: merging around it would make blocks that overlap
/// it.
pub(super) fn drop_waiting(blocks: &mut Vec<Arc<Block>>, uploaded: &HashSet<Ulid>) {
    let waits = |block: &&Arc<Block>| {
        let meta = block.meta();
        meta.compaction.level <= 1 && !uploaded.contains(&meta.ulid)
    };
    if let Some(first) = blocks.iter().filter(waits).map(|block| block.meta().ulid).min() {
        blocks.retain(|block| block.meta().ulid < first);
    }
}
