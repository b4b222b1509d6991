//! What can still be read of a damaged segment, behind the damage too: fragments say how long they are and have
//! checksums, and no fragment crosses a page. What a lost record means to those behind it is not known here.

use crate::compress::Decompressor;
use crate::page::{HEADER_BYTES, kind, page_end, push_record, room};
use crate::record;
use crate::{Corruption, Error, Reader, Result};
use disk::Disk;
use estimate::Estimate;
use model::TimeRange;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod estimate;

/// A damaged segment as it will be: the records before the damage, byte for byte, then those that can be read behind it.
pub struct Salvage {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Records that were found behind the damage.
    pub num_records: u64,
    /// Bytes that are lost: damaged ones, and parts of records of which other parts are damaged.
    pub lost_bytes: u64,
    /// How many samples those held, if they were like what is around them.
    pub lost_samples: u64,
    /// From when to when those were taken, judged by what is around them; `None` if nothing is.
    pub lost_range: Option<TimeRange>,
}

impl std::fmt::Debug for Salvage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Salvage")
            .field("path", &self.path)
            .field("num_records", &self.num_records)
            .field("lost_bytes", &self.lost_bytes)
            .field("lost_samples", &self.lost_samples)
            .finish_non_exhaustive()
    }
}

/// A record that is being put together.
struct Partial {
    /// Where it begins in the segment.
    begin: usize,
    data: Vec<u8>,
    /// Bytes of its fragments.
    fragment_bytes: u64,
}

/// Goes through a segment from the record that could not be read.
struct Scan<'s> {
    segment: &'s [u8],
    /// The record that could not be read.
    bad: usize,
    partial: Option<Partial>,
    decompressor: Decompressor,
    unpacked: Vec<u8>,
    /// Bytes of whole records and of padding.
    good_bytes: u64,
    num_records: u64,
    estimate: Estimate,
    /// Where the first of them begins.
    first: Option<usize>,
    out: Vec<u8>,
}

/// Where the first record begins that can be read behind the one at `bad`; `None` if there is none.
pub(crate) fn next_readable(segment: &[u8], bad: usize) -> Option<usize> {
    let mut scan = Scan::new(segment, bad);
    let mut at = scan.bad;
    while at < segment.len() && scan.first.is_none() {
        at = scan.step(at);
    }
    scan.first
}

impl Salvage {
    /// Reads the segment. Nothing is changed before [`Self::write`].
    pub fn read(disk: &dyn Disk, corruption: &Corruption) -> Result<Self> {
        let segment = disk.view(&corruption.path)?;
        let bad = usize::try_from(corruption.good_bytes).unwrap_or(usize::MAX).min(segment.len());
        let mut scan = Scan::new(&segment, bad);
        let mut at = 0;
        while at < bad {
            at = scan.step(at);
        }
        scan.partial = None;
        scan.good_bytes = 0;
        scan.out.extend_from_slice(&segment[..bad]);
        at = bad;
        while at < segment.len() {
            at = scan.step(at);
        }
        let Scan { good_bytes, num_records, mut out, estimate, .. } = scan;
        let lost_bytes = (segment.len() - bad) as u64 - good_bytes;
        out.resize(page_end(out.len() as u64) as usize, 0);
        let lost_samples = estimate.num_samples(lost_bytes);
        let lost_range = estimate.range().filter(|_| lost_samples > 0);
        let path = corruption.path.clone();
        Ok(Self { path, bytes: out, num_records, lost_bytes, lost_samples, lost_range })
    }

    /// Reads a segment that may be damaged; `None` if all of it can be read.
    pub fn of_segment(disk: &Arc<dyn Disk>, dir: &Path, number: u32) -> Result<Option<Self>> {
        let mut reader = Reader::segment(Arc::clone(disk), dir, number)?;
        let damage = loop {
            match reader.advance() {
                Ok(true) if is_record(reader.record()) => {}
                Ok(true) => break reader.corruption("the content of a record cannot be read"),
                Ok(false) => return Ok(None),
                Err(error) => break error,
            }
        };
        match damage {
            Error::Corrupt(corruption) => Self::read(&**disk, &corruption).map(Some),
            error => Err(error),
        }
    }

    /// Whether a file is what [`Self::write`] would put in the place of the segment.
    pub fn is_at(&self, disk: &dyn Disk, path: &Path) -> Result<bool> {
        Ok(disk.view(path)? == self.bytes)
    }

    /// Puts it in the place of the segment. A crash on the way leaves the one or the other.
    pub fn write(&self, disk: &dyn Disk) -> Result<()> {
        let aside = self.path.with_extension("repair");
        if disk.exists(&aside) {
            disk.remove(&aside)?;
        }
        let mut file = disk.create(&aside)?;
        file.append(&self.bytes)?;
        file.sync()?;
        disk.rename(&aside, &self.path)?;
        Ok(disk.sync_dir(self.path.parent().unwrap_or(&self.path))?)
    }
}

impl<'s> Scan<'s> {
    fn new(segment: &'s [u8], bad: usize) -> Self {
        Self {
            segment,
            bad,
            partial: None,
            decompressor: Decompressor::default(),
            unpacked: Vec::new(),
            good_bytes: 0,
            num_records: 0,
            estimate: Estimate::default(),
            first: None,
            out: Vec::new(),
        }
    }

    /// Takes in what is at this place; answers where to go on.
    fn step(&mut self, at: usize) -> usize {
        match self.fragment_end(at) {
            Some(end) => {
                self.take(at, end);
                end
            }
            None => self.skip(at),
        }
    }

    /// Where the fragment ends that begins at `at`; `None` if there is none or it is damaged.
    fn fragment_end(&self, at: usize) -> Option<usize> {
        let end = self.announced_end(at)?;
        let header = &self.segment[at..at + HEADER_BYTES];
        let expected = u32::from_be_bytes(header[3..].try_into().expect("four bytes"));
        // The rest of a page that is zero looks like a fragment without data.
        let is_padding = header == [0; HEADER_BYTES];
        let fits = crc32c::crc32c(&self.segment[at + HEADER_BYTES..end]) == expected;
        (fits && !is_padding).then_some(end)
    }

    /// Where it would end by its header, if that can be: inside the page.
    fn announced_end(&self, at: usize) -> Option<usize> {
        let header = self.segment.get(at..at + HEADER_BYTES)?;
        let len = usize::from(u16::from_be_bytes([header[1], header[2]]));
        let fits = HEADER_BYTES + len <= room(at as u64).min(self.segment.len() - at);
        fits.then_some(at + HEADER_BYTES + len)
    }

    /// Where to look for the next fragment: behind this one, if its header is right about that, or in the next page.
    fn skip(&mut self, at: usize) -> usize {
        let end = (at + room(at as u64)).min(self.segment.len());
        if self.segment[at..end].iter().all(|&byte| byte == 0) {
            self.good_bytes += (end - at) as u64;
            return end;
        }
        self.partial = None;
        let behind = self.announced_end(at).filter(|&behind| {
            behind == end
                || self.fragment_end(behind).is_some()
                || self.segment[behind..end].iter().all(|&byte| byte == 0)
        });
        behind.unwrap_or(end)
    }

    /// Takes in a fragment whose data is whole. Its kind may be wrong: no checksum covers it.
    fn take(&mut self, begin: usize, end: usize) {
        let (header, data) = self.segment[begin..end].split_at(HEADER_BYTES);
        let fragment_bytes = (end - begin) as u64;
        let is_last = match (header[0] & kind::MASK, &mut self.partial) {
            (of @ (kind::FULL | kind::FIRST), partial) => {
                *partial = Some(Partial { begin, data: data.to_vec(), fragment_bytes });
                of == kind::FULL
            }
            (of @ (kind::MIDDLE | kind::LAST), Some(partial)) => {
                partial.data.extend_from_slice(data);
                partial.fragment_bytes += fragment_bytes;
                of == kind::LAST
            }
            (_, partial) => {
                *partial = None;
                false
            }
        };
        if is_last && let Some(whole) = self.partial.take() {
            let flags = header[0] & !kind::MASK;
            // Whatever is wrong with the bad record, it stays out: else reading would stop there again.
            if whole.begin != self.bad && self.unpack(&whole.data, flags) {
                let is_behind = whole.begin > self.bad;
                self.estimate.see(&self.unpacked, whole.fragment_bytes, is_behind);
                if is_behind {
                    self.keep(&whole, flags);
                }
            }
        }
    }

    /// Puts a record behind those before it.
    fn keep(&mut self, whole: &Partial, flags: u8) {
        let left = room(self.out.len() as u64);
        if left < HEADER_BYTES {
            self.out.resize(self.out.len() + left, 0);
        }
        push_record(&mut self.out, 0, &whole.data, flags);
        self.good_bytes += whole.fragment_bytes;
        self.num_records += 1;
        self.first.get_or_insert(whole.begin);
    }

    /// Leaves the content of a record in `unpacked`; `false` if it cannot be read.
    fn unpack(&mut self, body: &[u8], flags: u8) -> bool {
        if !Decompressor::is_packed(body, flags) {
            body.clone_into(&mut self.unpacked);
            return is_record(&self.unpacked);
        }
        self.decompressor.decompress(body, flags, &mut self.unpacked).is_ok()
            && is_record(&self.unpacked)
    }
}

fn is_record(bytes: &[u8]) -> bool {
    record::check(bytes).is_ok()
}

#[cfg(test)]
mod tests;
