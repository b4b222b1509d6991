//! Which ranges of which series are deleted: by id in a block, by reference in the head; and the file of a block.

use super::io_error;
use crate::index::{Cursor, put_svar, put_uvar};
use disk::Disk;
use model::TimeRange;
use model::hash::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use storage::{Error, Result};

const MAGIC: u32 = 0x0130_BA30;
const VERSION: u8 = 1;
const HEADER_LEN: usize = 5;

/// Deleted ranges by series, each sorted and without touching neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tombstones(HashMap<u64, Vec<TimeRange>>);

impl Tombstones {
    /// Reads a tombstones file; a missing one holds nothing.
    pub fn read(disk: &dyn Disk, path: &Path) -> Result<Self> {
        let read = || disk.read_at(path, 0, usize::try_from(disk.len(path)?).unwrap_or(usize::MAX));
        match read() {
            Ok(data) => Self::decode(&data).map_err(|what| Error::Corrupt {
                place: path.display().to_string().into(),
                what: what.into(),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(io_error("read tombstones", source)),
        }
    }

    fn decode(data: &[u8]) -> Result<Self, String> {
        let mut header = Cursor::new(data);
        let (Some(magic), Some(version)) = (header.u32(), header.u8()) else {
            return Err("tombstones header: invalid size".into());
        };
        if magic != MAGIC {
            return Err(format!("invalid magic number {magic:x}"));
        }
        if version != VERSION {
            return Err(format!("invalid tombstone format {version}"));
        }
        let body = &data[HEADER_LEN..];
        let Some((stones, checksum)) = body.split_last_chunk::<4>() else {
            return Err("tombstones: invalid size".into());
        };
        if crc32c::crc32c(stones) != u32::from_be_bytes(*checksum) {
            return Err("checksum did not match".into());
        }
        let mut tombstones = Self::default();
        let mut cursor = Cursor::new(stones);
        while !cursor.is_at_end() {
            let position = HEADER_LEN + cursor.position();
            let stone = (cursor.uvar(), cursor.svar(), cursor.svar());
            let (Some(series), Some(min_ms), Some(max_ms)) = stone else {
                return Err(format!("malformed entry at offset {position}"));
            };
            tombstones.add(series, TimeRange::new(min_ms, max_ms));
        }
        Ok(tombstones)
    }

    /// Deletes a range of a series; ranges that touch or overlap become one.
    pub fn add(&mut self, series: u64, range: TimeRange) {
        if range.min_ms > range.max_ms {
            return;
        }
        let ranges = self.0.entry(series).or_default();
        let begin = ranges.partition_point(|r| r.max_ms.saturating_add(1) < range.min_ms);
        let end = ranges.partition_point(|r| r.min_ms <= range.max_ms.saturating_add(1));
        let merged = ranges[begin..end].iter().fold(range, |merged, r| {
            TimeRange::new(merged.min_ms.min(r.min_ms), merged.max_ms.max(r.max_ms))
        });
        ranges.splice(begin..end, [merged]);
    }

    /// The deleted ranges of a series, sorted.
    #[must_use]
    pub fn of(&self, series: u64) -> &[TimeRange] {
        self.0.get(&series).map_or(&[], Vec::as_slice)
    }

    /// All deleted ranges with their series.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, TimeRange)> {
        let of = |(&series, ranges): (&u64, &Vec<TimeRange>)| {
            ranges.iter().map(move |&range| (series, range)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of)
    }

    /// Whether nothing is deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the ranges that end before `min_ms`, and all of the series for which `is_gone` holds.
    pub(crate) fn forget(&mut self, min_ms: i64, is_gone: impl Fn(u64) -> bool) {
        self.0.retain(|&series, ranges| {
            ranges.retain(|range| range.max_ms >= min_ms);
            !ranges.is_empty() && !is_gone(series)
        });
    }

    /// Number of ranges.
    #[must_use]
    pub fn num_ranges(&self) -> u64 {
        self.0.values().map(|ranges| ranges.len() as u64).sum()
    }

    /// The bytes of the file, by series id and time.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_be_bytes().to_vec();
        out.push(VERSION);
        let mut series: Vec<u64> = self.0.keys().copied().collect();
        series.sort_unstable();
        for id in series {
            for range in self.of(id) {
                put_uvar(&mut out, id);
                put_svar(&mut out, range.min_ms);
                put_svar(&mut out, range.max_ms);
            }
        }
        let checksum = crc32c::crc32c(&out[HEADER_LEN..]);
        out.extend_from_slice(&checksum.to_be_bytes());
        out
    }
}
