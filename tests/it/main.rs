//! Integration tests: everything seen from outside.

mod block;
mod chunk;
mod config;
mod exposition;
mod file_sd;
mod parse;
mod regex;
mod relabel;
mod scalars;
mod wal;
