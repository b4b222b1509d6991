//! The running binary, seen from outside: start, bad input, reload, stop, kill. What one crate can show alone is not here.

#![expect(clippy::print_stdout, reason = "how many recorded lines agree is worth seeing")]

mod audit;
mod budget;
mod clients;
mod families;
mod forward;
mod import;
mod kill;
mod profiles;
mod push;
mod queries;
mod reload;
mod replay;
mod server;
