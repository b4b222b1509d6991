//! Where targets come from: configuration, providers, and the manager that merges them per job.
#![forbid(unsafe_code)]

pub mod config;
pub mod file_format;
mod group;

pub use group::TargetGroup;
