//! What is told of series beside their samples: type, unit and help, for storages that keep them. They go along with
//! series that are new to this target, and again when their family changed.

use super::read::Reading;
use super::{Ingest, SampleRules};
use crate::Result;
use crate::cache::{Slot, State};
use expfmt::labels::{Declared, split_series};
use model::METRIC_NAME;
use model::metadata::{Metadata, MetricType};
use storage::Appender;

/// What was read of it in the body at hand.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What the last comment was about.
    family: Vec<u8>,
    /// Whether this body changed what is known of that family; `None` until a sample asks.
    has_changed: Option<bool>,
    rows: Vec<(Slot, Metadata)>,
}

impl Told {
    /// Begins a body.
    pub(super) fn clear(&mut self) {
        self.family.clear();
        self.has_changed = None;
        self.rows.clear();
    }

    /// A comment about a family.
    pub(super) fn see(&mut self, family: &[u8]) {
        family.clone_into(&mut self.family);
        self.has_changed = None;
    }
}

impl Ingest {
    /// Takes what is to be told of the series of a sample that was just read.
    #[inline]
    pub(super) fn tell(
        &mut self,
        reading: &Reading<'_>,
        slot: Slot,
        series: &[u8],
        is_new: bool,
    ) -> Result<()> {
        let has_news = is_new || self.told.has_changed != Some(false);
        if has_news && !self.told.family.is_empty() {
            self.take_told(reading.rules(), slot, series, is_new)?;
        }
        Ok(())
    }

    #[cold]
    fn take_told(
        &mut self,
        rules: &SampleRules,
        slot: Slot,
        series: &[u8],
        is_new: bool,
    ) -> Result<()> {
        let Some((metadata, has_changed)) = self.metadata.get(&self.told.family) else {
            return Ok(());
        };
        self.told.has_changed = Some(has_changed);
        if !is_new && !has_changed {
            return Ok(());
        }
        let metadata = metadata.clone();
        let name = if is_new { None } else { self.relabelled_name(slot, series, rules)? };
        let name = match (&name, self.new_series.last()) {
            (Some(name), _) => name,
            (None, Some(new)) if is_new => new.labels.get(METRIC_NAME).unwrap_or_default(),
            _ => return Ok(()),
        };
        let family = String::from_utf8_lossy(&self.told.family);
        if is_member(name, &family, metadata.metric_type) {
            self.told.rows.push((slot, metadata));
        }
        Ok(())
    }

    /// The name of a line that was resolved in an earlier scrape.
    fn relabelled_name(
        &mut self,
        slot: Slot,
        series: &[u8],
        rules: &SampleRules,
    ) -> Result<Option<String>> {
        let (metric_type, unit, as_labels) = self.cache.declared(slot);
        let declared = Declared { metric_type, unit, as_labels };
        split_series(series, &declared, &mut self.exposed_labels);
        let labels = &rules.labels;
        let is_kept = labels.apply(&self.exposed_labels, &mut self.builder, &mut self.scratch)?;
        let name = || self.builder.labels().get(METRIC_NAME).map(str::to_owned);
        Ok(if is_kept { name() } else { None })
    }

    /// Hands over what was taken, once the series are known.
    pub(super) fn append_told(&mut self, appender: &mut dyn Appender) -> Result<()> {
        if self.told.rows.is_empty() {
            return Ok(());
        }
        let (mut refs, mut metadata) = (Vec::new(), Vec::new());
        for (slot, told) in self.told.rows.drain(..) {
            if let State::Series(series) = self.cache.state(slot) {
                refs.push(series);
                metadata.push(told);
            }
        }
        Ok(appender.append_metadata(&refs, &metadata)?)
    }
}

/// Whether what is declared of a family is true of the series of this name: a target may forget to declare the next one.
fn is_member(name: &str, family: &str, metric_type: MetricType) -> bool {
    let suffixes: &[&str] = match metric_type {
        MetricType::Counter => &["_total"],
        MetricType::Histogram => &["_bucket", "_sum", "_count"],
        MetricType::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
        MetricType::Summary => &["_sum", "_count"],
        MetricType::Info => &["_info"],
        _ => &[],
    };
    if !name.starts_with(family) {
        return false;
    }
    // Old expositions write the suffix of counters and infos into the name of the family.
    let base = match metric_type {
        MetricType::Counter | MetricType::Info => {
            suffixes.iter().find_map(|suffix| family.strip_suffix(suffix)).unwrap_or(family)
        }
        _ => family,
    };
    let own = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    own == base
}

#[cfg(test)]
mod tests;
