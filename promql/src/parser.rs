//! Tokens to syntax tree by precedence climbing. The first thing wrong ends it; which that is, and how it is worded,
//! follows the order in which Prometheus' LALR parser would meet it.

mod aggregate;
mod binary;
mod call;
mod duration;
mod literal;
mod postfix;
mod selector;

use crate::ast::{Expr, Features, Paren, Span, Unary};
use crate::check;
use crate::error::ParseError;
use crate::lexer::Lexer;
use crate::token::{Kind, Token};

/// Expressions nested deeper than this are refused: parsing and evaluating them would exhaust the stack.
const MAX_NESTING: u32 = 250;
/// Trees higher than this are refused, also those of long chains like `a or b or ...`.
const MAX_HEIGHT: u32 = 1000;

/// The expression that `text` is. `text` need not be UTF-8; where it is not matters in comments only.
pub fn parse(text: impl AsRef<[u8]>, features: &Features) -> Result<Expr, ParseError> {
    let text = text.as_ref();
    let mut parser = Parser::new(text, *features);
    let mut expr = parser.whole().map_err(|fail| parser.finish(fail))?;
    check::check(&mut expr, text)?;
    Ok(expr)
}

/// The matchers of a series selector as the API takes it: no range, offset or `@`. Unlike in a query they may all
/// accept the empty value: whoever minds checks [`model::Matcher::matches_empty`].
pub fn parse_selector(text: impl AsRef<[u8]>) -> Result<Vec<model::Matcher>, ParseError> {
    let text = text.as_ref();
    let mut parser = Parser::new(text, Features::default());
    let selector = parser.lone_selector().map_err(|fail| parser.finish(fail))?;
    Ok(selector.matchers)
}

/// Why parsing ended.
#[derive(Debug)]
enum Fail {
    /// A token that fits nowhere; whoever can say what was expected completes it.
    Unexpected(Token),
    /// A complete message.
    Error(Box<ParseError>),
}

type Parsed<T> = Result<T, Fail>;

#[derive(Debug)]
struct Parser<'t> {
    text: &'t [u8],
    lexer: Lexer<'t>,
    /// The token that was looked at and not taken.
    ahead: Option<Token>,
    features: Features,
    /// End of the last closing token, number or duration taken: where calls and modifiers end.
    closing: u32,
    /// How deep the recursion is.
    nesting: u32,
    /// Height of the expression parsed last.
    height: u32,
}

impl<'t> Parser<'t> {
    fn new(text: &'t [u8], features: Features) -> Self {
        let lexer = Lexer::new(text);
        Self { text, lexer, ahead: None, features, closing: 0, nesting: 0, height: 0 }
    }

    fn whole(&mut self) -> Parsed<Expr> {
        if self.peek()?.kind == Kind::Eof {
            return self.error(Span::default(), "no expression found in input");
        }
        let expr = self.expression(0)?;
        self.expect(Kind::Eof)?;
        Ok(expr)
    }

    fn finish(&self, fail: Fail) -> ParseError {
        match fail {
            Fail::Error(error) => *error,
            Fail::Unexpected(token) => {
                let message = format!("unexpected {}", token.describe(self.text));
                ParseError::new(self.text, token.span, message)
            }
        }
    }

    /// The next token, which stays; fails where the lexer fails.
    fn peek(&mut self) -> Parsed<Token> {
        if let Some(token) = self.ahead {
            return Ok(token);
        }
        let token = self.lexer.next();
        if token.kind == Kind::Error {
            let message = self.lexer.error().to_owned();
            return self.error(token.span, message);
        }
        self.ahead = Some(token);
        Ok(token)
    }

    fn next(&mut self) -> Parsed<Token> {
        let token = self.peek()?;
        self.ahead = None;
        if matches!(
            token.kind,
            Kind::RightBrace
                | Kind::RightParen
                | Kind::RightBracket
                | Kind::Number
                | Kind::Duration
        ) {
            self.closing = token.span.end;
        }
        Ok(token)
    }

    fn expect(&mut self, kind: Kind) -> Parsed<Token> {
        let token = self.peek()?;
        if token.kind == kind { self.next() } else { Err(Fail::Unexpected(token)) }
    }

    fn eat(&mut self, kind: Kind) -> Parsed<bool> {
        let found = self.peek()?.kind == kind;
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn error<T>(&self, span: Span, message: impl Into<String>) -> Parsed<T> {
        Err(Fail::Error(Box::new(ParseError::new(self.text, span, message))))
    }

    /// Completes an unexpected token with what was being read and what was expected, unless that is known already.
    fn context<T>(&self, result: Parsed<T>, context: &str, expected: &str) -> Parsed<T> {
        match result {
            Err(Fail::Unexpected(token)) => {
                let mut message = format!("unexpected {} in {context}", token.describe(self.text));
                if !expected.is_empty() {
                    message.push_str(", expected ");
                    message.push_str(expected);
                }
                self.error(token.span, message)
            }
            other => other,
        }
    }

    /// Runs `parse` one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= MAX_NESTING {
            let span = self.peek()?.span;
            return self.error(span, format!("expression nested deeper than {MAX_NESTING} levels"));
        }
        self.nesting += 1;
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    /// Notes that the expression just built is `height` high.
    fn grow(&mut self, height: u32, span: Span) -> Parsed<()> {
        if height > MAX_HEIGHT {
            return self.error(span, format!("expression tree higher than {MAX_HEIGHT} levels"));
        }
        self.height = height;
        Ok(())
    }

    /// An expression whose operators all bind at least as tightly as `min_precedence`.
    fn expression(&mut self, min_precedence: u8) -> Parsed<Expr> {
        self.nested(|parser| {
            let first = parser.unary()?;
            parser.operators(first, min_precedence)
        })
    }

    /// A sign with what it applies to, or an operand with its modifiers.
    fn unary(&mut self) -> Parsed<Expr> {
        let sign = self.peek()?;
        if !matches!(sign.kind, Kind::Add | Kind::Sub) {
            let operand = self.operand()?;
            return self.postfix(operand);
        }
        self.next()?;
        let negative = sign.kind == Kind::Sub;
        let expr = self.expression(binary::ABOVE_SIGNS)?;
        if let Expr::Number(mut number) = expr {
            if negative {
                number.value = -number.value;
            }
            number.span.start = sign.span.start;
            return Ok(Expr::Number(number));
        }
        let span = sign.span.to(expr.span());
        self.grow(self.height + 1, span)?;
        Ok(Expr::Unary(Unary { negative, expr: Box::new(expr), span }))
    }

    fn operand(&mut self) -> Parsed<Expr> {
        let token = self.peek()?;
        self.height = 1;
        match token.kind {
            Kind::Number | Kind::Duration => self.number().map(Expr::Number),
            Kind::String => self.string().map(Expr::String),
            Kind::LeftParen => self.paren(),
            Kind::LeftBrace => self.selector(None).map(Expr::Vector),
            Kind::Aggregate(op) => {
                self.next()?;
                match self.peek()?.kind {
                    Kind::LeftParen | Kind::By | Kind::Without => self.aggregate(op, token),
                    _ => self.selector(Some(token)).map(Expr::Vector),
                }
            }
            Kind::Identifier
            | Kind::Start
            | Kind::End
            | Kind::Step
            | Kind::Range
            | Kind::MaxOf
            | Kind::MinOf => {
                self.next()?;
                if self.peek()?.kind == Kind::LeftParen {
                    return self.call(token);
                }
                self.selector(Some(token)).map(Expr::Vector)
            }
            kind if kind.is_metric_name() => {
                self.next()?;
                self.selector(Some(token)).map(Expr::Vector)
            }
            _ => Err(Fail::Unexpected(token)),
        }
    }

    fn paren(&mut self) -> Parsed<Expr> {
        let open = self.next()?;
        let expr = self.expression(0)?;
        let close = self.expect(Kind::RightParen)?;
        let span = open.span.to(close.span);
        self.grow(self.height + 1, span)?;
        Ok(Expr::Paren(Paren { expr: Box::new(expr), span }))
    }

    /// The text of a token that is ASCII by its kind.
    fn word(&self, token: Token) -> &'t str {
        std::str::from_utf8(token.bytes(self.text)).expect("words are ASCII")
    }
}

#[cfg(test)]
mod tests;
