//! The server binary `firesteel`: the allocator, and the command line handed to the library. Nothing else lives here.

/// Gives pages back after queries and churn and needs no more than a C compiler; the figures in `benches/runs` are
/// with it. Its gain over the allocator of the system is not measured yet: docs/decisions/005-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run(std::env::args_os())
}
