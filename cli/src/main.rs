//! The server binary `firesteel`: hands the command line to the library. Nothing else lives here.

fn main() -> std::process::ExitCode {
    cli::run(std::env::args_os())
}
