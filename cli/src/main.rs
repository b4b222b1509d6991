//! The server binary `firesteel`: the allocator, and the command line handed to the library. Nothing else lives here.

/// Packs closely and gives pages back from a thread of its own; its settings are in `.cargo/config.toml`, why it was
/// chosen in docs/decisions/005-allocator.md.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    cli::run(std::env::args_os())
}
