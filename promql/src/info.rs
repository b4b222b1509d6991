//! `info`: adds labels of info metrics to the series that share their identifying labels, `instance` and `job`.

use crate::ast::Span;
use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::operator::{StepBatch, label, set_label};
use crate::plan::{Argument, Call, Look, Node, Select, Source, hints};
use crate::selection;
use model::hash::{HashMap, HashSet};
use model::{LabelPair, METRIC_NAME, MatchOp, Matcher, StepGrid, Sym, is_stale_nan};
use std::sync::Arc;

const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// What the second argument asks for.
struct Wanted {
    /// Conditions on the names of info metrics.
    names: Vec<Matcher>,
    /// Conditions on their other labels.
    data: Vec<Matcher>,
}

impl Wanted {
    fn new(call: &Call) -> Self {
        let given = match call.args.get(1) {
            Some(Argument::Node { node: Node::Select { select, .. }, .. }) => &select.matchers[..],
            Some(Argument::Node { node: Node::Invariant(inner), .. }) => match &**inner {
                Node::Select { select, .. } => &select.matchers[..],
                _ => &[],
            },
            _ => &[],
        };
        let (mut names, data): (Vec<_>, Vec<_>) =
            given.iter().cloned().partition(|m| m.name() == METRIC_NAME);
        let positive = |m: &Matcher| matches!(m.op(), MatchOp::Equal | MatchOp::Regex);
        if !names.iter().any(positive) {
            let (op, value) = if names.is_empty() {
                (MatchOp::Equal, "target_info")
            } else {
                (MatchOp::Regex, ".+_info")
            };
            names.push(Matcher::new(METRIC_NAME, op, value).expect("a valid pattern"));
        }
        Self { names, data }
    }
}

/// When the first selector inside an expression looks.
fn first_look(node: &Node) -> Option<Look> {
    let argument = |argument: &Argument| match argument {
        Argument::Node { node, .. } => first_look(node),
        Argument::Text(_) => None,
    };
    match node {
        Node::Number(_) => None,
        Node::Select { select, .. } => Some(select.look),
        Node::Window(call) => match &call.range.source {
            Source::Stored(select) => Some(select.look),
            Source::Subquery { inner, look, .. } => first_look(inner).map(|inner| Look {
                at_ms: inner.at_ms.or(look.at_ms),
                offset_ms: inner.offset_ms.saturating_add(look.offset_ms),
                ..inner
            }),
        },
        Node::Call(call) => call.args.iter().find_map(argument),
        Node::Negate(inner) | Node::Invariant(inner) => first_look(inner),
        Node::Binary(binary) => first_look(&binary.lhs).or_else(|| first_look(&binary.rhs)),
        Node::Aggregate(aggregate) => {
            first_look(&aggregate.operand).or_else(|| aggregate.param.as_ref().and_then(argument))
        }
    }
}

/// The info series: as values the times in milliseconds at which their samples were taken.
fn info_series(
    exec: &Exec<'_>,
    wanted: &Wanted,
    look: Look,
    grid: StepGrid,
) -> Result<StepBatch, Error> {
    let matchers = wanted.names.iter().chain(&wanted.data).cloned().collect();
    let selection = Select {
        matchers,
        look,
        smoothed: false,
        totals_only: false,
        wanted_labels: None,
        span: Span::default(),
    };
    let windows = hints::instant_windows(&selection, grid, exec.lookback_ms);
    let mut out = StepBatch::new(grid.len);
    selection::for_each_series(exec, &selection, &windows, true, &mut |labels, columns| {
        if !columns.histograms.is_empty() {
            let text = crate::binary::matching::text(&exec.symbols, labels);
            return Err(Error::Execution(format!(
                "this should be an info metric, with float samples: {text}"
            )));
        }
        out.push_row(labels, false);
        let row = out.len() - 1;
        for step in 0..grid.len {
            let end_ms = windows.end_ms(step);
            let end = columns.timestamps_ms.partition_point(|&t| t <= end_ms);
            let Some(last) = end.checked_sub(1) else { continue };
            let time = columns.timestamps_ms[last];
            if time > end_ms.saturating_sub(windows.range_ms) && !is_stale_nan(columns.values[last])
            {
                out.put(row, step, time as f64);
            }
        }
        out.undo_empty_row();
        Ok(())
    })?;
    Ok(out)
}

/// `info(v, {selector})`
pub(crate) fn vector(exec: &Exec<'_>, call: &Call, grid: StepGrid) -> Result<StepBatch, Error> {
    let Argument::Node { node, .. } = &call.args[0] else { unreachable!("checked to be a vector") };
    let base = exec.vector(node, grid)?;
    let wanted = Wanted::new(call);
    let name_of = |labels: &[LabelPair]| exec.symbols.text(label(labels, exec.names.metric_name));
    let is_info = |labels: &[LabelPair]| wanted.names.iter().all(|m| m.matches(name_of(labels)));
    let ids = IDENTIFYING.map(|name| exec.symbols.intern(name));
    let mut seen: [HashSet<Sym>; 2] = [HashSet::default(), HashSet::default()];
    for labels in base.labels.iter().filter(|labels| !is_info(labels)) {
        for (seen, id) in seen.iter_mut().zip(ids) {
            seen.extend(Some(label(labels, id)).filter(|value| *value != Sym::EMPTY));
        }
    }
    let mut by_id: HashMap<[Sym; 2], Vec<usize>> = HashMap::default();
    let mut info = StepBatch::new(grid.len);
    if seen.iter().any(|seen| !seen.is_empty()) {
        info = info_series(exec, &wanted, first_look(node).unwrap_or_default(), grid)?;
    }
    for (row, labels) in info.labels.iter().enumerate() {
        let id = ids.map(|id| label(labels, id));
        if seen.iter().zip(id).all(|(seen, value)| seen.is_empty() || seen.contains(&value)) {
            by_id.entry(id).or_default().push(row);
        }
    }
    let enrich = Enrich { exec, wanted: &wanted, info: &info, ids };
    let mut out = StepBatch::new(grid.len);
    for (row, labels) in base.labels.iter().enumerate() {
        if is_info(labels) {
            out.push_copy(&base, row, labels);
            continue;
        }
        let id = ids.map(|id| label(labels, id));
        let candidates = by_id.get(&id).map_or(&[][..], Vec::as_slice);
        enrich.row(&base, row, candidates, &mut out)?;
    }
    out.merge_equal()
}

struct Enrich<'e, 'a> {
    exec: &'e Exec<'a>,
    wanted: &'e Wanted,
    info: &'e StepBatch,
    ids: [Sym; 2],
}

impl Enrich<'_, '_> {
    /// Adds one series with the labels of its info series, a row for each set of labels it has over time.
    fn row(
        &self,
        base: &StepBatch,
        row: usize,
        candidates: &[usize],
        out: &mut StepBatch,
    ) -> Result<(), Error> {
        let mut rows: HashMap<Vec<usize>, Option<usize>> = HashMap::default();
        for step in bitmap::ones(&base.presence(row)) {
            let chosen = self.choose(candidates, step)?;
            let into = match rows.get(&chosen) {
                Some(into) => *into,
                None => {
                    let labels = self.labels(base.labels.get(row), &chosen)?;
                    let into = labels.map(|labels| {
                        out.push_row(&labels, base.drop_name[row]);
                        out.len() - 1
                    });
                    rows.insert(chosen, into);
                    into
                }
            };
            if let Some(into) = into {
                match base.histogram(row, step) {
                    Some(histogram) => out.put_histogram(into, step, Arc::clone(histogram)),
                    None => out.put(into, step, base.row(row)[step]),
                }
            }
        }
        Ok(())
    }

    /// The newest info series of each name at a step.
    fn choose(&self, candidates: &[usize], step: usize) -> Result<Vec<usize>, Error> {
        let name = |row: usize| label(self.info.labels.get(row), self.exec.names.metric_name);
        let mut chosen: Vec<usize> = Vec::new();
        for &candidate in candidates {
            let Some(time) = self.info.get(candidate, step) else { continue };
            let Some(held) = chosen.iter_mut().find(|held| name(**held) == name(candidate)) else {
                chosen.push(candidate);
                continue;
            };
            let held_time = self.info.row(*held)[step];
            if held_time == time {
                let text = |row: usize| self.text(row);
                return Err(Error::Execution(format!(
                    "found duplicate series for info metric: existing {} @ {held_time}, new {} @ {time}",
                    text(*held),
                    text(candidate)
                )));
            }
            if time > held_time {
                *held = candidate;
            }
        }
        Ok(chosen)
    }

    fn text(&self, row: usize) -> String {
        crate::binary::matching::text(&self.exec.symbols, self.info.labels.get(row))
    }

    /// The labels of a series with those of its info series; `None` if the series goes because it has none.
    fn labels(
        &self,
        base: &[LabelPair],
        chosen: &[usize],
    ) -> Result<Option<Vec<LabelPair>>, Error> {
        if chosen.is_empty() && self.wanted.data.iter().any(|m| !m.matches("")) {
            return Ok(None);
        }
        let symbols = &self.exec.symbols;
        let mut added: Vec<LabelPair> = Vec::new();
        for pair in chosen.iter().flat_map(|&row| self.info.labels.get(row)) {
            let name = symbols.text(pair.name);
            let named = self.wanted.data.iter().any(|m| m.name() == name);
            if pair.name == self.exec.names.metric_name
                || self.ids.contains(&pair.name)
                || (!self.wanted.data.is_empty() && !named)
                || label(base, pair.name) != Sym::EMPTY
            {
                continue;
            }
            match added.iter().find(|held| held.name == pair.name) {
                Some(held) if held.value != pair.value => {
                    return Err(Error::Execution(format!("conflicting label: {name}")));
                }
                Some(_) => {}
                None => added.push(*pair),
            }
        }
        let mut labels = base.to_vec();
        added.iter().for_each(|pair| set_label(symbols, &mut labels, pair.name, pair.value));
        Ok(Some(labels))
    }
}
