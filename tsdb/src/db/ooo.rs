//! Samples that come out of order: their log, its replay, their blocks.

use super::maintain::Work;
use super::pieces::PiecesSpec;
use super::{Db, LATE_LOG_DIR, Maintained, Parts};
use crate::block::{Hint, Parent, Ulid};
use crate::head::{LateSeries, LateSink, OooReplay, OooReplayed};
use crate::{Head, Result};
use disk::Disk;
use std::path::Path;
use std::sync::Arc;

impl Parts {
    /// Opens the log of late samples, if they are taken or were once, and hands what it has to the head, also where the
    /// write-ahead log was damaged.
    pub(super) fn recover_ooo(&self, head: &Head, mut replay: OooReplay) -> Result<()> {
        let dir = self.dir.join(LATE_LOG_DIR);
        let segments = wal::list_segments(&*self.disk, &dir)?;
        head.set_out_of_order_window(self.options.out_of_order_window_ms);
        if segments.is_empty() && self.options.out_of_order_window_ms <= 0 {
            replay.finish()?;
            return Ok(());
        }
        let writer = wal::Writer::open(Arc::clone(&self.disk), &dir, self.options.writer())?;
        self.feed_late(&dir, &segments, &mut replay)?;
        let num_unknown = replay.finish()?;
        if num_unknown > 0 {
            self.log
                .warn("Unknown series references for ooo WAL replay", &[("samples", &num_unknown)]);
        }
        if let Err(error) = head.set_ooo_log(writer) {
            self.log
                .warn("Logging late samples anew failed; tried again later", &[("err", &error)]);
        }
        Ok(())
    }

    fn feed_late(&self, dir: &Path, segments: &[u32], sink: &mut dyn LateSink) -> Result<()> {
        let mut feed = LateFeed::new(&self.disk, dir, segments);
        while let Err(error) = feed.run(sink) {
            let wal::Error::Corrupt(corruption) = error else { return Err(error.into()) };
            let message = "Encountered WBL read error, attempting repair";
            self.mend(message, &corruption)?;
            feed.resume(&corruption);
        }
        Ok(())
    }

    /// The series that the log of late samples names, by the references that it gives them.
    pub(super) fn late_series(&self) -> Result<LateSeries> {
        let dir = self.dir.join(LATE_LOG_DIR);
        let mut series = LateSeries::default();
        let segments = wal::list_segments(&*self.disk, &dir)?;
        self.feed_late(&dir, &segments, &mut series)?;
        Ok(series)
    }
}

/// Hands a log of late samples to the head, without what blocks have by now.
pub(crate) struct LateFeed<'d> {
    disk: &'d Arc<dyn Disk>,
    dir: &'d Path,
    segments: &'d [u32],
    /// The segment to read, by its place among them, and from where.
    next: (usize, u64),
    /// Blocks have what is before this segment.
    first: u32,
}

impl<'d> LateFeed<'d> {
    /// Begins with the first of these segments.
    pub(crate) fn new(disk: &'d Arc<dyn Disk>, dir: &'d Path, segments: &'d [u32]) -> Self {
        let first = segments.first().copied().unwrap_or(0);
        Self { disk, dir, segments, next: (0, 0), first }
    }

    /// Goes on in a segment that was damaged and is whole again.
    fn resume(&mut self, corruption: &wal::Corruption) {
        self.next.1 = corruption.good_bytes;
    }

    /// Reads up to the end, or to the first record that is damaged.
    pub(crate) fn run(&mut self, sink: &mut dyn LateSink) -> wal::Result<()> {
        while let Some(&segment) = self.segments.get(self.next.0) {
            let disk = Arc::clone(self.disk);
            let mut reader = wal::Reader::segment_from(disk, self.dir, segment, self.next.1)?;
            let mut next = self.next.0 + 1;
            while reader.advance()? {
                let applied = sink.apply(reader.record());
                let applied = applied
                    .map_err(|error| reader.corruption(&format!("decode samples: {error}")))?;
                if let OooReplayed::BlocksHaveBefore(kept) = applied
                    && self.first < kept
                    && kept <= segment
                {
                    // Those segments could not be removed.
                    sink.forget_open();
                    self.first = kept;
                    next = self.segments.partition_point(|&segment| segment < kept);
                    break;
                }
            }
            self.next = (next, 0);
        }
        Ok(())
    }
}

impl Db {
    /// How far behind the newest sample others may come out of order, in milliseconds; zero takes none. For reloads
    /// of the configuration; what was taken stays.
    pub fn set_out_of_order_window(&self, window_ms: i64) -> Result<()> {
        if window_ms > 0 {
            let dir = self.dir.join(LATE_LOG_DIR);
            let open = || wal::Writer::open(Arc::clone(&self.disk), &dir, self.options.writer());
            self.head.ensure_ooo_log(open)?;
        }
        self.head.set_out_of_order_window(window_ms);
        Ok(())
    }

    /// Moves what came out of order to blocks: one for each block range that has any.
    pub(super) fn compact_ooo(
        &self,
        work: &mut Work,
        now_ms: i64,
        done: &mut Maintained,
    ) -> Result<()> {
        let Some(cut) = self.head.cut_ooo()? else { return Ok(()) };
        let spec = PiecesSpec {
            hint: Hint::FromOutOfOrder,
            // Prometheus names a parent that never was.
            parents: vec![Parent { ulid: Ulid::ZERO, min_time: 0, max_time: 0 }],
            done: "Wrote a block of samples out of order",
            failed: "Writing a block of samples out of order failed",
        };
        let querier = |range| self.head.ooo_querier(range, &cut);
        done.ooo_blocks += self.write_pieces(work, now_ms, cut.range, &spec, &querier)?;
        self.reload()?;
        Ok(self.head.drop_ooo(&cut)?)
    }
}
