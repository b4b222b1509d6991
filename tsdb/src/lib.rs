//! tsdb.
#![forbid(unsafe_code)]
