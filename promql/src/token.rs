//! The tokens of PromQL and how error texts describe them.

use crate::ast::{AggregateOp, Span};
use model::quote::QuotedBytes;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Eof,
    /// The lexer's message is kept beside it.
    Error,
    Identifier,
    /// Contains a colon.
    MetricIdentifier,
    String,
    Number,
    Duration,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Assign,
    // Operators.
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    TrimUpper,
    TrimLower,
    EqRegex,
    NeRegex,
    At,
    And,
    Or,
    Unless,
    Atan2,
    Aggregate(AggregateOp),
    // Keywords.
    Anchored,
    Bool,
    By,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,
    // What queries are told about themselves.
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// A token: its bytes are `text[span]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// The keyword, operator or aggregator that `word` is, in any case; `inf` and `nan` are numbers.
pub(crate) fn keyword(word: &[u8]) -> Option<Kind> {
    let mut buffer = [0; 12];
    let lower = buffer.get_mut(..word.len())?;
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"and" => Kind::And,
        b"or" => Kind::Or,
        b"unless" => Kind::Unless,
        b"atan2" => Kind::Atan2,
        b"sum" => Kind::Aggregate(AggregateOp::Sum),
        b"avg" => Kind::Aggregate(AggregateOp::Avg),
        b"count" => Kind::Aggregate(AggregateOp::Count),
        b"min" => Kind::Aggregate(AggregateOp::Min),
        b"max" => Kind::Aggregate(AggregateOp::Max),
        b"group" => Kind::Aggregate(AggregateOp::Group),
        b"stddev" => Kind::Aggregate(AggregateOp::Stddev),
        b"stdvar" => Kind::Aggregate(AggregateOp::Stdvar),
        b"topk" => Kind::Aggregate(AggregateOp::Topk),
        b"bottomk" => Kind::Aggregate(AggregateOp::Bottomk),
        b"count_values" => Kind::Aggregate(AggregateOp::CountValues),
        b"quantile" => Kind::Aggregate(AggregateOp::Quantile),
        b"limitk" => Kind::Aggregate(AggregateOp::Limitk),
        b"limit_ratio" => Kind::Aggregate(AggregateOp::LimitRatio),
        b"offset" => Kind::Offset,
        b"anchored" => Kind::Anchored,
        b"smoothed" => Kind::Smoothed,
        b"by" => Kind::By,
        b"without" => Kind::Without,
        b"on" => Kind::On,
        b"ignoring" => Kind::Ignoring,
        b"group_left" => Kind::GroupLeft,
        b"group_right" => Kind::GroupRight,
        b"fill" => Kind::Fill,
        b"fill_left" => Kind::FillLeft,
        b"fill_right" => Kind::FillRight,
        b"bool" => Kind::Bool,
        b"start" => Kind::Start,
        b"end" => Kind::End,
        b"step" => Kind::Step,
        b"range" => Kind::Range,
        b"max_of" => Kind::MaxOf,
        b"min_of" => Kind::MinOf,
        b"inf" | b"nan" => Kind::Number,
        _ => return None,
    })
}

impl Kind {
    /// Whether it can stand for a metric name.
    pub(crate) fn is_metric_name(self) -> bool {
        matches!(
            self,
            Self::Identifier
                | Self::MetricIdentifier
                | Self::Aggregate(_)
                | Self::And
                | Self::Or
                | Self::Unless
                | Self::Anchored
                | Self::By
                | Self::Fill
                | Self::FillLeft
                | Self::FillRight
                | Self::Offset
                | Self::Smoothed
                | Self::Without
                | Self::Start
                | Self::End
                | Self::Step
                | Self::Range
                | Self::MaxOf
                | Self::MinOf
        )
    }

    /// Whether it can stand for a label name in `by`, `on` and their kin, besides strings.
    pub(crate) fn is_grouping_label(self) -> bool {
        let other = matches!(
            self,
            Self::Atan2
                | Self::Bool
                | Self::GroupLeft
                | Self::GroupRight
                | Self::Ignoring
                | Self::On
        );
        other || (self.is_metric_name() && self != Self::Without)
    }

    /// Whether an expression can begin with it.
    pub(crate) fn starts_expression(self) -> bool {
        self.is_metric_name()
            || matches!(
                self,
                Self::String
                    | Self::Number
                    | Self::Duration
                    | Self::LeftParen
                    | Self::LeftBrace
                    | Self::Add
                    | Self::Sub
            )
    }

    fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Anchored
                | Self::Bool
                | Self::By
                | Self::Fill
                | Self::FillLeft
                | Self::FillRight
                | Self::GroupLeft
                | Self::GroupRight
                | Self::Ignoring
                | Self::Offset
                | Self::On
                | Self::Smoothed
                | Self::Without
        )
    }

    fn is_operator(self) -> bool {
        matches!(
            self,
            Self::Add
                | Self::Sub
                | Self::Mul
                | Self::Div
                | Self::Mod
                | Self::Pow
                | Self::Eq
                | Self::Ne
                | Self::Lt
                | Self::Le
                | Self::Gt
                | Self::Ge
                | Self::TrimUpper
                | Self::TrimLower
                | Self::EqRegex
                | Self::NeRegex
                | Self::At
                | Self::And
                | Self::Or
                | Self::Unless
                | Self::Atan2
        )
    }
}

impl Token {
    /// The bytes of the token.
    pub(crate) fn bytes<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.span.start as usize..self.span.end as usize]
    }

    /// What an error calls the token.
    pub(crate) fn describe(&self, text: &[u8]) -> String {
        let bytes = self.bytes(text);
        let shown = String::from_utf8_lossy(bytes);
        match self.kind {
            Kind::Eof => return "end of input".into(),
            Kind::Identifier => return format!("identifier {}", QuotedBytes(bytes)),
            Kind::MetricIdentifier => return format!("metric identifier {}", QuotedBytes(bytes)),
            Kind::Aggregate(_) => return format!("<aggr:{shown}>"),
            kind if kind.is_keyword() => return format!("<{shown}>"),
            kind if kind.is_operator() => return format!("<op:{shown}>"),
            _ => {}
        }
        let what = match self.kind {
            Kind::String => "string ",
            Kind::Number => "number ",
            Kind::Duration => "duration ",
            _ => "",
        };
        if bytes.len() <= 10 {
            return format!("{what}{}", QuotedBytes(bytes));
        }
        let cut = shown.char_indices().nth(10).map_or(bytes.len(), |(at, _)| at);
        format!("{what}{}...", QuotedBytes(&bytes[..cut]))
    }
}
