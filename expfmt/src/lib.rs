//! expfmt.
#![forbid(unsafe_code)]
