//! Where the image of the head lies, when it is written, and whether it is trusted.
//!
//! It is a directory of its own beside the log, in the container of the log; Prometheus does not look at it. Its first
//! record names the segment of the log that it ends before, and what the segment before that looks like: if the log was
//! rewritten, restored or shortened by somebody else, that does not fit, and the log is read from its beginning.

use super::maintain::Work;
use super::{Db, LOG_DIR, Parts};
use crate::{Head, Result};
use ::metrics::Stopwatch;
use disk::Disk;
use std::path::Path;
use std::sync::Arc;
use wal::{checkpoint, list_segments, segment_path};

/// The directory of the image in the data directory.
pub(crate) const IMAGE_DIR: &str = "head_image";
const UNFINISHED_DIR: &str = "head_image.tmp";

/// The first record: this byte, the version, the segment, length and checksum of the end of the one before, the seed of
/// the label hashes.
const HEADER: [u8; 2] = [0xF0, 2];

/// How much of the end of a segment its checksum covers.
const CHECKED_BYTES: u64 = 4096;

/// How much the log of a server grows at least before another image is written.
pub const IMAGE_GROWTH_BYTES: u64 = 32 << 20;

/// An image of at most so many parts of the log that a start would read without it is written at once.
const CHEAP_PART: u64 = 4;
/// Longer ones wait until the log has grown by so many times the least growth.
const DUE_GROWTHS: u64 = 2;
/// So many series that are only in the log, and a quarter of all, are worth an image: a start makes them from the log one
/// by one, from an image with all cores.
const NEW_SERIES: u64 = 200_000;
const NEW_PART: u64 = 4;

/// How far the image is behind the head.
#[derive(Clone, Copy, Debug)]
struct Behind {
    /// What of the log a start would read beside the image.
    unread_bytes: u64,
    /// Series created since.
    num_new: u64,
    /// All series there are.
    num_series: u64,
}

impl Behind {
    /// Whether another image of this length pays, at least `least_bytes` of the log behind the last.
    fn is_due(self, image_bytes: u64, least_bytes: u64) -> bool {
        let is_cheap = image_bytes <= self.unread_bytes / CHEAP_PART;
        let is_long = self.unread_bytes >= image_bytes.max(least_bytes.saturating_mul(DUE_GROWTHS));
        let is_new =
            self.num_new >= NEW_SERIES && self.num_new.saturating_mul(NEW_PART) >= self.num_series;
        is_cheap || is_long || is_new
    }
}

/// Length of a segment and the checksum of its end; zeros if it is not there any more.
fn fingerprint(disk: &dyn Disk, log_dir: &Path, segment: u32) -> std::io::Result<[u8; 12]> {
    let path = segment_path(log_dir, segment);
    let mut out = [0; 12];
    if disk.exists(&path) {
        let len = disk.len(&path)?;
        let begin = len.saturating_sub(CHECKED_BYTES);
        let end = disk.read_at(&path, begin, (len - begin) as usize)?;
        out[..8].copy_from_slice(&len.to_le_bytes());
        out[8..].copy_from_slice(&crc32c::crc32c(&end).to_le_bytes());
    }
    Ok(out)
}

fn header(segment: u32, fingerprint: [u8; 12], seed: u64) -> Vec<u8> {
    let mut record = HEADER.to_vec();
    record.extend_from_slice(&segment.to_le_bytes());
    record.extend_from_slice(&fingerprint);
    record.extend_from_slice(&seed.to_le_bytes());
    record
}

/// An image that may be trusted.
pub(super) struct FoundImage {
    /// Where the log goes on.
    pub(super) segment: u32,
    /// The seed of the head's label hashes. A head of the same seed and cores takes its series shard by shard.
    pub(super) seed: u64,
    /// Behind the first record.
    pub(super) reader: wal::Reader,
}

/// The image in `dir`, if the log is the one it was taken beside.
fn find(disk: &Arc<dyn Disk>, dir: &Path) -> Option<FoundImage> {
    let (place, log_dir) = (dir.join(IMAGE_DIR), dir.join(LOG_DIR));
    if !disk.is_dir(&place) {
        return None;
    }
    let mut reader = wal::Reader::dir(Arc::clone(disk), &place).ok()?;
    let record = reader.next_record().ok()??;
    let body = record.strip_prefix(&HEADER)?;
    let (segment, body) = body.split_first_chunk::<4>()?;
    let (told, seed) = body.split_first_chunk::<12>()?;
    let segment = u32::from_le_bytes(*segment);
    let seed = u64::from_le_bytes(seed.try_into().ok()?);
    let before = segment.checked_sub(1)?;
    let segments = list_segments(&**disk, &log_dir).ok()?;
    segments.binary_search(&segment).ok()?;
    let fits = if segments.binary_search(&before).is_ok() {
        fingerprint(&**disk, &log_dir, before).ok()? == *told
    } else {
        let last = checkpoint::last(&**disk, &log_dir).ok()??;
        last.segment == before
    };
    fits.then_some(FoundImage { segment, seed, reader })
}

impl Parts {
    /// The image, if there is one to be trusted. One that is not goes before the log grows: it might fit again by chance.
    pub(super) fn find_image(&self) -> Result<Option<FoundImage>> {
        let found = find(&self.disk, &self.dir);
        if found.is_none() {
            self.remove_image()?;
        }
        Ok(found.filter(|_| self.options.keeps_image()))
    }

    /// Removes an image that is not to be trusted.
    pub(super) fn remove_image(&self) -> Result<()> {
        if self.disk.is_dir(&self.dir.join(IMAGE_DIR)) {
            self.disk.remove(&self.dir.join(IMAGE_DIR))?;
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(())
    }
}

impl Db {
    /// Writes an image if the log has grown much since the last one. Part of [`Self::maintain`], and cheap where there
    /// is nothing to do.
    pub fn refresh_image(&self) {
        self.refresh_image_in(&mut self.work.lock());
    }

    /// Chunks fill up together, since samples come to all series of a target at a time: right behind that moment an
    /// image is short. It is taken then if the log has grown enough for it to pay; else not before reading the log takes
    /// longer than reading the image.
    pub(super) fn refresh_image_in(&self, work: &mut Work) {
        if !self.options.keeps_image() {
            return;
        }
        // What cannot be told now is told at the next look.
        let Ok(unread_bytes) = self.unread_log_bytes(work.image) else { return };
        let least = self.options.head_image_growth_bytes;
        if unread_bytes < least {
            return;
        }
        let behind = Behind {
            unread_bytes,
            num_new: self.head.num_series_since_image(),
            num_series: self.head.num_series() as u64,
        };
        if behind.is_due(self.head.image_bytes_estimate(), least) {
            self.write_image(work);
        }
    }

    /// What of the log a start would read now, beside an image that ends before segment `image`.
    fn unread_log_bytes(&self, image: Option<u32>) -> std::io::Result<u64> {
        let dir = self.dir.join(LOG_DIR);
        let segments = list_segments(&*self.disk, &dir).map_err(std::io::Error::other)?;
        let image = image.filter(|from| segments.binary_search(from).is_ok());
        let mut bytes = 0;
        if image.is_none()
            && let Some(last) =
                checkpoint::last(&*self.disk, &dir).map_err(std::io::Error::other)?
        {
            bytes += disk::dir_size(&*self.disk, &last.path)?;
        }
        for segment in segments.into_iter().filter(|&segment| image.is_none_or(|at| segment >= at))
        {
            bytes += self.disk.len(&segment_path(&dir, segment))?;
        }
        Ok(bytes)
    }

    /// Writes an image. A failure costs nothing but time at the next start: it is logged.
    pub(super) fn write_image(&self, work: &mut Work) {
        let stopwatch = Stopwatch::start();
        match self.try_write_image() {
            Ok(Some((segment, stats))) => {
                let bytes = disk::dir_size(&*self.disk, &self.dir.join(IMAGE_DIR)).unwrap_or(0);
                work.image = Some(segment);
                self.log.info(
                    "Wrote an image of the head",
                    &[
                        ("series", &stats.num_series),
                        ("bytes", &bytes),
                        ("segment", &segment),
                        ("duration", &format!("{:.3}s", stopwatch.elapsed_seconds())),
                    ],
                );
            }
            Ok(None) => {}
            Err(error) => {
                self.log.warn(
                    "Writing an image of the head failed; the next start reads the log instead",
                    &[("err", &error)],
                );
            }
        }
    }

    /// Makes the log durable up to the segment at hand, without holding up commits.
    fn sync_full_segments(&self) -> Result<()> {
        let retired = self.writer.lock().take_retired();
        retired.sync()?;
        Ok(self.disk.sync_dir(&self.dir.join(LOG_DIR))?)
    }

    fn try_write_image(&self) -> Result<Option<(u32, crate::head::ImageStats)>> {
        let (aside, place) = (self.dir.join(UNFINISHED_DIR), self.dir.join(IMAGE_DIR));
        if self.disk.exists(&aside) {
            self.disk.remove(&aside)?;
        }
        let Some(segment) = self.head.cut_log_for_image()? else { return Ok(None) };
        // A log that loses its end in a crash of the machine must not find an image that is ahead of it, nor one of a
        // segment that another one of the same number replaces.
        self.sync_full_segments()?;
        let before = fingerprint(&*self.disk, &self.dir.join(LOG_DIR), segment - 1)?;
        let mut out = Head::new_image(&self.disk, &aside)?;
        out.log(&[&header(segment, before, self.head.hash_seed())])?;
        let stats = self.head.write_image(&mut out)?;
        out.close()?;
        // Commits went on meanwhile, and the image may have what they logged. Were it lost from the log, it would be lost
        // for good with the first chunk file that makes the image unusable.
        {
            let mut log = self.writer.lock();
            if log.position() != (wal::Position { segment, offset: 0 }) {
                log.cut()?;
            }
        }
        self.sync_full_segments()?;
        if self.disk.exists(&place) {
            self.disk.remove(&place)?;
        }
        self.disk.rename(&aside, &place)?;
        self.disk.sync_dir(&self.dir)?;
        Ok(Some((segment, stats)))
    }
}

#[cfg(test)]
mod tests;
