//! The log of an agent back into its table: which series there are, and when each had its newest sample.

use super::metrics::AgentMetrics;
use super::series::Table;
use crate::db::LOG_DIR;
use crate::log::Log;
use crate::{Result, quarantine};
use ::metrics::Stopwatch;
use disk::Disk;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use wal::record::{self, DecodeError, Histograms, Kind, Samples};
use wal::{Replay, Writer, WriterOptions};

/// What reading the log comes to.
#[derive(Default)]
struct Load {
    table: Table,
    samples: Samples,
    histograms: Histograms,
    /// Samples of series that nothing describes.
    num_unknown: u64,
    /// Records of kinds that are not known here.
    num_skipped: u64,
}

/// Puts what can be read of a damaged segment, or of one of a checkpoint, in its place, and the segment into quarantine.
pub(super) fn mend(
    (disk, data_dir): (&dyn Disk, &Path),
    (metrics, log): (&AgentMetrics, &Log),
    message: &'static str,
    corruption: &wal::Corruption,
) -> Result<()> {
    metrics.log.corruptions.inc();
    log.warn(message, &[("err", corruption)]);
    let (found, salvage) = quarantine::mend_segment(disk, data_dir, corruption)?;
    log.error(
        "Damaged data was moved to quarantine; what it held is not sent",
        &[
            ("dir", &found.dir.display()),
            ("lost_bytes", &salvage.lost_bytes),
            ("samples", &salvage.lost_samples),
        ],
    );
    Ok(())
}

/// Reads the log in `data_dir` without what is damaged of it, and opens it behind its end. What can be read behind the
/// damage stays: receivers may not have it yet.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    data_dir: &Path,
    options: WriterOptions,
    metrics: &AgentMetrics,
    log: &Log,
) -> Result<(Table, Arc<Mutex<Writer>>)> {
    let stopwatch = Stopwatch::start();
    let dir = &data_dir.join(LOG_DIR);
    let mut replay = Replay::open(Arc::clone(disk), dir)?;
    let writer = Writer::open(Arc::clone(disk), dir, options)?;
    let mut load = Load::default();
    while let Err(error) = load.feed(&mut replay) {
        let wal::Error::Corrupt(corruption) = error else { return Err(error.into()) };
        let message = "Encountered WAL read error, attempting repair";
        mend((&**disk, data_dir), (metrics, log), message, &corruption)?;
        replay.resume(&corruption)?;
    }
    if load.num_unknown > 0 {
        log.warn("Unknown series references", &[("samples", &load.num_unknown)]);
    }
    log.skipped(load.num_skipped);
    metrics.replay_seconds.set(stopwatch.elapsed_seconds());
    log.info(
        "Replayed the log",
        &[
            ("series", &load.table.len()),
            ("duration", &format!("{:.3}s", stopwatch.elapsed_seconds())),
        ],
    );
    Ok((load.table, Arc::new(Mutex::new(writer))))
}

impl Load {
    fn feed(&mut self, log: &mut Replay) -> wal::Result<()> {
        while let Some(record) = log.next_record()? {
            if let Err(error) = self.take(record) {
                let what = format!("decode {}: {error}", record::name(record));
                return Err(log.corruption(&what));
            }
        }
        Ok(())
    }

    fn take(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        match record::kind(record) {
            Kind::Series => {
                for (number, pairs) in record::decode_series(record)?.iter() {
                    if number > 0 {
                        self.table.restore(number, pairs);
                    }
                }
            }
            Kind::Samples => {
                record::decode_samples(record, &mut self.samples)?;
                let samples = &self.samples;
                self.num_unknown += advance(&mut self.table, &samples.refs, &samples.timestamps_ms);
            }
            Kind::Histograms => {
                record::decode_histograms(record, &mut self.histograms)?;
                let histograms = &self.histograms;
                self.num_unknown +=
                    advance(&mut self.table, &histograms.refs, &histograms.timestamps_ms);
            }
            Kind::Unknown => self.num_skipped += 1,
            // Nothing of it is needed, but what cannot be read may have been something else.
            _ => record::check(record)?,
        }
        Ok(())
    }
}

/// Takes note of samples; how many were of unknown series.
fn advance(table: &mut Table, refs: &[u64], timestamps_ms: &[i64]) -> u64 {
    let mut num_unknown = 0;
    for (&number, &timestamp_ms) in refs.iter().zip(timestamps_ms) {
        match table.get(number) {
            Some(series) => {
                series.advance(timestamp_ms);
            }
            None => {
                num_unknown += 1;
                table.avoid(number);
            }
        }
    }
    num_unknown
}
