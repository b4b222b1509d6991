//! metrics.
#![forbid(unsafe_code)]
