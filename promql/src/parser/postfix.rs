//! What follows an operand: ranges, subqueries, `offset`, `@`, `anchored` and `smoothed`.

use super::{Fail, Parsed, Parser};
use crate::ast::{At, Expr, Extended, Length, MatrixSelector, Span, Subquery, TimeModifiers};
use crate::token::{Kind, Token};

const NUMBER_OR_DURATION: &str = "number, duration, step(), or range()";

impl Parser<'_> {
    pub(super) fn postfix(&mut self, mut expr: Expr) -> Parsed<Expr> {
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::LeftBracket => expr = self.brackets(expr)?,
                Kind::Offset => self.offset(&mut expr)?,
                Kind::At => self.at(&mut expr)?,
                Kind::Anchored => self.extended(&mut expr, Extended::Anchored)?,
                Kind::Smoothed => self.extended(&mut expr, Extended::Smoothed)?,
                _ => return Ok(expr),
            }
        }
    }

    fn brackets(&mut self, expr: Expr) -> Parsed<Expr> {
        let open = self.next()?;
        let range = self.duration();
        let range = self.context(range, "subquery or range selector", NUMBER_OR_DURATION)?;
        self.peek()?;
        let range = self.positive(range)?;
        let token = self.next()?;
        match token.kind {
            Kind::RightBracket => self.matrix(expr, range, open, token),
            Kind::Colon => self.subquery(expr, range),
            _ => {
                let fail = Err(Fail::Unexpected(token));
                self.context(fail, "subquery or range", "\":\" or \"]\"")
            }
        }
    }

    fn matrix(&mut self, expr: Expr, range: Length, open: Token, close: Token) -> Parsed<Expr> {
        let brackets = open.span.to(close.span);
        let start = expr.span().start;
        let Expr::Vector(selector) = expr else {
            return self.error(brackets, "ranges only allowed for vector selectors");
        };
        if !selector.at.offset.is_zero() {
            return self.error(brackets, "no offset modifiers allowed before range");
        }
        if selector.at.at.is_some() {
            return self.error(brackets, "no @ modifiers allowed before range");
        }
        let span = Span { start, end: close.span.end };
        Ok(Expr::Matrix(MatrixSelector { selector, range, span }))
    }

    fn subquery(&mut self, expr: Expr, range: Length) -> Parsed<Expr> {
        const CONTEXT: &str = "subquery selector";
        let mut step = None;
        if self.peek()?.kind != Kind::RightBracket {
            let length = self.duration();
            let expected = "number, duration, step(), range(), or \"]\"";
            let length = self.context(length, CONTEXT, expected)?;
            self.peek()?;
            step = Some(self.positive(length)?);
        }
        let close = self.expect(Kind::RightBracket);
        let close = self.context(close, CONTEXT, "\"]\"")?;
        let span = Span { start: expr.span().start, end: close.span.end };
        self.grow(self.height + 1, span)?;
        let at = TimeModifiers::default();
        Ok(Expr::Subquery(Subquery { expr: Box::new(expr), range, step, at, span }))
    }

    fn offset(&mut self, expr: &mut Expr) -> Parsed<()> {
        self.next()?;
        let offset = self.offset_length();
        let offset = self.context(offset, "offset", NUMBER_OR_DURATION)?;
        let (span, closing) = (expr.span(), self.closing);
        let Some((modifiers, end)) = modifiers(expr) else {
            let message = "offset modifier must be preceded by an instant vector selector or \
                           range vector selector or a subquery";
            return self.error(span, message);
        };
        if !modifiers.offset.is_zero() {
            return self.error(span, "offset may not be set multiple times");
        }
        modifiers.offset = offset;
        *end = closing;
        Ok(())
    }

    fn at(&mut self, expr: &mut Expr) -> Parsed<()> {
        self.next()?;
        let operand = self.at_operand();
        let operand = self.context(operand, "@", "timestamp")?;
        let (span, closing) = (expr.span(), self.closing);
        let at = match operand {
            Moment::At(at) => at,
            Moment::Seconds(seconds) => {
                let limit = 9_223_372_036_854_775_808.0;
                // The largest integer is no float, and so the bound itself is out.
                if !seconds.is_finite() || seconds >= limit || seconds <= -limit {
                    let shown = model::float::printf_f(seconds, 6);
                    let message = format!("timestamp out of bounds for @ modifier: {shown}");
                    return self.error(span, message);
                }
                let ms = (seconds * 1000.0).round();
                // What overflows only as milliseconds wraps to the smallest integer, as in Go on amd64.
                At::TimestampMs(if ms < limit { ms as i64 } else { i64::MIN })
            }
        };
        let Some((modifiers, end)) = modifiers(expr) else {
            let message = "@ modifier must be preceded by an instant vector selector or \
                           range vector selector or a subquery";
            return self.error(span, message);
        };
        if modifiers.at.is_some() {
            return self.error(span, "@ <timestamp> may not be set multiple times");
        }
        modifiers.at = Some(at);
        *end = closing;
        Ok(())
    }

    fn at_operand(&mut self) -> Parsed<Moment> {
        let token = self.peek()?;
        if let Kind::Start | Kind::End = token.kind {
            self.next()?;
            self.expect(Kind::LeftParen)?;
            self.expect(Kind::RightParen)?;
            let start = token.kind == Kind::Start;
            return Ok(Moment::At(if start { At::Start } else { At::End }));
        }
        let negative = self.sign()?.unwrap_or_default();
        let token = self.peek()?;
        if !matches!(token.kind, Kind::Number | Kind::Duration) {
            return Err(Fail::Unexpected(token));
        }
        let value = self.number()?.value;
        Ok(Moment::Seconds(if negative { -value } else { value }))
    }

    fn extended(&mut self, expr: &mut Expr, extended: Extended) -> Parsed<()> {
        self.next()?;
        let (span, word) = (expr.span(), extended.as_str());
        if !self.features.extended_range_selectors {
            let message = format!("{word} modifier is experimental and not enabled");
            return self.error(span, message);
        }
        let selector = match expr {
            Expr::Vector(selector) => selector,
            Expr::Matrix(matrix) => &mut matrix.selector,
            Expr::Subquery(_) => {
                let message = format!("{word} modifier is not supported for subqueries");
                return self.error(span, message);
            }
            _ => return self.error(span, format!("{word} modifier not implemented")),
        };
        if selector.extended.is_some_and(|other| other != extended) {
            let message = "anchored and smoothed modifiers cannot be used together";
            return self.error(span, message);
        }
        selector.extended = Some(extended);
        Ok(())
    }
}

enum Moment {
    At(At),
    Seconds(f64),
}

/// Where `offset` and `@` of an expression are kept, and the end of its span, which they move.
fn modifiers(expr: &mut Expr) -> Option<(&mut TimeModifiers, &mut u32)> {
    match expr {
        Expr::Vector(selector) => Some((&mut selector.at, &mut selector.span.end)),
        Expr::Matrix(matrix) => Some((&mut matrix.selector.at, &mut matrix.span.end)),
        Expr::Subquery(subquery) => Some((&mut subquery.at, &mut subquery.span.end)),
        _ => None,
    }
}
