//! The binaries: flags, configuration file, wiring, start and stop order. May know every crate; nobody knows it.
#![forbid(unsafe_code)]

pub mod config;
pub mod flags;
pub mod logging;
pub mod tool;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the server with the given command line and returns the exit code of the process.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::from(u8::from(args.into_iter().count() > 1))
}
