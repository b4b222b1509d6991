//! discovery.
#![forbid(unsafe_code)]
