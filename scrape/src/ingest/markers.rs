//! Markers of series that vanished, and what is kept of a body so that series which the storage forgot meanwhile get
//! theirs, too.

use super::again::Source;
use super::rows::{When, fatal};
use super::{Ingest, SampleRules};
use crate::Result;
use expfmt::Format;
use model::STALE_NAN;
use storage::{Appender, RejectReason};

/// How long the storage surely remembers a series: where memory is short it lets go of those that are idle so long.
const REMEMBERED_MS: i64 = 10 * 60 * 1000;

/// The last body, of a target whose series may be forgotten before the next one comes.
#[derive(Debug)]
pub(super) struct LastBody {
    format: Format,
    bytes: Box<[u8]>,
}

impl Ingest {
    /// The time of the oldest sample whose disappearance means something, in a body scraped at `now_ms`.
    pub(super) fn oldest_ms(&self, now_ms: i64, rules: &SampleRules) -> i64 {
        if !rules.track_timestamps_staleness {
            return now_ms;
        }
        let oldest = [self.floats.oldest_ms(), self.histograms.oldest_ms()];
        oldest.into_iter().flatten().fold(now_ms, i64::min)
    }

    /// Keeps a body that was stored if the storage may forget some of its series, the oldest of `oldest_ms`, until they
    /// are due for a marker: that is at the end of a target, when it was missed twice.
    pub(super) fn keep_body(
        &mut self,
        (format, body): (Format, &[u8]),
        (oldest_ms, now_ms): (i64, i64),
        rules: &SampleRules,
    ) {
        let until_ms = now_ms.saturating_add(rules.interval_ms.saturating_mul(3));
        let is_long = until_ms.saturating_sub(oldest_ms) > REMEMBERED_MS;
        self.last_body = is_long.then(|| LastBody { format, bytes: body.into() });
    }

    /// Stages a marker at `now_ms` for each series that vanished. Where a new loop of the same series was faster, the
    /// storage refuses the marker as out of order, which is as it should be.
    pub(super) fn append_markers(
        &mut self,
        now_ms: i64,
        rules: &SampleRules,
        appender: &mut dyn Appender,
    ) -> Result<()> {
        let mut vanished = std::mem::take(&mut self.vanished);
        vanished.clear();
        self.cache.vanished(&mut vanished);
        if vanished.is_empty() {
            self.vanished = vanished;
            return Ok(());
        }
        let mut markers = std::mem::take(&mut self.floats);
        markers.clear();
        let when = When { timestamp_ms: now_ms, exposed: false, start_ms: None };
        for &(slot, _) in &vanished {
            markers.push(slot, when, STALE_NAN);
        }
        self.vanished = vanished;
        markers.in_order_only = true;
        let last = self.last_body.take();
        let appended = match &last {
            Some(last) => {
                let (format, options) = (last.format, rules.parse);
                let source = Source { format, body: &last.bytes, options };
                self.append_resolved(&mut markers, (&rules.labels, source), appender)
            }
            None => markers.append(&self.cache, appender).map(drop),
        };
        self.last_body = last;
        markers.in_order_only = false;
        let harm = markers.rejected.iter().map(|r| r.reason).find(|&reason| is_harm(reason));
        self.floats = markers;
        appended?;
        harm.map_or(Ok(()), |reason| Err(fatal(reason)))
    }
}

/// Whether a refused marker fails the scrape: not if there is something newer, nothing to end, or no room to say so.
fn is_harm(reason: RejectReason) -> bool {
    !matches!(
        reason,
        RejectReason::OutOfOrder | RejectReason::DuplicateTimestamp | RejectReason::UnknownRef
    ) && !reason.refuses_new_series()
}
