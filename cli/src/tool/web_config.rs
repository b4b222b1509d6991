//! `check web-config`: whether web configuration files are good, with the certificates they name.

use super::{Outcome, Streams};
use clap::{Arg, ArgMatches, Command};
use std::path::Path;

pub(super) fn command() -> Command {
    Command::new("web-config")
        .about("Check if the web config files are valid or not")
        .arg(Arg::new("web-config-files").required(true).num_args(1..))
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let mut code = 0;
    for file in args.get_many::<String>("web-config-files").into_iter().flatten() {
        match web::Guard::load(Path::new(file)) {
            Ok(_) => writeln!(streams.error, "{file} SUCCESS")?,
            Err(error) => {
                writeln!(streams.error, "{file} FAILED: {error}")?;
                code = 1;
            }
        }
    }
    Ok(code)
}
