//! Project chores in one language: `cargo xtask tidy`, `cargo xtask ci`. Nothing that ships lives here.
#![forbid(unsafe_code)]

mod ci;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

/// The root of the checkout.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout")
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("tidy") => {
            let findings = tidy::run(root());
            for finding in &findings {
                println!("{finding}");
            }
            println!("tidy: {} findings", findings.len());
            ExitCode::from(u8::from(!findings.is_empty()))
        }
        Some("ci") => ci::run(root()),
        _ => {
            eprintln!("usage: cargo xtask tidy | ci");
            ExitCode::from(2)
        }
    }
}
