//! Duration expressions, in brackets and after `offset`.

use super::{Fail, Parsed, Parser};
use crate::ast::{DurationExpr, DurationKind, DurationOp, Length};
use crate::token::{Kind, Token};

/// What fits into 2^63 nanoseconds.
const MAX_SECONDS: f64 = 9_223_372_036.854_776;

const OUT_OF_RANGE: &str = "duration out of range";

/// Signs bind like `*`: the operand takes powers only.
const ABOVE_SIGNS: u8 = 3;

fn operator(kind: Kind) -> Option<(DurationOp, u8)> {
    Some(match kind {
        Kind::Add => (DurationOp::Add, 1),
        Kind::Sub => (DurationOp::Sub, 1),
        Kind::Mul => (DurationOp::Mul, 2),
        Kind::Div => (DurationOp::Div, 2),
        Kind::Mod => (DurationOp::Mod, 2),
        Kind::Pow => (DurationOp::Pow, ABOVE_SIGNS),
        _ => return None,
    })
}

impl Parser<'_> {
    /// A whole duration expression.
    pub(super) fn duration(&mut self) -> Parsed<DurationExpr> {
        self.duration_above(0)
    }

    fn duration_above(&mut self, min_precedence: u8) -> Parsed<DurationExpr> {
        self.nested(|parser| {
            let mut lhs = parser.duration_operand(false)?;
            let mut chain = 0;
            loop {
                let token = parser.peek()?;
                let Some((op, precedence)) =
                    operator(token.kind).filter(|(_, precedence)| *precedence >= min_precedence)
                else {
                    return Ok(lhs);
                };
                parser.next()?;
                let above = if op == DurationOp::Pow { precedence } else { precedence + 1 };
                let rhs = parser.duration_above(above)?;
                if !rhs.wrapped && matches!(&rhs.kind, DurationKind::Number(n) if n.value == 0.0) {
                    match op {
                        DurationOp::Div => return parser.error(token.span, "division by zero"),
                        DurationOp::Mod => return parser.error(token.span, "modulo by zero"),
                        _ => {}
                    }
                }
                let span = lhs.span.to(rhs.span);
                chain += 1;
                if chain > super::MAX_NESTING {
                    return parser.error(span, "duration expression is too long");
                }
                let kind = DurationKind::Binary(op, Box::new(lhs), Box::new(rhs));
                lhs = DurationExpr { kind, wrapped: false, span };
            }
        })
    }

    /// A literal, a function, something in parentheses, or one of these with a sign. After `offset` a sign takes
    /// no powers with it.
    fn duration_operand(&mut self, after_offset: bool) -> Parsed<DurationExpr> {
        let token = self.peek()?;
        match token.kind {
            Kind::Number | Kind::Duration => {
                let number = self.number()?;
                if out_of_range(number.value) {
                    return self.error(number.span, OUT_OF_RANGE);
                }
                let kind = DurationKind::Number(number);
                Ok(DurationExpr { kind, wrapped: false, span: number.span })
            }
            Kind::Add | Kind::Sub => {
                self.next()?;
                if !after_offset {
                    let inner = self.duration_above(ABOVE_SIGNS)?;
                    return Ok(signed(token, inner));
                }
                let inner = self.nested(|parser| parser.duration_operand(true));
                match inner {
                    // After `offset` a literal out of range is reported at its sign.
                    Err(Fail::Error(error)) if error.message == OUT_OF_RANGE => {
                        self.error(token.span, OUT_OF_RANGE)
                    }
                    inner => Ok(signed(token, inner?)),
                }
            }
            Kind::Step | Kind::Range => {
                self.next()?;
                self.expect(Kind::LeftParen)?;
                let close = self.expect(Kind::RightParen)?;
                let step = token.kind == Kind::Step;
                let kind = if step { DurationKind::Step } else { DurationKind::Range };
                Ok(DurationExpr { kind, wrapped: false, span: token.span.to(close.span) })
            }
            Kind::MaxOf | Kind::MinOf => {
                self.next()?;
                self.expect(Kind::LeftParen)?;
                let lhs = self.duration()?;
                self.expect(Kind::Comma)?;
                let rhs = self.duration()?;
                self.expect(Kind::RightParen)?;
                let span = lhs.span.to(rhs.span);
                let (lhs, rhs) = (Box::new(lhs), Box::new(rhs));
                let kind = if token.kind == Kind::MaxOf {
                    DurationKind::MaxOf(lhs, rhs)
                } else {
                    DurationKind::MinOf(lhs, rhs)
                };
                Ok(DurationExpr { kind, wrapped: false, span })
            }
            Kind::LeftParen => {
                let open = self.next()?;
                let mut inner = self.duration()?;
                self.expect(Kind::RightParen)?;
                if matches!(inner.kind, DurationKind::Number(_)) {
                    // Failures count a lone literal from its parenthesis on.
                    inner.span = open.span.to(inner.span);
                }
                Ok(DurationExpr { wrapped: true, ..inner })
            }
            _ => Err(Fail::Unexpected(token)),
        }
    }

    /// The operand of `offset`: a literal, a function or parentheses, with signs.
    pub(super) fn offset_length(&mut self) -> Parsed<Length> {
        let expr = self.duration_operand(true)?;
        Ok(length(expr))
    }

    /// A range or step: literals must be positive.
    pub(super) fn positive(&mut self, expr: DurationExpr) -> Parsed<Length> {
        if let DurationKind::Number(number) = &expr.kind
            && !expr.wrapped
            && number.value <= 0.0
        {
            return self.error(number.span, "duration must be greater than 0");
        }
        Ok(length(expr))
    }
}

fn out_of_range(seconds: f64) -> bool {
    seconds.abs() > MAX_SECONDS
}

/// Literals are rounded to nanoseconds; not-a-number becomes the smallest integer, as in Go.
fn length(expr: DurationExpr) -> Length {
    match expr.kind {
        DurationKind::Number(number) if !expr.wrapped => {
            let nanos = (number.value * 1e9).round();
            Length::Nanos(if nanos.is_nan() { i64::MIN } else { nanos as i64 })
        }
        _ => Length::Expr(Box::new(expr)),
    }
}

/// Applies a sign: to a literal at once.
fn signed(sign: Token, inner: DurationExpr) -> DurationExpr {
    let negative = sign.kind == Kind::Sub;
    let span = sign.span.to(inner.span);
    let kind = match inner.kind {
        DurationKind::Number(mut number) if !inner.wrapped => {
            if negative {
                number.value = -number.value;
            }
            number.span = span;
            DurationKind::Number(number)
        }
        _ if negative => DurationKind::Negate(Box::new(inner)),
        _ => DurationKind::Plus(Box::new(inner)),
    };
    DurationExpr { kind, wrapped: false, span }
}
