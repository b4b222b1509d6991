//! `promql format` and `promql label-matchers`: expressions in, pretty expressions out.

use super::{Failure, Outcome, Streams, text};
use clap::{Arg, ArgMatches, Command};
use model::{MatchOp, Matcher};
use promql::{Expr, Features};

fn query() -> Arg {
    Arg::new("query").required(true).help("PromQL query")
}

pub(super) fn format_command() -> Command {
    Command::new("format").about("Format PromQL query to pretty printed form").arg(query())
}

pub(super) fn set_command() -> Command {
    let argument =
        |name: &'static str, help: &'static str| Arg::new(name).required(true).help(help);
    Command::new("set")
        .about("Set a label matcher in the query")
        .arg(
            Arg::new("type")
                .long("type")
                .short('t')
                .value_parser(["=", "!=", "=~", "!~"])
                .default_value("=")
                .help("Type of the label matcher to set"),
        )
        .arg(query())
        .arg(argument("name", "Name of the label matcher to set"))
        .arg(argument("value", "Value of the label matcher to set"))
}

pub(super) fn delete_command() -> Command {
    Command::new("delete")
        .about("Delete a label from the query")
        .arg(query())
        .arg(Arg::new("name").required(true).help("Name of the label to delete"))
}

/// The features that `--enable-feature` names.
fn features(args: &ArgMatches) -> Features {
    let mut features = Features::default();
    let given = args.get_many::<String>("enable-feature").into_iter().flatten();
    for name in given.flat_map(|names| names.split(',')) {
        match name {
            "promql-experimental-functions" => features.experimental_functions = true,
            "promql-extended-range-selectors" => features.extended_range_selectors = true,
            "promql-binop-fill-modifiers" => features.binop_fill_modifiers = true,
            _ => {}
        }
    }
    features
}

fn parse(args: &ArgMatches) -> Result<Expr, Failure> {
    promql::parse(text(args, "query"), &features(args))
        .map_err(|error| Failure::Input(error.to_string()))
}

pub(super) fn format(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    writeln!(streams.output, "{}", promql::pretty(&parse(args)?))?;
    Ok(0)
}

pub(super) fn set(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let op = match text(args, "type") {
        "!=" => MatchOp::NotEqual,
        "=~" => MatchOp::Regex,
        "!~" => MatchOp::NotRegex,
        _ => MatchOp::Equal,
    };
    let (name, value) = (text(args, "name"), text(args, "value"));
    let wanted =
        Matcher::new(name, op, value).map_err(|error| Failure::Input(error.to_string()))?;
    let mut expr = parse(args)?;
    expr.for_each_selector_mut(&mut |selector| {
        let mut found = false;
        for matcher in selector.matchers.iter_mut().filter(|matcher| matcher.name() == name) {
            *matcher = wanted.clone();
            found = true;
        }
        if !found {
            selector.matchers.push(wanted.clone());
        }
    });
    writeln!(streams.output, "{}", promql::pretty(&expr))?;
    Ok(0)
}

pub(super) fn delete(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let name = text(args, "name");
    let mut expr = parse(args)?;
    expr.for_each_selector_mut(&mut |selector| {
        selector.matchers.retain(|matcher| matcher.name() != name);
    });
    writeln!(streams.output, "{}", promql::pretty(&expr))?;
    Ok(0)
}
