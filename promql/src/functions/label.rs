//! `label_replace` and `label_join`: labels rewritten row by row, on ids; each source value is matched once.

use crate::ast::{self, Expr};
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::FunctionId;
use crate::operator::{StepBatch, label, set_label};
use crate::plan::{Argument, Call};
use model::hash::HashMap;
use model::regex::Regex;
use model::{LabelPair, METRIC_NAME, StepGrid, Sym};

fn text(call: &Call, index: usize) -> &str {
    match &call.args[index] {
        Argument::Text(text) => text,
        Argument::Node { .. } => unreachable!("checked to be a string"),
    }
}

fn pattern(call: &Call) -> Result<Regex, Error> {
    let pattern = text(call, 4);
    Regex::new(pattern).map_err(|_| {
        Error::Execution(format!("invalid regular expression in label_replace(): {pattern}"))
    })
}

/// Refuses names and expressions that are not UTF-8, in the words for what is no name and no expression.
pub(crate) fn validate_bytes(call: &ast::Call) -> Result<(), Error> {
    let name = call.function.name;
    let places = match call.function.id {
        FunctionId::LabelReplace => {
            vec![(4, "regular expression"), (1, "destination label name")]
        }
        FunctionId::LabelJoin => {
            let sources = (3..call.args.len()).map(|index| (index, "source label name"));
            sources.chain([(1, "destination label name")]).collect()
        }
        _ => return Ok(()),
    };
    for (index, what) in places {
        if let Some(Expr::String(literal)) = call.args.get(index).map(Expr::unwrap_parens)
            && str::from_utf8(&literal.value).is_err()
        {
            let shown = String::from_utf8_lossy(&literal.value);
            return Err(Error::Execution(format!("invalid {what} in {name}(): {shown}")));
        }
    }
    Ok(())
}

/// Checks the texts of a call.
pub(crate) fn validate(call: &Call) -> Result<(), Error> {
    let invalid = |what: &str, name: &str| {
        Err(Error::Execution(format!("invalid {what} label name in {name}")))
    };
    if call.function == FunctionId::LabelReplace {
        pattern(call)?;
        let destination = text(call, 1);
        if destination.is_empty() {
            return invalid("destination", &format!("label_replace(): {destination}"));
        }
        return Ok(());
    }
    for index in 3..call.args.len() {
        if text(call, index).is_empty() {
            return invalid("source", "label_join(): ");
        }
    }
    if text(call, 1).is_empty() {
        return invalid("destination", "label_join(): ");
    }
    Ok(())
}

/// Writes label `name` of every row as `value` says; `None` leaves the row as it is.
fn rewrite(
    exec: &Exec<'_>,
    mut batch: StepBatch,
    name: &str,
    mut value: impl FnMut(&[LabelPair]) -> Option<Sym>,
) -> Result<StepBatch, Error> {
    let labels = std::mem::take(&mut batch.labels);
    let destination = exec.symbols.intern(name);
    let mut pairs = Vec::new();
    for (row, old) in labels.iter().enumerate() {
        pairs.clear();
        pairs.extend_from_slice(old);
        if let Some(value) = value(old) {
            set_label(&exec.symbols, &mut pairs, destination, value);
            if name == METRIC_NAME {
                batch.drop_name[row] = false;
            }
        }
        batch.labels.push(pairs.iter().copied());
    }
    batch.merge_equal()
}

/// `label_replace(v, destination, replacement, source, regex)`
pub(crate) fn replace(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let batch = exec.vector_arg(&call.args, 0, grid)?;
    let (destination, template, regex) = (text(call, 1), text(call, 2), pattern(call)?);
    let source = exec.symbols.intern(text(call, 3));
    let mut known: HashMap<Sym, Option<Sym>> = HashMap::default();
    rewrite(exec, batch, destination, |labels| {
        let value = label(labels, source);
        *known.entry(value).or_insert_with(|| {
            let mut out = String::new();
            let input = exec.symbols.text(value);
            let matched = regex.captures_expand(input, template, &mut out);
            matched.then(|| exec.symbols.intern(&out))
        })
    })
}

/// `label_join(v, destination, separator, source...)`
pub(crate) fn join(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let batch = exec.vector_arg(&call.args, 0, grid)?;
    let (destination, separator) = (text(call, 1), text(call, 2));
    let sources = 3..call.args.len();
    let sources: Vec<Sym> = sources.map(|index| exec.symbols.intern(text(call, index))).collect();
    let mut joined = String::new();
    rewrite(exec, batch, destination, |labels| {
        joined.clear();
        for (index, &source) in sources.iter().enumerate() {
            if index > 0 {
                joined.push_str(separator);
            }
            joined.push_str(exec.symbols.text(label(labels, source)));
        }
        Some(exec.symbols.intern(&joined))
    })
}
