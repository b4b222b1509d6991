//! `check config`: whether configuration files are good, and what of them does nothing here.

use super::{Outcome, Streams};
use crate::config::{Context, load_file};
use clap::{Arg, ArgMatches, Command};

pub(super) fn command() -> Command {
    Command::new("config")
        .about("Check if the config files are valid or not")
        .arg(Arg::new("config-files").required(true).num_args(1..))
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let mut code = 0;
    let context = Context::new(streams.environment);
    for file in args.get_many::<String>("config-files").into_iter().flatten() {
        writeln!(streams.output, "Checking {file}")?;
        let checked = load_file(file, &context).and_then(|config| {
            config.scrape_configs()?;
            Ok(config)
        });
        match checked {
            Ok(config) => {
                writeln!(
                    streams.output,
                    " SUCCESS: {file} is valid prometheus config file syntax"
                )?;
                for name in config.inactive() {
                    writeln!(streams.output, "  WARNING: does nothing yet: {name}")?;
                }
            }
            Err(error) => {
                writeln!(streams.error, "  FAILED: {error}")?;
                code = 1;
            }
        }
        writeln!(streams.output)?;
    }
    Ok(code)
}
