//! `/api/v1/format_query` and `/api/v1/parse_query`: a query printed nicely, and its syntax tree as JSON.

use super::{Object, begin, end};
use crate::call::Done;
use crate::error::{ApiError, Result};
use crate::json::{Out, push_html_text};
use crate::params::Params;
use model::{Matcher, float};
use promql::ast::{
    At, Binary, Cardinality, DurationExpr, DurationKind, Extended, Length, NumberLiteral,
    TimeModifiers, ValueType, VectorSelector,
};
use promql::functions::Variadic;
use promql::{Expr, Features};

fn parse(params: &Params, features: Features) -> Result<Expr> {
    promql::parse(params.get("query"), &features)
        .map_err(|error| ApiError::parameter("query", error))
}

/// `/api/v1/format_query`.
pub(crate) fn format_query(params: &Params, features: Features, out: &mut Out<'_>) -> Result<Done> {
    let expr = parse(params, features)?;
    begin(out);
    push_html_text(&mut out.bytes, &promql::pretty(&expr));
    end(out)
}

/// `/api/v1/parse_query`.
pub(crate) fn parse_query(params: &Params, features: Features, out: &mut Out<'_>) -> Result<Done> {
    let expr = parse(params, features)?;
    begin(out);
    push_expr(&mut out.bytes, &expr);
    end(out)
}

/// Keys come in alphabetical order, as the reference builds its trees from maps.
fn push_expr(out: &mut Vec<u8>, expr: &Expr) {
    Object::write(out, |node| match expr {
        Expr::Number(number) => {
            node.text("type", "numberLiteral");
            node.text("val", &float::fixed(number.value));
        }
        Expr::String(string) => {
            node.text("type", "stringLiteral");
            node.text("val", &string.text());
        }
        Expr::Vector(selector) => push_selector(node, selector, None),
        Expr::Matrix(matrix) => push_selector(node, &matrix.selector, Some(&matrix.range)),
        Expr::Subquery(subquery) => {
            push_expr(node.key("expr"), &subquery.expr);
            push_offset(node, &subquery.at);
            push_length(node, "range", Some(&subquery.range));
            push_start_or_end(node, &subquery.at);
            push_length(node, "step", subquery.step.as_ref());
            push_timestamp(node, &subquery.at);
            node.text("type", "subquery");
        }
        Expr::Unary(unary) => {
            push_expr(node.key("expr"), &unary.expr);
            node.text("op", if unary.negative { "-" } else { "+" });
            node.text("type", "unaryExpr");
        }
        Expr::Binary(binary) => push_binary(node, binary),
        Expr::Aggregate(aggregate) => {
            push_expr(node.key("expr"), &aggregate.expr);
            push_texts(node, "grouping", &aggregate.grouping);
            node.text("op", aggregate.op.as_str());
            match &aggregate.param {
                Some(param) => push_expr(node.key("param"), param),
                None => node.plain("param", "null"),
            }
            node.text("type", "aggregation");
            node.plain("without", aggregate.without);
        }
        Expr::Call(call) => {
            node.list("args", &call.args, push_expr);
            node.object("func", |func| {
                let types = call.function.args.iter().map(|arg| arg.name());
                func.list("argTypes", types, push_html_text);
                func.text("name", call.function.name);
                func.text("returnType", call.function.returns.name());
                match call.function.variadic {
                    Variadic::None => func.plain("variadic", 0),
                    Variadic::UpTo(more) => func.plain("variadic", more),
                    Variadic::Any => func.plain("variadic", -1),
                }
            });
            node.text("type", "call");
        }
        Expr::Paren(paren) => {
            push_expr(node.key("expr"), &paren.expr);
            node.text("type", "parenExpr");
        }
    });
}

fn push_selector(node: &mut Object<'_>, selector: &VectorSelector, range: Option<&Length>) {
    node.plain("anchored", selector.extended == Some(Extended::Anchored));
    node.list("matchers", &selector.matchers, push_matcher);
    node.text("name", &selector.name);
    push_offset(node, &selector.at);
    if range.is_some() {
        push_length(node, "range", range);
    }
    node.plain("smoothed", selector.extended == Some(Extended::Smoothed));
    push_start_or_end(node, &selector.at);
    push_timestamp(node, &selector.at);
    node.text("type", if range.is_some() { "matrixSelector" } else { "vectorSelector" });
}

fn push_matcher(out: &mut Vec<u8>, matcher: &Matcher) {
    Object::write(out, |node| {
        node.text("name", matcher.name());
        node.text("type", matcher.op().as_str());
        node.text("value", matcher.value());
    });
}

fn push_binary(node: &mut Object<'_>, binary: &Binary) {
    node.plain("bool", binary.return_bool);
    push_expr(node.key("lhs"), &binary.lhs);
    let is_vector = |expr: &Expr| expr.value_type() == ValueType::Vector;
    if is_vector(&binary.lhs) && is_vector(&binary.rhs) {
        let matching = &binary.matching;
        let card = match matching.cardinality {
            Cardinality::OneToOne => "one-to-one",
            Cardinality::ManyToOne => "many-to-one",
            Cardinality::OneToMany => "one-to-many",
            Cardinality::ManyToMany => "many-to-many",
        };
        node.object("matching", |object| {
            object.text("card", card);
            object.object("fillValues", |fill| {
                for (name, value) in [("lhs", matching.fill_left), ("rhs", matching.fill_right)] {
                    match value {
                        Some(value) => float::write_api(value, fill.key(name)),
                        None => fill.plain(name, "null"),
                    }
                }
            });
            push_texts(object, "include", &matching.include);
            push_texts(object, "labels", &matching.labels);
            object.plain("on", matching.on);
        });
    } else {
        node.plain("matching", "null");
    }
    node.text("op", binary.op.as_str());
    push_expr(node.key("rhs"), &binary.rhs);
    node.text("type", "binaryExpr");
}

fn push_texts(node: &mut Object<'_>, name: &str, texts: &[Box<str>]) {
    node.list(name, texts, |out, text| push_html_text(out, text));
}

/// A length in milliseconds, and beside it the expression that computes it, if any.
fn push_length(node: &mut Object<'_>, name: &str, length: Option<&Length>) {
    let fixed_ms = match length {
        Some(Length::Nanos(nanos)) => nanos / 1_000_000,
        Some(Length::Expr(_)) | None => 0,
    };
    node.plain(name, fixed_ms);
    let name = format!("{name}Expr");
    match length {
        Some(Length::Expr(expr)) => push_duration(node.key(&name), expr),
        _ => node.plain(&name, "null"),
    }
}

fn push_offset(node: &mut Object<'_>, at: &TimeModifiers) {
    push_length(node, "offset", Some(&at.offset));
}

fn push_start_or_end(node: &mut Object<'_>, at: &TimeModifiers) {
    match at.at {
        Some(At::Start) => node.text("startOrEnd", "start"),
        Some(At::End) => node.text("startOrEnd", "end"),
        _ => node.plain("startOrEnd", "null"),
    }
}

fn push_timestamp(node: &mut Object<'_>, at: &TimeModifiers) {
    match at.at {
        Some(At::TimestampMs(timestamp_ms)) => node.plain("timestamp", timestamp_ms),
        _ => node.plain("timestamp", "null"),
    }
}

fn push_duration(out: &mut Vec<u8>, expr: &DurationExpr) {
    let (op, operands): (&str, [Option<&DurationExpr>; 2]) = match &expr.kind {
        DurationKind::Number(number) => return push_number(out, number),
        DurationKind::Step => ("step", [None, None]),
        DurationKind::Range => ("range", [None, None]),
        DurationKind::Negate(inner) => ("-", [None, Some(inner)]),
        DurationKind::Plus(inner) => ("+", [None, Some(inner)]),
        DurationKind::Binary(op, lhs, rhs) => (op.as_str(), [Some(lhs), Some(rhs)]),
        DurationKind::MinOf(lhs, rhs) => ("min_of", [Some(lhs), Some(rhs)]),
        DurationKind::MaxOf(lhs, rhs) => ("max_of", [Some(lhs), Some(rhs)]),
    };
    Object::write(out, |node| {
        let push_operand =
            |node: &mut Object<'_>, name: &str, operand: Option<&DurationExpr>| match operand {
                Some(operand) => push_duration(node.key(name), operand),
                None => node.plain(name, "null"),
            };
        push_operand(node, "lhs", operands[0]);
        node.text("op", op);
        push_operand(node, "rhs", operands[1]);
        node.text("type", "durationExpr");
        node.plain("wrapped", expr.wrapped);
    });
}

/// A literal inside a duration expression says how it was written.
fn push_number(out: &mut Vec<u8>, number: &NumberLiteral) {
    Object::write(out, |node| {
        node.plain("duration", number.duration);
        node.text("type", "numberLiteral");
        node.text("val", &float::fixed(number.value));
    });
}
