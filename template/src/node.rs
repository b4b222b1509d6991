//! The tree of a template, and its parts as error texts cite them. Nothing is evaluated here.

use crate::escape::Escaper;
use model::hash::HashMap;
use model::quote::Quoted;
use std::fmt;
use std::sync::Arc;

/// All templates of a set by their names.
pub(crate) type Trees = HashMap<String, Arc<Tree>>;

/// A file or an annotation, for places in error texts.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Source {
    /// `name:line:column` of a byte; columns count bytes from 0.
    pub(crate) fn place(&self, pos: usize) -> String {
        let before = &self.text.as_bytes()[..pos.min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let begin = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        format!("{}:{line}:{}", self.name, before.len() - begin)
    }
}

/// A template.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) name: String,
    pub(crate) source: Arc<Source>,
    /// Where its first statement is.
    pub(crate) pos: usize,
    pub(crate) root: Vec<Node>,
}

impl Tree {
    /// Whether there is nothing but space in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.iter().all(|node| matches!(node, Node::Text(_, text) if text.trim().is_empty()))
    }
}

/// A statement.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(usize, String),
    Action(Action),
    Branch(Branch),
    Call(Call),
    Break(usize),
    Continue(usize),
}

/// `{{ pipeline }}`.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) pos: usize,
    pub(crate) pipe: Pipe,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{{}}}}}", self.pipe)
    }
}

/// Which branch a [`Branch`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BranchKind {
    If,
    Range,
    With,
}

impl BranchKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::Range => "range",
            Self::With => "with",
        }
    }
}

/// `{{ if }}`, `{{ range }}` or `{{ with }}`.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) kind: BranchKind,
    pub(crate) pipe: Pipe,
    pub(crate) list: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

/// `{{ template }}`.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) pos: usize,
    pub(crate) name: String,
    pub(crate) pipe: Option<Pipe>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", Quoted(&self.name))?;
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
        }
        f.write_str("}}")
    }
}

/// Commands that hand on their values, and the variables that get the last one.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: usize,
    /// The variables exist already.
    pub(crate) assigns: bool,
    /// Names with their `$`.
    pub(crate) variables: Vec<String>,
    pub(crate) commands: Vec<Command>,
    /// What the value of an action of a page goes through, in order.
    pub(crate) escapers: Vec<Escaper>,
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let sign = if self.assigns { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.variables.join(", "))?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            f.write_str(if index > 0 { " | " } else { "" })?;
            command.fmt(f)?;
        }
        self.escapers.iter().try_for_each(|escaper| write!(f, " | {}", escaper.name()))
    }
}

/// A function or a value, and arguments.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) pos: usize,
    /// Never empty.
    pub(crate) args: Vec<Expr>,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, arg) in self.args.iter().enumerate() {
            f.write_str(if index > 0 { " " } else { "" })?;
            match &arg.kind {
                ExprKind::Pipe(pipe) => write!(f, "({pipe})")?,
                _ => arg.fmt(f)?,
            }
        }
        Ok(())
    }
}

/// An operand.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) pos: usize,
    pub(crate) kind: ExprKind,
}

/// What an operand is.
#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    /// A text as it was written, and as it is.
    Text(String, Arc<str>),
    /// Names without their dots.
    Field(Vec<String>),
    /// The name with its `$`, then the fields.
    Variable(Vec<String>),
    Function(String),
    Chain(Box<Expr>, Vec<String>),
    Pipe(Box<Pipe>),
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Dot => f.write_str("."),
            ExprKind::Nil => f.write_str("nil"),
            ExprKind::Bool(value) => value.fmt(f),
            ExprKind::Number(number) => f.write_str(&number.text),
            ExprKind::Text(quoted, _) => f.write_str(quoted),
            ExprKind::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            ExprKind::Variable(names) => f.write_str(&names.join(".")),
            ExprKind::Function(name) => f.write_str(name),
            ExprKind::Chain(inner, names) => {
                match &inner.kind {
                    ExprKind::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => inner.fmt(f)?,
                }
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
            ExprKind::Pipe(pipe) => pipe.fmt(f),
        }
    }
}

/// A constant of no type yet.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) text: String,
    pub(crate) value: Constant,
}

/// What a number is where nothing asks for a type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Constant {
    Int(i64),
    Float(f64),
    /// Real and imaginary part.
    Complex(f64, f64),
    /// An integer that no `int` can hold.
    Large,
}
