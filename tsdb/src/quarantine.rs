//! What is damaged is moved aside, never deleted: a directory for each find, with the files as they were and a report
//! of what was lost. Layout: docs/format/quarantine.md. Prometheus does not look at it.

use crate::Result;
use disk::{Disk, write_atomic};
use model::TimeRange;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wal::record::{Kind, Samples};

/// The directory in the data directory.
const QUARANTINE_DIR: &str = "quarantine";
const REPORT_FILE: &str = "report.json";

/// What was lost with damaged files, as far as it can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Samples that can be read in what was moved aside and are nowhere else; those in damaged bytes are not counted.
    pub num_samples: u64,
    /// Their times; `None` if there are none.
    pub range: Option<TimeRange>,
    /// Bytes that could not be read.
    pub damaged_bytes: u64,
}

impl Loss {
    fn add(&mut self, timestamp_ms: i64) {
        self.num_samples += 1;
        let range = self.range.get_or_insert(TimeRange::new(timestamp_ms, timestamp_ms));
        range.min_ms = range.min_ms.min(timestamp_ms);
        range.max_ms = range.max_ms.max(timestamp_ms);
    }
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

/// Gives the damaged segment of a log and those behind it second names in quarantine, before a repair removes them.
pub(crate) fn keep_log(
    disk: &Arc<dyn Disk>,
    data_dir: &Path,
    corruption: &wal::Corruption,
) -> Result<Quarantined> {
    let log_dir = corruption.dir();
    let kind = log_dir.file_name().map_or("log".into(), |name| name.to_string_lossy());
    let dir = new_dir(&**disk, data_dir, &format!("{kind}-{:08}", corruption.segment))?;
    disk.create_dir(&dir)?;
    let mut loss = Loss::default();
    for segment in wal::list_segments(&**disk, log_dir)? {
        if segment < corruption.segment {
            continue;
        }
        let path = wal::segment_path(log_dir, segment);
        disk.hard_link(&path, &wal::segment_path(&dir, segment))?;
        if segment == corruption.segment {
            loss.damaged_bytes += disk.len(&path)?.saturating_sub(corruption.good_bytes);
        } else {
            survey(disk, log_dir, segment, &mut loss)?;
        }
    }
    let found = Quarantined { dir, what: corruption.to_string().into(), loss };
    write_report(&**disk, &found)?;
    Ok(found)
}

/// Counts what a segment holds, up to its end or to damage of its own.
fn survey(disk: &Arc<dyn Disk>, dir: &Path, segment: u32, loss: &mut Loss) -> Result<()> {
    let mut samples = Samples::default();
    let mut reader = wal::Reader::segment(Arc::clone(disk), dir, segment)?;
    loop {
        match reader.advance() {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(wal::Error::Corrupt(corruption)) => {
                let len = disk.len(&corruption.path)?;
                loss.damaged_bytes += len.saturating_sub(corruption.good_bytes);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        let record = reader.record();
        match wal::record::kind(record) {
            Kind::Samples => {
                samples.clear();
                if wal::record::decode_samples(record, &mut samples).is_ok() {
                    samples.timestamps_ms.iter().for_each(|&at| loss.add(at));
                }
            }
            Kind::Histograms => {
                let mut histograms = wal::record::Histograms::default();
                if wal::record::decode_histograms(record, &mut histograms).is_ok() {
                    histograms.timestamps_ms.iter().for_each(|&at| loss.add(at));
                }
            }
            _ => {}
        }
    }
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
