//! `sort` and its kin: they order instant answers only.

use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::FunctionId;
use crate::kernel::pdqsort;
use crate::operator::{StepBatch, label};
use crate::plan::{Argument, Call};
use model::{StepGrid, Sym};
use std::cmp::Ordering;

/// Whether `a` stands before `b`: NaN last, and after another NaN too.
pub(crate) fn before(a: f64, b: f64, descending: bool) -> bool {
    b.is_nan() || (if descending { a > b } else { a < b })
}

/// The vector of a call: its argument in another order.
pub(crate) fn vector(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let mut batch = exec.vector_arg(&call.args, 0, grid)?;
    // Noted behind what the argument notes: of sorts in sorts the outer one is told. A range that ends before its second
    // step is a range all the same.
    let times = exec.times;
    let is_short_range = times.end_ms > times.start_ms
        && grid == StepGrid { start_ms: times.start_ms, step_ms: times.step_ms, len: 1 };
    if grid.len > 1 || is_short_range {
        let text =
            "sort is ineffective for range queries since results are always ordered by labels";
        exec.note(|notes| notes.warn(text, Some(call.span)));
    }
    if matches!(call.function, FunctionId::Sort | FunctionId::SortDesc) {
        batch.drop_histograms();
    }
    if grid.len != 1 {
        return Ok(batch);
    }
    let mut rows: Vec<usize> =
        (0..batch.len()).filter(|&row| bitmap::get(&batch.presence(row), 0)).collect();
    let value = |row: usize| batch.row(row)[0];
    let descending = matches!(call.function, FunctionId::SortDesc | FunctionId::SortByLabelDesc);
    if matches!(call.function, FunctionId::Sort | FunctionId::SortDesc) {
        pdqsort::sort(&mut rows, &|&a, &b| before(value(a), value(b), descending));
    } else {
        let names = call.args[1..].iter().map(|argument| match argument {
            Argument::Text(name) => exec.symbols.intern(name),
            Argument::Node { .. } => unreachable!("checked to be a string"),
        });
        let names: Vec<Sym> = names.collect();
        let order = |a: usize, b: usize| {
            let (a, b) = (batch.labels.get(a), batch.labels.get(b));
            let values = names.iter().map(|&name| (label(a, name), label(b, name)));
            match values.into_iter().find(|(x, y)| x != y) {
                Some((x, y)) if natural(exec.symbols.text(x), exec.symbols.text(y)) => {
                    Ordering::Less
                }
                Some(_) => Ordering::Greater,
                None => exec.symbols.compare(a, b),
            }
        };
        let wanted = if descending { Ordering::Greater } else { Ordering::Less };
        pdqsort::sort(&mut rows, &|&a, &b| order(a, b) == wanted);
    }
    let mut out = StepBatch::new(1);
    for row in rows {
        out.push_copy(&batch, row, batch.labels.get(row));
    }
    Ok(out)
}

/// The leading run of digits or of anything else.
fn run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

/// Whether `a` stands before `b`, different texts: runs of digits compare as numbers and everything else as text; who
/// ends first is smaller. As in the reference, two spellings of one number stand before each other.
fn natural(mut a: &str, mut b: &str) -> bool {
    while !a.is_empty() && !b.is_empty() {
        let ((run_a, rest_a), (run_b, rest_b)) = (run(a), run(b));
        let differ = match (run_a.parse::<i64>(), run_b.parse::<i64>()) {
            (Ok(x), Ok(y)) => (x != y).then_some(x < y),
            _ => (run_a != run_b).then_some(run_a < run_b),
        };
        if let Some(before) = differ {
            return before;
        }
        if rest_a.is_empty() {
            return true;
        }
        (a, b) = (rest_a, rest_b);
    }
    false
}
