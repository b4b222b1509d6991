//! What is damaged is moved aside, never deleted: a directory for each find, with the files as they were and a report
//! of what was lost. Layout: docs/format/quarantine.md. Prometheus does not look at it.

use crate::Result;
use disk::{Disk, write_atomic};
use model::TimeRange;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The directory in the data directory.
const QUARANTINE_DIR: &str = "quarantine";
const REPORT_FILE: &str = "report.json";

/// What was lost with damaged files, as far as it can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Samples that were in what was moved aside: of a block as it says itself, of damaged bytes of a log as many as such
    /// bytes of the same segment hold elsewhere.
    pub num_samples: u64,
    /// Their times; `None` if there are none. Of a log those of the records around the damage.
    pub range: Option<TimeRange>,
    /// Bytes that could not be read.
    pub damaged_bytes: u64,
}

/// A find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its directory.
    pub dir: PathBuf,
    /// What was found.
    pub what: Box<str>,
    /// What was lost.
    pub loss: Loss,
}

/// The finds in a data directory, by name; those whose report cannot be read are left out.
pub fn list(disk: &dyn Disk, data_dir: &Path) -> Result<Vec<Quarantined>> {
    let root = data_dir.join(QUARANTINE_DIR);
    let names = match disk.list(&root) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    Ok(names.iter().filter_map(|name| read_report(disk, &root.join(name))).collect())
}

fn read_report(disk: &dyn Disk, dir: &Path) -> Option<Quarantined> {
    let path = dir.join(REPORT_FILE);
    let len = usize::try_from(disk.len(&path).ok()?).ok()?;
    let report: Value = serde_json::from_slice(&disk.read_at(&path, 0, len).ok()?).ok()?;
    let time = |name: &str| report[name].as_i64();
    let range = time("minTime").zip(time("maxTime")).map(|(min, max)| TimeRange::new(min, max));
    Some(Quarantined {
        dir: dir.to_owned(),
        what: report["error"].as_str()?.into(),
        loss: Loss {
            num_samples: report["samples"].as_u64()?,
            range,
            damaged_bytes: report["damagedBytes"].as_u64()?,
        },
    })
}

/// A new directory for a find of this name.
fn new_dir(disk: &dyn Disk, data_dir: &Path, name: &str) -> Result<PathBuf> {
    let root = data_dir.join(QUARANTINE_DIR);
    let names = (0..).map(|count: u32| match count {
        0 => name.to_owned(),
        count => format!("{name}.{count}"),
    });
    let mut dirs = names.map(|name| root.join(name));
    let dir = dirs.find(|dir| !disk.exists(dir)).expect("numbers do not end");
    disk.create_dir(&root)?;
    disk.sync_dir(data_dir)?;
    Ok(dir)
}

fn write_report(disk: &dyn Disk, found: &Quarantined) -> Result<()> {
    let Loss { num_samples, range, damaged_bytes } = found.loss;
    let report = json!({
        "error": &*found.what,
        "samples": num_samples,
        "minTime": range.map(|range| range.min_ms),
        "maxTime": range.map(|range| range.max_ms),
        "damagedBytes": damaged_bytes,
    });
    let text = serde_json::to_vec_pretty(&report).expect("plain data into memory");
    write_atomic(disk, &found.dir.join(REPORT_FILE), &text)?;
    Ok(disk.sync_dir(found.dir.parent().unwrap_or(Path::new("")))?)
}

/// Puts what can be read of a damaged segment of a log in its place, and the segment as it was into quarantine.
pub(crate) fn mend_segment(
    disk: &dyn Disk,
    data_dir: &Path,
    corruption: &wal::Corruption,
) -> Result<(Quarantined, wal::Salvage)> {
    let salvage = wal::Salvage::read(disk, corruption)?;
    let found = keep_segment(disk, data_dir, corruption, &salvage)?;
    salvage.write(disk)?;
    Ok((found, salvage))
}

/// Gives the damaged segment of a log a second name in quarantine, before what can be read of it takes its place.
fn keep_segment(
    disk: &dyn Disk,
    data_dir: &Path,
    corruption: &wal::Corruption,
    salvage: &wal::Salvage,
) -> Result<Quarantined> {
    let kind = corruption.dir().file_name().map_or("log".into(), |name| name.to_string_lossy());
    let dir = new_dir(disk, data_dir, &format!("{kind}-{:08}", corruption.segment))?;
    disk.create_dir(&dir)?;
    disk.hard_link(&corruption.path, &wal::segment_path(&dir, corruption.segment))?;
    let loss = Loss {
        num_samples: salvage.lost_samples,
        range: salvage.lost_range,
        damaged_bytes: salvage.lost_bytes,
    };
    let (mut what, len) = (corruption.to_string(), disk.len(&corruption.path)?);
    if corruption.offset > len {
        // Prometheus counts the zeros that a cut page lacks.
        what = format!("{what}; the segment ends at {len}");
    }
    let found = Quarantined { dir, what: what.into(), loss };
    write_report(disk, &found)?;
    Ok(found)
}

/// Moves a block that breaks its format to quarantine. Its meta.json, if that can be read, says what is lost.
pub(crate) fn move_block(
    disk: &dyn Disk,
    data_dir: &Path,
    block: &Path,
    error: &storage::Error,
) -> Result<Quarantined> {
    let name = block.file_name().unwrap_or_default().to_string_lossy();
    let dir = new_dir(disk, data_dir, &name)?;
    let meta = crate::block::BlockMeta::read(disk, block).ok();
    let loss = Loss {
        num_samples: meta.as_ref().map_or(0, |meta| meta.stats.num_samples),
        range: meta.as_ref().map(crate::block::BlockMeta::range),
        damaged_bytes: disk::dir_size(disk, block)?,
    };
    disk.rename(block, &dir)?;
    disk.sync_dir(data_dir)?;
    let found = Quarantined { dir, what: error.to_string().into(), loss };
    write_report(disk, &found)?;
    Ok(found)
}

#[cfg(test)]
mod tests;
