//! Operators between expressions, with everything that modifies them.

use super::{Fail, Parsed, Parser};
use crate::ast::{Binary, BinaryOp, Cardinality, Expr, Matching};
use crate::token::Kind;

/// The lowest precedence that binds tighter than a sign, which binds like `*`.
pub(super) const ABOVE_SIGNS: u8 = 6;

/// The operator and how tightly it binds.
fn operator(kind: Kind) -> Option<(BinaryOp, u8)> {
    Some(match kind {
        Kind::Or => (BinaryOp::Or, 1),
        Kind::And => (BinaryOp::And, 2),
        Kind::Unless => (BinaryOp::Unless, 2),
        Kind::Eq => (BinaryOp::Eq, 3),
        Kind::Ne => (BinaryOp::Ne, 3),
        Kind::Le => (BinaryOp::Le, 3),
        Kind::Lt => (BinaryOp::Lt, 3),
        Kind::Ge => (BinaryOp::Ge, 3),
        Kind::Gt => (BinaryOp::Gt, 3),
        Kind::TrimUpper => (BinaryOp::TrimUpper, 3),
        Kind::TrimLower => (BinaryOp::TrimLower, 3),
        Kind::Add => (BinaryOp::Add, 4),
        Kind::Sub => (BinaryOp::Sub, 4),
        Kind::Mul => (BinaryOp::Mul, 5),
        Kind::Div => (BinaryOp::Div, 5),
        Kind::Mod => (BinaryOp::Mod, 5),
        Kind::Atan2 => (BinaryOp::Atan2, 5),
        Kind::Pow => (BinaryOp::Pow, ABOVE_SIGNS),
        _ => return None,
    })
}

impl Parser<'_> {
    /// Appends operators and their right sides to `lhs` while they bind at least as tightly as `min_precedence`.
    pub(super) fn operators(&mut self, mut lhs: Expr, min_precedence: u8) -> Parsed<Expr> {
        while let Some((op, precedence)) = operator(self.peek()?.kind) {
            if precedence < min_precedence {
                break;
            }
            let height = self.height;
            self.next()?;
            let return_bool = self.eat(Kind::Bool)?;
            let matching = self.matching(op)?;
            // All but the power associate to the left: the right side takes tighter operators only.
            let above = if op == BinaryOp::Pow { precedence } else { precedence + 1 };
            let rhs = self.expression(above)?;
            let span = lhs.span().to(rhs.span());
            let has_fill = matching.fill_left.is_some() || matching.fill_right.is_some();
            if has_fill && !self.features.binop_fill_modifiers {
                return self.error(span, "binop fill modifiers are experimental and not enabled");
            }
            self.grow(height.max(self.height) + 1, span)?;
            lhs = Expr::Binary(Binary {
                op,
                lhs: Box::new(lhs),
                rhs: Box::new(rhs),
                return_bool,
                matching,
            });
        }
        Ok(lhs)
    }

    fn matching(&mut self, op: BinaryOp) -> Parsed<Matching> {
        let mut matching = Matching::default();
        if op.is_set() {
            matching.cardinality = Cardinality::ManyToMany;
        }
        let kind = self.peek()?.kind;
        if matches!(kind, Kind::On | Kind::Ignoring) {
            self.next()?;
            matching.on = kind == Kind::On;
            matching.labels = self.labels()?;
            self.group(&mut matching)?;
        }
        self.fills(&mut matching)?;
        Ok(matching)
    }

    /// `group_left` or `group_right` with an optional list.
    fn group(&mut self, matching: &mut Matching) -> Parsed<()> {
        matching.cardinality = match self.peek()?.kind {
            Kind::GroupLeft => Cardinality::ManyToOne,
            Kind::GroupRight => Cardinality::OneToMany,
            _ => return Ok(()),
        };
        self.next()?;
        let token = self.peek()?;
        if token.kind == Kind::LeftParen {
            matching.include = self.labels()?;
        } else if !token.kind.starts_expression() {
            return self.context(Err(Fail::Unexpected(token)), "grouping opts", "\"(\"");
        }
        Ok(())
    }

    /// `fill(n)`, or `fill_left(n)` and `fill_right(n)` in either order.
    fn fills(&mut self, matching: &mut Matching) -> Parsed<()> {
        let first = self.peek()?.kind;
        match first {
            Kind::Fill => {
                let value = self.fill_value()?;
                matching.fill_left = Some(value);
                matching.fill_right = Some(value);
            }
            Kind::FillLeft => {
                matching.fill_left = Some(self.fill_value()?);
                if self.peek()?.kind == Kind::FillRight {
                    matching.fill_right = Some(self.fill_value()?);
                }
            }
            Kind::FillRight => {
                matching.fill_right = Some(self.fill_value()?);
                if self.peek()?.kind == Kind::FillLeft {
                    matching.fill_left = Some(self.fill_value()?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The keyword and a number with an optional sign between parentheses.
    fn fill_value(&mut self) -> Parsed<f64> {
        self.next()?;
        self.expect(Kind::LeftParen)?;
        let negative = self.sign()?.unwrap_or_default();
        let token = self.peek()?;
        if !matches!(token.kind, Kind::Number | Kind::Duration) {
            return Err(Fail::Unexpected(token));
        }
        let value = self.number()?.value;
        self.expect(Kind::RightParen)?;
        Ok(if negative { -value } else { value })
    }

    /// Takes a sign if one is next; `true` for a minus.
    pub(super) fn sign(&mut self) -> Parsed<Option<bool>> {
        let negative = match self.peek()?.kind {
            Kind::Add => false,
            Kind::Sub => true,
            _ => return Ok(None),
        };
        self.next()?;
        Ok(Some(negative))
    }
}
