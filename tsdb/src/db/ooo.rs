//! Samples that come out of order: their log, its replay, their blocks.

use super::maintain::Work;
use super::pieces::PiecesSpec;
use super::{Db, LATE_LOG_DIR, Maintained, Parts};
use crate::block::{Hint, Parent, Ulid};
use crate::head::OooReplay;
use crate::{Head, Result};
use std::path::Path;
use std::sync::Arc;

impl Parts {
    /// Opens the log of late samples, if they are taken or were once, and hands what it has to the head, also where the
    /// write-ahead log was cut.
    pub(super) fn recover_ooo(&self, head: &Head, mut replay: OooReplay) -> Result<()> {
        let dir = self.dir.join(LATE_LOG_DIR);
        let segments = wal::list_segments(&*self.disk, &dir)?;
        head.set_out_of_order_window(self.options.out_of_order_window_ms);
        if segments.is_empty() && self.options.out_of_order_window_ms <= 0 {
            replay.finish()?;
            return Ok(());
        }
        let mut writer = wal::Writer::open(Arc::clone(&self.disk), &dir, self.options.writer())?;
        match self.feed_ooo(&dir, &segments, &mut replay) {
            Ok(()) => {}
            Err(wal::Error::Corrupt(corruption)) => {
                self.metrics.log.corruptions.inc();
                self.log
                    .warn("Encountered WBL read error, attempting repair", &[("err", &corruption)]);
                self.quarantine_log(&corruption)?;
                writer.repair(&corruption)?;
            }
            Err(error) => return Err(error.into()),
        }
        let num_unknown = replay.finish()?;
        if num_unknown > 0 {
            self.log
                .warn("Unknown series references for ooo WAL replay", &[("samples", &num_unknown)]);
        }
        head.set_ooo_log(writer);
        Ok(())
    }

    fn feed_ooo(&self, dir: &Path, segments: &[u32], replay: &mut OooReplay) -> wal::Result<()> {
        for &segment in segments {
            let mut reader = wal::Reader::segment(Arc::clone(&self.disk), dir, segment)?;
            while reader.advance()? {
                if let Err(error) = replay.apply(reader.record()) {
                    return Err(reader.corruption(&format!("decode samples: {error}")));
                }
            }
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
