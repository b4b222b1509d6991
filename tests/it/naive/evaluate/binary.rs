//! Operators between two sides, step by step: matching, set operators, arithmetic, comparisons.

use super::{Binary, Evaluated, Labels, NAME, Node, Out, Row, Sample, World, evaluate, merged};
use model::histogram::CounterResetHint as Hint;
use std::collections::{BTreeMap, BTreeSet};

/// The value of an operator on two numbers, and whether a filter lets it through.
fn of_floats(op: &str, a: f64, b: f64) -> (f64, bool) {
    match op {
        "+" => (a + b, true),
        "-" => (a - b, true),
        "*" => (a * b, true),
        "/" => (a / b, true),
        "%" => (a % b, true),
        "==" => (a, a == b),
        "!=" => (a, a != b),
        "<" => (a, a < b),
        "<=" => (a, a <= b),
        ">" => (a, a > b),
        ">=" => (a, a >= b),
        other => panic!("{other} is not generated"),
    }
}

/// The value of an operator, and whether a filter lets it through; `None` if the kinds of samples do not fit.
fn apply(op: &str, a: &Sample, b: &Sample) -> Option<(Sample, bool)> {
    match (a, b) {
        (Sample::Float(a), Sample::Float(b)) => {
            let (value, keep) = of_floats(op, *a, *b);
            Some((Sample::Float(value), keep))
        }
        (Sample::Histogram(h), Sample::Float(f)) if op == "*" => {
            Some(((**h).clone().times(*f).compact().into(), true))
        }
        (Sample::Histogram(h), Sample::Float(f)) if op == "/" => {
            Some(((**h).clone().over(*f).compact().into(), true))
        }
        (Sample::Float(f), Sample::Histogram(h)) if op == "*" => {
            Some(((**h).clone().times(*f).compact().into(), true))
        }
        (Sample::Histogram(g), Sample::Histogram(h)) => match op {
            "+" | "-" => {
                let mut sum = (**g).clone();
                let sign = if op == "+" { 1.0 } else { -1.0 };
                if sum.combine(h, sign) != Ok(false) {
                    return None;
                }
                if op == "-" {
                    sum.hint = Hint::Gauge;
                }
                Some((sum.compact().into(), true))
            }
            "==" => Some((a.clone(), g.same(h))),
            "!=" => Some((a.clone(), !g.same(h))),
            _ => None,
        },
        _ => None,
    }
}

fn is_comparison(op: &str) -> bool {
    matches!(op, "==" | "!=" | "<" | "<=" | ">" | ">=")
}

pub(super) fn binary(world: &World, node: &Binary, times: &[i64]) -> Evaluated<Vec<Row>> {
    let result = |a: &Sample, b: &Sample| {
        let (value, keep) = apply(node.op, a, b)?;
        if node.return_bool {
            return Some(Sample::Float(f64::from(u8::from(keep))));
        }
        keep.then_some(value)
    };
    let drops_name = !is_comparison(node.op) || node.return_bool;
    match (evaluate(world, &node.lhs, times)?, evaluate(world, &node.rhs, times)?) {
        (Out::Vector(lhs), Out::Vector(rhs)) if matches!(node.op, "and" | "or" | "unless") => {
            Ok(set(node, lhs, &rhs))
        }
        (Out::Vector(lhs), Out::Vector(rhs)) => join(node, (&lhs, &rhs), times.len(), &result),
        (Out::Vector(rows), Out::Scalar(scalar)) | (Out::Scalar(scalar), Out::Vector(rows)) => {
            let scalar_left = matches!(&*node.lhs, Node::Number(_));
            let rows = rows.into_iter().map(|mut row| {
                if drops_name {
                    row.labels.remove(NAME);
                }
                for (value, &scalar) in row.values.iter_mut().zip(&scalar) {
                    *value = value.take().and_then(|vector| {
                        let scalar = Sample::Float(scalar);
                        let (a, b) =
                            if scalar_left { (&scalar, &vector) } else { (&vector, &scalar) };
                        // A filter shows the value of the vector, whichever side it stands on.
                        let shows_vector = is_comparison(node.op) && !node.return_bool;
                        let value = result(a, b)?;
                        Some(if shows_vector { vector } else { value })
                    });
                }
                row
            });
            let rows = rows.collect();
            if drops_name { merged(rows) } else { Ok(rows) }
        }
        (Out::Scalar(_), Out::Scalar(_)) => Err("two scalars are not generated".into()),
    }
}

/// The labels by which series meet.
fn signature(node: &Binary, labels: &Labels) -> Labels {
    let kept = labels.iter().filter(|(name, _)| match &node.matching {
        Some((true, names)) => names.contains(&name.as_str()),
        Some((false, names)) => *name != NAME && !names.contains(&name.as_str()),
        None => *name != NAME,
    });
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn set(node: &Binary, lhs: Vec<Row>, rhs: &[Row]) -> Vec<Row> {
    let has = |rows: &[Row], labels: &Labels, step: usize| {
        let wanted = signature(node, labels);
        rows.iter().any(|row| row.values[step].is_some() && signature(node, &row.labels) == wanted)
    };
    let filtered = |rows: &[Row], others: &[Row], keep: bool| -> Vec<Row> {
        let rows = rows.iter().cloned().map(|mut row| {
            for (step, value) in row.values.iter_mut().enumerate() {
                *value = value.take().filter(|_| has(others, &row.labels, step) == keep);
            }
            row
        });
        rows.collect()
    };
    match node.op {
        "and" => filtered(&lhs, rhs, true),
        "unless" => filtered(&lhs, rhs, false),
        _ => {
            let rest = filtered(rhs, &lhs, false);
            let both = lhs.into_iter().chain(rest).collect();
            merged(both).expect("what stands on both sides is taken from the left")
        }
    }
}

fn join(
    node: &Binary,
    (lhs, rhs): (&[Row], &[Row]),
    steps: usize,
    result: &dyn Fn(&Sample, &Sample) -> Option<Sample>,
) -> Evaluated<Vec<Row>> {
    let swapped = matches!(&node.group, Some((false, _)));
    let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
    let mut out: Vec<Row> = Vec::new();
    // Rows in the order of the many side, then of its partners.
    for row in many {
        for partner in
            one.iter().filter(|p| signature(node, &p.labels) == signature(node, &row.labels))
        {
            let labels = result_labels(node, &row.labels, &partner.labels);
            let values = (0..steps).map(|step| {
                let (m, o) = (row.values[step].as_ref()?, partner.values[step].as_ref()?);
                if swapped { result(o, m) } else { result(m, o) }
            });
            out.push(Row { labels, values: values.collect() });
        }
    }
    for step in 0..steps {
        check_step(node, (many, one), swapped, step)?;
    }
    merged(out)
}

/// What is wrong with the series that meet at a step.
fn check_step(
    node: &Binary,
    (many, one): (&[Row], &[Row]),
    swapped: bool,
    step: usize,
) -> Evaluated<()> {
    fn present(rows: &[Row], step: usize) -> Vec<(&Labels, &Sample)> {
        let rows = rows.iter().filter_map(|row| Some((&row.labels, row.values[step].as_ref()?)));
        rows.collect()
    }
    let (many, one) = (present(many, step), present(one, step));
    if many.is_empty() || one.is_empty() {
        return Ok(());
    }
    let mut partners = BTreeMap::new();
    for (labels, sample) in one {
        if partners.insert(signature(node, labels), (labels, sample)).is_some() {
            return Err("found duplicate series for the match group".into());
        }
    }
    let mut taken = BTreeSet::new();
    for (labels, own) in many {
        let signature = signature(node, labels);
        let Some((partner, other)) = partners.get(&signature) else { continue };
        let made = if swapped { apply(node.op, other, own) } else { apply(node.op, own, other) };
        // Kinds that do not fit are no match.
        if made.is_none() {
            continue;
        }
        let result = node.group.is_some().then(|| result_labels(node, labels, partner));
        if !taken.insert((signature, result)) {
            return Err("multiple matches for labels".into());
        }
    }
    Ok(())
}

fn result_labels(node: &Binary, many: &Labels, one: &Labels) -> Labels {
    let mut out = many.clone();
    if !is_comparison(node.op) || node.return_bool {
        out.remove(NAME);
    }
    match (&node.group, &node.matching) {
        (Some((_, include)), _) => {
            for name in include {
                match one.get(*name) {
                    Some(value) => out.insert((*name).to_owned(), value.clone()),
                    None => out.remove(*name),
                };
            }
        }
        (None, Some((true, names))) => out.retain(|name, _| names.contains(&name.as_str())),
        (None, Some((false, names))) => out.retain(|name, _| !names.contains(&name.as_str())),
        (None, None) => {}
    }
    out
}
