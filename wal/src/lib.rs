//! wal.
#![forbid(unsafe_code)]
