//! Function calls and argument lists.

use super::{Parsed, Parser};
use crate::ast::{Call, Expr, Span};
use crate::functions;
use crate::token::{Kind, Token};
use model::quote::Quoted;

impl Parser<'_> {
    /// A call whose name was taken; a parenthesis is next.
    pub(super) fn call(&mut self, name: Token) -> Parsed<Expr> {
        let (args, height) = self.arguments()?;
        let text = self.word(name);
        let Some(function) = functions::find(text) else {
            return self.error(name.span, format!("unknown function with name {}", Quoted(text)));
        };
        if function.experimental && !self.features.experimental_functions {
            return self.error(name.span, format!("function {} is not enabled", Quoted(text)));
        }
        let span = Span { start: name.span.start, end: self.closing };
        self.grow(height + 1, span)?;
        Ok(Expr::Call(Call { function, args, span }))
    }

    /// Expressions between parentheses, and the height of the highest.
    pub(super) fn arguments(&mut self) -> Parsed<(Vec<Expr>, u32)> {
        self.expect(Kind::LeftParen)?;
        let (mut args, mut height) = (Vec::new(), 0);
        if self.eat(Kind::RightParen)? {
            return Ok((args, height));
        }
        loop {
            args.push(self.expression(0)?);
            height = height.max(self.height);
            if self.peek()?.kind != Kind::Comma {
                self.expect(Kind::RightParen)?;
                return Ok((args, height));
            }
            let comma = self.next()?;
            if !self.peek()?.kind.starts_expression() {
                let message = "trailing commas not allowed in function call args";
                return self.error(comma.span, message);
            }
        }
    }
}
