//! Checkpoints: what still matters of the oldest segments, rewritten, so that those can be removed.

use crate::record::{self, Kind, Samples, Tombstones};
use crate::{Error, Replay, Result, Writer, WriterOptions};
use disk::Disk;
use model::metadata::Metadata;
use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Records are written in batches of about this size.
const BATCH_BYTES: usize = 1024 * 1024;

/// A finished checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last segment folded into it.
    pub segment: u32,
    /// Its directory.
    pub path: PathBuf,
}

/// What a checkpoint kept and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointStats {
    /// Series read.
    pub total_series: u64,
    /// Series left out.
    pub dropped_series: u64,
    /// Samples read.
    pub total_samples: u64,
    /// Samples left out.
    pub dropped_samples: u64,
    /// Deleted intervals read.
    pub total_tombstones: u64,
    /// Deleted intervals left out.
    pub dropped_tombstones: u64,
    /// Exemplars read.
    pub total_exemplars: u64,
    /// Exemplars left out.
    pub dropped_exemplars: u64,
    /// Types, units and help texts read.
    pub total_metadata: u64,
    /// Those of series that are gone, or said again later.
    pub dropped_metadata: u64,
    /// Records of kinds that are not known here, or that have no place in a log of this kind; they are left out.
    pub dropped_unknown: u64,
}

fn path_of(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("checkpoint.{segment:08}"))
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<Checkpoint>> {
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let number = |name: &String| {
        let digits = name.strip_prefix("checkpoint.")?;
        let segment = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
        Some(Checkpoint { segment, path: dir.join(name) })
    };
    let mut checkpoints: Vec<_> = names.iter().filter_map(number).collect();
    checkpoints.retain(|checkpoint| disk.is_dir(&checkpoint.path));
    checkpoints.sort_unstable_by_key(|checkpoint| checkpoint.segment);
    Ok(checkpoints)
}

/// The newest checkpoint of the log in `dir`.
pub fn last(disk: &dyn Disk, dir: &Path) -> Result<Option<Checkpoint>> {
    Ok(list(disk, dir)?.pop())
}

/// Removes what an interrupted checkpoint left behind.
pub fn remove_unfinished(disk: &dyn Disk, dir: &Path) -> Result<()> {
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in names {
        if name.starts_with("checkpoint.") && name.ends_with(".tmp") {
            disk.remove(&dir.join(name))?;
        }
    }
    Ok(())
}

/// Removes the checkpoints before the one of `segment`.
pub fn remove_before(disk: &dyn Disk, dir: &Path, segment: u32) -> Result<()> {
    for checkpoint in list(disk, dir)? {
        if checkpoint.segment < segment {
            disk.remove(&checkpoint.path)?;
        }
    }
    Ok(())
}

/// Which of the segments `first..=last` are worth a checkpoint: the lower two thirds of those before the last, as in
/// Prometheus. `None` if too few.
#[must_use]
pub fn plan(first: u32, last: u32) -> Option<RangeInclusive<u32>> {
    let upto = first + last.checked_sub(1)?.checked_sub(first)? * 2 / 3;
    (upto > first).then_some(first..=upto)
}

/// Folds the previous checkpoint and `segments` into a new checkpoint: series for which `keep` holds, samples from
/// `min_ms` on, deletions that end there or later and are of kept series. Durable once this returns; the segments and
/// older checkpoints are the caller's to remove.
pub fn create(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    segments: RangeInclusive<u32>,
    options: WriterOptions,
    min_ms: i64,
    keep: &mut dyn FnMut(u64) -> bool,
) -> Result<CheckpointStats> {
    create_with_deletions(disk, dir, segments, options, (min_ms, min_ms), keep)
}

/// The same with deletions from an earlier time on: those of samples that are in another log.
pub fn create_with_deletions(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    segments: RangeInclusive<u32>,
    options: WriterOptions,
    (min_ms, min_deleted_ms): (i64, i64),
    keep: &mut dyn FnMut(u64) -> bool,
) -> Result<CheckpointStats> {
    let source = source(disk, dir, segments.clone())?;
    let target = path_of(dir, *segments.end());
    let aside = target.with_extension(format!("{:08}.tmp", segments.end()));
    if disk.exists(&aside) {
        disk.remove(&aside)?;
    }
    let outcome = Writer::open(Arc::clone(disk), &aside, options).and_then(|writer| {
        let mut fold = Fold::new(writer, min_ms, keep);
        fold.min_deleted_ms = min_deleted_ms;
        fold.run(source)
    });
    let stats = match outcome {
        Ok(stats) => stats,
        Err(error) => {
            // Only tidying: the failure to report is the first one, and opening the log removes leftovers too.
            drop(disk.remove(&aside));
            return Err(error);
        }
    };
    if disk.exists(&target) {
        disk.remove(&target)?;
    }
    disk.rename(&aside, &target)?;
    disk.sync_dir(dir)?;
    Ok(stats)
}

/// The previous checkpoint and the segments behind it.
fn source(disk: &Arc<dyn Disk>, dir: &Path, segments: RangeInclusive<u32>) -> Result<Replay> {
    let previous = last(&**disk, dir)?;
    let mut first = *segments.start();
    if let Some(previous) = &previous {
        let expected = previous.segment + 1;
        if first > expected {
            return Err(Error::CheckpointGap { dir: dir.to_owned(), expected, requested: first });
        }
        first = expected;
    }
    let previous = previous.as_ref().map(|previous| &*previous.path);
    Replay::of_parts(Arc::clone(disk), dir, previous, first, Some(first..=*segments.end()))
}

/// Filters records into a new log.
struct Fold<'a> {
    writer: Option<Writer>,
    min_ms: i64,
    min_deleted_ms: i64,
    keep: &'a mut dyn FnMut(u64) -> bool,
    batch: Vec<u8>,
    ends: Vec<usize>,
    samples: Samples,
    histograms: record::Histograms,
    tombstones: Tombstones,
    metadata: BTreeMap<u64, Metadata>,
    stats: CheckpointStats,
}

impl<'a> Fold<'a> {
    fn new(writer: Writer, min_ms: i64, keep: &'a mut dyn FnMut(u64) -> bool) -> Self {
        Self {
            writer: Some(writer),
            min_ms,
            min_deleted_ms: min_ms,
            keep,
            batch: Vec::new(),
            ends: Vec::new(),
            samples: Samples::default(),
            histograms: record::Histograms::default(),
            tombstones: Tombstones::default(),
            metadata: BTreeMap::new(),
            stats: CheckpointStats::default(),
        }
    }

    fn run(&mut self, mut source: Replay) -> Result<CheckpointStats> {
        while let Some(record) = source.next_record()? {
            if let Err(error) = self.take(record) {
                return Err(source.corruption(&error.to_string()));
            }
            if self.batch.len() >= BATCH_BYTES {
                self.flush()?;
            }
        }
        self.write_metadata();
        self.flush()?;
        self.writer.take().expect("run is called once").close()?;
        Ok(self.stats)
    }

    fn take(&mut self, record: &[u8]) -> Result<(), record::DecodeError> {
        match record::kind(record) {
            Kind::Series => self.take_series(record),
            Kind::Samples => self.take_samples(record),
            Kind::Tombstones => self.take_tombstones(record),
            Kind::Histograms => self.take_histograms(record),
            Kind::Exemplars => self.take_exemplars(record),
            Kind::Metadata => self.take_metadata(record),
            Kind::MmapMarkers | Kind::Unknown => {
                self.stats.dropped_unknown += 1;
                Ok(())
            }
        }
    }

    fn take_series(&mut self, record: &[u8]) -> Result<(), record::DecodeError> {
        let rows = record::decode_series(record)?;
        record::begin_series(&mut self.batch);
        let mut kept = 0;
        for (number, pairs) in rows.iter() {
            if (self.keep)(number) {
                record::push_series(&mut self.batch, number, pairs.iter().copied());
                kept += 1;
            }
        }
        self.stats.total_series += rows.refs.len() as u64;
        self.stats.dropped_series += rows.refs.len() as u64 - kept;
        self.end_record(kept > 0);
        Ok(())
    }

    fn take_samples(&mut self, record: &[u8]) -> Result<(), record::DecodeError> {
        record::decode_samples(record, &mut self.samples)?;
        let samples = &self.samples;
        let kept = samples.timestamps_ms.iter().filter(|&&time| time >= self.min_ms).count() as u64;
        if samples.start_timestamps_ms.is_empty() {
            let inside = samples.iter().filter(|&(_, time, _)| time >= self.min_ms);
            record::encode_samples(&mut self.batch, inside);
        } else {
            let rows = samples.iter().enumerate();
            let rows =
                rows.map(|(row, (number, time, v))| (number, time, samples.start_ms(row), v));
            let inside = rows.filter(|&(_, time, ..)| time >= self.min_ms);
            record::encode_started_samples(&mut self.batch, inside);
        }
        self.stats.total_samples += samples.len() as u64;
        self.stats.dropped_samples += samples.len() as u64 - kept;
        self.end_record(kept > 0);
        Ok(())
    }

    /// What disagrees with itself stays out: nobody can read it.
    fn take_histograms(&mut self, record: &[u8]) -> Result<(), record::DecodeError> {
        record::decode_histograms(record, &mut self.histograms)?;
        let (min_ms, histograms) = (self.min_ms, &self.histograms);
        let inside = histograms.iter().filter(move |row| row.1 >= min_ms);
        let mut records = Vec::new();
        if histograms.start_timestamps_ms.is_empty() {
            record::encode_histograms(&inside, &mut records);
        } else {
            let rows = histograms.iter().enumerate();
            let rows =
                rows.map(|(row, (r, time, value))| (r, time, histograms.start_ms(row), value));
            let inside = rows.filter(move |row| row.1 >= min_ms);
            record::encode_started_histograms(&inside, &mut records);
        }
        let (total, kept) = (self.histograms.refs.len(), inside.count());
        self.stats.total_samples += total as u64;
        self.stats.dropped_samples += (total - kept) as u64;
        for record in records {
            self.batch.extend_from_slice(&record);
            self.end_record(true);
        }
        Ok(())
    }

    fn take_exemplars(&mut self, record: &[u8]) -> Result<(), record::DecodeError> {
        let exemplars = record::decode_exemplars(record)?;
        let total = exemplars.refs.len() as u64;
        let inside = exemplars.iter().filter(|row| row.1 >= self.min_ms);
        let mut kept = 0;
        let inside = inside.map(|(number, timestamp_ms, value, pairs)| {
            kept += 1;
            (number, timestamp_ms, value, pairs.iter().copied())
        });
        record::encode_exemplars(&mut self.batch, inside);
        self.stats.total_exemplars += total;
        self.stats.dropped_exemplars += total - kept;
        self.end_record(kept > 0);
        Ok(())
    }

    /// Only the last word on a series counts; it is written at the end.
    fn take_metadata(&mut self, record: &[u8]) -> Result<(), record::DecodeError> {
        let mut rows = Vec::new();
        record::decode_metadata(record, &mut rows)?;
        self.stats.total_metadata += rows.len() as u64;
        for (number, told) in rows {
            if (self.keep)(number) {
                self.metadata.insert(number, told);
            }
        }
        Ok(())
    }

    fn write_metadata(&mut self) {
        let kept = self.metadata.len() as u64;
        self.stats.dropped_metadata = self.stats.total_metadata - kept;
        let told = self.metadata.iter().map(|(&number, told)| (number, told));
        record::encode_metadata(&mut self.batch, told);
        self.end_record(kept > 0);
    }

    fn take_tombstones(&mut self, record: &[u8]) -> Result<(), record::DecodeError> {
        record::decode_tombstones(record, &mut self.tombstones)?;
        let total = self.tombstones.len() as u64;
        self.tombstones
            .retain(|&(number, range)| range.max_ms >= self.min_deleted_ms && (self.keep)(number));
        let kept = self.tombstones.len() as u64;
        record::encode_tombstones(&mut self.batch, self.tombstones.iter().copied());
        self.stats.total_tombstones += total;
        self.stats.dropped_tombstones += total - kept;
        self.end_record(kept > 0);
        Ok(())
    }

    /// Ends the record at the end of the batch, or takes it back if it is empty.
    fn end_record(&mut self, filled: bool) {
        if filled {
            self.ends.push(self.batch.len());
        } else {
            self.batch.truncate(self.ends.last().copied().unwrap_or(0));
        }
    }

    fn flush(&mut self) -> Result<()> {
        let mut records = Vec::with_capacity(self.ends.len());
        let mut begin = 0;
        for &end in &self.ends {
            records.push(&self.batch[begin..end]);
            begin = end;
        }
        self.writer.as_mut().expect("open until the end of run").log(&records)?;
        self.batch.clear();
        self.ends.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
