//! web.
#![forbid(unsafe_code)]
