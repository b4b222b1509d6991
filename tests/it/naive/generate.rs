//! Random queries, the same for the same seed.

use super::evaluate::{Binary, Node, Selector};
use tests::random::Random;

pub(crate) struct Generator(Random);

const OVER: [&str; 16] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "first_over_time",
    "present_over_time",
    "changes",
    "resets",
    "quantile_over_time",
];
const AGGREGATIONS: [&str; 7] = ["sum", "avg", "min", "max", "count", "group", "quantile"];
const HISTOGRAM_OVER: [&str; 13] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "sum_over_time",
    "avg_over_time",
    "count_over_time",
    "last_over_time",
    "first_over_time",
    "present_over_time",
    "changes",
    "resets",
];
const READS: [&str; 7] = [
    "histogram_count",
    "histogram_sum",
    "histogram_avg",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_quantile",
    "histogram_fraction",
];
const CALLS: [&str; 6] = ["abs", "ceil", "floor", "sqrt", "sgn", "-"];
const ARITHMETIC: [&str; 5] = ["+", "-", "*", "/", "%"];
const FLOATS: [&str; 5] = ["c_total", "d_total", "g", "h", "none"];
/// Exponential ones of integers, of floats with changing layouts, with custom buckets, gauges; floats and histograms.
const HISTOGRAMS: [&str; 6] = ["int_total", "wide_total", "custom_total", "level", "mixed", "g"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

/// What an expression mostly yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Floats,
    Histograms,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        self.0.of(choices)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.0.one_in(n)
    }

    pub(crate) fn query(&mut self) -> Node {
        let depth = 1 + self.below(4);
        let kind = if self.one_in(2) { Kind::Floats } else { Kind::Histograms };
        self.vector(kind, depth)
    }

    /// The name of a metric with matchers.
    pub(crate) fn any_selector(&mut self) -> String {
        let kind = self.of(&[Kind::Floats, Kind::Histograms]);
        let Selector { name, matchers, .. } = self.selector(kind);
        let matchers = matchers.iter().map(|(name, op, value)| format!("{name}{op}\"{value}\""));
        format!("{name}{{{}}}", matchers.collect::<Vec<_>>().join(","))
    }

    fn selector(&mut self, kind: Kind) -> Selector {
        let name = match kind {
            Kind::Floats => self.of(&FLOATS),
            Kind::Histograms => self.of(&HISTOGRAMS),
        };
        let name = if name == "none" && !self.one_in(4) { "g" } else { name };
        let mut matchers = Vec::new();
        if self.one_in(3) {
            matchers.push(("x", self.of(&["=", "!="]), self.of(&["a", "b", ""])));
        }
        if self.one_in(5) {
            matchers.push(("y", "=", self.of(&["1", "2"])));
        }
        let offset_ms = if self.one_in(4) { self.of(&[60_000, 300_000, -90_000]) } else { 0 };
        let at_ms = self.one_in(8).then(|| 1000 * self.below(3000) as i64);
        Selector { name, matchers, offset_ms, at_ms, totals_only: false }
    }

    fn phi(&mut self) -> f64 {
        self.of(&[0.0, 0.25, 0.5, 0.9, 1.0, -1.0, 2.0])
    }

    fn vector(&mut self, kind: Kind, depth: u64) -> Node {
        // What does not fit is to be found out, too.
        let kind = if self.one_in(12) { self.of(&[Kind::Floats, Kind::Histograms]) } else { kind };
        if depth == 0 {
            return Node::Select(self.selector(kind));
        }
        let over = match kind {
            Kind::Floats => &OVER[..],
            Kind::Histograms => &HISTOGRAM_OVER,
        };
        match self.below(10) {
            0 => Node::Select(self.selector(kind)),
            1 | 2 => {
                let function = self.of(over);
                let range_ms = self.of(&[60_000, 150_000, 300_000, 1_200_000]);
                let (selector, phi) = (self.selector(kind), self.phi());
                Node::Over { function, selector, range_ms, phi }
            }
            3 => {
                let function = self.of(over);
                let (range_ms, step_ms) =
                    (self.of(&[300_000, 600_000]), self.of(&[30_000, 70_000]));
                let offset_ms = if self.one_in(3) { 120_000 } else { 0 };
                let (inner, phi) = (Box::new(self.vector(kind, depth - 1)), self.phi());
                Node::OverSubquery { function, inner, range_ms, step_ms, offset_ms, phi }
            }
            4 => self.call(kind, depth),
            5..=7 => {
                let op = match kind {
                    Kind::Floats => self.of(&AGGREGATIONS),
                    Kind::Histograms => self.of(&["sum", "avg", "sum", "avg", "count", "max"]),
                };
                let labels = self.of(&[&[][..], &["x"], &["y"], &["x", "y"]]);
                let grouping = (!self.one_in(3)).then(|| (self.one_in(3), labels.to_vec()));
                let (inner, phi) = (Box::new(self.vector(kind, depth - 1)), self.phi());
                Node::Aggregate { op, grouping, inner, phi }
            }
            _ => self.binary(kind, depth),
        }
    }

    /// A function of single values; of histograms mostly one that makes numbers of them.
    fn call(&mut self, kind: Kind, depth: u64) -> Node {
        let reads = if kind == Kind::Histograms { !self.one_in(4) } else { self.one_in(2) };
        let function = if reads { self.of(&READS) } else { self.of(&CALLS) };
        let kind = if reads { Kind::Histograms } else { kind };
        let before = match function {
            "histogram_quantile" => vec![self.of(&[0.0, 0.1, 0.5, 0.9, 0.99, 1.0, -1.0, 2.0])],
            "histogram_fraction" => {
                vec![self.of(&[-100.0, -1.5, 0.0, 0.3]), self.of(&[-1.5, 0.0, 0.7, 2.5, 1000.0])]
            }
            _ => Vec::new(),
        };
        Node::Call { function, before, inner: Box::new(self.vector(kind, depth - 1)) }
    }

    fn operator(&mut self, kind: Kind) -> (&'static str, bool) {
        if kind == Kind::Histograms && !self.one_in(6) {
            let op = self.of(&["+", "-", "*", "/", "==", "!="]);
            return (op, matches!(op, "==" | "!=") && self.one_in(2));
        }
        if self.one_in(3) {
            (self.of(&COMPARISONS), self.one_in(2))
        } else {
            (self.of(&ARITHMETIC), false)
        }
    }

    fn binary(&mut self, kind: Kind, depth: u64) -> Node {
        let lhs = self.vector(kind, depth - 1);
        let number = Node::Number(self.of(&[0.0, 1.0, 2.5, -3.0, 100.0]));
        let plain = |op, return_bool, lhs, rhs| {
            let (lhs, rhs) = (Box::new(lhs), Box::new(rhs));
            Node::Binary(Binary { op, return_bool, matching: None, group: None, lhs, rhs })
        };
        match self.below(6) {
            0 => {
                let (op, return_bool) = self.operator(kind);
                plain(op, return_bool, lhs, number)
            }
            1 => {
                let (op, return_bool) = self.operator(kind);
                plain(op, return_bool, number, lhs)
            }
            2 => {
                let rhs = self.vector(kind, depth - 1);
                let matching = self.one_in(2).then(|| (self.one_in(2), vec!["x"]));
                let (op, lhs, rhs) =
                    (self.of(&["and", "or", "unless"]), Box::new(lhs), Box::new(rhs));
                Node::Binary(Binary { op, return_bool: false, matching, group: None, lhs, rhs })
            }
            3 => {
                // Many to one, mostly with a right side that has one series for each x.
                let (op, return_bool) = self.operator(kind);
                let inner = Box::new(self.vector(kind, depth - 1));
                let grouping = Some((false, vec!["x"]));
                let one = Node::Aggregate { op: "max", grouping, inner, phi: 0.0 };
                let one = if self.one_in(12) { self.vector(kind, depth - 1) } else { one };
                let include = match self.below(12) {
                    0 => vec!["y"],
                    1..=3 => vec!["z"],
                    _ => Vec::new(),
                };
                let (lhs, rhs) = (Box::new(lhs), Box::new(one));
                let matching = Some((true, vec!["x"]));
                if self.one_in(2) {
                    let group = Some((true, include));
                    return Node::Binary(Binary { op, return_bool, matching, group, lhs, rhs });
                }
                let group = Some((false, include));
                let (lhs, rhs) = (rhs, lhs);
                Node::Binary(Binary { op, return_bool, matching, group, lhs, rhs })
            }
            _ => {
                let (op, return_bool) = self.operator(kind);
                // Equal sides are evaluated once.
                let rhs = if self.one_in(4) { lhs.clone() } else { self.vector(kind, depth - 1) };
                plain(op, return_bool, lhs, rhs)
            }
        }
    }
}
