//! Type and help by metric family, as one target exposes them. Lines that come in the order of last time are recognised
//! by one comparison; the copy for readers is renewed only when something changed.

use ::metrics::Gauge;
use expfmt::Entry;
use expfmt::text::unescape_help;
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
}

/// A line of the last body.
#[derive(Clone, Debug)]
struct Line {
    text: Box<[u8]>,
    metric: Box<str>,
    /// Set if the line is a `# TYPE`.
    metric_type: Option<MetricType>,
}

/// The metadata of one target.
#[derive(Debug, Default)]
pub(crate) struct MetadataCache {
    families: HashMap<Box<str>, Family>,
    lines: Vec<Line>,
    /// Lines of the body that is being read, once it differs from the last one.
    next_lines: Option<Vec<Line>>,
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

    /// The text of the line that is expected next, its newline included, if it is a comment of the last body.
    #[inline]
    pub(crate) fn expected(&self) -> Option<&[u8]> {
        self.lines.get(self.expected).map(|line| &line.text[..])
    }

    /// The line expected next was there. Returns the type it declares.
    pub(crate) fn see_expected(&mut self) -> Option<MetricType> {
        let line = &self.lines[self.expected];
        self.expected += 1;
        if let Some(family) = self.families.get_mut(&line.metric) {
            family.seen = self.scrape;
        }
        if let Some(next) = &mut self.next_lines {
            next.push(line.clone());
        }
        line.metric_type
    }

    /// A comment, type or help line other than the expected one; `text` is the whole of it.
    pub(crate) fn see(&mut self, entry: &Entry<'_>, text: &[u8]) {
        let (metric, metric_type) = match entry {
            Entry::Type { metric, metric_type } => (*metric, Some(*metric_type)),
            Entry::Help { metric, .. } => (*metric, None),
            Entry::Comment(_) | Entry::Sample(_) => return,
        };
        let metric: Box<str> = String::from_utf8_lossy(metric).into();
        let family = self.families.entry(metric.clone()).or_insert_with(|| {
            self.changed = true;
            Family { metadata: Metadata::default(), seen: 0 }
        });
        family.seen = self.scrape;
        match entry {
            Entry::Type { metric_type, .. } if family.metadata.metric_type != *metric_type => {
                family.metadata.metric_type = *metric_type;
                self.changed = true;
            }
            Entry::Help { help, .. } => {
                let help = unescape_help(help);
                if *family.metadata.help != *help {
                    family.metadata.help = help.into();
                    self.changed = true;
                }
            }
            Entry::Type { .. } | Entry::Comment(_) | Entry::Sample(_) => {}
        }
        let expected = self.expected.min(self.lines.len());
        let next = self.next_lines.get_or_insert_with(|| self.lines[..expected].to_vec());
        next.push(Line { text: text.into(), metric, metric_type });
        // The body may have replaced this line or inserted it: the line after next time's copy decides.
        if self.lines.get(expected).is_some_and(|line| line.metric == next[next.len() - 1].metric) {
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
