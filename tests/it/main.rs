//! Integration tests: everything seen from outside.

mod chunk;
mod exposition;
mod wal;
mod regex;
mod scalars;
