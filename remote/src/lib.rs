//! Both ends of remote write and remote read. `receive` takes remote write 1.0 in; no HTTP here, only bodies and
//! headers as values.
#![forbid(unsafe_code)]

pub mod config;
pub mod receive;

pub use receive::{Error, Receiver, negotiate};
