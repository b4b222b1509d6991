//! remote.
#![forbid(unsafe_code)]
