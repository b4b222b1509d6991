//! The running binary, seen from outside: start, bad input, reload, stop, kill. What one crate can show alone is not here.

mod kill;
mod server;
