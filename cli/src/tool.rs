//! `firesteel tool ...`: work on files and servers from the command line, with the commands, options and output of
//! promtool. Reading order: here (which command), then one file per command; `text` is how they print.

mod analyze;
mod bench;
mod check_config;
mod check_metrics;
mod check_service_discovery;
mod create_blocks;
mod dump;
mod expressions;
mod list;
mod push;
mod query;
mod server;
mod text;
mod web_config;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

/// What a tool reads and writes besides files.
pub struct Streams<'a> {
    /// The standard input.
    pub input: &'a mut dyn Read,
    /// The standard output.
    pub output: &'a mut dyn Write,
    /// The standard error.
    pub error: &'a mut dyn Write,
    /// The environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streams")
    }
}

/// Why a tool gave up; one line for the standard error.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The database cannot be read or written.
    #[error(transparent)]
    Database(#[from] tsdb::Error),
    /// Blocks cannot be read or written.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A file or stream cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A selector or a file that was given is wrong.
    #[error("{0}")]
    Input(String),
}

/// The exit code of a tool that came to its end.
type Outcome = Result<u8, Failure>;

/// Commands of promtool that are not here: they need parts of the server that are not built.
const NOT_BUILT: [&str; 6] = [
    "check rules",
    "create-blocks-from rules",
    "debug all",
    "debug metrics",
    "debug pprof",
    "test rules",
];

/// The command of promtool that `args` ask for, if it is one that is not built.
fn not_built(args: &[String]) -> Option<&'static str> {
    let words: Vec<&str> =
        args.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let asked = |name: &&&str| {
        let name: Vec<&str> = name.split(' ').collect();
        words.windows(name.len()).any(|run| run == name)
    };
    NOT_BUILT.iter().find(asked).copied()
}

/// Where a database is unless said otherwise.
const DEFAULT_DB_PATH: &str = "data/";

fn commands() -> Command {
    let group = |name: &'static str, about: &'static str| {
        Command::new(name).about(about).subcommand_required(true).arg_required_else_help(true)
    };
    let features = Arg::new("enable-feature")
        .long("enable-feature")
        .global(true)
        .action(ArgAction::Append)
        .help("Comma separated feature names to enable");
    group("tool", "Tooling for the Firesteel and Prometheus monitoring systems")
        .bin_name("firesteel tool")
        .disable_help_subcommand(true)
        .arg(features)
        .arg(switch("experimental", None, "Enable experimental commands").global(true))
        .subcommand(group("check", "Check the resources for validity").subcommands([
            check_config::command(),
            check_metrics::command(),
            check_service_discovery::command(),
            server::healthy_command(),
            server::ready_command(),
            web_config::command(),
        ]))
        .subcommand(query::command())
        .subcommand(push::command())
        .subcommand(
            group("promql", "PromQL formatting and editing; requires --experimental")
                .subcommand(expressions::format_command())
                .subcommand(
                    group("label-matchers", "Edit label matchers of a PromQL query")
                        .subcommands([expressions::set_command(), expressions::delete_command()]),
                ),
        )
        .subcommand(
            group("tsdb", "Run tsdb commands").subcommands([
                group("bench", "Run benchmarks").subcommand(bench::command()),
                analyze::command(),
                list::command(),
                dump::command(),
                dump::openmetrics_command(),
                group("create-blocks-from", "Import samples and write blocks")
                    .subcommand(create_blocks::command()),
            ]),
        )
}

/// Runs the tool that `args`, the words after `tool`, ask for; answers the exit code.
pub fn run(args: &[String], streams: &mut Streams<'_>) -> u8 {
    let words = std::iter::once("firesteel tool").chain(args.iter().map(String::as_str));
    let matches = match commands().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => {
            if error.kind() == ErrorKind::InvalidSubcommand
                && let Some(name) = not_built(args)
            {
                drop(writeln!(streams.error, "{name} is not built yet; promtool has it"));
                return 1;
            }
            let is_help = error.kind() == ErrorKind::DisplayHelp;
            let stream: &mut dyn Write =
                if is_help { &mut *streams.output } else { &mut *streams.error };
            // Whoever does not listen needs no help.
            drop(write!(stream, "{}", error.render()));
            return u8::from(!is_help);
        }
    };
    let ended = dispatch(&matches, streams).and_then(|code| {
        streams.output.flush()?;
        Ok(code)
    });
    match ended {
        Ok(code) => code,
        // The reader of a pipe has seen enough.
        Err(Failure::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(failure) => {
            drop(writeln!(streams.error, "{failure}"));
            1
        }
    }
}

fn dispatch(matches: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let mut path = Vec::new();
    let mut args = matches;
    while let Some((name, inner)) = args.subcommand() {
        path.push(name);
        args = inner;
    }
    if path.first() == Some(&"promql") && !args.get_flag("experimental") {
        let what = "This command is experimental and requires the --experimental flag to be set.";
        return Err(Failure::Input(what.to_owned()));
    }
    match path[..] {
        ["check", "config"] => check_config::run(args, streams),
        ["check", "metrics"] => check_metrics::run(args, streams),
        ["check", "service-discovery"] => check_service_discovery::run(args, streams),
        ["check", "healthy"] => server::check(args, "/-/healthy", streams),
        ["check", "ready"] => server::check(args, "/-/ready", streams),
        ["check", "web-config"] => web_config::run(args, streams),
        ["query", "instant"] => query::instant(args, streams),
        ["query", "range"] => query::range(args, streams),
        ["query", "series"] => query::series(args, streams),
        ["query", "labels"] => query::labels(args, streams),
        ["query", "analyze"] => query::analyze::run(args, streams),
        ["push", "metrics"] => push::run(args, streams),
        ["promql", "format"] => expressions::format(args, streams),
        ["promql", "label-matchers", "set"] => expressions::set(args, streams),
        ["promql", "label-matchers", "delete"] => expressions::delete(args, streams),
        ["tsdb", "bench", "write"] => bench::run(args, streams),
        ["tsdb", "analyze"] => analyze::run(args, streams),
        ["tsdb", "list"] => list::run(args, streams),
        ["tsdb", "dump"] => dump::run(args, streams),
        ["tsdb", "dump-openmetrics"] => dump::run_openmetrics(args, streams),
        ["tsdb", "create-blocks-from", "openmetrics"] => create_blocks::run(args, streams),
        _ => unreachable!("every command of the table is dispatched"),
    }
}

/// The argument that names a data directory.
fn db_path() -> Arg {
    Arg::new("db path").default_value(DEFAULT_DB_PATH).help("Database path")
}

/// A switch with a long and a short name.
fn switch(name: &'static str, short: Option<char>, help: &'static str) -> Arg {
    let switch = Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    match short {
        Some(short) => switch.short(short),
        None => switch,
    }
}

fn text<'a>(args: &'a ArgMatches, name: &str) -> &'a str {
    args.get_one::<String>(name).map_or("", String::as_str)
}

fn open(args: &ArgMatches) -> Result<tsdb::ReadOnlyDb, Failure> {
    Ok(tsdb::ReadOnlyDb::open(disk(), Path::new(text(args, "db path")))?)
}

fn disk() -> Arc<dyn disk::Disk> {
    Arc::new(disk::RealDisk)
}

fn selector(text: &str) -> Result<Vec<model::Matcher>, Failure> {
    promql::parse_selector(text).map_err(|error| Failure::Input(error.to_string()))
}
