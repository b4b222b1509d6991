//! Lines whose series the storage forgot: caches hold no texts, so that their labels come out of the body once more.

use super::Ingest;
use super::read::{WithParser, with_parser};
use crate::cache::{Cache, Slot};
use crate::sample_labels::LabelRules;
use crate::{Error, Result};
use expfmt::labels::{Declared, LabelBuffer, split_series};
use expfmt::{Entry, Fingerprint, Format, ParseOptions, Parser};
use model::hash::HashSet;
use model::relabel::Scratch;
use model::{Labels, LabelsBuilder};
use storage::Appender;

/// Where lines can be read again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) format: Format,
    pub(super) body: &'a [u8],
    pub(super) options: ParseOptions,
}

/// Collects the labels of wanted lines.
struct Relabel<'a> {
    cache: &'a Cache,
    rules: &'a LabelRules,
    wanted: HashSet<Slot>,
    exposed_labels: &'a mut LabelBuffer,
    builder: &'a mut LabelsBuilder,
    scratch: &'a mut Scratch,
    found: Vec<(Slot, Labels)>,
}

impl Relabel<'_> {
    fn see(&mut self, series: &[u8]) -> Result<()> {
        let Some(slot) = self.cache.find(Fingerprint::of(series)) else { return Ok(()) };
        if !self.wanted.remove(&slot) {
            return Ok(());
        }
        let (metric_type, unit, as_labels) = self.cache.declared(slot);
        let declared = Declared { metric_type, unit, as_labels };
        split_series(series, &declared, self.exposed_labels);
        let kept = self.rules.apply(self.exposed_labels, self.builder, self.scratch)?;
        assert!(kept, "a line with a series is not dropped by the same rules");
        self.found.push((slot, self.builder.labels()));
        Ok(())
    }
}

impl WithParser for Relabel<'_> {
    type Output = Result<Vec<(Slot, Labels)>>;

    fn run<P: Parser>(mut self, mut parser: P) -> Self::Output {
        while !self.wanted.is_empty() {
            match parser.next().map_err(Error::from) {
                Ok(Some(Entry::Sample(sample) | Entry::Histogram(sample))) => {
                    self.see(sample.series)?;
                }
                Ok(Some(_)) => {}
                // What is behind an error was not read the first time either.
                Ok(None) | Err(_) => break,
            }
        }
        Ok(self.found)
    }
}

impl Ingest {
    /// Resolves lines of a body as when they were new.
    pub(super) fn resolve_again(
        &mut self,
        slots: &[Slot],
        rules: &LabelRules,
        source: Source<'_>,
        appender: &mut dyn Appender,
    ) -> Result<()> {
        let relabel = Relabel {
            cache: &self.cache,
            rules,
            wanted: slots.iter().copied().collect(),
            exposed_labels: &mut self.exposed_labels,
            builder: &mut self.builder,
            scratch: &mut self.scratch,
            found: Vec::with_capacity(slots.len()),
        };
        let found = with_parser(source.format, source.body, source.options, relabel)?;
        self.resolve(found.iter().map(|(slot, labels)| (*slot, labels)), appender)
    }
}
