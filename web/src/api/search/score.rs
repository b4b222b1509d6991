//! How well a text fits a search: parts of it in order (subsequence), or alike (Jaro and Winkler).

/// How texts are compared with a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// The characters of the term occur in this order.
    Subsequence,
    /// The similarity of Jaro and Winkler; with a threshold of zero only texts that contain the term.
    JaroWinkler,
}

impl Algorithm {
    /// The algorithm of this name; empty is the usual one.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "subsequence" => Some(Self::Subsequence),
            "jarowinkler" => Some(Self::JaroWinkler),
            _ => None,
        }
    }
}

/// The terms of a search; empty ones do not count.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    terms: Vec<String>,
    algorithm: Algorithm,
    threshold: f64,
    case_sensitive: bool,
}

impl Terms {
    pub(crate) fn new(
        terms: &[&str],
        algorithm: Algorithm,
        threshold: f64,
        case_sensitive: bool,
    ) -> Self {
        let terms = terms.iter().filter(|term| !term.is_empty());
        let fold = |term: &&str| if case_sensitive { (*term).into() } else { term.to_lowercase() };
        Self { terms: terms.map(fold).collect(), algorithm, threshold, case_sensitive }
    }

    pub(crate) fn scorer(&self) -> Scorer<'_> {
        let terms = self.terms.iter().map(|term| (term.as_str(), term.chars().collect()));
        Scorer { terms: terms.collect(), by: self, chars: Vec::new() }
    }
}

/// Scores one text after the other.
#[derive(Debug)]
pub(crate) struct Scorer<'a> {
    terms: Vec<(&'a str, Vec<char>)>,
    by: &'a Terms,
    chars: Vec<char>,
}

impl Scorer<'_> {
    /// How well `text` fits the term that it fits best, up to 1; `None` if it fits none. Everything fits no terms.
    pub(crate) fn score(&mut self, text: &str) -> Option<f64> {
        if self.terms.is_empty() {
            return Some(1.0);
        }
        let folded;
        let text = if self.by.case_sensitive {
            text
        } else {
            folded = text.to_lowercase();
            &folded
        };
        self.chars.clear();
        self.chars.extend(text.chars());
        let scores = self.terms.iter().filter_map(|(term, chars)| {
            let (score, holds) = match self.by.algorithm {
                Algorithm::Subsequence if text.starts_with(term) => (1.0, true),
                Algorithm::Subsequence => {
                    let score = subsequence(chars, &self.chars);
                    (score, score > 0.0 && score >= self.by.threshold)
                }
                Algorithm::JaroWinkler if text.contains(term) => (1.0, true),
                Algorithm::JaroWinkler if self.by.threshold == 0.0 => (0.0, false),
                Algorithm::JaroWinkler => {
                    let score = jaro_winkler(chars, &self.chars);
                    (score, score >= self.by.threshold)
                }
            };
            holds.then_some(score)
        });
        scores.reduce(f64::max)
    }
}

/// What an inexact match is worth of an exact one.
const INEXACT: f64 = 0.999;

/// The best score over all places where the term may begin: runs count by the square of their length, gaps and half
/// of what is left at the end are taken off, as shares of the text; 1 would be the term itself.
fn subsequence(term: &[char], text: &[char]) -> f64 {
    let share = 1.0 / text.len() as f64;
    let mut best: f64 = 0.0;
    let starts = 0..(text.len() + 1).saturating_sub(term.len());
    for start in starts.filter(|&start| text[start] == term[0]) {
        let Some(score) = subsequence_from(term, text, start, share) else { break };
        best = best.max(score);
    }
    let most = (term.len() * term.len()) as f64;
    best / most * INEXACT
}

fn subsequence_from(term: &[char], text: &[char], start: usize, share: f64) -> Option<f64> {
    let (mut score, mut at, mut used, mut run_end) = (0.0, start, 0, 0);
    while used < term.len() {
        at += text[at..].iter().position(|c| *c == term[used])?;
        let run = text[at..].iter().zip(&term[used..]).take_while(|(a, b)| a == b).count();
        score -= (at - run_end) as f64 * share;
        score += (run * run) as f64;
        at += run;
        used += run;
        run_end = at;
    }
    Some(score - (text.len() - run_end) as f64 * share * 0.5)
}

fn jaro_winkler(a: &[char], b: &[char]) -> f64 {
    if a == b {
        return 1.0;
    }
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let reach = (long.len() / 2).saturating_sub(1);
    let mut taken = vec![false; long.len()];
    let mut matched = Vec::new();
    for (at, c) in short.iter().enumerate() {
        let window = at.saturating_sub(reach)..(at + reach + 1).min(long.len());
        if let Some(hit) = window.into_iter().find(|&at| !taken[at] && long[at] == *c) {
            taken[hit] = true;
            matched.push(*c);
        }
    }
    if matched.is_empty() {
        return 0.0;
    }
    let in_long = long.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(c, _)| c);
    let moved = matched.iter().zip(in_long).filter(|(a, b)| a != b).count() as f64;
    let num = matched.len() as f64;
    let shares = num * (1.0 / short.len() as f64) + num * (1.0 / long.len() as f64);
    let jaro = (shares + (num - moved * 0.5) / num) / 3.0;
    let prefix = short.iter().zip(long).take(4).take_while(|(a, b)| a == b).count();
    jaro + prefix as f64 * 0.1 * (1.0 - jaro)
}
