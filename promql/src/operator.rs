//! What operators hand to each other: rows of series over the steps of a grid, and label sets found again by content.

pub(crate) mod native_row;

use crate::bitmap;
use crate::engine::Error;
use model::histogram::FloatHistogram;
use model::{LabelPair, LabelsColumn, Sym, Symbols};
use native_row::NativeRow;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Where an operator puts its batches, in series order.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(&mut StepBatch) -> Result<(), Error>;

/// A native histogram at one step, or none. Shared, so that rows are copied cheaply.
pub(crate) type Cell = Option<Arc<FloatHistogram>>;

/// What a sample of this size counts for against the limit of samples held: floats have 16 bytes.
pub(crate) fn cost(histogram: &FloatHistogram) -> usize {
    let layout = &histogram.layout;
    let fields = layout.positive_spans.len()
        + layout.negative_spans.len()
        + histogram.positive.len()
        + histogram.negative.len()
        + layout.custom_values.len();
    (168 + 8 * fields + 8) / 16
}

/// Bytes of memory that a row of floats takes.
pub(crate) fn row_bytes(steps: usize, labels: usize) -> usize {
    8 * (steps + bitmap::num_words(steps) + labels) + 5
}

/// Series over steps: dense values, a bit for each value that is there, labels by row. Native histograms are beside the
/// floats: no table of them while there are none, no cells for rows without any.
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
    /// For each row its cells, one for each step, or none at all; empty while no row has any.
    histograms: Vec<Box<[Cell]>>,
    /// Histograms of rows that have no cells; empty while no row has any. Only between a range function and who takes in
    /// its stream: see [`Self::settle_natives`].
    natives: Vec<Option<Box<NativeRow>>>,
}

impl StepBatch {
    pub(crate) fn new(steps: usize) -> Self {
        Self { steps, ..Self::default() }
    }

    /// Room for `rows` rows more.
    pub(crate) fn reserve(&mut self, rows: usize) {
        self.drop_name.reserve(rows);
        self.values.reserve_exact(rows * self.steps);
        self.present.reserve_exact(rows * bitmap::num_words(self.steps));
    }

    /// Forgets all rows and keeps their memory; those to come have so many steps.
    pub(crate) fn clear(&mut self, steps: usize) {
        self.steps = steps;
        self.labels.clear();
        self.drop_name.clear();
        self.values.clear();
        self.present.clear();
        self.histograms.clear();
        self.natives.clear();
    }

    /// Bytes that it has room for.
    pub(crate) fn room_bytes(&self) -> usize {
        8 * (self.values.capacity() + self.present.capacity())
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.drop_name.len()
    }

    /// Whether any row has cells for histograms.
    #[inline]
    pub(crate) fn has_histograms(&self) -> bool {
        !self.histograms.is_empty()
    }

    /// Whether there is a histogram in any of them.
    pub(crate) fn any_histogram(&self) -> bool {
        self.histograms.iter().flat_map(|cells| cells.iter()).any(Option::is_some)
    }

    /// The cells of a row; none at all if it has no histograms.
    #[inline]
    pub(crate) fn cells(&self, row: usize) -> &[Cell] {
        self.histograms.get(row).map_or(&[], |cells| &cells[..])
    }

    /// The histogram at one step, if there is one.
    #[inline]
    pub(crate) fn histogram(&self, row: usize, step: usize) -> Option<&Arc<FloatHistogram>> {
        self.cells(row).get(step)?.as_ref()
    }

    /// The steps at which a row has histograms, with them.
    pub(crate) fn histograms(
        &self,
        row: usize,
    ) -> impl Iterator<Item = (usize, &Arc<FloatHistogram>)> {
        let cells = self.cells(row).iter().enumerate();
        cells.filter_map(|(step, cell)| Some((step, cell.as_ref()?)))
    }

    /// The cells of a row, which has them from now on.
    pub(crate) fn cells_mut(&mut self, row: usize) -> &mut [Cell] {
        if self.histograms.len() < self.len() {
            self.histograms.resize_with(self.len(), Box::default);
        }
        let cells = &mut self.histograms[row];
        if cells.is_empty() {
            *cells = vec![None; self.steps].into_boxed_slice();
        }
        cells
    }

    /// The histograms of a row that has them side by side.
    #[inline]
    pub(crate) fn native_row(&self, row: usize) -> Option<&NativeRow> {
        self.natives.get(row)?.as_deref()
    }

    /// Gives the last row histograms side by side.
    pub(crate) fn put_native_row(&mut self, histograms: NativeRow) {
        self.natives.resize_with(self.len() - 1, || None);
        self.natives.push(Some(Box::new(histograms)));
    }

    /// Makes cells of the histograms that stand side by side: every operator but those that ask for them by
    /// [`Self::native_row`] knows cells only.
    pub(crate) fn settle_natives(&mut self) {
        for (row, histograms) in std::mem::take(&mut self.natives).into_iter().enumerate() {
            let Some(histograms) = histograms else { continue };
            for step in 0..self.steps {
                if let Some(histogram) = histograms.alone(step, self.steps) {
                    self.put_histogram(row, step, Arc::new(histogram));
                }
            }
        }
    }

    /// Sets one histogram.
    pub(crate) fn put_histogram(
        &mut self,
        row: usize,
        step: usize,
        histogram: Arc<FloatHistogram>,
    ) {
        self.cells_mut(row)[step] = Some(histogram);
    }

    /// Replaces every histogram; `None` takes it away.
    pub(crate) fn map_histograms(
        &mut self,
        mut change: impl FnMut(&FloatHistogram) -> Option<FloatHistogram>,
    ) {
        for cell in self.histograms.iter_mut().flat_map(|cells| cells.iter_mut()) {
            if let Some(histogram) = cell {
                *cell = change(histogram).map(Arc::new);
            }
        }
    }

    /// Forgets what nobody asks for any more once labels and histograms are elsewhere.
    pub(crate) fn keep_floats_only(&mut self) {
        self.histograms = Vec::new();
        self.labels = LabelsColumn::default();
    }

    /// Forgets all histograms.
    pub(crate) fn drop_histograms(&mut self) {
        self.histograms.clear();
    }

    /// Where a row has a value of either kind.
    pub(crate) fn presence(&self, row: usize) -> std::borrow::Cow<'_, [u64]> {
        let bits = self.bits(row);
        if self.cells(row).is_empty() {
            return bits.into();
        }
        let mut both = bits.to_vec();
        self.histograms(row).for_each(|(step, _)| bitmap::set(&mut both, step));
        both.into()
    }

    /// Takes away the values of either kind at all steps that are not set in `kept`.
    pub(crate) fn keep(&mut self, row: usize, kept: &[u64]) {
        bitmap::and(self.row_mut(row).1, kept);
        if !self.cells(row).is_empty() {
            for (step, cell) in self.histograms[row].iter_mut().enumerate() {
                if !bitmap::get(kept, step) {
                    *cell = None;
                }
            }
        }
    }

    /// Whether a row has no value of either kind.
    pub(crate) fn is_empty_row(&self, row: usize) -> bool {
        bitmap::is_empty(self.bits(row))
            && self.cells(row).iter().all(Option::is_none)
            && self.native_row(row).is_none_or(NativeRow::is_empty)
    }

    /// Adds a row without values.
    pub(crate) fn push_row(&mut self, labels: &[LabelPair], drop_name: bool) {
        self.labels.push(labels.iter().copied());
        self.drop_name.push(drop_name);
        self.values.resize(self.values.len() + self.steps, 0.0);
        self.present.resize(self.present.len() + bitmap::num_words(self.steps), 0);
        if self.has_histograms() {
            self.histograms.push(Box::default());
        }
    }

    /// Takes back the row added last, if it has no value.
    pub(crate) fn undo_empty_row(&mut self) -> bool {
        let row = self.len() - 1;
        if !self.is_empty_row(row) {
            return false;
        }
        self.histograms.truncate(row);
        self.natives.truncate(row);
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

    /// Number of values, as the limit counts them.
    pub(crate) fn num_samples(&self) -> usize {
        let cells = self.histograms.iter().flat_map(|cells| cells.iter().flatten());
        let natives = self.natives.iter().flatten().map(|row| row.num_samples());
        bitmap::count(&self.present)
            + cells.map(|histogram| cost(histogram)).sum::<usize>()
            + natives.sum::<usize>()
    }

    /// Number of values of a row, as the limit counts them.
    pub(crate) fn num_samples_of(&self, row: usize) -> usize {
        let histograms = self.histograms(row).map(|(_, histogram)| cost(histogram));
        let natives = self.native_row(row).map_or(0, NativeRow::num_samples);
        bitmap::count(self.bits(row)) + histograms.sum::<usize>() + natives
    }

    /// Bytes of memory that the rows take. Histograms that steps share count once for each.
    pub(crate) fn size_bytes(&self) -> usize {
        let rows = 0..self.histograms.len().max(self.natives.len());
        let histograms = rows.map(|row| self.histogram_bytes(row));
        self.labels.size_bytes()
            + self.drop_name.len()
            + size_of_val(&self.values[..])
            + size_of_val(&self.present[..])
            + histograms.sum::<usize>()
    }

    /// Bytes of memory that a row takes.
    pub(crate) fn row_bytes(&self, row: usize) -> usize {
        row_bytes(self.steps, self.labels.get(row).len()) + self.histogram_bytes(row)
    }

    fn histogram_bytes(&self, row: usize) -> usize {
        if self.histograms.is_empty() && self.natives.is_empty() {
            return 0;
        }
        let histograms = self.histograms(row).map(|(_, histogram)| 16 * cost(histogram));
        let natives = self.native_row(row).map_or(0, NativeRow::size_bytes);
        size_of_val(self.cells(row)) + histograms.sum::<usize>() + natives
    }

    /// Adds the rows of `other`.
    pub(crate) fn append(&mut self, other: &Self) {
        if self.has_histograms() || other.has_histograms() {
            self.histograms.resize_with(self.len(), Box::default);
            self.histograms.extend(other.histograms.iter().cloned());
            self.histograms.resize_with(self.len() + other.len(), Box::default);
        }
        other.labels.iter().for_each(|pairs| self.labels.push(pairs.iter().copied()));
        self.drop_name.extend_from_slice(&other.drop_name);
        self.values.extend_from_slice(&other.values);
        self.present.extend_from_slice(&other.present);
    }

    /// Copies row `row` of `other`, with other labels.
    pub(crate) fn push_copy(&mut self, other: &Self, row: usize, labels: &[LabelPair]) {
        if self.has_histograms() || !other.cells(row).is_empty() {
            self.histograms.resize_with(self.len(), Box::default);
            self.histograms.push(other.cells(row).into());
        }
        self.labels.push(labels.iter().copied());
        self.drop_name.push(other.drop_name[row]);
        self.values.extend_from_slice(other.row(row));
        self.present.extend_from_slice(other.bits(row));
    }

    /// Leaves out the rows without values.
    pub(crate) fn without_empty_rows(self) -> Self {
        if (0..self.len()).all(|row| !self.is_empty_row(row)) {
            return self;
        }
        let mut out = Self::new(self.steps);
        for row in (0..self.len()).filter(|&row| !self.is_empty_row(row)) {
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
            if bitmap::first_common(&out.presence(into), &self.presence(row)).is_some() {
                return Err(Error::duplicate_labels());
            }
            for (step, histogram) in self.histograms(row) {
                out.put_histogram(into, step, Arc::clone(histogram));
            }
            let (values, bits) = out.row_mut(into);
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

    /// The number of a set that was inserted.
    pub(crate) fn find(&self, pairs: &[LabelPair]) -> Option<usize> {
        let hash = self.hasher.hash_one(pairs);
        let sets = &self.sets;
        self.table.find(hash, |&i| sets.get(i as usize) == pairs).map(|&found| found as usize)
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
