//! What a query does and what it took, operator by operator, for people to read. Describes plans; measuring happens
//! where operators are run.

use crate::functions::{FUNCTIONS, FunctionId};
use crate::operator::StepBatch;
use crate::plan::{Argument, Binary, Look, Node, Range, Root, Select, Shown, Source};
use model::duration;
use model::hash::HashMap;
use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

/// Reads a clock that only goes forward.
#[derive(Clone, Copy)]
pub struct Clock<'a>(pub &'a (dyn Fn() -> Duration + Sync));

impl fmt::Debug for Clock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

/// An operator of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanNode {
    /// What it does: `select`, `rate`, `sum`, `*`.
    pub operator: String,
    /// To what: the selector, the grouping, the matching; may be empty.
    pub detail: String,
    /// What it took, if it was run and measured; scalars are not.
    pub took: Option<Took>,
    /// Its operands.
    pub children: Vec<Self>,
}

/// What an operator took, over all times it was run; its operands included where it asks for them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Took {
    /// How often it was run.
    pub runs: u64,
    /// Series it yielded.
    pub series: u64,
    /// Samples it yielded.
    pub samples: u64,
    /// Samples it read from storage.
    pub samples_read: u64,
    /// Bytes of memory that what it yielded took.
    pub bytes: u64,
    /// Time, its operands included, without that of whom it handed its batches.
    pub time: Duration,
}

/// Measures operators by their places in the plan.
#[derive(Debug)]
pub(crate) struct Profile<'a> {
    pub(crate) clock: Clock<'a>,
    took: RefCell<HashMap<usize, Took>>,
}

/// Where a node lies: plans do not move while they run.
fn place(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

impl<'a> Profile<'a> {
    pub(crate) fn new(clock: Clock<'a>) -> Self {
        Self { clock, took: RefCell::default() }
    }

    /// Counts what a node yields.
    pub(crate) fn yielded(&self, node: &Node, batch: &StepBatch) {
        let mut all = self.took.borrow_mut();
        let took = all.entry(place(node)).or_default();
        took.series += batch.len() as u64;
        took.samples += batch.num_samples() as u64;
        took.bytes += batch.size_bytes() as u64;
    }

    /// Counts a run of a node.
    pub(crate) fn ran(&self, node: &Node, time: Duration, samples_read: u64) {
        let mut all = self.took.borrow_mut();
        let took = all.entry(place(node)).or_default();
        took.runs += 1;
        took.time += time;
        took.samples_read += samples_read;
    }

    fn took(&self, node: &Node) -> Option<Took> {
        self.took.borrow().get(&place(node)).copied()
    }
}

/// Describes a whole plan.
pub(crate) fn describe(root: &Root, profile: Option<&Profile<'_>>) -> PlanNode {
    match root {
        Root::Text(_) => leaf("text", String::new()),
        Root::Scalar(node) | Root::Vector(node) => describe_node(node, profile),
        Root::Range(range) => source(range, profile),
    }
}

fn leaf(operator: &str, detail: String) -> PlanNode {
    PlanNode { operator: operator.to_owned(), detail, took: None, children: Vec::new() }
}

fn describe_node(node: &Node, profile: Option<&Profile<'_>>) -> PlanNode {
    let child = |node: &Node| describe_node(node, profile);
    let (operator, detail, children) = match node {
        Node::Number(value) => ("number", model::float::general(*value), Vec::new()),
        Node::Select { select, shown } => {
            let operator = match shown {
                Shown::Value => "select",
                Shown::Time => "timestamp",
                Shown::Start => "start_timestamp",
            };
            (operator, selector(select), Vec::new())
        }
        Node::Window(call) => {
            let params = call.params.iter().map(child);
            let children = std::iter::once(source(&call.range, profile)).chain(params).collect();
            let width = duration::format(call.range.range_ms);
            (name(call.function), format!("[{width}]"), children)
        }
        Node::Call(call) => {
            let args = call.args.iter().map(|arg| argument(arg, profile)).collect();
            (name(call.function), String::new(), args)
        }
        Node::Negate(inner) => ("-", String::new(), vec![child(inner)]),
        Node::Binary(binary) => {
            let children = vec![child(&binary.lhs), child(&binary.rhs)];
            (binary.op.as_str(), matching(binary), children)
        }
        Node::Aggregate(aggregate) => {
            let keyword = if aggregate.without { "without" } else { "by" };
            let labels = aggregate.grouping.join(", ");
            let grouped = aggregate.without || !aggregate.grouping.is_empty();
            let detail = if grouped { format!("{keyword} ({labels})") } else { String::new() };
            let param = aggregate.param.iter().map(|param| argument(param, profile));
            let children = std::iter::once(child(&aggregate.operand)).chain(param).collect();
            (aggregate.op.as_str(), detail, children)
        }
        Node::Invariant(inner) => ("once", String::new(), vec![child(inner)]),
    };
    let took = profile.and_then(|profile| profile.took(node));
    PlanNode { operator: operator.to_owned(), detail, took, children }
}

fn argument(argument: &Argument, profile: Option<&Profile<'_>>) -> PlanNode {
    match argument {
        Argument::Text(text) => leaf("text", model::quote::Quoted(text).to_string()),
        Argument::Node { node, .. } => describe_node(node, profile),
    }
}

fn source(range: &Range, profile: Option<&Profile<'_>>) -> PlanNode {
    match &range.source {
        Source::Stored(select) => leaf("select", selector(select)),
        Source::Subquery { inner, step_ms, look } => {
            let (width, step) = (duration::format(range.range_ms), duration::format(*step_ms));
            let detail = format!("[{width}:{step}]{}", time(*look));
            let children = vec![describe_node(inner, profile)];
            PlanNode { operator: "subquery".to_owned(), detail, took: None, children }
        }
    }
}

fn selector(select: &Select) -> String {
    let totals = if select.totals_only { " (histograms without buckets)" } else { "" };
    let wanted = select.wanted_labels.as_ref();
    let wanted = wanted.map_or_else(String::new, |names| format!(" (labels {})", names.join(", ")));
    format!("{select}{}{totals}{wanted}", time(select.look))
}

fn time(look: Look) -> String {
    let at = look.at_ms.map_or_else(String::new, |at_ms| format!(" @ {}", at_ms as f64 / 1000.0));
    let offset = match look.offset_ms {
        0 => String::new(),
        ms if ms < 0 => format!(" offset -{}", duration::format(ms.saturating_neg())),
        ms => format!(" offset {}", duration::format(ms)),
    };
    at + &offset
}

fn name(function: FunctionId) -> &'static str {
    let row = FUNCTIONS.iter().find(|row| row.id == function);
    row.map_or("function", |row| row.name)
}

fn matching(binary: &Binary) -> String {
    use crate::ast::Cardinality;
    let matching = &binary.matching;
    let mut words = Vec::new();
    if binary.return_bool {
        words.push("bool".to_owned());
    }
    if matching.on || !matching.labels.is_empty() {
        let keyword = if matching.on { "on" } else { "ignoring" };
        words.push(format!("{keyword} ({})", matching.labels.join(", ")));
    }
    let side = match matching.cardinality {
        Cardinality::ManyToOne => Some("group_left"),
        Cardinality::OneToMany => Some("group_right"),
        _ => None,
    };
    words.extend(side.map(|side| format!("{side} ({})", matching.include.join(", "))));
    words.join(" ")
}
