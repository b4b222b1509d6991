//! Vectors with vectors: series meet once for the whole query, then rows are computed as wholes. Errors are those that
//! the step-by-step evaluation of the reference meets first.

use super::natives::{self, Element, LastTold, Made, Told};
use super::signature::{SignatureOf, Signatures};
use super::{any_present, arithmetic, is_trim, row};
use crate::ast::Cardinality;
use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::operator::{Cell, LabelIndex, StepBatch, label, set_label};
use crate::plan::Binary;
use model::{LabelPair, Sym, Symbols};
use std::sync::Arc;

/// The two sides after the swap that `group_right` asks for: `many` may have several series for a signature.
struct Join<'e, 'a> {
    exec: &'e Exec<'a>,
    node: &'e Binary,
    by: SignatureOf,
    index: LabelIndex,
    many: StepBatch,
    one: StepBatch,
    many_of: Signatures,
    one_of: Signatures,
    include: Vec<Sym>,
    swapped: bool,
    /// Steps at which the operator does anything.
    active: Vec<u64>,
    /// Stands in for a missing series of the one, of the many side.
    fill_one: Option<f64>,
    fill_many: Option<f64>,
}

/// The vector of arithmetic or a comparison.
pub(crate) fn vector(
    exec: &Exec<'_>,
    node: &Binary,
    lhs: StepBatch,
    rhs: StepBatch,
) -> Result<StepBatch, Error> {
    let matching = &node.matching;
    let steps = lhs.steps;
    let swapped = matching.cardinality == Cardinality::OneToMany;
    let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
    // The sides swap before the fill values are looked at, so they stand in for the other side then.
    let (fill_many, fill_one) = (matching.fill_left, matching.fill_right);
    let mut active = any_present(&many);
    let other = any_present(&one);
    if fill_many.is_some() || fill_one.is_some() {
        bitmap::or(&mut active, &other);
    } else {
        bitmap::and(&mut active, &other);
    }
    let by = SignatureOf::new(exec, matching);
    let mut index = LabelIndex::default();
    let many_of = Signatures::new(&many, &by, &mut index);
    let one_of = Signatures::new(&one, &by, &mut index);
    let include = matching.include.iter().map(|name| exec.symbols.intern(name)).collect();
    let join = Join {
        exec,
        node,
        by,
        index,
        many,
        one,
        many_of,
        one_of,
        include,
        swapped,
        active,
        fill_one,
        fill_many,
    };
    join.check()?;
    let mut out = StepBatch::new(steps);
    join.run(&mut out)?;
    out.without_empty_rows().merge_equal()
}

/// A failure and when it happens: the earliest wins, at one step that of the one side.
type Conflict = (usize, Error);

impl Join<'_, '_> {
    fn check(&self) -> Result<(), Error> {
        let one = self.one_conflict();
        let many = self.many_conflict();
        match (one, many) {
            (Some(one), Some(many)) => Err(if one.0 <= many.0 { one.1 } else { many.1 }),
            (Some(conflict), None) | (None, Some(conflict)) => Err(conflict.1),
            (None, None) => Ok(()),
        }
    }

    /// The first step at which two series of the one side have the same signature.
    fn one_conflict(&self) -> Option<Conflict> {
        let mut first: Option<(usize, usize, usize)> = None;
        for rows in self.one_of.rows.iter().filter(|rows| rows.len() > 1) {
            let mut earlier_bits = vec![0; self.active.len()];
            for (position, &later) in rows.iter().enumerate() {
                let mut bits = self.one.presence(later).into_owned();
                bitmap::and(&mut bits, &self.active);
                if let Some(step) = bitmap::first_common(&earlier_bits, &bits)
                    && first.is_none_or(|(held, _, held_later)| (step, later) < (held, held_later))
                {
                    let is_there = |row: &&usize| bitmap::get(&self.one.presence(**row), step);
                    let earlier = rows[..position].iter().find(is_there);
                    first = Some((step, *earlier.expect("one of them has the step"), later));
                }
                bitmap::or(&mut earlier_bits, &bits);
            }
        }
        first.map(|(step, earlier, later)| {
            let symbols = &self.exec.symbols;
            let side = if self.swapped { "left" } else { "right" };
            let group: Vec<_> = self.by.of(self.one.labels.get(later)).collect();
            let group = text(symbols, &group);
            let mut pair = [later, earlier].map(|row| text(symbols, self.one.labels.get(row)));
            pair.sort();
            let [a, b] = pair;
            let text = format!(
                "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{a}, {b}];many-to-many matching not allowed: matching labels must be unique on one side"
            );
            (step, Error::Execution(text))
        })
    }

    /// Steps at which a series of the many side has a partner or a value that stands in for one.
    fn partnered(&self, row: usize, partners: &[u64]) -> Vec<u64> {
        let mut bits = self.many.presence(row).into_owned();
        bitmap::and(&mut bits, &self.active);
        if self.fill_one.is_none() {
            bitmap::and(&mut bits, partners);
        }
        bits
    }

    /// Forgets the steps at which the operator has no meaning for a series of the many side and its partner.
    fn drop_failures(&self, bits: &mut [u64], many: usize, signature: usize) {
        let steps: Vec<usize> = bitmap::ones(bits).collect();
        for step in steps {
            let partner = self.one_of.rows(signature).iter();
            let partner = partner.copied().find(|&one| bitmap::get(&self.one.presence(one), step));
            let other = match partner {
                Some(one) => Side::row(&self.one, one).element(step),
                None => Element::Float(self.fill_one.unwrap_or_default()),
            };
            let own = Side::row(&self.many, many).element(step);
            let fails = match (own, other) {
                (Element::Float(_), Element::Float(_)) => is_trim(self.node.op),
                _ if self.swapped => is_nothing(natives::apply(self.node.op, other, own)),
                _ => is_nothing(natives::apply(self.node.op, own, other)),
            };
            if fails {
                bitmap::unset(bits, step);
            }
        }
    }

    /// The first step at which two results would be equal.
    fn many_conflict(&self) -> Option<Conflict> {
        let one_to_one = self.node.matching.cardinality == Cardinality::OneToOne;
        let mut first: Option<usize> = None;
        for (signature, rows) in self.many_of.rows.iter().enumerate() {
            if rows.len() < 2 {
                continue;
            }
            let mut partners = vec![0; self.active.len()];
            for &one in self.one_of.rows(signature) {
                bitmap::or(&mut partners, &self.one.presence(one));
            }
            let may_fail =
                is_trim(self.node.op) || self.many.has_histograms() || self.one.has_histograms();
            // Those whose results are equal, whoever the partner is, and where they have one.
            let mut index = LabelIndex::default();
            let mut taken: Vec<Vec<u64>> = Vec::new();
            for &row in rows {
                let own = if one_to_one { Vec::new() } else { self.own_labels(row) };
                let number = index.insert(&own);
                if number == taken.len() {
                    taken.push(vec![0; self.active.len()]);
                }
                let mut bits = self.partnered(row, &partners);
                if may_fail {
                    self.drop_failures(&mut bits, row, signature);
                }
                if let Some(step) = bitmap::first_common(&taken[number], &bits) {
                    first = Some(first.map_or(step, |held| held.min(step)));
                }
                bitmap::or(&mut taken[number], &bits);
            }
        }
        first.map(|step| {
            let rule = if one_to_one {
                "many-to-one matching must be explicit (group_left/group_right)"
            } else {
                "grouping labels must ensure unique matches"
            };
            (step, Error::Execution(format!("multiple matches for labels: {rule}")))
        })
    }

    /// The labels of a result that come from the series of the many side alone.
    fn own_labels(&self, row: usize) -> Vec<LabelPair> {
        let (names, drops_name) = (self.exec.names, self.drops_name());
        let kept = self.many.labels.get(row).iter().copied().filter(|pair| {
            let goes = drops_name && names.names_metric(pair.name);
            !goes && !self.include.contains(&pair.name)
        });
        kept.collect()
    }

    fn drops_name(&self) -> bool {
        let delayed = self.exec.delayed_name_removal;
        arithmetic(self.node.op, 0.0, 0.0).is_some() || (self.node.return_bool && !delayed)
    }

    /// Labels of the result of two series.
    fn result_labels(&self, many: &[LabelPair], one: &[LabelPair]) -> Vec<LabelPair> {
        let names = self.exec.names;
        let drops_name = self.drops_name();
        let one_to_one = self.node.matching.cardinality == Cardinality::OneToOne;
        let kept = many.iter().copied().filter(|pair| {
            !(drops_name && names.names_metric(pair.name))
                && (!one_to_one || self.by.keeps(pair.name))
        });
        let mut out: Vec<_> = kept.collect();
        for &name in &self.include {
            set_label(&self.exec.symbols, &mut out, name, label(one, name));
        }
        out
    }

    /// Computes the rows of all pairs.
    fn run(&self, out: &mut StepBatch) -> Result<(), Error> {
        let num_words = self.active.len();
        let mut last = LastTold::default();
        // Steps at which a signature has a result already.
        let mut served: Vec<Vec<u64>> = Vec::new();
        if self.fill_many.is_some() {
            served.resize(self.index.len(), vec![0; num_words]);
        }
        for many in 0..self.many.len() {
            self.exec.cancel.check()?;
            let signature = self.many_of.of_row[many];
            let mut rest = self.many.presence(many).into_owned();
            bitmap::and(&mut rest, &self.active);
            for &one in self.one_of.rows(signature) {
                let mut bits = rest.clone();
                bitmap::and(&mut bits, &self.one.presence(one));
                if bitmap::is_empty(&bits) {
                    continue;
                }
                bitmap::and_not(&mut rest, &self.one.presence(one));
                let sides = (Side::row(&self.many, many), Side::row(&self.one, one));
                let labels = (self.many.labels.get(many), self.one.labels.get(one));
                let failed = self.push(out, sides, labels, (&bits, &mut last));
                serve(served.get_mut(signature), &bits, &failed);
            }
            if let Some(fill) = self.fill_one.filter(|_| !bitmap::is_empty(&rest)) {
                let labels = self.many.labels.get(many);
                let group: Vec<_> = self.by.of(labels).collect();
                let column = vec![fill; self.many.steps];
                let sides = (Side::row(&self.many, many), Side::of(&column));
                let failed = self.push(out, sides, (labels, &group), (&rest, &mut last));
                serve(served.get_mut(signature), &rest, &failed);
            }
        }
        self.fill_many_side(out, (&served, &mut last));
        last.note(self.exec, self.node);
        Ok(())
    }

    /// Computes the rows of the one side at whose steps the many side had nothing for them.
    fn fill_many_side(&self, out: &mut StepBatch, (served, last): (&[Vec<u64>], &mut LastTold)) {
        let Some(fill) = self.fill_many else { return };
        for one in 0..self.one.len() {
            let mut bits = self.one.presence(one).into_owned();
            bitmap::and(&mut bits, &self.active);
            bitmap::and_not(&mut bits, &served[self.one_of.of_row[one]]);
            if !bitmap::is_empty(&bits) {
                let labels = self.one.labels.get(one);
                let group: Vec<_> = self.by.of(labels).collect();
                let column = vec![fill; self.one.steps];
                let sides = (Side::of(&column), Side::row(&self.one, one));
                self.push(out, sides, (&group, labels), (&bits, &mut *last));
            }
        }
    }

    /// Adds the row of one pair, many side first. Returns the steps at which the operator has no
    /// meaning for them; nothing if there are none.
    fn push(
        &self,
        out: &mut StepBatch,
        (many, one): (Side<'_>, Side<'_>),
        (many_labels, one_labels): (&[LabelPair], &[LabelPair]),
        (bits, last): (&[u64], &mut LastTold),
    ) -> Vec<u64> {
        let drop_name = self.exec.delayed_name_removal && self.node.return_bool;
        out.push_row(&self.result_labels(many_labels, one_labels), drop_name);
        let index = out.len() - 1;
        let (lhs, rhs) = if self.swapped { (one, many) } else { (many, one) };
        let (values, present) = out.row_mut(index);
        present.copy_from_slice(bits);
        if lhs.cells.is_empty() && rhs.cells.is_empty() {
            let sides = (lhs.values, rhs.values);
            row(self.node.op, self.node.return_bool, sides, sides.0, (values, present));
            if !is_trim(self.node.op) {
                return Vec::new();
            }
            bitmap::ones(bits).for_each(|step| last.put(step, Told::FLOATS));
            return bits.to_vec();
        }
        for step in bitmap::ones(bits) {
            if lhs.is_histogram(step) || rhs.is_histogram(step) {
                bitmap::unset(present, step);
            }
        }
        let mut failed = vec![0; bits.len()];
        if is_trim(self.node.op) {
            bitmap::ones(present).for_each(|step| last.put(step, Told::FLOATS));
            failed.copy_from_slice(present);
        }
        let sides = (lhs.values, rhs.values);
        row(self.node.op, self.node.return_bool, sides, sides.0, (values, present));
        for step in bitmap::ones(bits) {
            if lhs.is_histogram(step) || rhs.is_histogram(step) {
                let (made, told) =
                    natives::apply(self.node.op, lhs.element(step), rhs.element(step));
                told.into_iter().for_each(|told| last.put(step, told));
                if matches!(made, Made::Nothing) {
                    bitmap::set(&mut failed, step);
                }
                self.put(out, step, lhs.element(step), made);
            }
        }
        failed
    }

    /// Adds what became of two elements, one of them a histogram, to the last row.
    fn put(&self, out: &mut StepBatch, step: usize, lhs: Element<'_>, made: Made) {
        let row = out.len() - 1;
        match made {
            Made::Histogram(histogram) => out.put_histogram(row, step, histogram),
            Made::Compared(holds) if self.node.return_bool => {
                out.put(row, step, f64::from(u8::from(holds)));
            }
            Made::Compared(true) => {
                if let Element::Histogram(histogram) = lhs {
                    out.put_histogram(row, step, Arc::clone(histogram));
                }
            }
            Made::Compared(false) | Made::Nothing => {}
        }
    }
}

/// Takes note of the steps at which a signature has a result: those of `bits` that did not fail.
fn serve(served: Option<&mut Vec<u64>>, bits: &[u64], failed: &[u64]) {
    let Some(served) = served else { return };
    let mut bits = bits.to_vec();
    bitmap::and_not(&mut bits, failed);
    bitmap::or(served, &bits);
}

fn is_nothing((made, _): (Made, Option<Told>)) -> bool {
    matches!(made, Made::Nothing)
}

/// One operand of a pair at every step.
#[derive(Clone, Copy)]
struct Side<'b> {
    values: &'b [f64],
    cells: &'b [Cell],
}

impl<'b> Side<'b> {
    fn row(batch: &'b StepBatch, row: usize) -> Self {
        Self { values: batch.row(row), cells: batch.cells(row) }
    }

    fn of(values: &'b [f64]) -> Self {
        Self { values, cells: &[] }
    }

    fn is_histogram(&self, step: usize) -> bool {
        self.cells.get(step).is_some_and(Option::is_some)
    }

    fn element(&self, step: usize) -> Element<'b> {
        match self.cells.get(step) {
            Some(Some(histogram)) => Element::Histogram(histogram),
            _ => Element::Float(self.values[step]),
        }
    }
}

/// A label set as errors show it.
pub(crate) fn text(symbols: &Symbols, pairs: &[LabelPair]) -> String {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|p| {
            format!("{}={}", symbols.text(p.name), model::quote::Quoted(symbols.text(p.value)))
        })
        .collect();
    format!("{{{}}}", pairs.join(", "))
}
