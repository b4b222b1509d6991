//! The syntax tree of PromQL 3.14: expressions with the byte positions that errors and annotations cite.
//! Pure data and its derived facts (type, span, children). Parsing lives in `parser`, printing in `format`.

mod operators;

pub use operators::{AggregateOp, BinaryOp, Cardinality, DurationOp};

use crate::functions::Function;
use model::Matcher;
use std::fmt;

/// A half-open byte range of the query text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: narrow(start), end: narrow(end) }
    }

    /// The smallest range that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// The four types of PromQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number.
    Scalar,
    /// One text.
    String,
    /// One sample for each series.
    Vector,
    /// Samples over time for each series.
    Matrix,
}

impl ValueType {
    /// The name in API answers and in some error texts: `scalar`, `string`, `vector`, `matrix`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
        }
    }

    /// The name in documentation and most error texts: `instant vector` and `range vector` instead.
    #[must_use]
    pub fn documented_name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

/// Syntax that is off unless asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// `promql-experimental-functions`: functions marked experimental, `limitk`, `limit_ratio`.
    pub experimental_functions: bool,
    /// `promql-extended-range-selectors`: `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// `promql-binop-fill-modifiers`: `fill`, `fill_left`, `fill_right`.
    pub binop_fill_modifiers: bool,
}

impl Features {
    /// Everything on.
    pub const ALL: Self = Self {
        experimental_functions: true,
        extended_range_selectors: true,
        binop_fill_modifiers: true,
    };
}

/// An expression.
#[derive(Clone, Debug)]
pub enum Expr {
    /// `1.5`, `5m`, `Inf`
    Number(NumberLiteral),
    /// `"text"`
    String(StringLiteral),
    /// `name{label="value"}`
    Vector(VectorSelector),
    /// `name{label="value"}[5m]`
    Matrix(MatrixSelector),
    /// `expr[5m:1m]`
    Subquery(Subquery),
    /// `-expr`, `+expr`
    Unary(Unary),
    /// `expr + expr`
    Binary(Binary),
    /// `sum by (label) (expr)`
    Aggregate(Aggregate),
    /// `rate(expr)`
    Call(Call),
    /// `(expr)`
    Paren(Paren),
}

/// A number; durations are numbers of seconds.
#[derive(Clone, Copy, Debug)]
pub struct NumberLiteral {
    /// The value; seconds if written as a duration.
    pub value: f64,
    /// Written as a duration, and printed as one.
    pub duration: bool,
    /// Where it stands.
    pub span: Span,
}

/// A text between quotes.
#[derive(Clone, Debug)]
pub struct StringLiteral {
    /// The decoded bytes: `"\xff"` need not be UTF-8.
    pub value: Box<[u8]>,
    /// Where it stands.
    pub span: Span,
}

impl StringLiteral {
    /// The text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }
}

/// An instant selector.
#[derive(Clone, Debug)]
pub struct VectorSelector {
    /// The name before the braces; empty if there is none.
    pub name: Box<str>,
    /// All conditions in written order; the one of an outer name comes last.
    pub matchers: Vec<Matcher>,
    /// `offset` and `@`.
    pub at: TimeModifiers,
    /// `anchored`, `smoothed`.
    pub extended: Option<Extended>,
    /// Where it stands, modifiers excluded unless noted by the parser.
    pub span: Span,
}

/// What shifts the time at which a selector or subquery looks.
#[derive(Clone, Debug, Default)]
pub struct TimeModifiers {
    /// `offset`; zero if absent.
    pub offset: Length,
    /// `@`
    pub at: Option<At>,
}

/// The operand of `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A fixed time in milliseconds.
    TimestampMs(i64),
    /// `start()` of the query.
    Start,
    /// `end()` of the query.
    End,
}

/// How a range treats its edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended {
    /// Points at both edges, taken from the last sample before.
    Anchored,
    /// Points at both edges, interpolated.
    Smoothed,
}

impl Extended {
    /// The keyword.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Smoothed => "smoothed",
        }
    }
}

/// A range selector. Its `offset`, `@` and edges are those of the inner selector.
#[derive(Clone, Debug)]
pub struct MatrixSelector {
    /// What is selected.
    pub selector: VectorSelector,
    /// How far back from the time looked at.
    pub range: Length,
    /// Where it stands, from the selector to the closing bracket.
    pub span: Span,
}

/// A subquery.
#[derive(Clone, Debug)]
pub struct Subquery {
    /// What is evaluated over and over.
    pub expr: Box<Expr>,
    /// How far back from the time looked at.
    pub range: Length,
    /// Distance between evaluations; the default interval if absent or computed as less than a millisecond.
    pub step: Option<Length>,
    /// `offset` and `@`.
    pub at: TimeModifiers,
    /// Where it stands, from the expression to the closing bracket.
    pub span: Span,
}

/// A length of time, known from the text or computed for each request.
#[derive(Clone, Debug)]
pub enum Length {
    /// Nanoseconds, as Prometheus keeps them; may be negative for offsets.
    Nanos(i64),
    /// A duration expression.
    Expr(Box<DurationExpr>),
}

impl Default for Length {
    fn default() -> Self {
        Self::Nanos(0)
    }
}

impl Length {
    /// Whether this is the literal zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        matches!(self, Self::Nanos(0))
    }
}

/// A node of a duration expression; its value is float seconds.
#[derive(Clone, Debug)]
pub struct DurationExpr {
    /// What it computes.
    pub kind: DurationKind,
    /// Written between parentheses.
    pub wrapped: bool,
    /// Byte range for errors at evaluation; of `max_of` and `min_of` it is that of the operands.
    pub span: Span,
}

/// What a node of a duration expression computes.
#[derive(Clone, Debug)]
pub enum DurationKind {
    /// A number or duration literal.
    Number(NumberLiteral),
    /// The step of the request.
    Step,
    /// End minus start of the request.
    Range,
    /// `-expr`
    Negate(Box<DurationExpr>),
    /// `+expr`
    Plus(Box<DurationExpr>),
    /// `lhs op rhs`
    Binary(DurationOp, Box<DurationExpr>, Box<DurationExpr>),
    /// The smaller of two.
    MinOf(Box<DurationExpr>, Box<DurationExpr>),
    /// The larger of two.
    MaxOf(Box<DurationExpr>, Box<DurationExpr>),
}

/// A sign before an expression that is not a number literal.
#[derive(Clone, Debug)]
pub struct Unary {
    /// `-` if true, `+` otherwise.
    pub negative: bool,
    /// The operand.
    pub expr: Box<Expr>,
    /// Where it stands, with the sign.
    pub span: Span,
}

/// An operator between two expressions.
#[derive(Clone, Debug)]
pub struct Binary {
    /// What it computes.
    pub op: BinaryOp,
    /// Left operand.
    pub lhs: Box<Expr>,
    /// Right operand.
    pub rhs: Box<Expr>,
    /// `bool`: answer 0 or 1 instead of filtering.
    pub return_bool: bool,
    /// How series of two vectors meet; the default where a side is a scalar.
    pub matching: Matching,
}

/// How series of two vectors meet.
#[derive(Clone, Debug, Default)]
pub struct Matching {
    /// How many on each side.
    pub cardinality: Cardinality,
    /// `on` if true; `ignoring`, also without labels, otherwise.
    pub on: bool,
    /// Labels of `on` or `ignoring`.
    pub labels: Vec<Box<str>>,
    /// Labels that `group_left` or `group_right` copy from the one side.
    pub include: Vec<Box<str>>,
    /// Value for series that miss on the left.
    pub fill_left: Option<f64>,
    /// Value for series that miss on the right.
    pub fill_right: Option<f64>,
}

/// An aggregation.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// What it computes.
    pub op: AggregateOp,
    /// What is aggregated.
    pub expr: Box<Expr>,
    /// The first argument of those that take two.
    pub param: Option<Box<Expr>>,
    /// Labels of `by` or `without`.
    pub grouping: Vec<Box<str>>,
    /// `without` if true; `by`, also without labels, otherwise.
    pub without: bool,
    /// Where it stands.
    pub span: Span,
}

/// A function call; number and types of the arguments are right.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which function.
    pub function: &'static Function,
    /// The arguments.
    pub args: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// Parentheses, kept as written.
#[derive(Clone, Debug)]
pub struct Paren {
    /// What stands inside.
    pub expr: Box<Expr>,
    /// Where they stand.
    pub span: Span,
}

impl Expr {
    /// Where the expression stands in the text, as errors and annotations cite it.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Number(e) => e.span,
            Self::String(e) => e.span,
            Self::Vector(e) => e.span,
            Self::Matrix(e) => e.span,
            Self::Subquery(e) => e.span,
            Self::Unary(e) => e.span,
            Self::Binary(e) => e.lhs.span().to(e.rhs.span()),
            Self::Aggregate(e) => e.span,
            Self::Call(e) => e.span,
            Self::Paren(e) => e.span,
        }
    }

    /// The type of its value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Vector(_) | Self::Aggregate(_) => ValueType::Vector,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Unary(e) => e.expr.value_type(),
            Self::Paren(e) => e.expr.value_type(),
            Self::Call(e) => e.function.returns,
            Self::Binary(e) => {
                if e.lhs.value_type() == ValueType::Scalar
                    && e.rhs.value_type() == ValueType::Scalar
                {
                    ValueType::Scalar
                } else {
                    ValueType::Vector
                }
            }
        }
    }

    /// The expression without the parentheses around it.
    #[must_use]
    pub fn unwrap_parens(&self) -> &Self {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }

    /// Calls `visit` with each direct child, in written order (the parameter of an aggregation first).
    pub fn for_each_child<'a>(&'a self, mut visit: impl FnMut(&'a Self)) {
        match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) => {}
            Self::Subquery(e) => visit(&e.expr),
            Self::Unary(e) => visit(&e.expr),
            Self::Paren(e) => visit(&e.expr),
            Self::Binary(e) => {
                visit(&e.lhs);
                visit(&e.rhs);
            }
            Self::Aggregate(e) => {
                e.param.iter().for_each(|param| visit(param));
                visit(&e.expr);
            }
            Self::Call(e) => e.args.iter().for_each(visit),
        }
    }

    /// Calls `visit` with each selector, in written order.
    pub fn for_each_selector_mut(&mut self, visit: &mut dyn FnMut(&mut VectorSelector)) {
        match self {
            Self::Number(_) | Self::String(_) => {}
            Self::Vector(e) => visit(e),
            Self::Matrix(e) => visit(&mut e.selector),
            Self::Subquery(e) => e.expr.for_each_selector_mut(visit),
            Self::Unary(e) => e.expr.for_each_selector_mut(visit),
            Self::Paren(e) => e.expr.for_each_selector_mut(visit),
            Self::Binary(e) => {
                e.lhs.for_each_selector_mut(visit);
                e.rhs.for_each_selector_mut(visit);
            }
            Self::Aggregate(e) => {
                if let Some(param) = &mut e.param {
                    param.for_each_selector_mut(visit);
                }
                e.expr.for_each_selector_mut(visit);
            }
            Self::Call(e) => e.args.iter_mut().for_each(|arg| arg.for_each_selector_mut(visit)),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::format::canonical(self, f)
    }
}
