//! Operators between two sides, step by step: matching, set operators, arithmetic, comparisons.

use super::{Binary, Evaluated, Labels, NAME, Node, Out, Row, World, evaluate, merged};
use std::collections::{BTreeMap, BTreeSet};

/// The value of an operator, and whether a filter lets it through.
fn apply(op: &str, a: f64, b: f64) -> (f64, bool) {
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

fn is_comparison(op: &str) -> bool {
    matches!(op, "==" | "!=" | "<" | "<=" | ">" | ">=")
}

pub(super) fn binary(world: &World, node: &Binary, times: &[i64]) -> Evaluated<Vec<Row>> {
    let result = |a: f64, b: f64| {
        let (value, keep) = apply(node.op, a, b);
        if node.return_bool { Some(f64::from(u8::from(keep))) } else { keep.then_some(value) }
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
                    *value = value.and_then(|vector| {
                        let (a, b) = if scalar_left { (scalar, vector) } else { (vector, scalar) };
                        // A filter shows the value of the vector, whichever side it stands on.
                        let shows_vector = is_comparison(node.op) && !node.return_bool;
                        result(a, b).map(|value| if shows_vector { vector } else { value })
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
                *value = value.filter(|_| has(others, &row.labels, step) == keep);
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
    result: &dyn Fn(f64, f64) -> Option<f64>,
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
                let (m, o) = (row.values[step]?, partner.values[step]?);
                if swapped { result(o, m) } else { result(m, o) }
            });
            out.push(Row { labels, values: values.collect() });
        }
    }
    for step in 0..steps {
        let present = |rows: &[Row]| -> Vec<Labels> {
            rows.iter()
                .filter(|row| row.values[step].is_some())
                .map(|row| row.labels.clone())
                .collect()
        };
        let (many, one) = (present(many), present(one));
        if many.is_empty() || one.is_empty() {
            continue;
        }
        let mut partners: BTreeMap<Labels, Labels> = BTreeMap::new();
        for labels in one {
            if partners.insert(signature(node, &labels), labels).is_some() {
                return Err("found duplicate series for the match group".into());
            }
        }
        let mut taken = BTreeSet::new();
        for labels in many {
            let signature = signature(node, &labels);
            let Some(partner) = partners.get(&signature) else { continue };
            let own = node.group.is_some().then(|| result_labels(node, &labels, partner));
            if !taken.insert((signature, own)) {
                return Err("multiple matches for labels".into());
            }
        }
    }
    merged(out)
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
