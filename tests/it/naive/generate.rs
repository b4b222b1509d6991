//! Random queries and random samples, the same for the same seed.

use super::evaluate::{Binary, Node, Selector};
use model::STALE_NAN;

pub(crate) struct Generator {
    state: u64,
}

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
const CALLS: [&str; 6] = ["abs", "ceil", "floor", "sqrt", "sgn", "-"];
const ARITHMETIC: [&str; 5] = ["+", "-", "*", "/", "%"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % bound
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Samples every half a minute or so.
    pub(crate) fn samples(&mut self, counts: bool) -> Vec<(i64, f64)> {
        let mut out = Vec::new();
        let (mut time, mut value) = (self.below(60_000) as i64, self.below(100) as f64);
        while time < 3_100_000 {
            if counts {
                value = if self.one_in(15) { 0.0 } else { value + self.below(1000) as f64 / 7.0 };
            } else {
                value = self.below(2000) as f64 / 3.0 - 300.0;
            }
            let shown = match self.below(60) {
                0 => f64::NAN,
                1 => STALE_NAN,
                2 if !counts => f64::INFINITY,
                3 if !counts => -0.0,
                _ => value,
            };
            out.push((time, shown));
            // Sometimes nothing comes for longer than the look-back.
            let gap = if self.one_in(25) { 400_000 } else { 25_000 + self.below(15_000) };
            time += gap as i64;
        }
        out
    }

    pub(crate) fn query(&mut self) -> Node {
        let depth = 1 + self.below(4);
        self.vector(depth)
    }

    fn selector(&mut self) -> Selector {
        let name = self.of(&["c_total", "d_total", "g", "h", "none"][..]);
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
        Selector { name, matchers, offset_ms, at_ms }
    }

    fn phi(&mut self) -> f64 {
        self.of(&[0.0, 0.25, 0.5, 0.9, 1.0, -1.0, 2.0])
    }

    fn vector(&mut self, depth: u64) -> Node {
        if depth == 0 {
            return Node::Select(self.selector());
        }
        match self.below(10) {
            0 => Node::Select(self.selector()),
            1 | 2 => {
                let function = self.of(&OVER);
                let range_ms = self.of(&[60_000, 150_000, 300_000, 1_200_000]);
                let (selector, phi) = (self.selector(), self.phi());
                Node::Over { function, selector, range_ms, phi }
            }
            3 => {
                let function = self.of(&OVER);
                let (range_ms, step_ms) =
                    (self.of(&[300_000, 600_000]), self.of(&[30_000, 70_000]));
                let offset_ms = if self.one_in(3) { 120_000 } else { 0 };
                let (inner, phi) = (Box::new(self.vector(depth - 1)), self.phi());
                Node::OverSubquery { function, inner, range_ms, step_ms, offset_ms, phi }
            }
            4 => Node::Call { function: self.of(&CALLS), inner: Box::new(self.vector(depth - 1)) },
            5..=7 => {
                let op = self.of(&AGGREGATIONS);
                let labels = self.of(&[&[][..], &["x"], &["y"], &["x", "y"]]);
                let grouping = (!self.one_in(3)).then(|| (self.one_in(3), labels.to_vec()));
                let (inner, phi) = (Box::new(self.vector(depth - 1)), self.phi());
                Node::Aggregate { op, grouping, inner, phi }
            }
            _ => self.binary(depth),
        }
    }

    fn operator(&mut self) -> (&'static str, bool) {
        if self.one_in(3) {
            (self.of(&COMPARISONS), self.one_in(2))
        } else {
            (self.of(&ARITHMETIC), false)
        }
    }

    fn binary(&mut self, depth: u64) -> Node {
        let lhs = self.vector(depth - 1);
        let number = Node::Number(self.of(&[0.0, 1.0, 2.5, -3.0, 100.0]));
        let plain = |op, return_bool, lhs, rhs| {
            let (lhs, rhs) = (Box::new(lhs), Box::new(rhs));
            Node::Binary(Binary { op, return_bool, matching: None, group: None, lhs, rhs })
        };
        match self.below(6) {
            0 => {
                let (op, return_bool) = self.operator();
                plain(op, return_bool, lhs, number)
            }
            1 => {
                let (op, return_bool) = self.operator();
                plain(op, return_bool, number, lhs)
            }
            2 => {
                let rhs = self.vector(depth - 1);
                let matching = self.one_in(2).then(|| (self.one_in(2), vec!["x"]));
                let (op, lhs, rhs) =
                    (self.of(&["and", "or", "unless"]), Box::new(lhs), Box::new(rhs));
                Node::Binary(Binary { op, return_bool: false, matching, group: None, lhs, rhs })
            }
            3 => {
                // Many to one, mostly with a right side that has one series for each x.
                let (op, return_bool) = self.operator();
                let inner = Box::new(self.vector(depth - 1));
                let grouping = Some((false, vec!["x"]));
                let one = Node::Aggregate { op: "max", grouping, inner, phi: 0.0 };
                let one = if self.one_in(12) { self.vector(depth - 1) } else { one };
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
                let (op, return_bool) = self.operator();
                // Equal sides are evaluated once.
                let rhs = if self.one_in(4) { lhs.clone() } else { self.vector(depth - 1) };
                plain(op, return_bool, lhs, rhs)
            }
        }
    }
}
