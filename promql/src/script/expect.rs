//! `eval` lines and the expectations below them.

use super::{Eval, Expected, Parsed, When, parse_series, time};
use model::float::parse_float;
use model::regex::Regex;

/// What a message must be.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// Exactly this.
    Text(String),
    /// Something that contains a match.
    Regex(Regex),
}

impl Pattern {
    /// Whether the message is as expected.
    #[must_use]
    pub fn matches(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => text == message,
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

/// What must be said about one kind of annotations.
#[derive(Clone, Debug)]
pub struct Annotation {
    /// Infos if true, warnings otherwise.
    pub info: bool,
    /// There must be none.
    pub none: bool,
    /// How they must read, if that matters.
    pub pattern: Option<Pattern>,
}

/// Reads `instant at 5m query` or `range from 0 to 5m step 1m query`, and what is expected.
pub(super) fn eval(mode: &str, head: &str, body: &[&str]) -> Parsed<Eval> {
    let (when, query) = when(head)?;
    let mut eval = Eval {
        when,
        query: query.to_owned(),
        expected: Expected::Series(Vec::new()),
        fail: None,
        ordered: false,
        annotations: Vec::new(),
    };
    match mode {
        "" => {}
        "fail" => eval.fail = Some(None),
        "ordered" => eval.ordered = true,
        "warn" | "info" => {
            eval.annotations.push(Annotation { info: mode == "info", none: false, pattern: None });
        }
        other => return Err((0, format!("unknown kind of evaluation {other:?}"))),
    }
    for (index, line) in body.iter().enumerate() {
        expectation(&mut eval, line).map_err(|(_, what)| (index + 1, what))?;
    }
    Ok(eval)
}

/// The first word and the rest.
fn word(text: &str) -> Parsed<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    if end == 0 {
        return Err((0, "the line ends too early".into()));
    }
    Ok((&text[..end], text[end..].trim_start()))
}

/// What follows `keyword`, which must come first.
fn after<'t>(text: &'t str, keyword: &str) -> Parsed<&'t str> {
    match word(text)? {
        (found, rest) if found == keyword => Ok(rest),
        (found, _) => Err((0, format!("expected {keyword:?}, got {found:?}"))),
    }
}

fn when(head: &str) -> Parsed<(When, &str)> {
    match word(head)? {
        ("instant", rest) => {
            let Ok(rest) = after(rest, "at") else { return Ok((When::Instant { at_ms: 0 }, rest)) };
            let (at, query) = word(rest)?;
            Ok((When::Instant { at_ms: time(at)? }, query))
        }
        ("range", rest) => {
            let ((start_ms, end_ms, step_ms), query) = range(rest)?;
            Ok((When::Range { start_ms, end_ms, step_ms }, query))
        }
        (other, _) => Err((0, format!("expected \"instant\" or \"range\", got {other:?}"))),
    }
}

/// `from 0 to 5m step 1m`
fn range(text: &str) -> Parsed<((i64, i64, i64), &str)> {
    let (start, rest) = word(after(text, "from")?)?;
    let (end, rest) = word(after(rest, "to")?)?;
    let (step, rest) = word(after(rest, "step")?)?;
    Ok(((time(start)?, time(end)?, time(step)?), rest))
}

fn expectation(eval: &mut Eval, line: &str) -> Parsed<()> {
    let (first, rest) = word(line)?;
    if first == "expect" {
        return expect(eval, rest);
    }
    if let Some(pattern) = match first {
        "expected_fail_message" => Some(Pattern::Text(rest.to_owned())),
        "expected_fail_regexp" => Some(anywhere(rest)?),
        _ => None,
    } {
        eval.fail = Some(Some(pattern));
        return Ok(());
    }
    if let Ok(number) = parse_float(line) {
        eval.expected = Expected::Scalar(number);
        return Ok(());
    }
    let series = parse_series(line).map_err(|what| (0, what))?;
    match &mut eval.expected {
        Expected::Series(all) | Expected::RangeVector { series: all, .. } => all.push(series),
        Expected::Scalar(_) | Expected::String(_) => {
            return Err((0, "a series beside a scalar or string".into()));
        }
    }
    Ok(())
}

fn expect(eval: &mut Eval, text: &str) -> Parsed<()> {
    let (kind, rest) = word(text)?;
    let annotation = |info, none, rest| {
        Ok::<_, (usize, String)>(Annotation { info, none, pattern: pattern(rest)? })
    };
    match kind {
        "ordered" => eval.ordered = true,
        "fail" => eval.fail = Some(pattern(rest)?),
        "warn" => eval.annotations.push(annotation(false, false, rest)?),
        "no_warn" => eval.annotations.push(annotation(false, true, rest)?),
        "info" => eval.annotations.push(annotation(true, false, rest)?),
        "no_info" => eval.annotations.push(annotation(true, true, rest)?),
        "string" => {
            let expr = crate::parser::parse(rest, &crate::ast::Features::default());
            let Ok(crate::ast::Expr::String(literal)) = expr else {
                return Err((0, format!("{rest:?} is no string")));
            };
            eval.expected = Expected::String(literal.text().into_owned());
        }
        "range" => {
            let ((start_ms, end_ms, step_ms), _) = range(after(rest, "vector")?)?;
            let series = Vec::new();
            eval.expected = Expected::RangeVector { start_ms, end_ms, step_ms, series };
        }
        other => return Err((0, format!("cannot expect {other:?}"))),
    }
    Ok(())
}

/// `msg: text` or `regex: pattern`
fn pattern(text: &str) -> Parsed<Option<Pattern>> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(message) = text.strip_prefix("msg:") {
        return Ok(Some(Pattern::Text(message.trim().to_owned())));
    }
    match text.strip_prefix("regex:") {
        Some(regex) => anywhere(regex.trim()).map(Some),
        None => Err((0, format!("expected \"msg:\" or \"regex:\", got {text:?}"))),
    }
}

/// A pattern that may match anywhere.
fn anywhere(pattern: &str) -> Parsed<Pattern> {
    let regex =
        Regex::new(&format!(".*(?:{pattern}).*")).map_err(|error| (0, error.to_string()))?;
    Ok(Pattern::Regex(regex))
}
