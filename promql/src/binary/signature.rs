//! By which labels series of two vectors meet.

use crate::ast::Matching;
use crate::exec::Exec;
use crate::operator::{LabelIndex, StepBatch};
use model::{LabelPair, Sym};

/// The labels of `on` or `ignoring`, as ids.
pub(crate) struct SignatureOf {
    on: bool,
    names: Vec<Sym>,
    metric_name: Sym,
}

impl SignatureOf {
    pub(crate) fn new(exec: &Exec<'_>, matching: &Matching) -> Self {
        Self {
            on: matching.on,
            names: matching.labels.iter().map(|name| exec.symbols.intern(name)).collect(),
            metric_name: exec.names.metric_name,
        }
    }

    /// The part of a label set by which it meets others.
    pub(crate) fn of<'l>(
        &self,
        labels: &'l [LabelPair],
    ) -> impl Iterator<Item = LabelPair> + use<'_, 'l> {
        labels.iter().copied().filter(|pair| {
            if self.on {
                self.names.contains(&pair.name)
            } else {
                pair.name != self.metric_name && !self.names.contains(&pair.name)
            }
        })
    }

    /// Whether a one-to-one result of arithmetic keeps label `name`.
    pub(crate) fn keeps(&self, name: Sym) -> bool {
        self.on == self.names.contains(&name)
    }
}

/// The rows of a batch by signature.
pub(crate) struct Signatures {
    /// Signature number of each row.
    pub(crate) of_row: Vec<usize>,
    /// Rows of each signature, in order.
    pub(crate) rows: Vec<Vec<usize>>,
}

impl Signatures {
    /// Numbers the signatures of all rows; new ones are added to `index`.
    pub(crate) fn new(batch: &StepBatch, by: &SignatureOf, index: &mut LabelIndex) -> Self {
        let (mut of_row, mut rows, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
        for (row, labels) in batch.labels.iter().enumerate() {
            scratch.clear();
            scratch.extend(by.of(labels));
            let number = index.insert(&scratch);
            of_row.push(number);
            if rows.len() <= number {
                rows.resize_with(number + 1, Vec::new);
            }
            rows[number].push(row);
        }
        Self { of_row, rows }
    }

    /// The rows with this signature.
    pub(crate) fn rows(&self, number: usize) -> &[usize] {
        self.rows.get(number).map_or(&[], Vec::as_slice)
    }
}
