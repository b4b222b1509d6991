//! The one entry of continuous integration, runnable by hand: format, lints, tests, benches in smoke mode.
//! The check against real peers lives in `.ci/run`, which installs them first.

use std::path::Path;
use std::process::{Command, ExitCode};

/// The steps in order; the first that fails ends the run.
const STEPS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("tests", &["test", "--workspace"]),
    // Of the whole workspace, so that what the tests were built from is built no second time, with other features.
    ("benches, each once", &["test", "--workspace", "--bench", "*"]),
];

/// Runs every step from `root`, showing what it does.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]
pub(crate) fn run(root: &Path) -> ExitCode {
    for (name, args) in STEPS {
        println!("== {name}: cargo {}", args.join(" "));
        match Command::new("cargo").args(*args).current_dir(root).status() {
            Ok(status) if status.success() => {}
            Ok(status) => {
                eprintln!("{name} failed ({status})");
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("{name}: cannot run cargo: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
