//! The language of PromQL test scripts: `load`, `clear`, `eval` with what is expected. Text to commands only; running
//! them is in `run`, the notation of series in `series`.

mod compare;
mod expect;
mod found;
mod histogram;
mod nhcb;
mod pin;
mod run;
mod series;

pub use expect::{Annotation, Pattern};
pub use found::{Found, Reply, Sample, ask};
pub use histogram::HistogramItem;
pub use run::{Case, Database, Outcome, engine_options, run};
pub use series::{Item, SeriesLine, parse_series};

use model::duration;

/// Why a script cannot be read or run.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// A line that is no command, or stands where it cannot.
    #[error("line {line}: {what}")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The storage failed.
    #[error("line {line}: {source}")]
    Storage {
        /// The line of the command, counted from 1.
        line: usize,
        /// What it said.
        source: storage::Error,
    },
}

/// A script.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its commands, each with its line counted from 1.
    pub commands: Vec<(usize, Command)>,
}

/// A command of a script.
#[derive(Clone, Debug)]
pub enum Command {
    /// Drops all series.
    Clear,
    /// Writes samples.
    Load(Load),
    /// Runs a query and compares.
    Eval(Box<Eval>),
}

/// `load 5m` and its series.
#[derive(Clone, Debug)]
pub struct Load {
    /// Distance between samples; the first is at the epoch.
    pub gap_ms: i64,
    /// `load_with_nhcb`: classic histograms are stored with custom buckets, too.
    pub with_nhcb: bool,
    /// The series.
    pub series: Vec<SeriesLine>,
}

/// When a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At one time.
    Instant {
        /// Milliseconds since the epoch.
        at_ms: i64,
    },
    /// At several.
    Range {
        /// The first time.
        start_ms: i64,
        /// No time after this.
        end_ms: i64,
        /// Distance between times.
        step_ms: i64,
    },
}

/// A query and what it must answer.
#[derive(Clone, Debug)]
pub struct Eval {
    /// When.
    pub when: When,
    /// The query.
    pub query: String,
    /// Series with their values, or a scalar.
    pub expected: Expected,
    /// `Some` if it must fail; with what, if given.
    pub fail: Option<Option<Pattern>>,
    /// Results must come in this order.
    pub ordered: bool,
    /// What must be said about warnings and infos.
    pub annotations: Vec<Annotation>,
}

/// What a query must answer with.
#[derive(Clone, Debug)]
pub enum Expected {
    /// These series; one value each for an instant query.
    Series(Vec<SeriesLine>),
    /// A range vector: these series, with values at `start_ms`, `start_ms + step_ms`, ...
    RangeVector {
        /// Time of the first value.
        start_ms: i64,
        /// No value after this.
        end_ms: i64,
        /// Distance between values.
        step_ms: i64,
        /// The series.
        series: Vec<SeriesLine>,
    },
    /// This number.
    Scalar(f64),
    /// This text.
    String(String),
}

impl Script {
    /// Reads a script.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let lines: Vec<&str> = text
            .lines()
            .map(|line| if line.trim_start().starts_with('#') { "" } else { line.trim() })
            .collect();
        let mut commands = Vec::new();
        let mut at = 0;
        while at < lines.len() {
            let head = lines[at];
            let number = at + 1;
            at += 1;
            if head.is_empty() {
                continue;
            }
            let begin = at;
            while at < lines.len() && !lines[at].is_empty() && !head.starts_with("clear") {
                at += 1;
            }
            let command = command(head, &lines[begin..at], number)
                .map_err(|(offset, what)| ScriptError::Line { line: number + offset, what })?;
            commands.push((number, command));
        }
        Ok(Self { commands })
    }
}

/// An error so many lines after the head.
type Parsed<T> = Result<T, (usize, String)>;

fn command(head: &str, body: &[&str], line: usize) -> Parsed<Command> {
    let (word, rest) = head.split_once(char::is_whitespace).unwrap_or((head, ""));
    let rest = rest.trim();
    match word {
        "clear" if rest.is_empty() => Ok(Command::Clear),
        "load" | "load_with_nhcb" => {
            let gap_ms = time(rest)?;
            let series = body
                .iter()
                .enumerate()
                .map(|(index, line)| parse_series(line).map_err(|what| (index + 1, what)))
                .collect::<Parsed<_>>()?;
            Ok(Command::Load(Load { gap_ms, with_nhcb: word == "load_with_nhcb", series }))
        }
        _ if word == "eval" || word.starts_with("eval_") => {
            let mode = word.strip_prefix("eval_").unwrap_or_default();
            Ok(Command::Eval(Box::new(expect::eval(mode, rest, body)?)))
        }
        _ => Err((0, format!("unknown command {word:?} in line {line}"))),
    }
}

/// A duration since the epoch, or between samples.
fn time(text: &str) -> Parsed<i64> {
    duration::parse_signed(text).map_err(|error| (0, error.to_string()))
}

#[cfg(test)]
mod tests;
