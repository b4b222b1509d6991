//! Type and help by metric family, as one target exposes them. Lines that come in the order of last time are recognised
//! by one comparison; the copy for readers is renewed only when something changed.

use ::metrics::Gauge;
use expfmt::Entry;
use expfmt::unescape_help;
use model::hash::HashMap;
use model::metadata::{Metadata, MetricType};
use parking_lot::Mutex;
use std::sync::Arc;

/// Families and what is known of them, in the order of names.
pub(crate) type Families = Vec<(Box<str>, Metadata)>;

/// Scrapes for which a family is remembered after it vanished.
const KEPT_SCRAPES: u64 = 10;

#[derive(Debug)]
struct Family {
    metadata: Metadata,
    seen: u64,
    /// The last scrape that said something new.
    changed: u64,
}

/// A line of the last body.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    text: Box<[u8]>,
    pub(crate) metric: Box<str>,
    /// Set if the line is a `# TYPE`.
    pub(crate) metric_type: Option<MetricType>,
    /// Set if the line is a `# UNIT`.
    pub(crate) unit: Option<Box<str>>,
}

/// The metadata of one target.
#[derive(Debug, Default)]
pub(crate) struct MetadataCache {
    families: HashMap<Box<str>, Family>,
    lines: Vec<Line>,
    /// Lines of the body that is being read, once it differs from the last one.
    next_lines: Option<Vec<Line>>,
    /// A line of which the text is not known yet.
    seen_line: Option<Line>,
    expected: usize,
    scrape: u64,
    changed: bool,
    shared: Arc<Mutex<Arc<Families>>>,
    size_bytes: usize,
}

impl MetadataCache {
    /// Bytes of all texts, the words for types included.
    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The handle through which others read.
    pub(crate) fn shared(&self) -> Arc<Mutex<Arc<Families>>> {
        Arc::clone(&self.shared)
    }

    /// Number of families.
    pub(crate) fn len(&self) -> usize {
        self.families.len()
    }

    /// What is known of a family, and whether the body at hand changed it.
    pub(crate) fn get(&self, family: &[u8]) -> Option<(&Metadata, bool)> {
        let family = self.families.get(&*String::from_utf8_lossy(family))?;
        Some((&family.metadata, family.changed == self.scrape))
    }

    /// The text of the line that is expected next, its newline included, and the type it declares, if it is a comment of
    /// the last body.
    #[inline]
    pub(crate) fn expected(&self) -> Option<(&[u8], Option<MetricType>)> {
        self.lines.get(self.expected).map(|line| (&line.text[..], line.metric_type))
    }

    /// The line expected next was there. Returns it.
    pub(crate) fn see_expected(&mut self) -> &Line {
        let line = &self.lines[self.expected];
        self.expected += 1;
        if let Some(family) = self.families.get_mut(&line.metric) {
            family.seen = self.scrape;
        }
        if let Some(next) = &mut self.next_lines {
            next.push(line.clone());
        }
        line
    }

    /// An entry about a family.
    pub(crate) fn see(&mut self, entry: &Entry<'_>) {
        let (Entry::Type { metric, .. } | Entry::Help { metric, .. } | Entry::Unit { metric, .. }) =
            *entry
        else {
            return;
        };
        let metric = String::from_utf8_lossy(metric);
        if !self.families.contains_key(&*metric) {
            self.changed = true;
            let family = Family { metadata: Metadata::default(), seen: 0, changed: self.scrape };
            self.families.insert(metric.as_ref().into(), family);
        }
        let family = self.families.get_mut(&*metric).expect("it was just inserted");
        family.seen = self.scrape;
        let metadata = &mut family.metadata;
        match entry {
            Entry::Type { metric_type, .. } if metadata.metric_type != *metric_type => {
                metadata.metric_type = *metric_type;
                family.changed = self.scrape;
                self.changed = true;
            }
            Entry::Help { help, escapes, .. } => {
                let help = unescape_help(help, *escapes);
                if *metadata.help != *help {
                    metadata.help = help.into();
                    family.changed = self.scrape;
                    self.changed = true;
                }
            }
            Entry::Unit { unit, .. } => {
                let unit = String::from_utf8_lossy(unit);
                if *metadata.unit != *unit {
                    metadata.unit = unit.into();
                    family.changed = self.scrape;
                    self.changed = true;
                }
            }
            _ => {}
        }
    }

    /// A line about a family other than the expected one. [`MetadataCache::remember_line`] follows with its text.
    pub(crate) fn see_line(&mut self, entry: &Entry<'_>) {
        let (metric, metric_type, unit) = match *entry {
            Entry::Type { metric, metric_type } => (metric, Some(metric_type), None),
            Entry::Help { metric, .. } => (metric, None, None),
            Entry::Unit { metric, unit } => (metric, None, Some(unit)),
            _ => return,
        };
        self.see(entry);
        let metric = String::from_utf8_lossy(metric).into();
        let unit = unit.map(|unit| String::from_utf8_lossy(unit).into());
        self.seen_line = Some(Line { text: Box::default(), metric, metric_type, unit });
    }

    /// The whole text of the line that was just seen.
    pub(crate) fn remember_line(&mut self, text: &[u8]) {
        let Some(mut line) = self.seen_line.take() else { return };
        line.text = text.into();
        let expected = self.expected.min(self.lines.len());
        // The body may have replaced the expected line or inserted this one before it.
        let replaced = self.lines.get(expected).is_some_and(|other| other.metric == line.metric);
        let next = self.next_lines.get_or_insert_with(|| self.lines[..expected].to_vec());
        next.push(line);
        if replaced {
            self.expected = expected + 1;
        }
    }

    /// Ends a scrape; after a `success`, families that vanished long ago are dropped.
    pub(crate) fn finish(&mut self, success: bool) {
        if success {
            let before = self.families.len();
            let scrape = self.scrape;
            self.families.retain(|_, family| scrape - family.seen <= KEPT_SCRAPES);
            self.changed |= self.families.len() != before;
            if let Some(next) = self.next_lines.take() {
                self.lines = next;
            } else if self.expected < self.lines.len() {
                self.lines.truncate(self.expected);
            }
        }
        self.next_lines = None;
        self.expected = 0;
        self.scrape += 1;
        if std::mem::take(&mut self.changed) {
            let mut families: Families =
                self.families.iter().map(|(name, f)| (name.clone(), f.metadata.clone())).collect();
            families.sort_by(|a, b| a.0.cmp(&b.0));
            self.size_bytes = families.iter().map(|(_, metadata)| size_bytes(metadata)).sum();
            *self.shared.lock() = Arc::new(families);
        }
    }
}

fn size_bytes(metadata: &Metadata) -> usize {
    metadata.metric_type.as_str().len() + metadata.help.len() + metadata.unit.len()
}

/// The part of one target in the metrics about all metadata; it leaves with the value.
#[derive(Debug)]
pub(crate) struct MetadataGauges {
    entries: Gauge,
    bytes: Gauge,
    counted: [f64; 2],
}

impl MetadataGauges {
    pub(crate) fn new(entries: Gauge, bytes: Gauge) -> Self {
        Self { entries, bytes, counted: [0.0; 2] }
    }

    /// Counts what `cache` holds now.
    pub(crate) fn update(&mut self, cache: &MetadataCache) {
        self.set([cache.len() as f64, cache.size_bytes() as f64]);
    }

    fn set(&mut self, now: [f64; 2]) {
        if now != self.counted {
            self.entries.add(now[0] - self.counted[0]);
            self.bytes.add(now[1] - self.counted[1]);
            self.counted = now;
        }
    }
}

impl Drop for MetadataGauges {
    fn drop(&mut self) {
        self.set([0.0; 2]);
    }
}

#[cfg(test)]
mod tests;
