//! How many samples a damaged part of a segment held, and when, judged by the records around it: nobody can read the part
//! itself.

use crate::record::{self, Histograms, Kind, Samples};
use model::TimeRange;

/// What the records that can be read tell.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    /// Bytes of all of them, frames included.
    bytes: u64,
    num_samples: u64,
    /// The newest time in the last record with samples in front of the damage.
    before_ms: Option<i64>,
    /// The oldest time in the first one behind it.
    behind_ms: Option<i64>,
    samples: Samples,
    histograms: Histograms,
}

impl Estimate {
    /// A record that can be read, in order.
    pub(super) fn see(&mut self, record: &[u8], frame_bytes: u64, is_behind: bool) {
        self.bytes += frame_bytes;
        let times = match record::kind(record) {
            Kind::Samples if record::decode_samples(record, &mut self.samples).is_ok() => {
                &self.samples.timestamps_ms
            }
            Kind::Histograms if record::decode_histograms(record, &mut self.histograms).is_ok() => {
                &self.histograms.timestamps_ms
            }
            _ => return,
        };
        self.num_samples += times.len() as u64;
        if is_behind {
            self.behind_ms = self.behind_ms.or_else(|| times.iter().copied().min());
        } else {
            self.before_ms = times.iter().copied().max().or(self.before_ms);
        }
    }

    /// How many samples so many bytes hold if they are like the others.
    pub(super) fn num_samples(&self, lost_bytes: u64) -> u64 {
        let share = u128::from(self.num_samples) * u128::from(lost_bytes);
        u64::try_from(share.checked_div(u128::from(self.bytes)).unwrap_or(0)).unwrap_or(u64::MAX)
    }

    /// From when to when they were taken, as far as there are others.
    pub(super) fn range(&self) -> Option<TimeRange> {
        let before_ms = self.before_ms.or(self.behind_ms)?;
        let behind_ms = self.behind_ms.or(self.before_ms)?;
        Some(TimeRange::new(before_ms.min(behind_ms), before_ms.max(behind_ms)))
    }
}
