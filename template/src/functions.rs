//! The functions of templates: what each is called, what it takes, where it is. Those that need the page or the
//! database are run by `exec`.

mod builtin;
mod compare;
mod humanize;
mod network;
mod word;

use crate::clock::Clock;
use crate::print;
use crate::value::{Args, Sample, Text, Value, entry};
use model::regex::Finder;
pub(crate) use network::query_escape;
use std::sync::Arc;

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Param {
    /// Anything.
    Any,
    Text,
    Samples,
    Sample,
}

impl Param {
    /// The type that Go declares.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Samples => "template.queryResult",
            Self::Sample => "*template.sample",
        }
    }
}

/// How a function is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// By its arguments alone.
    Plain(fn(&[Value]) -> Result<Value, String>),
    /// `and`, or `or` where this is true: no argument behind the one that decides is evaluated.
    Until(bool),
    /// `call`, which calls nothing: no value is a function.
    Call,
    Query,
    Now,
    ExternalUrl,
    PathPrefix,
    /// `tmpl`, on pages only.
    Page,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Param],
    /// More arguments of any type may follow.
    pub(crate) is_open: bool,
    pub(crate) run: Run,
}

const fn fixed(
    name: &'static str,
    params: &'static [Param],
    run: fn(&[Value]) -> Result<Value, String>,
) -> Function {
    Function { name, params, is_open: false, run: Run::Plain(run) }
}

const fn open(
    name: &'static str,
    params: &'static [Param],
    run: fn(&[Value]) -> Result<Value, String>,
) -> Function {
    Function { name, params, is_open: true, run: Run::Plain(run) }
}

const fn special(
    name: &'static str,
    params: &'static [Param],
    is_open: bool,
    run: Run,
) -> Function {
    Function { name, params, is_open, run }
}

const ANY: &[Param] = &[Param::Any];
const TEXT: &[Param] = &[Param::Text];

/// All functions, sorted by name.
const FUNCTIONS: &[Function] = &[
    special("and", ANY, true, Run::Until(false)),
    open("args", &[], args),
    special("call", ANY, true, Run::Call),
    open("eq", ANY, compare::eq),
    special("externalURL", &[], false, Run::ExternalUrl),
    fixed("first", &[Param::Samples], first),
    fixed("ge", &[Param::Any, Param::Any], compare::ge),
    fixed("graphLink", TEXT, |values| network::link(text(&values[0]), 0)),
    fixed("gt", &[Param::Any, Param::Any], compare::gt),
    open("html", &[], builtin::html),
    fixed("humanize", ANY, humanize::humanize),
    fixed("humanize1024", ANY, humanize::humanize_1024),
    fixed("humanizeDuration", ANY, humanize::duration),
    fixed("humanizePercentage", ANY, humanize::percentage),
    fixed("humanizeTimestamp", ANY, humanize::timestamp),
    open("index", ANY, builtin::index),
    open("js", &[], builtin::js),
    fixed("label", &[Param::Text, Param::Sample], label),
    fixed("le", &[Param::Any, Param::Any], compare::le),
    fixed("len", ANY, builtin::len),
    fixed("lt", &[Param::Any, Param::Any], compare::lt),
    fixed("match", &[Param::Text, Param::Text], is_match),
    fixed("ne", &[Param::Any, Param::Any], compare::ne),
    fixed("not", ANY, |values| Ok(Value::Bool(!values[0].is_true()))),
    special("now", &[], false, Run::Now),
    special("or", ANY, true, Run::Until(true)),
    fixed("parseDuration", TEXT, parse_duration),
    special("pathPrefix", &[], false, Run::PathPrefix),
    open("print", &[], |values| print::sprint(values).map(Value::text)),
    open("printf", TEXT, |values| print::sprintf(text(&values[0]), &values[1..]).map(Value::text)),
    open("println", &[], |values| print::sprintln(values).map(Value::text)),
    special("query", TEXT, false, Run::Query),
    fixed("reReplaceAll", &[Param::Text, Param::Text, Param::Text], replace_all),
    fixed("safeHtml", TEXT, |values| Ok(Value::Html(text(&values[0]).into()))),
    open("slice", ANY, builtin::slice),
    fixed("sortByLabel", &[Param::Text, Param::Samples], sort_by_label),
    fixed("stripDomain", TEXT, |values| Ok(network::strip_domain(text(&values[0])))),
    fixed("stripPort", TEXT, |values| Ok(network::strip_port(text(&values[0])))),
    fixed("strvalue", &[Param::Sample], |values| {
        label(&[Value::text("__value__"), values[0].clone()])
    }),
    fixed("tableLink", TEXT, |values| network::link(text(&values[0]), 1)),
    fixed("title", TEXT, |values| Ok(Value::text(word::title(text(&values[0]))))),
    special("tmpl", &[Param::Text, Param::Any], false, Run::Page),
    fixed("toDuration", ANY, to_duration),
    fixed("toLower", TEXT, |values| Ok(Value::text(word::lower(text(&values[0]))))),
    fixed("toTime", ANY, to_time),
    fixed("toUpper", TEXT, |values| Ok(Value::text(word::upper(text(&values[0]))))),
    fixed("urlQueryEscape", TEXT, |values| Ok(Value::text(query_escape(text(&values[0]))))),
    open("urlquery", &[], |values| Ok(Value::text(query_escape(&builtin::joined(values)?)))),
    fixed("value", &[Param::Sample], value),
];

/// What Go's templates have themselves, and what pages have only.
const NOT_OURS: &[&str] = &[
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
    "print", "printf", "println", "slice", "tmpl", "urlquery",
];

/// The functions that Prometheus adds to those of Go, sorted by name.
pub fn functions() -> impl Iterator<Item = &'static str> {
    let names = FUNCTIONS.iter().map(|function| function.name);
    names.filter(|name| !NOT_OURS.contains(name))
}

/// The function of this name.
pub(crate) fn find(name: &str, is_page: bool) -> Option<&'static Function> {
    let at = FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok()?;
    let function = &FUNCTIONS[at];
    (is_page || !matches!(function.run, Run::Page)).then_some(function)
}

/// An argument that its parameter declares as a text.
fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => unreachable!("the parameter takes texts only"),
    }
}

/// An argument that its parameter declares as a sample; Go fails like this where it is nil.
fn sample(value: &Value) -> Result<&Sample, String> {
    match value {
        Value::Sample(sample) => Ok(sample),
        _ => Err("runtime error: invalid memory address or nil pointer dereference".to_owned()),
    }
}

fn samples(value: &Value) -> &[Arc<Sample>] {
    match value {
        Value::Samples(samples) => samples,
        _ => &[],
    }
}

/// How deep `args` may lie inside one another: who prints or drops them goes down as far.
const MAX_DEPTH: usize = 100;

fn args(values: &[Value]) -> Result<Value, String> {
    let depth = 1 + values.iter().map(Value::depth).max().unwrap_or(0);
    if depth > MAX_DEPTH {
        return Err(format!("args inside one another more than {MAX_DEPTH} times"));
    }
    let name = |index| Text::from(format!("arg{index}"));
    let mut entries: Vec<(Text, Value)> =
        values.iter().enumerate().map(|(index, value)| (name(index), value.clone())).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Value::Args(Arc::new(Args { entries, depth })))
}

fn first(values: &[Value]) -> Result<Value, String> {
    let first = samples(&values[0]).first();
    let first = first.ok_or("first() called on vector with no elements")?;
    Ok(Value::Sample(Arc::clone(first)))
}

fn label(values: &[Value]) -> Result<Value, String> {
    let found = entry(&sample(&values[1])?.labels, text(&values[0]));
    Ok(Value::Text(found.map_or_else(|| "".into(), Arc::clone)))
}

fn value(values: &[Value]) -> Result<Value, String> {
    Ok(sample(&values[0])?.value.clone())
}

fn sort_by_label(values: &[Value]) -> Result<Value, String> {
    let name = text(&values[0]);
    let mut sorted = samples(&values[1]).to_vec();
    sorted.sort_by(|a, b| of(a, name).cmp(of(b, name)));
    Ok(Value::Samples(sorted.into()))
}

fn of<'s>(sample: &'s Sample, name: &str) -> &'s str {
    entry(&sample.labels, name).map_or("", |value| value)
}

fn is_match(values: &[Value]) -> Result<Value, String> {
    let finder = Finder::new(text(&values[0])).map_err(|error| error.to_string())?;
    Ok(Value::Bool(finder.is_match(text(&values[1]))))
}

fn replace_all(values: &[Value]) -> Result<Value, String> {
    let pattern = text(&values[0]);
    let finder = Finder::new(pattern).map_err(|error| {
        let quoted = if pattern.contains('`') {
            model::quote::Quoted(pattern).to_string()
        } else {
            format!("`{pattern}`")
        };
        format!("regexp: Compile({quoted}): {error}")
    })?;
    let replaced = finder.replace_all(text(&values[2]), text(&values[1]), print::MAX_BYTES);
    replaced.map(Value::text).ok_or_else(|| print::TOO_LARGE.to_owned())
}

fn parse_duration(values: &[Value]) -> Result<Value, String> {
    let ms = model::duration::parse_signed(text(&values[0])).map_err(|error| error.to_string())?;
    Ok(Value::Float(ms as f64 / 1000.0))
}

fn to_duration(values: &[Value]) -> Result<Value, String> {
    let seconds = humanize::float(&values[0])?;
    Ok(Value::Clock(Clock::Duration(humanize::truncated(seconds * 1e9))))
}

fn to_time(values: &[Value]) -> Result<Value, String> {
    let seconds = humanize::float(&values[0])?;
    if !seconds.is_finite() {
        return Err("value is NaN or Inf".to_owned());
    }
    Ok(Value::Clock(Clock::Time(humanize::nanos(seconds)?)))
}

#[cfg(test)]
mod tests;
