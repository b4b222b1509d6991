//! Labels to group numbers.

use crate::exec::Exec;
use crate::operator::LabelIndex;
use crate::plan::Aggregate;
use model::{LabelPair, Sym};

/// The groups of an aggregation, numbered by their first series.
pub(super) struct Groups {
    names: Vec<Sym>,
    without: bool,
    metric_name: Sym,
    index: LabelIndex,
    drop_name: Vec<bool>,
    scratch: Vec<LabelPair>,
}

impl Groups {
    pub(super) fn new(exec: &Exec<'_>, node: &Aggregate) -> Self {
        Self {
            names: node.grouping.iter().map(|name| exec.symbols.intern(name)).collect(),
            without: node.without,
            metric_name: exec.names.metric_name,
            index: LabelIndex::default(),
            drop_name: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Leaves label `name` to the caller: it plays no part in the grouping.
    pub(super) fn ignore(&mut self, name: Sym) {
        if self.without {
            self.names.push(name);
        } else {
            self.names.retain(|&held| held != name);
        }
    }

    /// Whether the grouping asks for label `name` to go.
    pub(super) fn removes(&self, name: Sym) -> bool {
        self.without && (name == self.metric_name || self.names.contains(&name))
    }

    /// The group of a series.
    pub(super) fn of(&mut self, labels: &[LabelPair], drop_name: bool) -> usize {
        self.scratch.clear();
        if self.without {
            let kept = labels
                .iter()
                .filter(|pair| pair.name != self.metric_name && !self.names.contains(&pair.name));
            self.scratch.extend(kept.copied());
        } else if !self.names.is_empty() {
            let kept = labels.iter().filter(|pair| self.names.contains(&pair.name));
            self.scratch.extend(kept.copied());
        }
        let group = self.index.insert(&self.scratch);
        if group == self.drop_name.len() {
            self.drop_name.push(drop_name);
        } else {
            self.drop_name[group] |= drop_name;
        }
        group
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn labels(&self, group: usize) -> &[LabelPair] {
        self.index.get(group)
    }

    pub(super) fn drop_name(&self, group: usize) -> bool {
        self.drop_name[group]
    }
}
