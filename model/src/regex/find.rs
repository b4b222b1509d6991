//! Patterns that match anywhere in a text, the dot no newline: what templates search and replace with.

use super::{RegexError, compile, expand, parse};
use regex_automata::{Input, meta};

/// A compiled pattern that is searched for. Matches any part of a text, by Go's rules.
#[derive(Clone, Debug)]
pub struct Finder {
    /// Group names by index; group 0 is the whole match.
    names: Vec<Option<Box<str>>>,
    program: meta::Regex,
}

impl Finder {
    /// Compiles a pattern; errors cite it as written.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        let parsed = parse::parse(pattern, false)?;
        Ok(Self { program: compile(&parsed.hir, pattern)?, names: parsed.names })
    }

    /// Whether some part of `text` matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.program.is_match(Input::new(text))
    }

    /// `text` with each match replaced by `template`, in which `$1` and `${name}` stand for what the groups caught.
    /// `None` if that would be longer than `max_bytes`.
    #[must_use]
    pub fn replace_all(&self, text: &str, template: &str, max_bytes: usize) -> Option<String> {
        let (mut out, mut end) = (String::new(), 0);
        for captures in self.program.captures_iter(text) {
            let found = captures.get_match().expect("there is a match");
            out.push_str(&text[end..found.start()]);
            end = found.end();
            let group = |index| captures.get_group(index).map(|span| &text[span.range()]);
            expand::expand(template, &self.names, group, &mut out);
            if out.len() > max_bytes {
                return None;
            }
        }
        out.push_str(&text[end..]);
        (out.len() <= max_bytes).then_some(out)
    }
}
