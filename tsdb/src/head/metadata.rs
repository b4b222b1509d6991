//! What kind of metric each series is, for heads that keep it: in memory once for each text, in the log when it changes.

use super::append::HeadAppender;
use super::{Head, Shared};
use model::SeriesRef;
use model::hash::{HashMap, HashSet};
use model::metadata::Metadata;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Type, unit and help by series reference. Series of one family share the text.
#[derive(Debug, Default)]
pub(super) struct MetadataTable {
    told: HashMap<u64, Arc<Metadata>>,
    texts: HashSet<Arc<Metadata>>,
}

impl MetadataTable {
    fn set(&mut self, number: u64, metadata: &Metadata) {
        let text = match self.texts.get(metadata) {
            Some(text) => Arc::clone(text),
            None => {
                let text = Arc::new(metadata.clone());
                self.texts.insert(Arc::clone(&text));
                text
            }
        };
        self.told.insert(number, text);
    }

    /// What is told of each series.
    pub(super) fn all(&self) -> Vec<(u64, Arc<Metadata>)> {
        self.told.iter().map(|(number, told)| (*number, Arc::clone(told))).collect()
    }

    fn forget(&mut self, numbers: &[u64]) {
        let before = self.told.len();
        for number in numbers {
            self.told.remove(number);
        }
        if self.told.len() < before {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.told.shrink_to(2 * self.told.len());
        }
    }
}

impl Head {
    /// From now on the metadata of series is kept and logged, or not.
    pub fn keep_metadata(&self, is_kept: bool) {
        self.0.keeps_metadata.store(is_kept, Ordering::Relaxed);
    }

    /// What is known of a series.
    #[must_use]
    pub fn metadata(&self, series: SeriesRef) -> Option<Metadata> {
        let table = self.0.metadata.lock();
        table.told.get(&series.get()).map(|told| Metadata::clone(told))
    }
}

impl Shared {
    /// Takes in what the log says of series that are there.
    pub(super) fn replay_metadata(&self, rows: &[(u64, Metadata)]) {
        let mut table = self.metadata.lock();
        for (number, told) in rows {
            table.set(*number, told);
        }
    }

    /// Forgets series that were dropped.
    pub(super) fn forget_metadata(&self, gone: &[u64]) {
        self.metadata.lock().forget(gone);
    }
}

impl HeadAppender {
    /// Takes into the transaction what is news.
    pub(super) fn stage_metadata(&mut self, refs: &[SeriesRef], metadata: &[Metadata]) {
        if !self.head.keeps_metadata.load(Ordering::Relaxed) {
            return;
        }
        let table = self.head.metadata.lock();
        for (number, told) in refs.iter().map(|number| number.get()).zip(metadata) {
            if table.told.get(&number).is_none_or(|known| **known != *told) {
                self.scratch.metadata.push((number, told.clone()));
            }
        }
    }

    /// The record of what is staged; empty if there is nothing.
    pub(super) fn metadata_record(&self) -> Vec<u8> {
        let mut record = Vec::new();
        if !self.scratch.metadata.is_empty() {
            let rows = self.scratch.metadata.iter().map(|(number, told)| (*number, told));
            wal::record::encode_metadata(&mut record, rows);
        }
        record
    }

    /// Shows what is staged.
    pub(super) fn apply_metadata(&mut self) {
        if self.scratch.metadata.is_empty() {
            return;
        }
        let mut table = self.head.metadata.lock();
        for (number, told) in self.scratch.metadata.drain(..) {
            // A series that was dropped meanwhile must not leave its metadata behind.
            if self.head.refs.read().get(number) != super::refs::Target::NONE {
                table.set(number, &told);
            }
        }
    }
}

#[cfg(test)]
mod tests;
