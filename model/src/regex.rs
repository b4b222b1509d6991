//! Regular expressions with Go's syntax and meaning, anchored at both ends, dot matching newlines, with fast paths
//! for what dashboards really send: literals, alternations of literals, prefixes, suffixes and infixes.

mod analyse;
mod class;
mod expand;
mod find;
mod parse;

pub use find::Finder;

use analyse::Shape;
use regex_automata::meta;
use regex_automata::util::syntax::Config as SyntaxConfig;
use regex_automata::{Anchored, Input};
use std::fmt;

/// Why a pattern is refused. The text is Go's, also for what only we refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegexError {
    /// Breaks Go's syntax: what is wrong, and the piece of the pattern.
    #[error("error parsing regexp: {0}: `{1}`")]
    Syntax(&'static str, Box<str>),
    /// Needs too much memory.
    #[error("error parsing regexp: expression too large: `{0}`")]
    TooLarge(Box<str>),
}

/// Memory that one compiled pattern may take.
const MAX_COMPILED_BYTES: usize = 10 << 20;

/// A compiled pattern. Matches whole texts only.
#[derive(Clone)]
pub struct Regex {
    pattern: Box<str>,
    shape: Shape,
    /// Group names by index; group 0 is the whole match.
    names: Vec<Option<Box<str>>>,
    /// The automaton; simple shapes need it for groups only.
    program: Option<meta::Regex>,
}

impl Regex {
    /// Compiles the pattern of a matcher; errors cite the pattern as written.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        parse::parse(pattern, true)?;
        Self::anchored(pattern)
    }

    /// Compiles the pattern of a relabelling rule; errors cite it between `^(?s:` and `)$`, as Prometheus does.
    pub fn anchored(pattern: &str) -> Result<Self, RegexError> {
        let wrapped = format!("^(?s:{pattern})$");
        let parsed = parse::parse(&wrapped, false)?;
        let shape = analyse::shape(&parsed.hir);
        let needed = matches!(shape, Shape::General(_)) || parsed.names.len() > 1;
        let program = needed.then(|| compile(&parsed.hir, pattern)).transpose()?;
        Ok(Self { pattern: pattern.into(), shape, names: parsed.names, program })
    }

    /// The pattern as written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether the whole of `text` matches.
    #[inline]
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Set(set) => analyse::is_among(set, text),
            Shape::Globs(globs) => globs.is_match(text),
            Shape::General(prefix) => {
                analyse::begins_with(text, prefix)
                    && self.program().is_match(Input::new(text).anchored(Anchored::Yes))
            }
        }
    }

    /// All texts that match, sorted, if the pattern is nothing but some literals.
    #[must_use]
    pub fn set_matches(&self) -> Option<&[Box<str>]> {
        match &self.shape {
            Shape::Set(set) => Some(set),
            Shape::Globs(_) | Shape::General(_) => None,
        }
    }

    /// What every matching text begins with, if that is not empty.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        let prefix = match &self.shape {
            Shape::Set(set) if set.len() == 1 => &*set[0],
            Shape::Set(_) => "",
            Shape::Globs(globs) => globs.prefix(),
            Shape::General(prefix) => prefix,
        };
        (!prefix.is_empty()).then_some(prefix)
    }

    /// What matching texts begin with, one of these or another: sorted, and none the beginning of another. One empty
    /// text if they may begin with anything.
    #[must_use]
    pub fn prefixes(&self) -> Vec<&str> {
        let mut all: Vec<&str> = match &self.shape {
            Shape::Set(set) => set.iter().map(|text| &**text).collect(),
            Shape::Globs(globs) => globs.prefixes().collect(),
            Shape::General(prefix) => vec![prefix],
        };
        all.sort_unstable();
        all.dedup_by(|next, kept| next.starts_with(*kept));
        all
    }

    /// If `input` matches, appends `template` to `out` with `$1`, `${name}` replaced by what the groups caught, by the
    /// rules of Go's `Regexp.Expand`.
    pub fn captures_expand(&self, input: &str, template: &str, out: &mut String) -> bool {
        if !template.contains('$') {
            let matched = self.is_match(input);
            if matched {
                out.push_str(template);
            }
            return matched;
        }
        if self.names.len() == 1 {
            let matched = self.is_match(input);
            if matched {
                expand::expand(template, &self.names, |group| (group == 0).then_some(input), out);
            }
            return matched;
        }
        let program = self.program();
        let mut captures = program.create_captures();
        program.captures(Input::new(input).anchored(Anchored::Yes), &mut captures);
        if !captures.is_match() {
            return false;
        }
        let group = |index| captures.get_group(index).map(|span| &input[span.range()]);
        expand::expand(template, &self.names, group, out);
        true
    }

    fn program(&self) -> &meta::Regex {
        self.program.as_ref().expect("compiled where the shape does not suffice")
    }
}

fn compile(hir: &regex_syntax::hir::Hir, pattern: &str) -> Result<meta::Regex, RegexError> {
    let config =
        meta::Config::new().nfa_size_limit(Some(MAX_COMPILED_BYTES)).hybrid_cache_capacity(1 << 20);
    meta::Builder::new()
        .configure(config)
        .syntax(SyntaxConfig::new().utf8(true))
        .build_from_hir(hir)
        .map_err(|_| RegexError::TooLarge(pattern.into()))
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Regex({:?})", self.pattern)
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Regex {}

#[cfg(test)]
mod tests;
