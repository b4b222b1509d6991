//! Pipelines: variables, commands, operands and the fields that are taken of them.

use super::{Parsed, Parser};
use crate::functions;
use crate::lex::Kind;
use crate::node::{Command, Expr, ExprKind, Number, Pipe};
use crate::number::{character, complex_number, number, unquote};
use model::quote::Quoted;

impl Parser {
    /// A pipeline up to a token of the kind `end`.
    pub(super) fn pipe(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        self.nest()?;
        self.peek_solid();
        let pos = self.look(0).pos;
        let mut pipe = Pipe {
            pos,
            assigns: false,
            variables: Vec::new(),
            commands: Vec::new(),
            escapers: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            match self.peek_solid() {
                kind if kind == end => {
                    self.next += 1;
                    break;
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawQuoted
                | Kind::Quoted
                | Kind::Variable
                | Kind::LeftParen => pipe.commands.push(self.command()?),
                _ => {
                    let token = self.take();
                    return self.unexpected(&token, context);
                }
            }
        }
        self.nested -= 1;
        if pipe.commands.is_empty() {
            return self.fail(format_args!("missing value for {context}"));
        }
        // Only the first command of a pipeline may be a value that takes no argument.
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            match command.args[0].kind {
                ExprKind::Bool(_)
                | ExprKind::Dot
                | ExprKind::Nil
                | ExprKind::Number(_)
                | ExprKind::Text(..) => {
                    let stage = index + 1;
                    let what = format_args!("non executable command in pipeline stage {stage}");
                    return self.fail(what);
                }
                _ => {}
            }
        }
        Ok(pipe)
    }

    /// The variables in front of `:=` or `=`.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<()> {
        while self.peek_solid() == Kind::Variable {
            let back = self.next;
            let name = self.take().text;
            let sign = self.peek_solid();
            let is_comma = sign == Kind::Char && self.look(0).text == ",";
            if !is_comma && !matches!(sign, Kind::Assign | Kind::Declare) {
                self.next = back;
                return Ok(());
            }
            self.next += 1;
            pipe.variables.push(name.clone());
            self.scope.variables.push(name);
            if !is_comma {
                pipe.assigns = sign == Kind::Assign;
                return Ok(());
            }
            if context != "range" || pipe.variables.len() > 1 {
                return self.fail(format_args!("too many declarations in {context}"));
            }
            if !matches!(self.peek_solid(), Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                return self.fail("range can only initialize variables");
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let pos = self.look(0).pos;
        let mut args = Vec::new();
        loop {
            self.peek_solid();
            args.extend(self.operand()?);
            match self.peek() {
                Kind::Space => self.next += 1,
                Kind::RightDelim | Kind::RightParen => break,
                Kind::Pipe => {
                    self.next += 1;
                    break;
                }
                _ => {
                    let token = self.take();
                    return self.unexpected(&token, "operand");
                }
            }
        }
        if args.is_empty() {
            return self.fail("empty command");
        }
        Ok(Command { pos, args })
    }

    /// A term with the fields that are taken of it.
    fn operand(&mut self) -> Parsed<Option<Expr>> {
        let Some(term) = self.term()? else { return Ok(None) };
        if self.peek() != Kind::Field {
            return Ok(Some(term));
        }
        let pos = self.look(0).pos;
        let mut fields = Vec::new();
        while self.peek() == Kind::Field {
            fields.push(self.take().text[1..].to_owned());
        }
        let kind = match term.kind {
            ExprKind::Field(mut names) => {
                names.append(&mut fields);
                ExprKind::Field(names)
            }
            ExprKind::Variable(mut names) => {
                names.append(&mut fields);
                ExprKind::Variable(names)
            }
            ExprKind::Bool(_)
            | ExprKind::Text(..)
            | ExprKind::Number(_)
            | ExprKind::Nil
            | ExprKind::Dot => {
                let shown = term.to_string();
                return self.fail(format_args!("unexpected . after term {}", Quoted(&shown)));
            }
            _ => ExprKind::Chain(Box::new(term), fields),
        };
        Ok(Some(Expr { pos, kind }))
    }

    fn term(&mut self) -> Parsed<Option<Expr>> {
        let kind = self.peek_solid();
        let (pos, text) = (self.look(0).pos, self.look(0).text.clone());
        let of = |value: Result<_, String>| {
            value.map(|value| ExprKind::Number(Number { text: text.clone(), value }))
        };
        let constant = match kind {
            Kind::CharConstant => of(character(&text)),
            Kind::Complex => of(complex_number(&text)),
            Kind::Number => of(number(&text)),
            Kind::Quoted | Kind::RawQuoted => unquote(&text)
                .map(|inner| ExprKind::Text(text.clone(), inner.into()))
                .ok_or_else(|| "invalid syntax".to_owned()),
            Kind::Bool => Ok(ExprKind::Bool(text == "true")),
            Kind::Dot => Ok(ExprKind::Dot),
            Kind::Nil => Ok(ExprKind::Nil),
            Kind::Field => Ok(ExprKind::Field(vec![text[1..].to_owned()])),
            Kind::Identifier if functions::find(&text, self.is_page).is_none() => {
                Err(format!("function {} not defined", Quoted(&text)))
            }
            Kind::Identifier => Ok(ExprKind::Function(text)),
            Kind::Variable if !self.scope.variables.contains(&text) => {
                Err(format!("undefined variable {}", Quoted(&text)))
            }
            Kind::Variable => Ok(ExprKind::Variable(vec![text])),
            Kind::LeftParen => {
                self.next += 1;
                let pipe = self.pipe("parenthesized pipeline", Kind::RightParen)?;
                let pos = pipe.pos;
                return Ok(Some(Expr { pos, kind: ExprKind::Pipe(Box::new(pipe)) }));
            }
            _ => return Ok(None),
        };
        self.next += 1;
        match constant {
            Ok(kind) => Ok(Some(Expr { pos, kind })),
            Err(what) => self.fail(what),
        }
    }
}
