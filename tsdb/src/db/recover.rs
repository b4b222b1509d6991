//! The head as it was: full chunks from their files, the rest from the log, without what is damaged.

use super::feed::read_ahead;
use super::spill::Spill;
use crate::db::{Db, HEAD_CHUNKS_DIR, LOG_DIR, Parts};
use crate::head::Replay;
use crate::log::Log;
use crate::metrics::DbMetrics;
use crate::{Head, HeadOptions, Result, quarantine};
use ::metrics::Stopwatch;
use chunk::append::Encodings;
use disk::Disk;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

/// Keeps a damaged segment of a log or of its checkpoint as it is, puts what can be read of it in its place, and says
/// what is lost. Reading then goes on behind the records that were read before.
///
/// Records behind a lost one are good for themselves: samples of a series whose record is lost are left out, and
/// counted.
pub(super) fn mend(
    (disk, data_dir): (&dyn Disk, &Path),
    (metrics, log): (&DbMetrics, &Log),
    message: &'static str,
    corruption: &wal::Corruption,
) -> Result<()> {
    metrics.log.corruptions.inc();
    let segment_bytes = disk.len(&corruption.path).unwrap_or(0);
    log.warn(message, &[("err", corruption), ("segment_bytes", &segment_bytes)]);
    let (found, salvage) = quarantine::mend_segment(disk, data_dir, corruption)?;
    metrics.quarantined(log, &found);
    log.warn(
        "Reading on behind the damage",
        &[
            ("segment", &corruption.path.display()),
            ("offset", &corruption.good_bytes),
            ("lost_bytes", &salvage.lost_bytes),
            ("records_behind", &salvage.num_records),
        ],
    );
    Ok(())
}

impl Parts {
    /// Builds the head from what is on disk and opens the log behind it.
    pub(super) fn recover(self) -> Result<Db> {
        let stopwatch = Stopwatch::start();
        let safe_mode = self.enter_start();
        let log_dir = self.dir.join(LOG_DIR);
        // What is missing is found here, before anything is written.
        let mut log = wal::Replay::open(Arc::clone(&self.disk), &log_dir)?;
        let image = self.find_image()?;
        let head = self.new_head(image.as_ref().map_or(self.seed, |image| image.seed));
        let writer = wal::Writer::open(Arc::clone(&self.disk), &log_dir, self.options.writer())?;
        let writer = Arc::new(Mutex::new(writer));
        let (name, chunks_dir) =
            ("prometheus_tsdb_head_chunks_storage_size_bytes", self.dir.join(HEAD_CHUNKS_DIR));
        let about = (name, "Bytes of full chunks of the head on disk.");
        crate::metrics::register_size(&self.registry, about, &self.disk, chunks_dir);
        crate::metrics::register_writer(&self.registry, &writer, &self.disk, log_dir);
        let (mut replay, loaded) = head.replay()?;
        if let Some(what) = &loaded.corruption {
            self.log.warn(
                "Deleted damaged head chunk files; the log has their samples",
                &[("err", what)],
            );
        }
        let mut spill = Spill::new(&*self.disk, &self.dir, self.seed)?;
        let mut used_image = None;
        if let Some(mut image) = image {
            if loaded.corruption.is_none() && Head::load_image(&mut replay, &mut image.reader) {
                log.begin_at(image.segment)?;
                used_image = Some(image.segment);
            } else {
                self.metrics.image_failures.inc();
                self.log.warn("The image of the head does not fit; reading the whole log", &[]);
                self.remove_image()?;
            }
        }
        let first = log.first_segment();
        self.options.progress.begin(first, log.last_segment().unwrap_or(first));
        loop {
            match self.feed(&mut log, &head, (&mut replay, &mut spill)) {
                Ok(()) => break,
                Err(wal::Error::Corrupt(corruption)) => {
                    let message = "Encountered WAL read error, attempting repair";
                    self.mend(message, &corruption)?;
                    log.resume(&corruption)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let (stats, ooo, spilled) = replay.finish_in_order()?;
        self.recover_ooo(&head, ooo)?;
        if stats.num_unknown_refs > 0 {
            let count = stats.num_unknown_refs;
            self.log.warn("Unknown series references", &[("samples", &count)]);
        }
        self.log.skipped(stats.num_skipped);
        self.metrics.replay_seconds.set(stopwatch.elapsed_seconds());
        self.log.info(
            "Replayed the log",
            &[
                ("series", &stats.num_series),
                ("samples", &stats.num_samples),
                ("head_chunks", &loaded.num_chunks),
                ("image", &used_image.is_some()),
                ("duration", &format!("{:.3}s", stopwatch.elapsed_seconds())),
            ],
        );
        head.set_log(Arc::clone(&writer));
        let db = self.into_db(head, writer, used_image, safe_mode);
        db.take_in_spilled(&spill, spilled)?;
        Ok(db)
    }

    fn new_head(&self, seed: u64) -> Head {
        let chunks_dir = self.dir.join(HEAD_CHUNKS_DIR);
        let options = HeadOptions {
            chunk_range_ms: self.options.min_block_ms,
            samples_per_chunk: self.options.samples_per_chunk,
            encodings: Encodings {
                xor2: self.options.xor2,
                started_histograms: self.options.started_histograms,
                keep_starts: false,
            },
            keep_starts: self.options.keep_starts,
            ..HeadOptions::new(Arc::clone(&self.disk), chunks_dir)
        };
        let head = Head::new(options, seed, &self.registry);
        head.set_max_exemplars(self.options.max_exemplars);
        head.sync_commits(self.options.sync_commits);
        head.keep_metadata(self.options.keep_metadata);
        let blocks = self.blocks.current();
        // Blocks of late, selected or stale series say nothing about how far the head was cut.
        let in_order = blocks.iter().filter(|block| block.meta().compaction.hints.is_empty());
        if let Some(end_ms) = in_order.map(|block| block.meta().max_time).max() {
            head.set_min_valid_time(end_ms);
        }
        head
    }

    /// [`mend`] on the way to a database.
    pub(super) fn mend(&self, message: &'static str, found: &wal::Corruption) -> Result<()> {
        mend((&*self.disk, &self.dir), (&self.metrics, &self.log), message, found)
    }

    /// Hands the records of the log to the head, up to its end or the first that is damaged.
    fn feed(
        &self,
        log: &mut wal::Replay,
        head: &Head,
        (replay, spill): (&mut Replay, &mut Spill),
    ) -> wal::Result<()> {
        let look = |replay: &mut Replay, spill: &mut Spill| {
            let looked = self.keep_to_budget(head, replay, spill);
            looked.map_err(|error| wal::Error::Io(std::io::Error::other(error)))
        };
        let progress = &self.options.progress;
        let (first, last) = (log.first_segment(), log.last_segment());
        read_ahead(log, |job| {
            progress.reach(job.segment().unwrap_or(first));
            if spill.wants_look(job.len(), job.len_bytes()) {
                look(replay, spill)?;
            }
            job.take_in(|record| replay.take(record))
        })?;
        progress.reach(last.unwrap_or(first));
        look(replay, spill)
    }
}
