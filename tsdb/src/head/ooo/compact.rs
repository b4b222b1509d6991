//! Samples that came out of order on their way to blocks: what is there is put on disk and frozen, later ones gather
//! behind it; once blocks have it, it is dropped.

use super::{IN_BLOCKS, Ooo, marker};
use crate::head::series::Place;
use crate::head::{Head, Padded, Shared};
use model::TimeRange;
use std::sync::atomic::Ordering;
use storage::{Error, Result};

/// Series whose chunks are written at a time.
const SLICE: usize = 1024;

/// What a compaction takes.
#[derive(Clone, Copy, Debug)]
pub struct OooCut {
    /// Times of its samples.
    pub range: TimeRange,
    /// The last chunk that belongs to it.
    pub(in crate::head) last_place: u64,
    /// Segments of the log before this one hold nothing else.
    segment: Option<u32>,
}

impl Head {
    /// Freezes the samples that came out of order until now; `None` if there are none.
    pub fn cut_ooo(&self) -> Result<Option<OooCut>> {
        let head = &*self.0;
        let mut log = head.ooo_log.lock();
        let Some(range) = head.ooo_range() else { return Ok(None) };
        // Where nothing can be logged any more nothing is put on disk: chunks alone would not outlive their file.
        log.write(Vec::new(), false).map_err(crate::error::from_log)?;
        let segment = match &mut log.writer {
            Some(writer) => {
                writer.cut().map_err(crate::error::from_log)?;
                Some(writer.last_segment())
            }
            None => None,
        };
        let mut open = Vec::new();
        for (index, shard) in head.shards.iter().enumerate() {
            let shard = shard.0.read();
            let slots = shard.ooo.iter().filter(|(_, ooo)| !ooo.open.is_empty());
            open.extend(slots.map(|(&slot, _)| head.target(index, slot)));
        }
        for targets in open.chunks(SLICE) {
            head.map_ooo(targets, &mut log.places)
                .map_err(|source| Error::Io { op: "write head chunks".into(), source })?;
        }
        let last_place = head.last_ooo_place();
        Ok(last_place.map(|last_place| OooCut { range, last_place, segment }))
    }

    /// Drops what a compaction took: blocks have it, which must be listed for queries before this is called. Waits
    /// for the queries that are open. That it was dropped is logged first: files of chunks go only as a whole, and what
    /// is deleted from the blocks must not come back from one.
    pub fn drop_ooo(&self, cut: &OooCut) -> Result<()> {
        let head = &*self.0;
        head.isolation.wait_for_open_readers();
        let mut log = head.ooo_log.lock();
        let logged = cut.segment.map_or(Ok(()), |segment| {
            let record = marker(IN_BLOCKS, &[cut.last_place, u64::from(segment)]);
            log.write(vec![record], true)
        });
        head.drop_late_chunks(cut.last_place);
        head.settle_ooo();
        log.places.retain(|_, places| places.iter().any(|&place| place > cut.last_place));
        logged.map_err(crate::error::from_log)?;
        match (&mut log.writer, cut.segment) {
            (Some(writer), Some(segment)) => {
                writer.truncate(segment).map_err(crate::error::from_log)?;
                head.has_late_aliases.store(false, Ordering::Relaxed);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Shared {
    /// Drops the chunks of samples that came out of order up to this place.
    pub(super) fn drop_late_chunks(&self, last_place: u64) {
        for shard in &self.shards {
            let mut shard = shard.0.write();
            let mut dropped = Vec::new();
            for (&slot, ooo) in &mut shard.ooo {
                let gone = ooo.chunks.iter().filter(|chunk| chunk.is_upto(last_place));
                let ranges = gone.map(|chunk| TimeRange::new(chunk.min_ms, chunk.max_ms));
                dropped.extend(ranges.reduce(TimeRange::hull).map(|range| (slot, range)));
                ooo.chunks.retain(|chunk| !chunk.is_upto(last_place));
            }
            for (slot, range) in dropped {
                let newest_ms = shard.span(slot).map_or(i64::MIN, |span| span.max_ms);
                if range.max_ms > newest_ms {
                    let echo = shard.echoes.entry(slot).or_insert(range);
                    *echo = echo.hull(range);
                }
            }
        }
    }

    /// Forgets series that have no such samples, and finds the times of those that are left.
    pub(super) fn settle_ooo(&self) {
        let mut left: Option<TimeRange> = None;
        for shard in &self.shards {
            let mut shard = shard.0.write();
            shard.ooo.retain(|_, ooo| !ooo.chunks.is_empty() || !ooo.open.is_empty());
            let spans = shard.ooo.values().filter_map(Ooo::span);
            left = left.into_iter().chain(spans).reduce(TimeRange::hull);
        }
        let left = left.unwrap_or(TimeRange::new(i64::MAX, i64::MIN));
        self.ooo_min_ms.store(left.min_ms, Ordering::Relaxed);
        self.ooo_max_ms.store(left.max_ms, Ordering::Relaxed);
    }

    fn last_ooo_place(&self) -> Option<u64> {
        let last = |shard: &Padded| {
            let shard = shard.0.read();
            let chunks = shard.ooo.values().flat_map(|ooo| &ooo.chunks);
            let places = chunks.filter_map(|chunk| match chunk.place() {
                Place::Disk(place) => Some(place),
                Place::Memory(..) => None,
            });
            places.max()
        };
        self.shards.iter().filter_map(last).max()
    }
}
