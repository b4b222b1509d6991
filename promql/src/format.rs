//! Syntax tree to text: the canonical one-line form and the pretty form with line breaks, byte for byte Prometheus'.

use crate::ast::{
    Aggregate, At, Binary, Cardinality, DurationExpr, DurationKind, Expr, Extended, Length,
    MatrixSelector, NumberLiteral, Subquery, TimeModifiers, VectorSelector,
};
use model::MatchOp;
use model::duration::Duration;
use model::float::Fixed;
use model::quote::{Quoted, QuotedBytes};
use model::validate::is_legacy_label_name;
use std::fmt::{self, Write};

/// Lines of the pretty form split beyond this many bytes.
const MAX_LINE_BYTES: usize = 100;

/// Writes the canonical form.
pub(crate) fn canonical<W: Write>(expr: &Expr, out: &mut W) -> fmt::Result {
    match expr {
        Expr::Number(e) => number(*e, out),
        Expr::String(e) => write!(out, "{}", QuotedBytes(&e.value)),
        Expr::Vector(e) => vector(e, out),
        Expr::Matrix(e) => matrix(e, out),
        Expr::Subquery(e) => {
            canonical(&e.expr, out)?;
            subquery_suffix(e, out)
        }
        Expr::Unary(e) => {
            out.write_char(if e.negative { '-' } else { '+' })?;
            canonical(&e.expr, out)
        }
        Expr::Binary(e) => {
            canonical(&e.lhs, out)?;
            out.write_char(' ')?;
            operator(e, out)?;
            out.write_char(' ')?;
            canonical(&e.rhs, out)
        }
        Expr::Aggregate(e) => {
            aggregate_head(e, out)?;
            out.write_char('(')?;
            if let Some(param) = &e.param {
                canonical(param, out)?;
                out.write_str(", ")?;
            }
            canonical(&e.expr, out)?;
            out.write_char(')')
        }
        Expr::Call(e) => {
            write!(out, "{}(", e.function.name)?;
            for (index, arg) in e.args.iter().enumerate() {
                if index > 0 {
                    out.write_str(", ")?;
                }
                canonical(arg, out)?;
            }
            out.write_char(')')
        }
        Expr::Paren(e) => {
            out.write_char('(')?;
            canonical(&e.expr, out)?;
            out.write_char(')')
        }
    }
}

/// The pretty form: what fits a line stays on one, the rest is indented by two spaces a level.
#[must_use]
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    pretty_at(expr, 0, &mut out).expect("writing to a string succeeds");
    out
}

fn indent(level: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", level));
}

fn pretty_at(expr: &Expr, level: usize, out: &mut String) -> fmt::Result {
    let line = expr.to_string();
    if matches!(expr, Expr::Subquery(_)) && line.len() <= MAX_LINE_BYTES {
        out.push_str(&line);
        return Ok(());
    }
    let leaf =
        matches!(expr, Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_));
    if leaf || (line.len() <= MAX_LINE_BYTES && !matches!(expr, Expr::Unary(_))) {
        indent(level, out);
        out.push_str(&line);
        return Ok(());
    }
    match expr {
        Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) => {}
        Expr::Subquery(e) => {
            pretty_at(&e.expr, level, out)?;
            subquery_suffix(e, out)?;
        }
        Expr::Unary(e) => {
            let mut child = String::new();
            pretty_at(&e.expr, level, &mut child)?;
            indent(level, out);
            out.push(if e.negative { '-' } else { '+' });
            out.push_str(child.trim());
        }
        Expr::Binary(e) => {
            pretty_at(&e.lhs, level + 1, out)?;
            out.push('\n');
            indent(level, out);
            operator(e, out)?;
            out.push('\n');
            pretty_at(&e.rhs, level + 1, out)?;
        }
        Expr::Aggregate(e) => {
            indent(level, out);
            aggregate_head(e, out)?;
            block(e.param.iter().map(|e| &**e).chain([&*e.expr]), level, out)?;
        }
        Expr::Call(e) => {
            indent(level, out);
            out.push_str(e.function.name);
            block(e.args.iter(), level, out)?;
        }
        Expr::Paren(e) => {
            indent(level, out);
            block([&*e.expr].into_iter(), level, out)?;
        }
    }
    Ok(())
}

/// Parentheses with each of `children` on lines of its own.
fn block<'a>(
    children: impl Iterator<Item = &'a Expr>,
    level: usize,
    out: &mut String,
) -> fmt::Result {
    out.push_str("(\n");
    for (index, child) in children.enumerate() {
        if index > 0 {
            out.push_str(",\n");
        }
        pretty_at(child, level + 1, out)?;
    }
    out.push('\n');
    indent(level, out);
    out.push(')');
    Ok(())
}

fn number<W: Write>(number: NumberLiteral, out: &mut W) -> fmt::Result {
    if !number.duration {
        return write!(out, "{}", Fixed(number.value));
    }
    if number.value < 0.0 {
        out.write_char('-')?;
    }
    // Seconds to whole milliseconds by way of nanoseconds, as the values were read.
    let ms = (number.value.abs() * 1e9) as i64 / 1_000_000;
    write!(out, "{}", Duration { ms })
}

fn label_list<W: Write>(labels: &[Box<str>], out: &mut W) -> fmt::Result {
    out.write_char('(')?;
    for (index, label) in labels.iter().enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        if is_legacy_label_name(label) {
            out.write_str(label)?;
        } else {
            write!(out, "{}", Quoted(label))?;
        }
    }
    out.write_char(')')
}

/// `sum` or `sum by (a) `.
fn aggregate_head<W: Write>(aggregate: &Aggregate, out: &mut W) -> fmt::Result {
    out.write_str(aggregate.op.as_str())?;
    if aggregate.without || !aggregate.grouping.is_empty() {
        out.write_str(if aggregate.without { " without " } else { " by " })?;
        label_list(&aggregate.grouping, out)?;
        out.write_char(' ')?;
    }
    Ok(())
}

/// The operator with everything that modifies it.
fn operator<W: Write>(binary: &Binary, out: &mut W) -> fmt::Result {
    out.write_str(binary.op.as_str())?;
    if binary.return_bool {
        out.write_str(" bool")?;
    }
    let matching = &binary.matching;
    let group = match matching.cardinality {
        Cardinality::ManyToOne => Some(" group_left "),
        Cardinality::OneToMany => Some(" group_right "),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    if matching.on || !matching.labels.is_empty() || group.is_some() {
        out.write_str(if matching.on { " on " } else { " ignoring " })?;
        label_list(&matching.labels, out)?;
    }
    if let Some(group) = group {
        out.write_str(group)?;
        label_list(&matching.include, out)?;
    }
    match (matching.fill_left, matching.fill_right) {
        (Some(left), Some(right)) if left == right => write!(out, " fill ({})", Fixed(left)),
        (left, right) => {
            for (keyword, value) in [("fill_left", left), ("fill_right", right)] {
                if let Some(value) = value {
                    write!(out, " {keyword} ({})", Fixed(value))?;
                }
            }
            Ok(())
        }
    }
}

fn vector<W: Write>(selector: &VectorSelector, out: &mut W) -> fmt::Result {
    selector_body(selector, out)?;
    at(&selector.at, out)?;
    extended(selector.extended, out)?;
    offset(&selector.at, out)
}

fn matrix<W: Write>(matrix: &MatrixSelector, out: &mut W) -> fmt::Result {
    selector_body(&matrix.selector, out)?;
    out.write_char('[')?;
    length(&matrix.range, out)?;
    out.write_char(']')?;
    extended(matrix.selector.extended, out)?;
    at(&matrix.selector.at, out)?;
    offset(&matrix.selector.at, out)
}

fn selector_body<W: Write>(selector: &VectorSelector, out: &mut W) -> fmt::Result {
    out.write_str(&selector.name)?;
    let mut texts: Vec<String> = selector
        .matchers
        .iter()
        .filter(|matcher| {
            selector.name.is_empty()
                || matcher.name() != model::METRIC_NAME
                || matcher.op() != MatchOp::Equal
                || matcher.value() != &*selector.name
        })
        .map(ToString::to_string)
        .collect();
    if texts.is_empty() {
        return Ok(());
    }
    texts.sort_unstable();
    write!(out, "{{{}}}", texts.join(","))
}

fn subquery_suffix<W: Write>(subquery: &Subquery, out: &mut W) -> fmt::Result {
    out.write_char('[')?;
    length(&subquery.range, out)?;
    out.write_char(':')?;
    if let Some(step) = &subquery.step {
        length(step, out)?;
    }
    out.write_char(']')?;
    at(&subquery.at, out)?;
    offset(&subquery.at, out)
}

fn extended<W: Write>(extended: Option<Extended>, out: &mut W) -> fmt::Result {
    match extended {
        Some(extended) => write!(out, " {}", extended.as_str()),
        None => Ok(()),
    }
}

fn at<W: Write>(modifiers: &TimeModifiers, out: &mut W) -> fmt::Result {
    match modifiers.at {
        None => Ok(()),
        Some(At::Start) => out.write_str(" @ start()"),
        Some(At::End) => out.write_str(" @ end()"),
        Some(At::TimestampMs(ms)) => write!(out, " @ {:.3}", ms as f64 / 1000.0),
    }
}

fn offset<W: Write>(modifiers: &TimeModifiers, out: &mut W) -> fmt::Result {
    if modifiers.offset.is_zero() {
        return Ok(());
    }
    out.write_str(" offset ")?;
    length(&modifiers.offset, out)
}

fn length<W: Write>(length: &Length, out: &mut W) -> fmt::Result {
    match length {
        Length::Expr(expr) => duration_expr(expr, out),
        Length::Nanos(nanos) if *nanos < 0 => {
            // The smallest integer has no positive twin; Prometheus prints two signs then.
            write!(out, "-{}", Duration { ms: nanos.wrapping_neg() / 1_000_000 })
        }
        Length::Nanos(nanos) => write!(out, "{}", Duration { ms: nanos / 1_000_000 }),
    }
}

fn duration_expr<W: Write>(expr: &DurationExpr, out: &mut W) -> fmt::Result {
    if expr.wrapped {
        out.write_char('(')?;
    }
    match &expr.kind {
        DurationKind::Number(literal) => number(*literal, out)?,
        DurationKind::Step => out.write_str("step()")?,
        DurationKind::Range => out.write_str("range()")?,
        DurationKind::Negate(inner) => {
            out.write_char('-')?;
            duration_expr(inner, out)?;
        }
        DurationKind::Plus(inner) => duration_expr(inner, out)?,
        DurationKind::Binary(op, lhs, rhs) => {
            duration_expr(lhs, out)?;
            write!(out, " {} ", op.as_str())?;
            duration_expr(rhs, out)?;
        }
        DurationKind::MinOf(lhs, rhs) | DurationKind::MaxOf(lhs, rhs) => {
            let max = matches!(expr.kind, DurationKind::MaxOf(..));
            out.write_str(if max { "max_of(" } else { "min_of(" })?;
            duration_expr(lhs, out)?;
            out.write_str(", ")?;
            duration_expr(rhs, out)?;
            out.write_char(')')?;
        }
    }
    if expr.wrapped {
        out.write_char(')')?;
    }
    Ok(())
}
