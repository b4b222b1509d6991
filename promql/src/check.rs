//! Types and arities, after the syntax is right. Children come first, left to right, so that the first error is the one
//! that Prometheus reports.

use crate::ast::{
    Aggregate, Binary, Call, Cardinality, Expr, Matching, Span, Subquery, Unary, ValueType,
    VectorSelector,
};
use crate::error::ParseError;
use crate::functions::FunctionId;
use model::METRIC_NAME;
use model::quote::Quoted;

/// Where and what.
type Checked<T> = Result<T, (Span, String)>;

/// Checks an expression and settles how its vectors match.
pub(crate) fn check(expr: &mut Expr, text: &[u8]) -> Result<(), ParseError> {
    let mut checker = Checker { text };
    let checked = checker.expr(expr);
    checked.map(drop).map_err(|(span, message)| ParseError::new(text, span, message))
}

/// Checks a selector; `needs_matcher` unless it may select everything.
fn selector(selector: &VectorSelector, needs_matcher: bool) -> Checked<()> {
    if let Some((_, others)) = selector.matchers.split_last().filter(|_| !selector.name.is_empty())
    {
        return match others.iter().find(|matcher| matcher.name() == METRIC_NAME) {
            None => Ok(()),
            Some(other) => {
                let names = (Quoted(&selector.name), Quoted(other.value()));
                let message =
                    format!("metric name must not be set twice: {} or {}", names.0, names.1);
                Err((selector.span, message))
            }
        };
    }
    if needs_matcher && selector.matchers.iter().all(|matcher| matcher.matches("")) {
        let message = "vector selector must contain at least one non-empty matcher";
        return Err((selector.span, message.into()));
    }
    Ok(())
}

struct Checker<'t> {
    text: &'t [u8],
}

impl Checker<'_> {
    fn expr(&mut self, expr: &mut Expr) -> Checked<ValueType> {
        match expr {
            Expr::Number(_) => Ok(ValueType::Scalar),
            Expr::String(_) => Ok(ValueType::String),
            Expr::Vector(e) => selector(e, true).map(|()| ValueType::Vector),
            Expr::Matrix(e) => selector(&e.selector, true).map(|()| ValueType::Matrix),
            Expr::Subquery(e) => self.subquery(e),
            Expr::Unary(e) => self.unary(e),
            Expr::Binary(e) => self.binary(e),
            Expr::Aggregate(e) => self.aggregate(e),
            Expr::Call(e) => self.call(e),
            Expr::Paren(e) => self.expr(&mut e.expr),
        }
    }

    fn subquery(&mut self, subquery: &mut Subquery) -> Checked<ValueType> {
        let found = self.expr(&mut subquery.expr)?;
        if found != ValueType::Vector {
            let message =
                format!("subquery is only allowed on instant vector, got {} instead", found.name());
            return Err((subquery.span, message));
        }
        Ok(ValueType::Matrix)
    }

    fn unary(&mut self, unary: &mut Unary) -> Checked<ValueType> {
        let found = self.expr(&mut unary.expr)?;
        if !matches!(found, ValueType::Scalar | ValueType::Vector) {
            let message = format!(
                "unary expression only allowed on expressions of type scalar or instant vector, \
                 got \"{}\"",
                found.documented_name()
            );
            return Err((unary.span, message));
        }
        Ok(found)
    }

    fn expect(&mut self, expr: &mut Expr, want: ValueType, place: &str) -> Checked<()> {
        let found = self.expr(expr)?;
        if found == want {
            return Ok(());
        }
        let message = format!(
            "expected type {} in {place}, got {}",
            want.documented_name(),
            found.documented_name()
        );
        Err((expr.span(), message))
    }

    fn aggregate(&mut self, aggregate: &mut Aggregate) -> Checked<ValueType> {
        self.expect(&mut aggregate.expr, ValueType::Vector, "aggregation expression")?;
        if let (Some(param), Some(want)) = (&mut aggregate.param, aggregate.op.parameter()) {
            self.expect(param, want, "aggregation parameter")?;
        }
        Ok(ValueType::Vector)
    }

    fn call(&mut self, call: &mut Call) -> Checked<ValueType> {
        let (function, count) = (call.function, call.args.len());
        let name = function.name;
        let bound = if function.min_args() == function.max_args().unwrap_or(usize::MAX) {
            (count != function.min_args()).then(|| (function.min_args(), ""))
        } else if count < function.min_args() {
            Some((function.min_args(), "at least "))
        } else {
            let most = function.max_args().filter(|most| count > *most);
            most.map(|most| (most, "at most "))
        };
        if let Some((expected, kind)) = bound {
            let message =
                format!("expected {kind}{expected} argument(s) in call to \"{name}\", got {count}");
            return Err((call.span, message));
        }
        let place = format!("call to function \"{name}\"");
        let selector_only = function.id == FunctionId::Info;
        if let (true, Some(arg)) = (selector_only, call.args.get(1)) {
            label_selectors(arg, call.span, &place)?;
        }
        for (index, arg) in call.args.iter_mut().enumerate() {
            if selector_only && index == 1 {
                continue;
            }
            let want = function.arg_type(index).expect("counted above");
            self.expect(arg, want, &place)?;
        }
        Ok(function.returns)
    }

    fn binary(&mut self, binary: &mut Binary) -> Checked<ValueType> {
        let left = self.expr(&mut binary.lhs)?;
        let right = self.expr(&mut binary.rhs)?;
        let span = binary.lhs.span().to(binary.rhs.span());
        let op = binary.op;
        let at_operator = |message: String| Err((self.operator_span(binary), message));
        if binary.return_bool && !op.is_comparison() {
            return at_operator("bool modifier can only be used on comparison operators".into());
        }
        let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
        if op.is_comparison() && !binary.return_bool && scalars {
            return at_operator("comparisons between scalars must use BOOL modifier".into());
        }
        let matching = &binary.matching;
        if let Some(label) =
            matching.labels.iter().find(|label| matching.on && matching.include.contains(label))
        {
            let shown = Quoted(label);
            return at_operator(format!(
                "label {shown} must not occur in ON and GROUP clause at once"
            ));
        }
        for (side, found) in [(&binary.lhs, left), (&binary.rhs, right)] {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                let message = "binary expression must contain only scalar and instant vector types";
                return Err((side.span(), message.into()));
            }
        }
        let vectors = left == ValueType::Vector && right == ValueType::Vector;
        if let Some(message) = matching_error(binary, vectors) {
            return Err((span, message));
        }
        if !vectors {
            binary.matching = Matching::default();
        }
        Ok(if scalars { ValueType::Scalar } else { ValueType::Vector })
    }

    /// Where the operator and its modifiers stand: what lies between the operands, spaces cut off at both ends. As in
    /// Prometheus the end is that of the last character, inclusive.
    fn operator_span(&self, binary: &Binary) -> Span {
        let (mut start, end) = (binary.lhs.span().end as usize, binary.rhs.span().start as usize);
        let is_space = |at: usize| {
            self.text.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        };
        while is_space(start) {
            start += 1;
        }
        let mut end = end.saturating_sub(1);
        while end > 0 && is_space(end) {
            end -= 1;
        }
        Span::new(start, end)
    }
}

/// The second argument of `info`: conditions without a name, possibly none. A wrong type is reported for the call.
fn label_selectors(arg: &Expr, call: Span, place: &str) -> Checked<()> {
    let found = arg.value_type();
    if found != ValueType::Vector {
        let message =
            format!("expected type instant vector in {place}, got {}", found.documented_name());
        return Err((call, message));
    }
    match arg {
        Expr::Vector(e) if e.name.is_empty() => selector(e, false),
        Expr::Vector(_) => {
            let message = "expected label selectors only, got vector selector instead";
            Err((arg.span(), message.into()))
        }
        _ => Err((arg.span(), "expected label selectors only".into())),
    }
}

/// What is wrong with the modifiers of an operator between checked operands.
fn matching_error(binary: &Binary, vectors: bool) -> Option<String> {
    let (op, matching) = (binary.op, &binary.matching);
    let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
    if !vectors {
        if !matching.labels.is_empty() {
            return Some("vector matching only allowed between instant vectors".into());
        }
        if fills {
            return Some("filling in missing series only allowed between instant vectors".into());
        }
        return op.is_set().then(|| {
            format!("set operator \"{}\" not allowed in binary scalar expression", op.as_str())
        });
    }
    if !op.is_set() {
        return None;
    }
    if matches!(matching.cardinality, Cardinality::ManyToOne | Cardinality::OneToMany) {
        return Some(format!("no grouping allowed for \"{}\" operation", op.as_str()));
    }
    fills.then(|| "filling in missing series not allowed for set operators".into())
}
