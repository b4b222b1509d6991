//! Integration tests: everything seen from outside.

mod chunk;
mod exposition;
mod regex;
mod scalars;
mod wal;
