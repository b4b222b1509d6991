//! Label matchers, the leaves of every selector. The regular expression engine itself lives in `regex`.

use crate::quote::Quoted;
use crate::regex::{Regex, RegexError};
use crate::validate::is_legacy_label_name;
use std::fmt;
use std::sync::Arc;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, fully anchored
    Regex,
    /// `!~`, fully anchored
    NotRegex,
}

impl MatchOp {
    /// The operator as written in a selector.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A pattern that is not a regular expression; the text is Go's.
pub type MatcherError = RegexError;

/// One `name op value` condition on a series. An absent label has the empty value. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Matcher {
    name: Box<str>,
    op: MatchOp,
    /// A set of one, so that it can be handed out as [`Self::set_matches`].
    value: [Box<str>; 1],
    regex: Option<Arc<Regex>>,
}

impl Matcher {
    /// The condition `name op value`; fails if `op` wants a regular expression and `value` is none.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Arc::new(Regex::new(value)?)),
        };
        Ok(Self { name: name.into(), op, value: [value.into()], regex })
    }

    /// Whether a label of this value satisfies the condition; an absent label has the empty value.
    #[inline]
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let positive = match &self.regex {
            // Empty texts first: see `regex::analyse` for what comparing nothing can cost.
            None if value.is_empty() => self.value[0].is_empty(),
            None => *self.value[0] == *value,
            Some(regex) => regex.is_match(value),
        };
        positive == matches!(self.op, MatchOp::Equal | MatchOp::Regex)
    }

    /// Whether a series without the label satisfies the condition.
    #[must_use]
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The literals, sorted, that `=` and `=~` accept and `!=` and `!~` refuse, if nothing else decides.
    #[must_use]
    pub fn set_matches(&self) -> Option<&[Box<str>]> {
        match &self.regex {
            None => Some(&self.value),
            Some(regex) => regex.set_matches(),
        }
    }

    /// What every value begins with that the literal or pattern matches, if that is not empty.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        match &self.regex {
            None => Some(&*self.value[0]).filter(|value| !value.is_empty()),
            Some(regex) => regex.prefix(),
        }
    }

    /// What every value that the literal or pattern matches begins with, one of these or another: sorted, and none the
    /// beginning of another. One empty text if it may begin with anything.
    #[must_use]
    pub fn prefixes(&self) -> Vec<&str> {
        match &self.regex {
            None => vec![&*self.value[0]],
            Some(regex) => regex.prefixes(),
        }
    }

    /// The label name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The comparison.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The literal or pattern.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value[0]
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_legacy_label_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            write!(f, "{}", Quoted(&self.name))?;
        }
        write!(f, "{}{}", self.op.as_str(), Quoted(&self.value[0]))
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
