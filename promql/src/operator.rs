//! What operators hand to each other: rows of series over the steps of a grid, and label sets found again by content.

use crate::bitmap;
use crate::engine::Error;
use model::{LabelPair, LabelsColumn, Sym, Symbols};
use std::hash::BuildHasher;

/// Where an operator puts its batches, in series order.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(&mut StepBatch) -> Result<(), Error>;

/// Series over steps: dense values, a bit for each value that is there, labels by row.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepBatch {
    /// Number of steps of every row.
    pub(crate) steps: usize,
    /// Labels of each row.
    pub(crate) labels: LabelsColumn,
    /// Rows whose metric name goes at the end of the query: delayed name removal.
    pub(crate) drop_name: Vec<bool>,
    /// Values, row by row; what stands where the bit is not set means nothing.
    pub(crate) values: Vec<f64>,
    /// Presence bits, row by row, each row from a new word on.
    pub(crate) present: Vec<u64>,
}

impl StepBatch {
    pub(crate) fn new(steps: usize) -> Self {
        Self { steps, ..Self::default() }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.drop_name.len()
    }

    pub(crate) fn clear(&mut self) {
        self.labels.clear();
        self.drop_name.clear();
        self.values.clear();
        self.present.clear();
    }

    /// Adds a row without values.
    pub(crate) fn push_row(&mut self, labels: &[LabelPair], drop_name: bool) {
        self.labels.push(labels.iter().copied());
        self.drop_name.push(drop_name);
        self.values.resize(self.values.len() + self.steps, 0.0);
        self.present.resize(self.present.len() + bitmap::num_words(self.steps), 0);
    }

    /// Takes back the row added last, if it has no value.
    pub(crate) fn undo_empty_row(&mut self) -> bool {
        let row = self.len() - 1;
        if !bitmap::is_empty(self.bits(row)) {
            return false;
        }
        self.drop_name.truncate(row);
        self.values.truncate(row * self.steps);
        self.present.truncate(row * bitmap::num_words(self.steps));
        self.labels.truncate(row);
        true
    }

    #[inline]
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.steps..(row + 1) * self.steps]
    }

    #[inline]
    pub(crate) fn bits(&self, row: usize) -> &[u64] {
        let words = bitmap::num_words(self.steps);
        &self.present[row * words..(row + 1) * words]
    }

    /// Values and bits of a row.
    #[inline]
    pub(crate) fn row_mut(&mut self, row: usize) -> (&mut [f64], &mut [u64]) {
        let words = bitmap::num_words(self.steps);
        (
            &mut self.values[row * self.steps..(row + 1) * self.steps],
            &mut self.present[row * words..(row + 1) * words],
        )
    }

    /// The value at one step, if there is one.
    #[inline]
    pub(crate) fn get(&self, row: usize, step: usize) -> Option<f64> {
        bitmap::get(self.bits(row), step).then(|| self.row(row)[step])
    }

    /// Sets one value.
    #[inline]
    pub(crate) fn put(&mut self, row: usize, step: usize, value: f64) {
        let (values, bits) = self.row_mut(row);
        values[step] = value;
        bitmap::set(bits, step);
    }

    /// Number of values.
    pub(crate) fn num_samples(&self) -> usize {
        bitmap::count(&self.present)
    }

    /// Adds the rows of `other`.
    pub(crate) fn append(&mut self, other: &Self) {
        other.labels.iter().for_each(|pairs| self.labels.push(pairs.iter().copied()));
        self.drop_name.extend_from_slice(&other.drop_name);
        self.values.extend_from_slice(&other.values);
        self.present.extend_from_slice(&other.present);
    }

    /// Copies row `row` of `other`, with other labels.
    pub(crate) fn push_copy(&mut self, other: &Self, row: usize, labels: &[LabelPair]) {
        self.labels.push(labels.iter().copied());
        self.drop_name.push(other.drop_name[row]);
        self.values.extend_from_slice(other.row(row));
        self.present.extend_from_slice(other.bits(row));
    }

    /// Leaves out the rows without values.
    pub(crate) fn without_empty_rows(self) -> Self {
        if (0..self.len()).all(|row| !bitmap::is_empty(self.bits(row))) {
            return self;
        }
        let mut out = Self::new(self.steps);
        for row in (0..self.len()).filter(|&row| !bitmap::is_empty(self.bits(row))) {
            out.push_copy(&self, row, self.labels.get(row));
        }
        out
    }

    /// Merges rows of equal labels into the first of them. Two values at one step are an error.
    pub(crate) fn merge_equal(self) -> Result<Self, Error> {
        let mut index = LabelIndex::default();
        let into: Vec<_> = self.labels.iter().map(|pairs| index.insert(pairs)).collect();
        if index.len() == self.len() {
            return Ok(self);
        }
        let mut out = Self::new(self.steps);
        for (row, &into) in into.iter().enumerate() {
            if into == out.len() {
                out.push_copy(&self, row, self.labels.get(row));
                continue;
            }
            let (values, bits) = out.row_mut(into);
            if bitmap::first_common(bits, self.bits(row)).is_some() {
                return Err(Error::duplicate_labels());
            }
            for step in bitmap::ones(self.bits(row)) {
                values[step] = self.row(row)[step];
            }
            bitmap::or(bits, self.bits(row));
        }
        Ok(out)
    }
}

/// Label sets by content: numbers them in order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct LabelIndex {
    sets: LabelsColumn,
    table: hashbrown::HashTable<u32>,
    hasher: model::hash::BuildHasher,
}

impl LabelIndex {
    /// Number of distinct sets.
    pub(crate) fn len(&self) -> usize {
        self.sets.len()
    }

    /// The set with this number.
    pub(crate) fn get(&self, number: usize) -> &[LabelPair] {
        self.sets.get(number)
    }

    /// The number of a set, the next free one if it is new.
    pub(crate) fn insert(&mut self, pairs: &[LabelPair]) -> usize {
        let hash = self.hasher.hash_one(pairs);
        let (sets, hasher) = (&mut self.sets, &self.hasher);
        if let Some(&found) = self.table.find(hash, |&i| sets.get(i as usize) == pairs) {
            return found as usize;
        }
        let number = sets.len();
        sets.push(pairs.iter().copied());
        let rehash = |&i: &u32| hasher.hash_one(sets.get(i as usize));
        self.table.insert_unique(hash, number as u32, rehash);
        number
    }
}

/// The names that label rules of the language refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReservedNames {
    pub(crate) metric_name: Sym,
    pub(crate) metric_type: Sym,
    pub(crate) unit: Sym,
    pub(crate) le: Sym,
}

impl ReservedNames {
    pub(crate) fn new(symbols: &Symbols) -> Self {
        Self {
            metric_name: symbols.intern(model::METRIC_NAME),
            metric_type: symbols.intern("__type__"),
            unit: symbols.intern("__unit__"),
            le: symbols.intern("le"),
        }
    }

    /// Whether a label goes away when a series stops being the metric it was.
    #[inline]
    pub(crate) fn names_metric(self, name: Sym) -> bool {
        name == self.metric_name || name == self.metric_type || name == self.unit
    }
}

/// The value of label `name`; [`Sym::EMPTY`] if it is absent.
#[inline]
pub(crate) fn label(pairs: &[LabelPair], name: Sym) -> Sym {
    pairs.iter().find(|pair| pair.name == name).map_or(Sym::EMPTY, |pair| pair.value)
}

/// Sets a label in a set that is sorted by the text of its names; an empty value removes it.
pub(crate) fn set_label(symbols: &Symbols, pairs: &mut Vec<LabelPair>, name: Sym, value: Sym) {
    let at = pairs.iter().position(|pair| pair.name == name);
    match at {
        Some(at) if value == Sym::EMPTY => {
            pairs.remove(at);
        }
        Some(at) => pairs[at].value = value,
        None if value == Sym::EMPTY => {}
        None => {
            let text = symbols.text(name);
            let at = pairs.partition_point(|pair| symbols.text(pair.name) < text);
            pairs.insert(at, LabelPair { name, value });
        }
    }
}
