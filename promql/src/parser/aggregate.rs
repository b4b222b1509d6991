//! Aggregations and lists of labels.

use super::{Fail, Parsed, Parser};
use crate::ast::{Aggregate, AggregateOp, Expr, Span};
use crate::token::{Kind, Token};
use model::quote::QuotedBytes;

const CONTEXT: &str = "grouping opts";

impl Parser<'_> {
    /// An aggregation whose operator was taken.
    pub(super) fn aggregate(&mut self, op: AggregateOp, token: Token) -> Parsed<Expr> {
        let parts = self.aggregate_parts();
        let (modifier, (args, height)) = self.context(parts, "aggregation", "")?;
        let modifier = match modifier {
            Some(modifier) => Some(modifier),
            None => self.aggregate_modifier()?,
        };
        let (without, grouping) = modifier.unwrap_or_default();
        let span = Span { start: token.span.start, end: self.closing };
        if args.is_empty() {
            return self.error(span, "no arguments for aggregate expression provided");
        }
        if op.is_experimental() && !self.features.experimental_functions {
            let message = format!(
                "{}() is experimental and must be enabled with \
                 --enable-feature=promql-experimental-functions",
                op.as_str()
            );
            return self.error(span, message);
        }
        let desired = if op.parameter().is_some() { 2 } else { 1 };
        if args.len() != desired {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, \
                 expected {desired}, got {}",
                args.len()
            );
            return self.error(span, message);
        }
        self.grow(height + 1, span)?;
        let mut args = args.into_iter().map(Box::new);
        let param = if desired == 2 { args.next() } else { None };
        let expr = args.next().expect("counted above");
        Ok(Expr::Aggregate(Aggregate { op, expr, param, grouping, without, span }))
    }

    /// The modifier if it stands in front, and the arguments.
    #[expect(clippy::type_complexity, reason = "two pairs, taken apart at once")]
    fn aggregate_parts(&mut self) -> Parsed<(Option<(bool, Vec<Box<str>>)>, (Vec<Expr>, u32))> {
        Ok((self.aggregate_modifier()?, self.arguments()?))
    }

    /// `by (...)` or `without (...)` if it is next; `true` for the latter.
    fn aggregate_modifier(&mut self) -> Parsed<Option<(bool, Vec<Box<str>>)>> {
        let without = match self.peek()?.kind {
            Kind::By => false,
            Kind::Without => true,
            _ => return Ok(None),
        };
        self.next()?;
        Ok(Some((without, self.labels()?)))
    }

    /// Labels between parentheses.
    pub(super) fn labels(&mut self) -> Parsed<Vec<Box<str>>> {
        let open = self.expect(Kind::LeftParen);
        self.context(open, CONTEXT, "\"(\"")?;
        let mut labels = Vec::new();
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::RightParen => {
                    self.next()?;
                    return Ok(labels);
                }
                Kind::String => {
                    self.next()?;
                    let name = self.unquoted(token);
                    match std::str::from_utf8(&name) {
                        Ok(name) if !name.is_empty() => labels.push(name.into()),
                        _ => {
                            let shown = QuotedBytes(&name);
                            let message = format!("invalid label name for grouping: {shown}");
                            return self.error(token.span, message);
                        }
                    }
                }
                kind if kind.is_grouping_label() => {
                    self.next()?;
                    labels.push(self.word(token).into());
                }
                _ => return self.context(Err(Fail::Unexpected(token)), CONTEXT, "label"),
            }
            let token = self.peek()?;
            match token.kind {
                Kind::Comma => {
                    self.next()?;
                }
                Kind::RightParen => {}
                _ => {
                    let fail = Err(Fail::Unexpected(token));
                    return self.context(fail, CONTEXT, "\",\" or \")\"");
                }
            }
        }
    }
}
