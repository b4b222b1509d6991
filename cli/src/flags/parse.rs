//! The command line read by the table: texts by flag, checked, with the exit code for each mistake.

use super::table::{FLAGS, Flag, Kind, Mode};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;

/// Why the command line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagError {
    /// For the standard error.
    pub message: String,
    /// The exit code of the process.
    pub code: u8,
}

impl FlagError {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { message: message.into(), code }
    }

    /// A value that is not good.
    pub(super) fn value(name: &str, what: impl std::fmt::Display) -> Self {
        Self::new(2, format!("error: --{name}: {what}"))
    }
}

/// The values of all flags as printed, and which of them were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    texts: Vec<Vec<String>>,
    /// Where each was given, counted along the command line.
    given: Vec<Option<usize>>,
}

impl Values {
    fn index(name: &str) -> usize {
        FLAGS.iter().position(|flag| flag.name == name).expect("a flag of the table")
    }

    /// The members of a flag; one for most.
    pub(super) fn list(&self, name: &str) -> &[String] {
        &self.texts[Self::index(name)]
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.list(name).first().map_or("", String::as_str)
    }

    pub(super) fn is_given(&self, name: &str) -> bool {
        self.given[Self::index(name)].is_some()
    }

    pub(super) fn set(&mut self, name: &str, text: String) {
        self.texts[Self::index(name)] = vec![text];
    }

    pub(super) fn switch(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// Milliseconds.
    pub(super) fn duration_ms(&self, name: &str) -> i64 {
        model::duration::parse(self.text(name)).unwrap_or(0)
    }

    /// Bytes.
    pub(super) fn size(&self, name: &str) -> i64 {
        model::size::parse(self.text(name)).unwrap_or(0)
    }

    pub(super) fn int(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// Flags that were given, in that order.
    pub(super) fn given(&self) -> impl Iterator<Item = &'static Flag> {
        let places = FLAGS.iter().zip(&self.given);
        let mut given: Vec<_> =
            places.filter_map(|(flag, place)| Some(((*place)?, flag))).collect();
        given.sort_unstable_by_key(|(place, _)| *place);
        given.into_iter().map(|(_, flag)| flag)
    }

    /// All flags by name.
    pub(super) fn all(&self) -> Vec<(&'static str, String)> {
        let mut all: Vec<(&'static str, String)> = FLAGS
            .iter()
            .zip(&self.texts)
            .filter(|(flag, _)| !flag.ours || self.is_given(flag.name))
            .map(|(flag, texts)| (flag.name, texts.join(",")))
            .collect();
        all.sort_unstable();
        all
    }
}

/// What was asked for.
pub(super) enum Asked {
    Values(Values),
    Help,
    Version,
}

/// The name of the flag that switches `name` off.
fn off(name: &str) -> String {
    format!("no-{name}")
}

pub(super) fn command() -> Command {
    let mut command = Command::new("firesteel")
        .about("A time-series database that takes the place of Prometheus")
        .after_help("Switches take no value: --x switches on, --no-x off.\n'firesteel tool check config FILE' checks a configuration.")
        .disable_version_flag(true)
        .disable_help_flag(true)
        .arg(Arg::new("help").long("help").short('h').action(ArgAction::SetTrue).help("Print this help."))
        .arg(Arg::new("help-long").long("help-long").action(ArgAction::SetTrue).hide(true))
        .arg(Arg::new("help-man").long("help-man").action(ArgAction::SetTrue).hide(true))
        .arg(Arg::new("version").long("version").action(ArgAction::SetTrue).help("Print the version."));
    for flag in FLAGS {
        let arg = Arg::new(flag.name).long(flag.name).hide(flag.hidden);
        let arg = match flag.kind {
            Kind::Switch => arg.action(ArgAction::SetTrue),
            Kind::Texts | Kind::Words(_) => arg.action(ArgAction::Append).value_name("text"),
            kind => arg.action(ArgAction::Set).value_name(value_name(kind)),
        };
        command = command.arg(arg.help(help(flag)));
        if flag.kind == Kind::Switch {
            let no = Arg::new(off(flag.name)).long(off(flag.name)).hide(true);
            command = command.arg(no.action(ArgAction::SetTrue));
        }
    }
    command
}

fn value_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "integer",
        Kind::Float => "number",
        Kind::Duration => "duration",
        Kind::Size => "size",
        _ => "text",
    }
}

fn help(flag: &Flag) -> String {
    let mut help = flag.help.to_owned();
    match flag.mode {
        Mode::Both => {}
        Mode::Server => help.push_str(" Not with --agent."),
        Mode::Agent => help.push_str(" Only with --agent."),
    }
    if let Kind::Word(words) | Kind::Words(words) = flag.kind {
        help.push_str(" One of ");
        help.push_str(&words.join(", "));
        help.push('.');
    }
    if !flag.default.is_empty() {
        help.push_str(" [");
        help.push_str(flag.default);
        help.push(']');
    }
    help
}

/// Puts the lines of a file in the place of each argument `@file`; lines that begin with `#` say nothing.
fn expanded(args: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>, FlagError> {
    let mut expanded = Vec::new();
    for (index, arg) in args.into_iter().enumerate() {
        let file = arg.to_str().and_then(|text| text.strip_prefix('@')).filter(|_| index > 0);
        match file {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|error| {
                    FlagError::new(1, format!("error: arguments file {file:?}: {error}"))
                })?;
                let lines = text.lines().filter(|line| !line.starts_with('#'));
                expanded.extend(lines.map(OsString::from));
            }
            None => expanded.push(arg),
        }
    }
    Ok(expanded)
}

/// Names the flag that takes the fewest changes of letters, where that is another than the library finds.
fn with_nearest(mut error: clap::Error) -> clap::Error {
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.strip_prefix("--").map(str::to_owned),
        _ => None,
    };
    let names = FLAGS.iter().filter(|flag| !flag.hidden).map(|flag| flag.name);
    if let Some(nearest) = unknown.and_then(|unknown| yaml::suggest(&unknown, names))
        && let Some(ContextValue::String(found)) = error.get(ContextKind::SuggestedArg)
        && found.trim_start_matches('-') != nearest
    {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{nearest}")));
        // It is that of the other flag.
        error.remove(ContextKind::Usage);
    }
    error
}

pub(super) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Asked, FlagError> {
    let matches = command().try_get_matches_from(expanded(args)?).map_err(|error| {
        let error = with_nearest(error);
        let code = match error.kind() {
            // A flag that is repeated.
            ErrorKind::ArgumentConflict | ErrorKind::InvalidUtf8 => 2,
            _ => 1,
        };
        FlagError::new(code, error.render().to_string().trim_end().to_owned())
    })?;
    let asks = |name: &str| matches.get_flag(name);
    if asks("help") || asks("help-long") || asks("help-man") {
        return Ok(Asked::Help);
    }
    if asks("version") {
        return Ok(Asked::Version);
    }
    let mut values = Values::default();
    for flag in FLAGS {
        if flag.kind == Kind::Switch && asks(flag.name) && asks(&off(flag.name)) {
            return Err(FlagError::new(
                2,
                format!("error: flag '{}' cannot be repeated", flag.name),
            ));
        }
        let (texts, given) = texts(flag, &matches);
        let texts =
            texts.into_iter().map(|text| checked(flag, text)).collect::<Result<Vec<_>, _>>()?;
        if let (Kind::Words(_), Some(twice)) = (flag.kind, repeated(&texts)) {
            return Err(FlagError::value(flag.name, format!("{twice:?} is given twice")));
        }
        values.texts.push(texts);
        values.given.push(given);
    }
    Ok(Asked::Values(values))
}

fn repeated(texts: &[String]) -> Option<&String> {
    texts
        .iter()
        .enumerate()
        .find(|(index, text)| texts[..*index].contains(text))
        .map(|(_, text)| text)
}

/// The members of a flag and where it was given, if it was.
fn texts(flag: &Flag, matches: &ArgMatches) -> (Vec<String>, Option<usize>) {
    let place = |name: &str| matches.indices_of(name).and_then(|mut places| places.next());
    let default = || match flag.kind {
        Kind::Texts | Kind::Words(_) => {
            flag.default.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect()
        }
        _ => vec![flag.default.to_owned()],
    };
    if flag.kind == Kind::Switch {
        let (name, off_name) = (flag.name, off(flag.name));
        let (on, off) = (matches.get_flag(name), matches.get_flag(&off_name));
        let value = if off { false } else { on || flag.default == "true" };
        let given = if off { place(&off_name) } else { place(name).filter(|_| on) };
        return (vec![value.to_string()], given);
    }
    match matches.get_many::<String>(flag.name) {
        Some(texts) => (texts.cloned().collect(), place(flag.name)),
        None => (default(), None),
    }
}

/// `text` as it is printed, if it is good for the flag.
fn checked(flag: &Flag, mut text: String) -> Result<String, FlagError> {
    if flag.name == "log.level" {
        text.make_ascii_lowercase();
    }
    let wrong = |what: String| FlagError::value(flag.name, what);
    match flag.kind {
        Kind::Switch | Kind::Text | Kind::Texts => Ok(text),
        Kind::Word(words) | Kind::Words(words) if words.contains(&text.as_str()) => Ok(text),
        Kind::Word(words) | Kind::Words(words) => {
            Err(wrong(format!("{text:?} is none of {}", words.join(", "))))
        }
        // What an empty default stands for depends on other flags.
        _ if text.is_empty() && flag.default.is_empty() => match flag.kind {
            Kind::Size => Ok(model::size::format(0)),
            _ => Ok(model::duration::format(0)),
        },
        Kind::Int => match text.parse::<f64>() {
            Ok(value) if value.is_finite() && value.abs() < 9e18 => Ok((value as i64).to_string()),
            _ => Err(wrong(format!("wants an integer, got {text:?}"))),
        },
        Kind::Float => match text.parse::<f64>() {
            Ok(value) => Ok(model::float::general(value)),
            Err(_) => Err(wrong(format!("wants a number, got {text:?}"))),
        },
        Kind::Duration => match model::duration::parse(&text) {
            Ok(ms) => Ok(model::duration::format(ms)),
            Err(error) => Err(wrong(error.to_string())),
        },
        Kind::Size => match model::size::parse(&text) {
            Ok(bytes) => Ok(model::size::format(bytes)),
            Err(error) => Err(wrong(error.to_string())),
        },
    }
}
