//! The binaries: flags, configuration file, wiring, start and stop order. May know every crate; nobody knows it.
//! Reading order: `flags` (what was typed), `settings` (what it comes to), `serve` (start, loop, stop), `reload`.
#![forbid(unsafe_code)]

mod admin;
mod allocator;
mod clock;
pub mod config;
mod error;
pub mod flags;
mod import;
mod late;
pub mod logging;
mod maintain;
mod open_files;
mod peers;
mod profile;
mod reload;
mod running_queries;
mod serve;
mod settings;
mod signals;
mod signers;
mod status;
mod storage;
pub mod tool;

pub use error::Error;

use flags::{Flags, Start};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// Runs the server, or a tool, with the given command line and returns the exit code of the process.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|word| word == "tool") {
        let words: Vec<String> =
            args[2..].iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let mut streams = tool::Streams {
            input: &mut std::io::stdin().lock(),
            output: &mut std::io::BufWriter::new(std::io::stdout().lock()),
            error: &mut std::io::stderr().lock(),
            environment: &|name| std::env::var(name).ok(),
        };
        return ExitCode::from(tool::run(&words, &mut streams));
    }
    match flags::parse(args, &status::hostname()) {
        Ok(Start::Print(text)) => {
            print(std::io::stdout(), &text);
            ExitCode::SUCCESS
        }
        Ok(Start::Serve(flags)) => serve(&flags),
        Err(error) => {
            print(std::io::stderr(), &format!("{}\n", error.message));
            ExitCode::from(error.code)
        }
    }
}

fn serve(flags: &Flags) -> ExitCode {
    let format = logging::Format::from_name(&flags.log_format);
    logging::init(&flags.log_level, format, clock::now_ms);
    let ended = settings::from_flags(flags).and_then(|settings| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("firesteel")
            .build()
            .map_err(|source| Error::Io { what: "start the runtime", source })?;
        let ended = runtime.block_on(serve::serve(settings));
        // Whatever still blocks has nothing left to say: the database is closed.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match format {
                // Who reads JSON gets nothing else.
                logging::Format::Json => tracing::error!(err = %error, "Fatal error"),
                // Errors of the configuration span lines and point at one; a log line would fold them.
                logging::Format::Logfmt => {
                    print(std::io::stderr(), &format!("firesteel: {error}\n"));
                }
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Writes to a standard stream; if that is gone there is nobody left to tell.
fn print(mut stream: impl Write, text: &str) {
    drop(stream.write_all(text.as_bytes()));
}
