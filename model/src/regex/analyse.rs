//! What a pattern amounts to: some literals, literals with gaps between them, or a real regular expression.
//! Alternatives are multiplied out as long as they stay few: `node_(cpu|disk)_.+` is two globs.

use memchr::memmem::Finder;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// How a pattern is matched.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// One of these texts, sorted.
    Set(Box<[Box<str>]>),
    /// One of these.
    Globs(Globs),
    /// The automaton decides on texts with this prefix.
    General(Box<str>),
}

/// Patterns with more alternatives than this are left to the automaton.
const MAX_SET: usize = 16_384;

/// More globs than this are left to the automaton, and more of those that may begin with anything: each is tried.
const MAX_GLOBS: usize = 32;
const MAX_HEADLESS_GLOBS: usize = 4;

/// Texts and patterns with gaps, any of which may match.
#[derive(Clone, Debug)]
pub(super) struct Globs {
    /// Sorted.
    texts: Box<[Box<str>]>,
    /// At least one.
    globs: Box<[Glob]>,
    /// What every match begins with.
    prefix: Box<str>,
}

impl Globs {
    fn new(alternatives: &[Vec<Piece>]) -> Option<Self> {
        let (mut texts, mut globs) = (Vec::new(), Vec::new());
        for pieces in alternatives {
            let has_gap = pieces.iter().any(|piece| matches!(piece, Piece::Gap(_)));
            if has_gap {
                globs.push(glob(pieces)?);
            } else {
                texts.push(pieces.iter().map(Piece::text).collect::<String>().into_boxed_str());
            }
        }
        let num_headless = globs.iter().filter(|glob| glob.head.is_empty()).count();
        if globs.is_empty() || num_headless > MAX_HEADLESS_GLOBS {
            return None;
        }
        texts.sort_unstable();
        let heads = globs.iter().map(|glob| &*glob.head);
        let prefix = texts.iter().map(|text| &**text).chain(heads).reduce(common_prefix);
        let prefix = prefix.unwrap_or_default().into();
        Some(Self { texts: texts.into(), globs: globs.into(), prefix })
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What matches begin with, one of these or another.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &str> {
        let texts = self.texts.iter().map(|text| &**text);
        texts.chain(self.globs.iter().map(|glob| &*glob.head))
    }

    #[inline]
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.globs.iter().any(|glob| glob.is_match(text)) || is_among(&self.texts, text)
    }
}

/// Whether `text` is one of `texts`, which are sorted.
#[inline]
pub(super) fn is_among(texts: &[Box<str>], text: &str) -> bool {
    texts.binary_search_by(|known| known.as_bytes().cmp(text.as_bytes())).is_ok()
}

fn common_prefix<'t>(a: &'t str, b: &'t str) -> &'t str {
    let same = a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y);
    match same {
        Some(((at, _), _)) => &a[..at],
        None if a.len() < b.len() => a,
        None => b,
    }
}

/// Literals with gaps: `head`, then each of `middle` after its gap, then the last gap and `tail`.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    head: Box<str>,
    middle: Vec<(Gap, Finder<'static>)>,
    last: Gap,
    tail: Box<str>,
}

/// `.*` or `.+`, newlines included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    /// One for `.+`: a character is at least one byte, and literals only match at character boundaries.
    min_bytes: usize,
}

impl Glob {
    fn is_match(&self, text: &str) -> bool {
        if !begins_with(text, &self.head) {
            return false;
        }
        let mut rest = &text.as_bytes()[self.head.len()..];
        // Comparing with nothing is not free: see `begins_with`.
        if !self.tail.is_empty() {
            match rest.strip_suffix(self.tail.as_bytes()) {
                Some(before) => rest = before,
                None => return false,
            }
        }
        // Taking the leftmost place for each literal leaves the most for the others.
        for (gap, finder) in &self.middle {
            if rest.len() < gap.min_bytes {
                return false;
            }
            let Some(at) = finder.find(&rest[gap.min_bytes..]) else { return false };
            rest = &rest[gap.min_bytes + at + finder.needle().len()..];
        }
        rest.len() >= self.last.min_bytes
    }
}

/// Whether `text` begins with `prefix`. An empty boxed text has no memory behind it, and where `memcmp` reads with masked
/// vectors, touching that address costs more than the whole match: ask for the length first.
#[inline]
pub(super) fn begins_with(text: &str, prefix: &str) -> bool {
    prefix.is_empty() || text.starts_with(prefix)
}

/// The shape of `hir`, which is `^body$`.
pub(super) fn shape(hir: &Hir) -> Shape {
    let Some(body) = body(hir) else { return Shape::General(Box::from("")) };
    if let Some(mut set) = literals(&body, MAX_SET) {
        set.sort_unstable();
        set.dedup();
        return Shape::Set(set.into_iter().map(String::into_boxed_str).collect());
    }
    if let Some(globs) = alternatives(&body).and_then(|all| Globs::new(&all)) {
        return Shape::Globs(globs);
    }
    Shape::General(prefix(&body).into_boxed_str())
}

/// What stands between the anchors.
fn body(hir: &Hir) -> Option<Hir> {
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let is = |part: &Hir, look| *part.kind() == HirKind::Look(look);
    let begin = parts.iter().take_while(|part| is(part, Look::Start)).count();
    let end = parts.iter().rev().take_while(|part| is(part, Look::End)).count();
    let anchored = begin > 0 && end > 0;
    anchored.then(|| Hir::concat(parts[begin..parts.len() - end].to_vec()))
}

/// All texts that `hir` matches, if they are few and need no context.
fn literals(hir: &Hir, limit: usize) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Empty => Some(vec![String::new()]),
        HirKind::Literal(literal) => Some(vec![String::from_utf8(literal.0.to_vec()).ok()?]),
        HirKind::Class(Class::Unicode(class)) => {
            let size: usize = class
                .iter()
                .map(|range| (range.end() as usize).saturating_sub(range.start() as usize) + 1)
                .sum();
            if size > limit.min(256) || size == 0 {
                return None;
            }
            let chars = class.iter().flat_map(|range| range.start()..=range.end());
            Some(chars.map(String::from).collect())
        }
        HirKind::Capture(capture) => literals(&capture.sub, limit),
        HirKind::Repetition(Repetition { min: 0, max: Some(1), sub, .. }) => {
            let mut set = literals(sub, limit)?;
            set.push(String::new());
            Some(set)
        }
        HirKind::Concat(parts) => {
            let mut set = vec![String::new()];
            for part in parts {
                let next = literals(part, limit)?;
                if set.len() * next.len() > limit {
                    return None;
                }
                set = set
                    .iter()
                    .flat_map(|head| next.iter().map(move |tail| format!("{head}{tail}")))
                    .collect();
            }
            Some(set)
        }
        HirKind::Alternation(parts) => {
            let mut set = Vec::new();
            for part in parts {
                set.extend(literals(part, limit)?);
                if set.len() > limit {
                    return None;
                }
            }
            Some(set)
        }
        _ => None,
    }
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Gap(Gap),
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Literal(text) => text,
            Self::Gap(_) => "",
        }
    }
}

/// The sequences of literals and gaps of which `hir` is one or another, if it is that and they are few.
fn alternatives(hir: &Hir) -> Option<Vec<Vec<Piece>>> {
    if let Some(texts) = literals(hir, MAX_GLOBS) {
        return Some(texts.into_iter().map(|text| vec![Piece::Literal(text)]).collect());
    }
    match hir.kind() {
        HirKind::Capture(capture) => alternatives(&capture.sub),
        HirKind::Repetition(Repetition { min: 0, max: Some(1), sub, .. }) => {
            let mut all = alternatives(sub)?;
            all.push(Vec::new());
            (all.len() <= MAX_GLOBS).then_some(all)
        }
        HirKind::Repetition(Repetition { min, max: None, sub, .. })
            if *min <= 1 && is_any_char(sub) =>
        {
            Some(vec![vec![Piece::Gap(Gap { min_bytes: *min as usize })]])
        }
        HirKind::Concat(parts) => {
            let mut all: Vec<Vec<Piece>> = vec![Vec::new()];
            for part in parts {
                let next = alternatives(part)?;
                if all.len() * next.len() > MAX_GLOBS {
                    return None;
                }
                let joined = |head: &Vec<Piece>| {
                    next.iter().map(|tail| [&head[..], tail].concat()).collect::<Vec<_>>()
                };
                all = all.iter().flat_map(joined).collect();
            }
            Some(all)
        }
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(alternatives(part)?);
                if all.len() > MAX_GLOBS {
                    return None;
                }
            }
            Some(all)
        }
        _ => None,
    }
}

fn is_any_char(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            matches!(class.ranges(), [all] if all.start() == '\0' && all.end() == char::MAX)
        }
        HirKind::Capture(capture) => is_any_char(&capture.sub),
        _ => false,
    }
}

fn glob(pieces: &[Piece]) -> Option<Glob> {
    let mut head = String::new();
    let mut middle = Vec::new();
    let mut gap: Option<Gap> = None;
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Gap(next) => {
                match gap {
                    None => head = std::mem::take(&mut text),
                    // Two gaps in a row need two characters if both are `.+`: left to the automaton.
                    Some(before) if text.is_empty() => {
                        if before.min_bytes + next.min_bytes > 1 {
                            return None;
                        }
                        gap = Some(Gap { min_bytes: before.min_bytes + next.min_bytes });
                        continue;
                    }
                    Some(before) => {
                        let literal = std::mem::take(&mut text);
                        middle.push((before, Finder::new(literal.as_bytes()).into_owned()));
                    }
                }
                gap = Some(*next);
            }
        }
    }
    Some(Glob { head: head.into(), middle, last: gap?, tail: text.into() })
}

/// What every match of `hir` begins with.
fn prefix(hir: &Hir) -> String {
    match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).unwrap_or_default(),
        HirKind::Capture(capture) => prefix(&capture.sub),
        HirKind::Concat(parts) => {
            let mut out = String::new();
            for part in parts {
                out.push_str(&prefix(part));
                if !matches!(part.kind(), HirKind::Literal(_)) {
                    break;
                }
            }
            out
        }
        _ => String::new(),
    }
}
