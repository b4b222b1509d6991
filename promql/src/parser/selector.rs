//! Instant selectors: a name, conditions in braces, or both.

use super::{Fail, Parsed, Parser};
use crate::ast::{Span, TimeModifiers, VectorSelector};
use crate::token::{Kind, Token};
use model::{METRIC_NAME, MatchOp, Matcher};

const CONTEXT: &str = "label matching";

impl Parser<'_> {
    /// A selector after its name was taken, or one that begins with a brace.
    pub(super) fn selector(&mut self, name: Option<Token>) -> Parsed<VectorSelector> {
        let mut selector = VectorSelector {
            name: name.map_or("", |token| self.word(token)).into(),
            matchers: Vec::new(),
            at: TimeModifiers::default(),
            extended: None,
            span: name.map_or_else(Span::default, |token| token.span),
        };
        if name.is_none() || self.peek()?.kind == Kind::LeftBrace {
            let braces = self.matchers(&mut selector.matchers)?;
            selector.span = name.map_or(braces, |token| token.span.to(braces));
        }
        if name.is_some() {
            let matcher = Matcher::new(METRIC_NAME, MatchOp::Equal, &selector.name)
                .expect("an equality needs no pattern");
            selector.matchers.push(matcher);
        }
        Ok(selector)
    }

    /// A selector and nothing else.
    pub(super) fn lone_selector(&mut self) -> Parsed<VectorSelector> {
        let token = self.peek()?;
        let name = match token.kind {
            Kind::LeftBrace => None,
            kind if kind.is_metric_name() => Some(self.next()?),
            _ => return Err(Fail::Unexpected(token)),
        };
        let selector = self.selector(name)?;
        self.expect(Kind::Eof)?;
        Ok(selector)
    }

    /// Conditions in braces; answers where the braces stand.
    fn matchers(&mut self, out: &mut Vec<Matcher>) -> Parsed<Span> {
        let open = self.next()?;
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::RightBrace => {
                    let close = self.next()?;
                    return Ok(open.span.to(close.span));
                }
                Kind::Identifier | Kind::String => out.push(self.matcher()?),
                _ => {
                    let fail = Err(Fail::Unexpected(token));
                    return self.context(fail, CONTEXT, "identifier or \"}\"");
                }
            }
            let token = self.peek()?;
            match token.kind {
                Kind::Comma => {
                    self.next()?;
                }
                Kind::RightBrace => {}
                _ => {
                    let fail = Err(Fail::Unexpected(token));
                    return self.context(fail, CONTEXT, "\",\" or \"}\"");
                }
            }
        }
    }

    /// One condition; a string without operator is the metric name.
    fn matcher(&mut self) -> Parsed<Matcher> {
        let label = self.next()?;
        let is_string = label.kind == Kind::String;
        let name = if is_string {
            String::from_utf8_lossy(&self.unquoted(label)).into_owned()
        } else {
            self.word(label).to_owned()
        };
        let operator = self.peek()?;
        let op = match operator.kind {
            Kind::Assign => MatchOp::Equal,
            Kind::Ne => MatchOp::NotEqual,
            Kind::EqRegex => MatchOp::Regex,
            Kind::NeRegex => MatchOp::NotRegex,
            _ if is_string => {
                return Ok(Matcher::new(METRIC_NAME, MatchOp::Equal, &name)
                    .expect("an equality needs no pattern"));
            }
            _ => {
                let fail = Err(Fail::Unexpected(operator));
                return self.context(fail, CONTEXT, "label matching operator");
            }
        };
        self.next()?;
        let value = self.expect(Kind::String);
        let value = self.context(value, CONTEXT, "string")?;
        let span = label.span.to(value.span);
        let bytes = self.unquoted(value);
        let text = String::from_utf8_lossy(&bytes);
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex)
            && let Err(error) = std::str::from_utf8(&bytes)
        {
            let rest = String::from_utf8_lossy(&bytes[error.valid_up_to()..]);
            return self.error(span, format!("error parsing regexp: invalid UTF-8: `{rest}`"));
        }
        match Matcher::new(&name, op, &text) {
            Ok(matcher) => Ok(matcher),
            Err(error) => self.error(span, error.to_string()),
        }
    }
}
