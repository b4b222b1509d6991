//! `query instant|range|series|labels`: asks a server and prints the answer as PromQL does, or as JSON. `analyze` is in
//! a file of its own.

pub(super) mod analyze;
mod answer;

use super::server::{QUERY_TIMEOUT, Server, header, http_config_file};
use super::{Failure, Outcome, Streams, text};
use crate::clock;
use clap::{Arg, ArgAction, ArgMatches, Command};
use model::float;
use model::timestamp::{format_seconds, parse_duration_ns, parse_time};
use serde_json::Value;

/// How far series and labels are looked for by default, in milliseconds both ways.
const FAR_MS: i64 = 9999 * 3_600_000;
/// How far back a range begins by default.
const RANGE_MS: i64 = 5 * 60 * 1000;
/// How many steps a range has by default.
const NUM_STEPS: i64 = 250;

fn option(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help)
}

fn argument(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).required(true).help(help)
}

/// An option that must be given.
fn argument_option(name: &'static str, help: &'static str) -> Arg {
    option(name, help).required(true)
}

fn server() -> Arg {
    argument("server", "Prometheus server to query")
}

fn with_range(command: Command) -> Command {
    command
        .arg(option("start", "Start time (RFC3339 or Unix timestamp)"))
        .arg(option("end", "End time (RFC3339 or Unix timestamp)"))
        .arg(http_config_file())
}

pub(super) fn command() -> Command {
    let matcher = || option("match", "Series selector; can be given several times");
    let format = option("format", "Output format of the query");
    let format = format.short('o').global(true).value_parser(["promql", "json"]);
    let instant = Command::new("instant").about("Run instant query").args([
        option("time", "Query evaluation time (RFC3339 or Unix timestamp)"),
        http_config_file(),
        header(),
        server(),
        argument("expr", "PromQL query expression"),
    ]);
    let range = with_range(Command::new("range").about("Run range query")).args([
        option("step", "Query step size (duration)"),
        header(),
        server(),
        argument("expr", "PromQL query expression"),
    ]);
    let series = with_range(Command::new("series").about("Run series query"))
        .args([matcher().required(true).action(ArgAction::Append), server()]);
    let labels = with_range(Command::new("labels").about("Run labels query")).args([
        matcher().action(ArgAction::Append),
        server(),
        argument("name", "Label name to provide label values for"),
    ]);
    Command::new("query")
        .about("Run query against a Prometheus server")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(format.default_value("promql"))
        .subcommands([instant, range, series, labels, analyze::command()])
}

fn time(args: &ArgMatches, name: &str, what: &str, default_ms: i64) -> Result<i64, Failure> {
    match text(args, name) {
        "" => Ok(default_ms),
        text => parse_time(text)
            .map_err(|error| Failure::Input(format!("error parsing {what} time: {error}"))),
    }
}

/// The data of an answer, which is an error unless it says `success`.
fn data(body: &[u8], status: u16) -> Result<Value, Failure> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| {
        Failure::Input(format!("query error: status {status}, and the answer is no JSON: {error}"))
    })?;
    if answer["status"] == "success" {
        return Ok(answer["data"].clone());
    }
    let field = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    Err(Failure::Input(format!("query error: {}: {}", field("errorType"), field("error"))))
}

fn post(server: &Server, path: &str, form: &[(&str, &str)]) -> Result<Value, Failure> {
    let answer = server.post(path, form)?;
    data(&answer.body, answer.status)
}

pub(super) fn instant(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let server = Server::new(text(args, "server"), args)?;
    let at = format_seconds(time(args, "time", "evaluation", clock::now_ms())?);
    let form = [("query", text(args, "expr")), ("time", at.as_str())];
    let data = post(&server, "/api/v1/query", &form)?;
    print(args, &data, streams)
}

pub(super) fn range(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let server = Server::new(text(args, "server"), args)?;
    let end_ms = time(args, "end", "end", clock::now_ms())?;
    let start_ms = time(args, "start", "start", end_ms.saturating_sub(RANGE_MS))?;
    if start_ms >= end_ms {
        return Err(Failure::Input("start time is not before end time".to_owned()));
    }
    let step = match text(args, "step") {
        "" => ((end_ms - start_ms) / 1000 / NUM_STEPS).max(1) as f64,
        step => {
            let nanos = parse_duration_ns(step)
                .map_err(|error| Failure::Input(format!("--step: {error}")))?;
            nanos as f64 / 1e9
        }
    };
    let (start, end) = (format_seconds(start_ms), format_seconds(end_ms));
    let step = float::fixed(step);
    let form = [
        ("end", end.as_str()),
        ("query", text(args, "expr")),
        ("start", start.as_str()),
        ("step", step.as_str()),
    ];
    let data = post(&server, "/api/v1/query_range", &form)?;
    print(args, &data, streams)
}

/// Start and end of a search for series, and its selectors, as a form.
fn search<'a>(
    args: &'a ArgMatches,
    (start, end): &'a (String, String),
) -> Vec<(&'static str, &'a str)> {
    let mut form = vec![("end", end.as_str())];
    let matchers = args.get_many::<String>("match").into_iter().flatten();
    form.extend(matchers.map(|text| ("match[]", text.as_str())));
    form.push(("start", start.as_str()));
    form
}

fn bounds(args: &ArgMatches) -> Result<(String, String), Failure> {
    let now_ms = clock::now_ms();
    let start_ms = time(args, "start", "start", now_ms - FAR_MS)?;
    let end_ms = time(args, "end", "end", now_ms + FAR_MS)?;
    Ok((format_seconds(start_ms), format_seconds(end_ms)))
}

pub(super) fn series(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let server = Server::new(text(args, "server"), args)?;
    let bounds = bounds(args)?;
    let data = post(&server, "/api/v1/series", &search(args, &bounds))?;
    if text(args, "format") == "json" {
        writeln!(streams.output, "{}", answer::json(&data))?;
        return Ok(0);
    }
    for series in data.as_array().into_iter().flatten() {
        writeln!(streams.output, "{}", answer::label_set(series, false))?;
    }
    Ok(0)
}

pub(super) fn labels(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let server = Server::new(text(args, "server"), args)?;
    let bounds = bounds(args)?;
    let path = format!("/api/v1/label/{}/values", text(args, "name"));
    let (status, body) = server.get(&path, &search(args, &bounds), QUERY_TIMEOUT)?;
    if status != 200 {
        return Err(Failure::Input(format!("query error: the server answered status {status}")));
    }
    let data = data(&body, status)?;
    if text(args, "format") == "json" {
        writeln!(streams.output, "{}", answer::json(&data))?;
        return Ok(0);
    }
    for value in data.as_array().into_iter().flatten() {
        writeln!(streams.output, "{}", value.as_str().unwrap_or_default())?;
    }
    Ok(0)
}

/// Writes a result of `query` or `query_range`.
fn print(args: &ArgMatches, data: &Value, streams: &mut Streams<'_>) -> Outcome {
    let text = match text(args, "format") {
        "json" => answer::json(&data["result"]),
        _ => answer::promql(data),
    };
    writeln!(streams.output, "{text}")?;
    Ok(0)
}
