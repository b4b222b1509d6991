//! The server binary `firesteel`: the allocator, and the command line handed to the library. Nothing else lives here.

/// Chosen over the allocator of the system, which keeps what queries and churn have freed: see
/// docs/decisions/005-allocator.md for figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run(std::env::args_os())
}
