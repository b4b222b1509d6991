//! Finds what a plan asks for more than once at the same steps, so that it is evaluated once. The plan stays as it is:
//! the answer tells groups of places.

use super::{Argument, Node, Range, Root, Source};
use model::hash::HashMap;
use std::fmt::Write;

/// Which nodes are equal: for the place of each of them the number of its group, and how many each group has.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    of_place: HashMap<usize, usize>,
    sizes: Vec<usize>,
}

impl Groups {
    /// The groups of a plan, the largest equal subtrees only. A plan does not move while its groups are in use.
    pub(crate) fn find(root: &Root) -> Self {
        let (Root::Scalar(node) | Root::Vector(node)) = root else { return Self::default() };
        let mut found = Finder::default();
        found.count(node, false);
        found.counts.retain(|_, count| *count > 1);
        if found.counts.is_empty() {
            return Self::default();
        }
        let mut places: HashMap<String, Vec<usize>> = HashMap::default();
        found.assign(node, false, &mut places);
        let mut groups = Self::default();
        for places in places.into_values().filter(|places| places.len() > 1) {
            let group = groups.sizes.len();
            groups.sizes.push(places.len());
            groups.of_place.extend(places.into_iter().map(|place| (place, group)));
        }
        groups
    }

    /// The group of a node and how many belong to it.
    #[inline]
    pub(crate) fn of(&self, node: &Node) -> Option<(usize, usize)> {
        if self.of_place.is_empty() {
            return None;
        }
        let group = *self.of_place.get(&place(node))?;
        Some((group, self.sizes[group]))
    }
}

fn place(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

#[derive(Default)]
struct Finder {
    counts: HashMap<String, usize>,
}

/// Whether a node is worth keeping. What streams into an aggregation would have to be held as a whole.
fn is_kept(node: &Node, streams: bool) -> bool {
    match node {
        Node::Number(_) | Node::Invariant(_) => false,
        Node::Select { .. } | Node::Window(_) => !streams,
        _ => !node.is_scalar() && node.first_select().is_some(),
    }
}

/// Calls `each` with the operands that are evaluated at the same steps, and whether they stream.
fn operands<'n>(node: &'n Node, each: &mut dyn FnMut(&'n Node, bool)) {
    let mut argument = |argument: &'n Argument| {
        if let Argument::Node { node, .. } = argument {
            each(node, false);
        }
    };
    match node {
        // Others have steps of their own, or none.
        Node::Number(_) | Node::Select { .. } | Node::Invariant(_) => {}
        Node::Window(call) => call.params.iter().for_each(|param| each(param, false)),
        Node::Call(call) => call.args.iter().for_each(argument),
        Node::Negate(inner) => each(inner, false),
        Node::Binary(binary) => {
            each(&binary.lhs, false);
            each(&binary.rhs, false);
        }
        Node::Aggregate(aggregate) => {
            aggregate.param.iter().for_each(&mut argument);
            each(&aggregate.operand, true);
        }
    }
}

impl Finder {
    fn count(&mut self, node: &Node, streams: bool) {
        if is_kept(node, streams) {
            *self.counts.entry(key(node)).or_default() += 1;
        }
        operands(node, &mut |operand, streams| self.count(operand, streams));
    }

    fn assign(&self, node: &Node, streams: bool, places: &mut HashMap<String, Vec<usize>>) {
        if is_kept(node, streams) {
            let key = key(node);
            if self.counts.contains_key(&key) {
                places.entry(key).or_default().push(place(node));
                return;
            }
        }
        operands(node, &mut |operand, streams| self.assign(operand, streams, places));
    }
}

/// Everything about a node that its vector depends on; where it stands in the text is not.
fn key(node: &Node) -> String {
    let mut out = String::new();
    write_key(node, &mut out).expect("writing to a string succeeds");
    out
}

fn write_key(node: &Node, out: &mut String) -> std::fmt::Result {
    let mut children: Vec<&Node> = Vec::new();
    let argument = |argument: &Argument, out: &mut String| match argument {
        Argument::Text(text) => write!(out, "{text:?},"),
        Argument::Node { node, .. } => {
            write_key(node, out)?;
            out.write_char(',')
        }
    };
    match node {
        Node::Number(value) => write!(out, "number {:x}", value.to_bits())?,
        Node::Select { select, shown } => {
            write!(out, "select {shown:?}")?;
            write_select(select, out)?;
        }
        Node::Window(call) => {
            write!(out, "window {:?}", call.function)?;
            write_range(&call.range, out)?;
            children.extend(&call.params);
        }
        Node::Call(call) => {
            write!(out, "call {:?}(", call.function)?;
            call.args.iter().try_for_each(|arg| argument(arg, out))?;
            out.write_char(')')?;
        }
        Node::Negate(inner) => {
            out.write_str("negate")?;
            children.push(inner);
        }
        Node::Binary(binary) => {
            write!(out, "binary {:?} {} ", binary.op, binary.return_bool)?;
            write!(out, "{:?}", binary.matching)?;
            children.extend([&binary.lhs, &binary.rhs]);
        }
        Node::Aggregate(aggregate) => {
            write!(out, "aggregate {:?} {}", aggregate.op, aggregate.without)?;
            write!(out, "{:?}(", aggregate.grouping)?;
            aggregate.param.iter().try_for_each(|param| argument(param, out))?;
            out.write_char(')')?;
            children.push(&aggregate.operand);
        }
        Node::Invariant(inner) => {
            out.write_str("once")?;
            children.push(inner);
        }
    }
    for child in children {
        out.write_char('[')?;
        write_key(child, out)?;
        out.write_char(']')?;
    }
    Ok(())
}

fn write_select(select: &super::Select, out: &mut String) -> std::fmt::Result {
    write!(out, "{{{select}}} {:?} {} {}", select.look, select.smoothed, select.totals_only)
}

fn write_range(range: &Range, out: &mut String) -> std::fmt::Result {
    let seconds = range.range_seconds.to_bits();
    write!(out, "[{} {seconds:x} {:?}]", range.range_ms, range.extended)?;
    match &range.source {
        Source::Stored(select) => write_select(select, out),
        Source::Subquery { inner, step_ms, look } => {
            write!(out, "subquery {step_ms} {look:?}[")?;
            write_key(inner, out)?;
            out.write_char(']')
        }
    }
}
